"""The factor between a run's clock and theory's, from emergence times or from the course of the risk."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

_WIDEST = math.log(64.0)  # factors that are looked for
_LEAST_RISK = 1e-12
_FEWEST, _LEAST_FALL = 5, 0.1  # rows, and fall of log risk, that can tell a clock


def falls(risk: Float[np.ndarray, " T"]) -> bool:
    """Whether a course of the risk changes enough to tell a clock."""
    known = np.log(np.maximum(risk[np.isfinite(risk)], _LEAST_RISK))
    return len(known) > 0 and float(known.max() - known.min()) >= _LEAST_FALL


def clock_from_times(
    measured: Float[np.ndarray, " M"], predicted: Float[np.ndarray, " M"], spread: Float[np.ndarray, " M"]
) -> tuple[float, float] | None:
    """The factor between emergence times, and its relative error, from directions that have both; None without any.

    `spread` is the relative standard deviation that theory gives each time.
    """
    both = np.isfinite(measured) & np.isfinite(predicted) & (measured > 0) & (predicted > 0) & np.isfinite(spread)
    if not both.any():
        return None
    logs, weights = np.log(measured[both] / predicted[both]), 1 / np.maximum(spread[both], 1e-3) ** 2
    mean = float(np.sum(weights * logs) / np.sum(weights))
    scatter = float(np.sum(weights * (logs - mean) ** 2)) / max(both.sum() - 1, 1)
    return math.exp(mean), math.sqrt(max(scatter, 1.0) / float(np.sum(weights)))


def clock_from_risk(
    times: Float[np.ndarray, " T"],
    risk: Float[np.ndarray, " T"],
    theory_times: Float[np.ndarray, " K"],
    theory_risk: Float[np.ndarray, " K"],
) -> tuple[float, float] | None:
    """The factor c at which theory's risk at t/c fits the logged one best, and its relative error; None without a fall.

    The error counts runs of neighbouring residuals of one sign as one observation.
    """
    if not np.isfinite(theory_risk).all():
        return None
    known = np.isfinite(risk) & (risk > 0) & (times > 0)
    if known.sum() < _FEWEST or not falls(theory_risk):
        return None
    predicted = np.log(np.maximum(theory_risk, _LEAST_RISK))
    t, logged = np.log(times[known]), np.log(np.maximum(risk[known], _LEAST_RISK))
    at = np.log(np.maximum(theory_times, np.finfo(float).tiny))

    def residuals(shift: float) -> Float[np.ndarray, " n"]:
        return np.interp(t - shift, at, predicted) - logged

    grid = np.linspace(-_WIDEST, _WIDEST, 129)
    best = grid[np.argmin([np.mean(residuals(shift) ** 2) for shift in grid])]
    step = grid[1] - grid[0]
    found = minimize_scalar(lambda x: np.mean(residuals(x) ** 2), bounds=(best - step, best + step), method="bounded")
    left = residuals(found.x)
    slope = (residuals(found.x + 1e-3) - residuals(found.x - 1e-3)) / 2e-3
    independent = max(int(np.count_nonzero(np.diff(np.sign(left)))), 1)
    steep = float(np.mean(slope**2))
    if steep <= 0:
        return None
    return math.exp(found.x), math.sqrt(float(np.mean(left**2)) / steep / independent)
