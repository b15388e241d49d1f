"""Emergence times on the exact chart solution.

From dG_mm/dτ = 2 a_m G_mm - 2 (GAG)_mm and (GAG)_mm ≥ a_m G_mm², the log-odds of G_mm grow no faster than 2 a_m. So a
march by (logit level - logit G_mm)/(2 a_m) never steps over the crossing. Once it is within reach, the crossing is
found by a bracketing root finder on the exact map. Derived in derivations/riccati_equation.py.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import brentq

from ...numerics import first_reached
from ...problem import Problem, riccati_rate
from ...support import is_traced, progress
from .chart import Chart, advance, first_chart
from .subspace import weighted_grams

_AT_ONCE = 8
_REACH = 3.0  # growth e^3 before a change of chart is wanted: the root finder stays in one chart
_TOLERANCE = 4 * np.finfo(float).eps

_first_chart = jax.jit(first_chart, static_argnums=3)
_advance = jax.jit(advance, donate_argnums=0)


def chart_emergence_times(
    problem: Problem, times: Float[Array, " T"], alignment: Float[Array, "T M"] | None, level: float
) -> Float[Array, " M"]:
    """First times, canonical, at which G_mm reaches `level`; bracketed by `alignment` at `times`."""
    teacher, start = problem.teacher, problem.full_start
    if is_traced(problem, times):
        raise TypeError(
            "Emergence times of an exact k = 2 flow need concrete arrays: ask for them outside jit and grad."
        )
    assert alignment is not None
    rate = float(riccati_rate(teacher))
    ends = rate * np.asarray(times)
    emergence = np.full(teacher.width, np.inf)
    first_output = first_reached(np.asarray(alignment) >= level)
    crossed = first_output < len(ends)

    chart, now = _first_chart(start.teacher_overlaps, start.residual_factor, teacher.a, False), 0.0
    with progress(int(crossed.sum()), "emergence times") as bar:
        for g in np.unique(first_output[crossed]):
            left = ends[g - 1] if g else 0.0
            chart = _advance(chart, teacher.a, left - now)
            pending = np.flatnonzero(crossed & (first_output == g))
            found, chart, now = _march(chart, teacher.a, pending, left, ends[g], level)
            emergence[pending] = found
            bar.update(len(pending))
    return jnp.asarray(emergence / rate)


def _march(
    chart: Chart, a: Array, pending: np.ndarray, now: float, end: float, level: float
) -> tuple[np.ndarray, Chart, float]:
    """Riccati times in (now, end] at which the pending directions cross, all of which do."""
    slope = 2 * np.asarray(a)[pending]
    goal = np.log(level / (1 - level))
    found = np.full(len(pending), np.inf)
    reach = _REACH / float(a.max())
    # asked for in fixed numbers, or every number of pending directions would compile anew
    asked = np.resize(pending, -(-len(pending) // _AT_ONCE) * _AT_ONCE)

    def gaps(interval: float) -> np.ndarray:
        return goal - np.asarray(log_odds_after(chart, interval, asked))[: len(pending)]

    while np.isinf(found).any():
        ahead = gaps(0.0)
        found[np.isinf(found) & (ahead <= 0)] = now
        waiting = np.isinf(found)
        if not waiting.any():
            break
        span = min(reach, end - now)
        if span <= 0:  # the output time itself, to rounding
            found[waiting] = end
            break
        safe = ahead / slope
        near = waiting & (safe <= span)
        if near.any():
            for n in np.flatnonzero(near & (gaps(span) <= 0)):
                root = brentq(lambda x, n=n: gaps(x)[n], 0.0, span, xtol=_TOLERANCE * end, rtol=_TOLERANCE)
                found[n] = now + root
        step = min(max(span, float(safe[waiting].min())), end - now)
        chart, now = _advance(chart, a, step), now + step
    return found, chart, now


@jax.jit
def log_odds_after(chart: Chart, interval: Float[Array, ""], directions: Int[Array, " n"]) -> Float[Array, " n"]:
    """log G_mm/(1 - G_mm) of some directions after `interval`, in the same chart."""
    neurons = chart.B.shape[1]
    shrink = jnp.exp(-chart.column_rate * interval)
    (S,) = weighted_grams(chart.B, jnp.exp(2 * chart.row_rate * interval))
    L = jnp.linalg.cholesky(jnp.eye(neurons) + shrink[:, None] * S * shrink)
    rows, columns = jnp.arange(chart.row.shape[0]), jnp.arange(neurons)
    # where each direction stands: among B's rows, or among the pivots, one past the end of the other
    total = rows.shape[0] + neurons
    at_row = jnp.full(total, -1).at[chart.row].set(rows)[directions]
    at_column = jnp.full(total, -1).at[chart.column].set(columns)[directions]
    b = chart.B[at_row] * jnp.exp(chart.row_rate[at_row] * interval)[:, None] * shrink
    pivot = jax.nn.one_hot(at_column, neurons, dtype=b.dtype)
    X = jnp.where((at_row >= 0)[:, None], b, pivot)
    G = jnp.sum(jax.scipy.linalg.solve_triangular(L, X.T, lower=True) ** 2, axis=0)
    return jnp.log(G) - jnp.log1p(-G)
