"""Checks that catch a wrong convention: the loss, the overlaps and the clock of a run against what its keys say.

A wrong convention moves a whole column by a known factor, so each check holds a fitted factor against the factors that
conventions make: 2 and ½ for the loss with or without its half, ||a|| for a second layer that was scaled on one side
only, B for gradients that are summed over the batch. Where several conventions make the same factor, all are named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..problem import AnyStart, Start, Teacher, population_risk
from ..runs import Run
from ..trajectory import Trajectory
from .definition import overlap_check
from .found import Check

_NEAR = 0.05  # a factor this close to a convention's is explained by it
_LOSS_OFF = 0.1  # relative: what a logged loss at step 0 may differ from the start's risk
_UNKNOWN = 0.5  # relative error of a clock that tells nothing
_TOLERANCE = 1e-6  # logs carry seven digits or more
_SHOWN = 4  # entries of a second layer that are written out


@dataclass(frozen=True)
class _Scale:
    """||a|| of a second layer, and the words that would tell the run of it.

    Attributes:
        norm: ||a||; NaN where it is 1, or where nothing is known of it.
        loss, clock: what to set where the loss, or the clock, is off by it.
    """

    norm: float
    loss: str
    clock: str


def checks_of(run: Run, theory: Trajectory, clock: tuple[float, float] | None) -> tuple[Check, ...]:
    """Every check that the run allows; `theory` is the best prediction, `clock` the fitted factor and its error."""
    found = [_loss_check(run, theory), overlap_check(run, theory), _clock_check(run, clock)]
    return tuple(check for check in found if check is not None)


def _explained(factor: float, error: float, conventions: Mapping[str, float]) -> str | None:
    """The conventions whose factor is near; None without any."""
    near = max(2 * error, _NEAR)
    found = [name for name, value in conventions.items() if value > 0 and abs(math.log(factor / value)) < near]
    return " or ".join(found) or None


def _told(key: str | None) -> str:
    return f": set {key}" if key else ": no known convention explains it"


def _scale_of(run: Run) -> _Scale:
    """The norm of the `second_layer` that is given, or of the m^-β that is not normalised."""
    given = float(run.teacher.norm) if "second_layer" in run.config else 1.0
    if abs(given - 1) > _TOLERANCE:
        return _Scale(
            1 / given,
            "second_layer (the loss is that of the normalised one)",
            "second_layer (SGD saw the normalised one)",
        )
    if "second_layer" in run.config or "beta" not in run.config:
        return _Scale(math.nan, "", "")
    a = np.arange(1.0, run.config["teacher_width"] + 1) ** -float(run.config["beta"])
    norm = float(np.linalg.norm(a))
    written = ", ".join(f"{x:.4g}" for x in a[:_SHOWN]) + (", …" if len(a) > _SHOWN else "")
    key = f"second_layer = [{written}] (a_m = m^-β is not normalised, ||a|| = {norm:.4g})"
    return _Scale(norm if norm != 1 else math.nan, key, key)


def _loss_check(run: Run, theory: Trajectory) -> Check | None:
    """The risk at step 0 against that of the start."""
    if run.risk is None or run.steps[0] != 0 or not run.risk[0] > 0:
        return None
    scale, on_stiefel = _scale_of(run), run.kind == "stiefel_quadratic"
    expected = float(theory.risk[0]) if on_stiefel else _risk_at(theory.teacher, theory.start)
    if expected is None:
        return None
    scaled = None if on_stiefel else _risk_at(theory.teacher, theory.start, scale.norm)
    factor = float(run.risk[0]) / expected
    said = f"risk at step 0 is {run.risk[0]:.4g} by the loss column, {expected:.4g} by the start"
    if abs(factor - 1) < _LOSS_OFF:
        return Check("loss", True, said, factor=factor)
    moment = float(theory.teacher.second_moment)
    also = "" if on_stiefel or "training_loss" in run.config else ", and training_loss, for which it would stand in"
    conventions = {
        f'loss = "(f*-f)^2"{also}': 2.0,
        f'loss = "0.5*(f*-f)^2"{also}': 0.5,
        scale.loss: math.nan if scaled is None else scaled / expected,
        'loss = "(f*-f)^2" (it is not divided by E f*²)': moment if moment != 1 else math.nan,
    }
    keys = [_explained(factor, 0.0, conventions), _larger_norm(run, theory)]
    key = " or ".join(name for name in keys if name) or None
    return Check("loss", False, f"{said}, a factor of {factor:.3g}{_told(key)}", key, factor)


def _risk_at(teacher: Teacher, start: AnyStart, norm: float = 1.0) -> float | None:
    """The risk of a start beside a second layer of norm ||a||, in units of that of norm 1; None with c_0 ≠ 0.

    It is ||a||² that of norms r/√||a||. A typical start's is 1 + g(1) Σ s²/E f*², as its overlaps are small.
    """
    if isinstance(start, Start):
        return norm**2 * float(population_risk(teacher, start.directions, start.s / norm))
    if not teacher.link.is_centred:
        return None
    own = float(teacher.link.dual(1.0)) * start.student_width * float(np.mean(np.asarray(start.norms) ** 4))
    return norm**2 + own / float(teacher.second_moment)


def _larger_norm(run: Run, theory: Trajectory) -> str | None:
    """The norm at which neurons that do not overlap have the risk at step 0, for a run that does not give it."""
    if "init_norm" in run.config or run.risk is None or not theory.teacher.link.is_centred or run.risk[0] <= 1:
        return None
    neurons, own = theory.start.student_width, float(theory.teacher.link.dual(1.0))
    norm = ((run.risk[0] - 1) * float(theory.teacher.second_moment) / (neurons * own)) ** 0.25
    return f"init_norm = {norm:.3g} (it is not given)"


def _clock_check(run: Run, clock: tuple[float, float] | None) -> Check | None:
    if clock is None:
        return None
    factor, error = clock
    said = f"the run's times are {factor:.3g} (± {error:.1%}) times theory's"
    if error > _UNKNOWN:
        return Check("clock", None, f"{said}, which is too uncertain to tell", factor=factor, error=error)
    if abs(math.log(factor)) < max(3 * error, _NEAR):
        return Check("clock", True, said, factor=factor, error=error)
    scale, batch = _scale_of(run), float(run.config.get("batch_size", 1))
    conventions = {
        'training_loss = "(f*-f)^2"': 0.5,
        'training_loss = "0.5*(f*-f)^2"': 2.0,
        scale.clock: 1 / scale.norm,
        "learning_rate (gradients are summed over the batch: times batch_size)": 1 / batch if batch > 1 else math.nan,
        "learning_rate (divided by batch_size once too often)": batch if batch > 1 else math.nan,
    }
    key = _explained(factor, error, conventions)
    return Check("clock", False, f"{said}{_told(key)}", key, factor, error)
