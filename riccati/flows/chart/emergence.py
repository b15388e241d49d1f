"""Emergence times on the exact chart solution.

From dG_mm/dτ = 2 a_m G_mm - 2 (GAG)_mm and (GAG)_mm ≥ a_m G_mm², the log-odds of G_mm grow no faster than 2 a_m. So a
march by (logit level - logit G_mm)/(2 a_m) never steps over the crossing. Once it is within reach, the crossing is
found by a bracketing root finder on the exact map. Derived in derivations/riccati_equation.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Int
from scipy.optimize import brentq

from ...numerics import compiled_quickly, first_reached
from ...problem import Problem, riccati_rate
from ...support import is_traced, progress
from .chart import Chart, carry
from .growing import GrowingGram
from .opening import opened, weights_of

_REACH = 3.0  # growth e^3 before a change of chart is wanted: the root finder stays in one chart
_TOLERANCE = 4 * np.finfo(float).eps

_carry = compiled_quickly(donate_argnums=0)(carry)


def chart_emergence_times(
    problem: Problem,
    times: Float[Array, " T"],
    alignment: Float[Array, "T M"] | None,
    level: float,
    *,
    with_norms: bool,
) -> Float[Array, " M"]:
    """First times, canonical, at which G_mm reaches `level`; bracketed by `alignment` at `times`.

    `with_norms` is what the output times were followed with.
    """
    if is_traced(problem, times):
        raise TypeError(
            "Emergence times of an exact k = 2 flow need concrete arrays: ask for them outside jit and grad."
        )
    assert alignment is not None
    a = np.asarray(problem.teacher.a)
    rate = float(riccati_rate(problem.teacher))
    ends = rate * np.asarray(times)
    emergence = np.full(len(a), np.inf)
    first_output = first_reached(np.asarray(alignment) >= level)
    crossed = first_output < len(ends)

    # opened as for the output times, which has been compiled; only the span moves on
    chart = opened(weights_of(problem, with_norms=with_norms))
    chart = eqx.tree_at(lambda c: c.J, chart, jax.device_put(np.zeros((0, chart.J.shape[1]))))
    now: float = np.float64(0.0)  # as output times are, or the first would compile anew
    with progress(int(crossed.sum()), "emergence times") as bar:
        for g in np.unique(first_output[crossed]):
            left = ends[g - 1] if g else np.float64(0.0)
            chart = _carry(chart, left - now)
            pending = np.flatnonzero(crossed & (first_output == g))
            found, chart, now = _march(chart, a, pending, left, ends[g], level)
            emergence[pending] = found
            bar.update(len(pending))
    return jnp.asarray(emergence / rate)


def _march(
    chart: Chart, a: np.ndarray, pending: np.ndarray, now: float, end: float, level: float
) -> tuple[np.ndarray, Chart, float]:
    """Riccati times in (now, end] at which the pending directions cross, all of which do."""
    found = np.full(len(pending), np.inf)
    goal = np.log(level / (1 - level))
    while True:
        ahead = goal - LogOdds(chart, 0.0)(0.0, pending)
        found[np.isinf(found) & (ahead <= 0)] = now
        waiting = np.isinf(found)
        fastest = float(np.asarray(chart.row_rate).max())
        span = min(_REACH / fastest, end - now) if fastest > 0 else end - now
        if span <= 0:  # the output time itself, to rounding
            found[waiting] = end
        safe = np.where(waiting, ahead / (2 * a[pending]), np.inf)
        near = safe <= span
        if near.any():
            found[near] = now + _roots(LogOdds(chart, span), span, goal, pending[near], _TOLERANCE * (now + span))
            waiting = np.isinf(found)
        if not waiting.any():
            return found, chart, now
        step = min(max(span, safe[waiting].min()), end - now)
        chart, now = _carry(chart, step), now + step


def _roots(odds: LogOdds, span: float, goal: float, directions: np.ndarray, tolerance: float) -> np.ndarray:
    """Where the log-odds of each direction reach `goal` within the span, inf where they do not."""
    roots = np.where(odds(0.0, directions) >= goal, 0.0, np.inf)  # at the span's begin, to rounding
    for n in np.flatnonzero((roots > 0) & (odds(span, directions) >= goal)):
        alone = directions[n : n + 1]
        roots[n] = brentq(lambda x, m=alone: odds(x, m)[0] - goal, 0.0, span, xtol=tolerance, rtol=_TOLERANCE)
    return roots


class LogOdds:
    """log G_mm/(1 - G_mm) after a time 0 ≤ x ≤ `span`, in the same chart."""

    def __init__(self, chart: Chart, span: float):
        self._B, self._row_rate = np.asarray(chart.B), np.asarray(chart.row_rate)
        self._column_rate = np.asarray(chart.column_rate)
        self._gram = GrowingGram(self._B, self._row_rate, span)
        # where each direction stands: among B's rows, or among the pivots, whose places follow
        names = np.concatenate([chart.row, chart.column])
        self._place = np.empty(len(names), int)
        self._place[names] = np.arange(len(names))

    def __call__(self, x: float, directions: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Of some directions, by number."""
        rows, neurons = self._B.shape
        shrink = np.exp(-self._column_rate * x)
        L = np.linalg.cholesky(np.eye(neurons) + shrink[:, None] * self._gram(x) * shrink)
        place = self._place[directions]
        at = np.minimum(place, rows - 1)
        b = self._B[at] * np.exp(self._row_rate[at] * x)[:, None] * shrink
        X = np.where((place < rows)[:, None], b, np.eye(neurons)[np.maximum(place - rows, 0)])
        G = np.sum(scipy.linalg.solve_triangular(L, X.T, lower=True) ** 2, axis=0)
        with np.errstate(divide="ignore"):
            return np.log(G) - np.log1p(-np.minimum(G, 1.0))
