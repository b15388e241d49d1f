"""Emergence times of the exact k = 2 flows: the first time at which G_mm = ||P θ_m||² reaches a level.

Orthonormal directions. From dG_mm/dτ = 2 a_m G_mm - 2 (GAG)_mm and (GAG)_mm ≥ a_m G_mm² the log-odds of G_mm grow at
most at the rate 2 a_m, so steps of (logit level - logit G_mm)/(2 a_m) never pass a crossing. With negative a_n, whose
part of (GAG)_mm is at least -|a_n| (G_mm - G_mm²), the rate is at most 2(a_m + max|a_n|). Once a crossing is within
reach, a bracketing root finder finds it on the exact solution.

Correlated directions are no eigenvectors of S*, and their alignments rise and fall. With Λ the operator S*,
dP/dτ = H + Hᵀ, H = (I - P)ΛP, so an angle φ, sin²φ = ||P θ||², moves at most at the rate κ = ||H||, and κ grows at most
at the rate D, the spread of Λ's eigenvalues. Within a time s an angle moves by at most κ(e^{Ds} - 1)/D, so steps of
log(1 + D Δφ/κ)/D never pass a crossing.

Derived in derivations/riccati_equation.py and derivations/teachers.py.
"""

from __future__ import annotations

import jax
import numpy as np
import scipy
from jaxtyping import Array, Float

from ...numerics import first_reached, log_odds
from ...problem import Problem, riccati_rate
from ...support import is_traced, progress
from .chart import Chart, carry
from .initial_chart import initial_chart_of, initial_weights_of
from .log_odds import TOLERANCE, LogOdds, crossings_in

_LEAST = 0.02  # of 1/D: an excursion above the level that is shorter may be missed
_REACH = 3.0  # growth e^3 before a change of chart is wanted: the root finder stays in one chart


def chart_emergence_times(
    problem: Problem,
    times: Float[Array, " T"],
    alignment: Float[Array, "T M"] | None,
    level: float,
) -> Float[Array, " M"]:
    """The canonical times at which each G_mm first reaches `level` up to times[-1], (M,); inf where it does not.

    For orthonormal directions `alignment` at the output `times` brackets the crossings; correlated ones need no
    bracket.

    Raises:
        TypeError: under jit or grad, where the march, whose length depends on the numbers, cannot be run.
    """
    if is_traced(problem, times):
        raise TypeError(
            "Emergence times of an exact k = 2 flow need concrete arrays: ask for them outside jit and grad."
        )
    if problem.teacher.frame is not None:
        return _of_correlated_directions(problem, times, level)
    assert alignment is not None
    a = np.asarray(problem.teacher.a)
    a = a - min(a.min(), 0.0)
    rate = float(riccati_rate(problem.teacher))
    ends = rate * np.asarray(times)
    emergence = np.full(len(a), np.inf)
    first_output = first_reached(np.asarray(alignment) >= level)
    crossed = first_output < len(ends)

    chart, now = initial_chart_of(initial_weights_of(problem, with_norms=False)), 0.0
    with progress(int(crossed.sum()), "emergence times") as bar:
        for g in np.unique(first_output[crossed]):
            left = ends[g - 1] if g else 0.0
            chart = carry(chart, left - now)
            pending = np.flatnonzero(crossed & (first_output == g))
            crossing, chart, now = _march(chart, a, pending, left, ends[g], level)
            emergence[pending] = crossing
            bar.update(len(pending))
    return jax.device_put(emergence / rate)


def _march(
    chart: Chart, a: np.ndarray, pending: np.ndarray, now: float, end: float, level: float
) -> tuple[np.ndarray, Chart, float]:
    """Riccati times in (now, end] at which the `pending` directions cross, as all of them do, with the chart after it.

    `a` (M,) bounds the rates at which log-odds grow, by 2a.
    """
    crossing = np.full(len(pending), np.inf)
    goal = float(log_odds(level))
    while True:
        ahead = goal - LogOdds(chart, 0.0)(0.0, pending)
        crossing[np.isinf(crossing) & (ahead <= 0)] = now
        waiting = np.isinf(crossing)
        fastest = max(float(np.abs(chart.row_rate).max()), -float(np.asarray(chart.column_rate).min()))
        span = min(_REACH / fastest, end - now) if fastest > 0 else end - now
        if span <= 0:  # the output time itself, to rounding
            crossing[waiting] = end
        with np.errstate(divide="ignore", invalid="ignore"):  # the slowest of negative rates cannot gain on the others
            safe = np.where(waiting, ahead / (2 * a[pending]), np.inf)
        near = safe <= span
        if near.any():
            crossing[near] = now + crossings_in(
                LogOdds(chart, span), span, goal, pending[near], TOLERANCE * (now + span)
            )
            waiting = np.isinf(crossing)
        if not waiting.any():
            return crossing, chart, now
        step = min(max(span, safe[waiting].min()), end - now)
        chart, now = carry(chart, step), now + step


def _of_correlated_directions(problem: Problem, times: Float[Array, " T"], level: float) -> Float[Array, " M"]:
    """The canonical times up to times[-1] at which ||P θ_m||² first reaches `level`, (M,); inf where it does not.

    Only the last output time matters. An excursion above the level that is shorter than 0.02/D in Riccati time, D the
    spread of 0 and the eigenvalues of S*, may be missed.
    """
    weights, rate = initial_weights_of(problem, with_norms=False), float(riccati_rate(problem.teacher))
    eigenvalues = np.append(np.asarray(weights.rates), 0.0)
    spread, end = float(np.ptp(eigenvalues)), rate * float(times[-1])
    chart, now, goal = initial_chart_of(weights), 0.0, float(log_odds(level))
    crossing, waiting = np.full(len(eigenvalues) - 1, np.inf), np.arange(len(eigenvalues) - 1)
    with progress(len(waiting), "emergence times") as bar:
        while True:
            odds = LogOdds(chart, 0.0)(0.0, waiting)
            here = odds >= goal
            crossing[waiting[here]] = now
            waiting, odds = waiting[~here], odds[~here]
            bar.update(int(here.sum()))
            if now >= end or not len(waiting):
                return jax.device_put(crossing / rate)
            step = min(max(_safe(chart, odds, goal, spread), _LEAST / spread), end - now)
            if step <= _LEAST / spread:
                at = now + crossings_in(LogOdds(chart, step), step, goal, waiting, TOLERANCE * (now + step))
                crossing[waiting], waiting = at, waiting[np.isinf(at)]
            if step == np.inf or now + step == now:
                return jax.device_put(crossing / rate)
            chart, now = carry(chart, step), now + step


def _safe(chart: Chart, odds: Float[np.ndarray, " n"], goal: float, spread: float) -> float:
    """A Riccati time within which no angle can reach that of the level."""
    angle, level = (np.arcsin(np.sqrt(scipy.special.expit(x))) for x in (odds, goal))
    speed = _speed(chart)
    if speed == 0:
        return np.inf
    return float(np.min(np.log1p(spread * (level - angle) / speed))) / spread


def _speed(chart: Chart) -> float:
    """κ = ||(I - P)ΛP||, by its Frobenius norm."""
    X = np.concatenate([np.eye(len(chart.column)), np.asarray(chart.B)])
    rates = np.concatenate([chart.column_rate, chart.row_rate])
    L = np.linalg.cholesky(X.T @ X)
    V = scipy.linalg.solve_triangular(L, X.T, lower=True).T
    moved = rates[:, None] * V
    return float(np.linalg.norm(moved - V @ (V.T @ moved)))
