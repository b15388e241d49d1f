"""Checks that catch a wrong convention: the loss, the overlaps and the clock of a run against what its keys say.

A wrong convention moves a whole column by a known factor, so each check holds a fitted factor against the factors that
conventions make: 2 and ½ for the loss with or without its half, ||a|| for a second layer that was scaled on one side
only, B for gradients that are summed over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from ..problem import Start, TypicalStart, population_risk
from ..runs import Run, overlap_of
from ..trajectory import Trajectory

_NEAR = 0.05  # a factor this close to a convention's is explained by it
_LOSS_OFF = 0.1  # relative: what a logged loss at step 0 may differ from the start's risk
_OVERLAP_OFF = 0.02  # relative, in a row of overlaps
_WIDEST = math.log(64.0)  # factors of the clock that are looked for
_LEAST_RISK = 1e-12
_FEWEST, _LEAST_FALL = 5, 0.1  # rows, and fall of log risk, that can tell a clock


@dataclass(frozen=True)
class Check:
    """One convention, held against the run.

    Attributes:
        name: `loss`, `overlap` or `clock`.
        holds: whether the run agrees with what its keys say; None where it cannot tell.
        message: what was found, one line.
        key: the key to set, where a known convention explains what was found.
        factor: measured over expected, None where there is none.
        error: relative standard error of `factor`, None where it is not estimated.
    """

    name: str
    holds: bool | None
    message: str
    key: str | None = None
    factor: float | None = None
    error: float | None = None


def checks_of(run: Run, theory: Trajectory, clock: tuple[float, float] | None) -> tuple[Check, ...]:
    """Every check that the run allows; `theory` is the best prediction, `clock` the fitted factor and its error."""
    found = [_loss_check(run, theory), _overlap_check(run, theory), _clock_check(run, clock)]
    return tuple(check for check in found if check is not None)


def _explained(factor: float, conventions: Mapping[str, float]) -> str | None:
    """The first convention whose factor is near."""
    return next((name for name, value in conventions.items() if abs(math.log(factor / value)) < _NEAR), None)


def _loss_check(run: Run, theory: Trajectory) -> Check | None:
    """The risk at step 0 against that of the start."""
    if run.risk is None or run.steps[0] != 0 or not run.risk[0] > 0 or isinstance(theory.start, TypicalStart):
        return None
    start = theory.start
    if run.kind == "stiefel_quadratic":
        expected = float(theory.risk[0])
    else:
        expected = float(population_risk(theory.teacher, start.directions, start.norms**2))
    factor = float(run.risk[0]) / expected
    said = f"risk at step 0 is {run.risk[0]:.4g} by the loss column, {expected:.4g} by the start"
    if abs(factor - 1) < _LOSS_OFF:
        return Check("loss", True, said, factor=factor)
    norm, moment = run.second_layer_norm, float(theory.teacher.second_moment)
    conventions = {
        'loss = "(f*-f)^2"': 2.0,
        'loss = "0.5*(f*-f)^2"': 0.5,
        "second_layer (the loss is that of the normalised one)": 1 / norm**2 if norm != 1 else math.nan,
        'loss = "(f*-f)^2" (it is not divided by E f*²)': moment if moment != 1 else math.nan,
    }
    key = _explained(factor, conventions)
    remedy = f": set {key}" if key else ": no known convention explains it"
    return Check("loss", False, f"{said}, a factor of {factor:.3g}{remedy}", key, factor)


def _overlap_check(run: Run, theory: Trajectory) -> Check | None:
    """The overlaps logged at step 0 against those of the start, by either definition."""
    if run.overlaps is None or run.steps[0] != 0 or run.start is None or not np.isfinite(run.overlaps[0]).all():
        return None
    logged = run.overlaps[0]
    off = {name: float(np.max(np.abs(logged / values - 1))) for name, values in _start_overlaps(run.start).items()}
    nearest = min(off, key=lambda name: off[name])
    if off[run.overlap] < _OVERLAP_OFF:
        return Check("overlap", True, f"overlaps at step 0 are the start's {run.overlap} overlaps")
    if off[nearest] < _OVERLAP_OFF:
        said = f"overlaps at step 0 are the start's {nearest} overlaps, not its {run.overlap} ones"
        defined = overlap_of(theory.teacher.link)
        remedy = "" if nearest == defined else f"; theory of this link is about {defined} overlaps"
        return Check("overlap", False, f'{said}: set overlap = "{nearest}"{remedy}', f'overlap = "{nearest}"')
    said = f"overlaps at step 0 differ from the start's by {off[nearest]:.0%}: the file and initial_overlaps disagree"
    return Check("overlap", False, said, "initial_overlaps")


def _start_overlaps(start: Start) -> dict[str, Float[np.ndarray, " M"]]:
    m = np.asarray(start.teacher_overlaps)
    basis = np.linalg.qr(np.asarray(start.directions).T)[0]
    least = np.finfo(float).tiny
    return {
        "subspace": np.maximum(np.sum(basis[: m.shape[1]] ** 2, axis=1), least),
        "neuron": np.maximum(np.max(m**2, axis=0), least),
    }


def _clock_check(run: Run, clock: tuple[float, float] | None) -> Check | None:
    if clock is None:
        return None
    factor, error = clock
    said = f"the run's times are {factor:.3g} (± {error:.1%}) times theory's"
    if abs(math.log(factor)) < max(3 * error, _NEAR):
        return Check("clock", True, said, factor=factor, error=error)
    norm, batch = run.second_layer_norm, float(run.config.get("batch_size", 1))
    conventions = {
        'training_loss = "(f*-f)^2"': 0.5,
        'training_loss = "0.5*(f*-f)^2"': 2.0,
        "second_layer (SGD saw the normalised one)": norm if norm != 1 else math.nan,
        "second_layer (SGD saw one that is not normalised)": 1 / norm if norm != 1 else math.nan,
        "learning_rate (gradients are summed over the batch: times batch_size)": 1 / batch if batch > 1 else math.nan,
        "learning_rate (divided by batch_size once too often)": batch if batch > 1 else math.nan,
    }
    key = _explained(factor, conventions)
    remedy = f": set {key}" if key else ": no known convention explains it"
    return Check("clock", False, f"{said}{remedy}", key, factor, error)


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
    predicted = np.log(np.maximum(theory_risk, _LEAST_RISK))
    if known.sum() < _FEWEST or predicted.max() - predicted.min() < _LEAST_FALL:
        return None
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
