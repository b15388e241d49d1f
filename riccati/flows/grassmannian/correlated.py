"""First crossings of ||P θ||² for directions that are no eigenvectors of S*, where it rises and falls.

With Λ the operator S*, dP/dτ = H + Hᵀ, H = (I - P)ΛP, so an angle φ, sin²φ = ||P θ||², moves no faster than the norm
κ of H, and κ grows no faster than at the rate D, the spread of Λ's eigenvalues. Within a time s an angle therefore
moves by at most κ(e^{Ds} - 1)/D, and a march by s = log(1 + D Δφ/κ)/D never steps over a crossing.
Derived in derivations/teachers.py.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from scipy.special import expit

from ...numerics import log_odds
from ...problem import Problem, riccati_rate
from ...support import progress
from .chart import Chart
from .initial_chart import opened, weights_of
from .log_odds import TOLERANCE, LogOdds, carried, crossings_in

_LEAST = 0.02  # of 1/D: an excursion above the level that is shorter may go unseen


def correlated_emergence_times(problem: Problem, times: Float[Array, " T"], level: float) -> Float[Array, " M"]:
    """First times, canonical, up to times[-1] at which ||P θ_m||² reaches `level`; inf where it does not.

    No output times are relied on. An excursion above the level that is shorter than 0.02/D in Riccati time, D the
    spread of S*'s eigenvalues and 0, may go unseen.
    """
    weights, rate = weights_of(problem, with_norms=False), float(riccati_rate(problem.teacher))
    eigenvalues = np.append(np.asarray(weights.rates), 0.0)
    spread, end = float(np.ptp(eigenvalues)), rate * float(times[-1])
    chart, now, goal = opened(weights), 0.0, float(log_odds(level))
    found, waiting = np.full(len(eigenvalues) - 1, np.inf), np.arange(len(eigenvalues) - 1)
    with progress(len(waiting), "emergence times") as bar:
        while True:
            odds = LogOdds(chart, 0.0)(0.0, waiting)
            here = odds >= goal
            found[waiting[here]] = now
            waiting, odds = waiting[~here], odds[~here]
            bar.update(int(here.sum()))
            if now >= end or not len(waiting):
                return jnp.asarray(found / rate)
            step = min(max(_safe(chart, odds, goal, spread), _LEAST / spread), end - now)
            if step <= _LEAST / spread:
                at = now + crossings_in(LogOdds(chart, step), step, goal, waiting, TOLERANCE * (now + step))
                found[waiting], waiting = at, waiting[np.isinf(at)]
            if step == np.inf or now + step == now:
                return jnp.asarray(found / rate)
            chart, now = carried(chart, np.float64(step)), now + step


def _safe(chart: Chart, odds: Float[np.ndarray, " n"], goal: float, spread: float) -> float:
    """The time in which no angle can reach the goal's."""
    angle, level = (np.arcsin(np.sqrt(expit(x))) for x in (odds, goal))
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
