"""The factor between a run's clock and theory's: the run's times divided by theory's.

With draws of SGD it is the factor from their median to the run, and its error is the spread of the same factor over
the draws. With a trajectory alone it is fitted to the emergence times, or else to the risk.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from .draws import LEAST_RISK, Draws
from .emergence import Emergence, emergence_of
from .observation import Observation, Readings
from .theory import Theory, followed

TELLING = 0.2  # relative error up to which a clock tells one factor from another
_WIDEST = math.log(64.0)  # factors that are looked for
_SHIFTS = np.linspace(-_WIDEST, _WIDEST, 257)  # of log time
_NO_MORE = 0.98 * _WIDEST  # a factor beyond which is none
_FEWEST, _LEAST_FALL = 5, 0.1  # rows, and fall of log risk, that determine a clock
_WITHIN = (0.16, 0.84)  # quantiles a standard deviation from the median of a normal law
_LEAST_ERROR = 1e-3
_MISFIT = 4.0  # times the mean square that a draw leaves: a run that leaves more is not theory on another clock
_LONGER, _FURTHER = 100.0, 200  # times, and output times, of theory where nothing happens in it


class Clock(NamedTuple):
    """The run's times over theory's.

    Attributes:
        factor: the run's times divided by theory's.
        error: relative standard error.
    """

    factor: float
    error: float

    @property
    def is_off(self) -> bool:
        """Whether 1 is outside two errors."""
        return self.is_beyond(2.0)

    def is_beyond(self, errors: float) -> bool:
        """Whether 1 is outside so many errors."""
        return abs(math.log(self.factor)) > errors * self.error

    @property
    def is_telling(self) -> bool:
        """Whether its error is small enough to tell one factor from another."""
        return self.error <= TELLING


def falls(risk: Float[np.ndarray, " T"]) -> bool:
    """Whether a risk falls enough over time to determine a clock."""
    known = np.log(np.maximum(risk[np.isfinite(risk)], LEAST_RISK))
    return len(known) > 0 and float(known.max() - known.min()) >= _LEAST_FALL


def clock_from_draws(readings: Readings, draws: Draws) -> Clock | None:
    """The factor in time between the run and the median of the draws; its error is the spread of the draws' factors.

    It is taken from the emergence times, or where most draws learn no direction from the risk. It is None where neither
    determines it, or where no factor brings the run's risk as near to the median as that of a draw.
    """
    for shifts in (_by_times(readings, draws), _by_risk(readings, draws)):
        clock = None if shifts is None else against_scatter(shifts)
        if clock is not None:
            return clock
    return None


def against_scatter(shifts: Float[np.ndarray, " K"]) -> Clock | None:
    """The clock of a run by the log factors of the draws and, last, of the run; None where too few draws have one."""
    own, others = float(shifts[-1]), shifts[:-1][np.isfinite(shifts[:-1])]
    if not abs(own) < _NO_MORE or 2 * len(others) < len(shifts) - 1:
        return None
    low, middle, high = np.quantile(others, [_WITHIN[0], 0.5, _WITHIN[1]])
    return Clock(math.exp(own - middle), max(float(high - low) / 2, _LEAST_ERROR))


def _by_times(readings: Readings, draws: Draws) -> Float[np.ndarray, " K"] | None:
    """Log factors from the emergence times of directions that most draws learn, run last; None without any."""
    if readings.emerged is None:
        return None
    low, middle, high = (np.quantile(draws.emerged, q, axis=0, method="inverted_cdf") for q in (_WITHIN[0], 0.5, 0.84))
    usable = np.isfinite(high) & (low > 0) & np.isfinite(readings.emerged) & (readings.emerged > 0)
    if not usable.any():
        return None
    weights = 1 / np.maximum(np.log(high[usable] / low[usable]) / 2, _LEAST_ERROR) ** 2
    times = np.vstack([draws.emerged, readings.emerged])[:, usable]
    known = np.isfinite(times) & (times > 0)
    logs = np.where(known, np.log(np.where(known, times, 1.0) / middle[usable]), 0.0)
    total = known @ weights
    return np.where(total > 0, logs @ weights / np.where(total > 0, total, 1.0), np.nan)


def _by_risk(readings: Readings, draws: Draws) -> Float[np.ndarray, " K"] | None:
    """Log factors at which the median risk at t/c fits each risk best, run last; None where it does not fall."""
    median = draws.risk_quantile(0.5)
    if readings.risk is None or not np.isfinite(median).all():
        return None
    if not falls(median) or not falls(readings.risk):
        return None
    known = np.isfinite(readings.risk) & (readings.risk > 0) & (readings.times > 0)
    if known.sum() < _FEWEST:
        return None
    t, at = np.log(readings.times[known]), np.log(draws.times)
    predicted = np.interp(t - _SHIFTS[:, None], at, np.log(np.maximum(median, LEAST_RISK)))
    risks = np.vstack([draws.risk[:, known], readings.risk[known]])
    sound = np.isfinite(risks).all(axis=1)
    logged = np.log(np.maximum(np.where(sound[:, None], risks, 1.0), LEAST_RISK))
    # the mean square of predicted - logged, without an array of every shift and draw and row
    off = np.mean(predicted**2, axis=1) - 2 * logged @ predicted.T / known.sum() + np.mean(logged**2, axis=1)[:, None]
    least = off.min(axis=1)
    if not least[-1] <= _MISFIT * np.quantile(least[:-1][sound[:-1]], 0.99):
        return None
    return np.where(sound, _least(off), np.nan)


def _least(off: Float[np.ndarray, "n S"]) -> Float[np.ndarray, " n"]:
    """The shift of least misfit of each, through the parabola of three neighbours."""
    best = np.argmin(off, axis=1).clip(1, len(_SHIFTS) - 2)
    left, middle, right = (off[np.arange(len(off)), best + side] for side in (-1, 0, 1))
    curvature = left - 2 * middle + right
    move = np.where(curvature > 0, (left - right) / 2 / np.where(curvature > 0, curvature, 1.0), 0.0)
    return _SHIFTS[best] + move.clip(-1, 1) * (_SHIFTS[1] - _SHIFTS[0])


def clock_by_flow(observation: Observation, theory: Theory, emergence: tuple[Emergence, ...] = ()) -> Clock | None:
    """The run's times over those of theory's best trajectory, from directions that emerged in both, else by the risk.

    Where the run's risk falls or a direction emerges in it, and theory's risk does not fall by its end, theory is
    solved again up to `_LONGER` times that time.
    """
    run, best, rows = observation.run, theory.best, emergence or emergence_of(observation, theory)
    spread = np.array([e.spread for e in rows])
    measured = np.array([np.nan if e.measured is None else e.measured for e in rows])
    predicted = np.array([e.finite_step or e.predicted or np.nan for e in rows])
    last, happened = float(best.times[-1]), np.isfinite(measured).any() or (run.risk is not None and falls(run.risk))
    if happened and last > 0 and not falls(np.asarray(best.risk)):
        further = np.unique(np.r_[np.asarray(best.times), np.geomspace(last, _LONGER * last, _FURTHER)])
        best = followed(best.flow, best.teacher, best.start, further)
        predicted = np.asarray(best.emergence_times())
    clock = clock_from_times(measured, predicted, spread)
    if clock is not None or run.risk is None:
        return clock
    held = observation.rows
    return clock_from_risk(run.times[held], run.risk[held], np.asarray(best.times), np.asarray(best.risk))


def clock_from_times(
    measured: Float[np.ndarray, " M"], predicted: Float[np.ndarray, " M"], spread: Float[np.ndarray, " M"]
) -> Clock | None:
    """The factor between emergence times, from directions that have both; None without any.

    `spread` is the relative standard deviation that theory gives each time.
    """
    both = np.isfinite(measured) & np.isfinite(predicted) & (measured > 0) & (predicted > 0) & np.isfinite(spread)
    if not both.any():
        return None
    logs, weights = np.log(measured[both] / predicted[both]), 1 / np.maximum(spread[both], 1e-3) ** 2
    mean = float(np.sum(weights * logs) / np.sum(weights))
    scatter = float(np.sum(weights * (logs - mean) ** 2)) / max(both.sum() - 1, 1)
    return Clock(math.exp(mean), math.sqrt(max(scatter, 1.0) / float(np.sum(weights))))


def clock_from_risk(
    times: Float[np.ndarray, " T"],
    risk: Float[np.ndarray, " T"],
    theory_times: Float[np.ndarray, " K"],
    theory_risk: Float[np.ndarray, " K"],
) -> Clock | None:
    """The factor c at which theory's risk at t/c fits the logged one best; None without a fall.

    The error counts runs of neighbouring residuals of one sign as one observation.
    """
    if not np.isfinite(theory_risk).all():
        return None
    known = np.isfinite(risk) & (risk > 0) & (times > 0)
    if known.sum() < _FEWEST or not falls(theory_risk):
        return None
    predicted = np.log(np.maximum(theory_risk, LEAST_RISK))
    t, logged = np.log(times[known]), np.log(np.maximum(risk[known], LEAST_RISK))
    at = np.log(np.maximum(theory_times, np.finfo(float).tiny))

    def residuals(shift: float) -> Float[np.ndarray, " n"]:
        return np.interp(t - shift, at, predicted) - logged

    best = _SHIFTS[np.argmin([np.mean(residuals(shift) ** 2) for shift in _SHIFTS])]
    step = _SHIFTS[1] - _SHIFTS[0]
    fit = scipy.optimize.minimize_scalar(
        lambda x: np.mean(residuals(x) ** 2), bounds=(best - step, best + step), method="bounded"
    )
    left = residuals(fit.x)
    slope = (residuals(fit.x + 1e-3) - residuals(fit.x - 1e-3)) / 2e-3
    independent = max(int(np.count_nonzero(np.diff(np.sign(left)))), 1)
    steep = float(np.mean(slope**2))
    if steep <= 0 or not abs(fit.x) < _NO_MORE:
        return None
    return Clock(math.exp(fit.x), math.sqrt(float(np.mean(left**2)) / steep / independent))
