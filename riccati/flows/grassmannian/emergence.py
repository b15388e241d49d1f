"""Emergence times on the exact chart solution.

From dG_mm/dτ = 2 a_m G_mm - 2 (GAG)_mm and (GAG)_mm ≥ a_m G_mm², the log-odds of G_mm grow no faster than 2 a_m. So a
march by (logit level - logit G_mm)/(2 a_m) never steps over the crossing. Once it is within reach, the crossing is
found by a bracketing root finder on the exact map. Derived in derivations/riccati_equation.py. With negative a_n, whose
part of (GAG)_mm is at least -|a_n| (G_mm - G_mm²), they grow no faster than 2(a_m + max|a_n|): derivations/teachers.py.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...numerics import first_reached, log_odds
from ...problem import Problem, riccati_rate
from ...support import is_traced, progress
from .chart import Chart
from .correlated import correlated_emergence_times
from .initial_chart import opened, weights_of
from .log_odds import TOLERANCE, LogOdds, carried, crossings_in

_REACH = 3.0  # growth e^3 before a change of chart is wanted: the root finder stays in one chart


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
    if problem.teacher.frame is not None:
        return correlated_emergence_times(problem, times, level)
    assert alignment is not None
    a = np.asarray(problem.teacher.a)
    a = a - min(a.min(), 0.0)
    rate = float(riccati_rate(problem.teacher))
    ends = rate * np.asarray(times)
    emergence = np.full(len(a), np.inf)
    first_output = first_reached(np.asarray(alignment) >= level)
    crossed = first_output < len(ends)

    # opened as for the output times, which has been compiled; only the span moves on
    chart = opened(weights_of(problem, with_norms=with_norms))
    chart = dataclasses.replace(chart, J=jax.device_put(np.zeros((0, chart.J.shape[1]))), fading=None)
    now: float = np.float64(0.0)  # as output times are, or the first would compile anew
    with progress(int(crossed.sum()), "emergence times") as bar:
        for g in np.unique(first_output[crossed]):
            left = ends[g - 1] if g else np.float64(0.0)
            chart = carried(chart, left - now)
            pending = np.flatnonzero(crossed & (first_output == g))
            found, chart, now = _march(chart, a, pending, left, ends[g], level)
            emergence[pending] = found
            bar.update(len(pending))
    return jnp.asarray(emergence / rate)


def _march(
    chart: Chart, a: np.ndarray, pending: np.ndarray, now: float, end: float, level: float
) -> tuple[np.ndarray, Chart, float]:
    """Riccati times in (now, end] at which the pending directions cross, all of which do; `a` bounds their speeds."""
    found = np.full(len(pending), np.inf)
    goal = float(log_odds(level))
    while True:
        ahead = goal - LogOdds(chart, 0.0)(0.0, pending)
        found[np.isinf(found) & (ahead <= 0)] = now
        waiting = np.isinf(found)
        fastest = max(float(np.abs(chart.row_rate).max()), -float(np.asarray(chart.column_rate).min()))
        span = min(_REACH / fastest, end - now) if fastest > 0 else end - now
        if span <= 0:  # the output time itself, to rounding
            found[waiting] = end
        with np.errstate(divide="ignore", invalid="ignore"):  # the slowest of negative rates cannot gain on the others
            safe = np.where(waiting, ahead / (2 * a[pending]), np.inf)
        near = safe <= span
        if near.any():
            found[near] = now + crossings_in(LogOdds(chart, span), span, goal, pending[near], TOLERANCE * (now + span))
            waiting = np.isinf(found)
        if not waiting.any():
            return found, chart, now
        step = min(max(span, safe[waiting].min()), end - now)
        chart, now = carried(chart, step), now + step
