"""Known causes of disagreement between a run and theory, with the factor that each puts on the clock and on the loss.

A cause is a change of a run's keys. It can be proved: theory is computed again for `changed`, the run with that change.
Checks and verdict both take causes from here. Only causes whose factors agree with those of the run are tried; several
may have the same factor, as momentum ½ and a loss without its half do, and then all of them are possible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..problem import AnyStart, Start, Teacher, committee_risk, population_risk
from ..runs import CONVENTIONS, Run, RunConfig
from .clock import Clock

_HALF, _SQUARE, _RISK = CONVENTIONS
LOSS_OFF = 0.1  # relative: what a logged loss at step 0 may differ from the start's risk
_NEAR = 0.05  # a factor this close to a cause's is explained by it, whatever its own error
_NOISIER = math.log(1.6)  # how far a longer or shorter step may move the clock by its noise besides
_ERRORS = 2.0  # and one within so many of its errors
_MOMENTA = (0.5, 0.8, 0.9, 0.95, 0.99)  # that people use
_ACCUMULATED = (2, 4, 8, 16, 32)  # micro-batches of a step
_UNIT = 1e-6  # relative: a norm this close to 1 is 1
_SHOWN = 4  # entries of a second layer that are written out


@dataclass(frozen=True)
class Cause:
    """A known way in which a run may differ from what its keys say.

    Attributes:
        key: the key to set and its value, as text.
        why: what this means for the run, in words; empty where the key says it.
        clock: the run's times over theory's under this cause.
        loss: the logged loss over the loss that the keys predict, under this cause.
        keys: the changed keys of the run with their values, None for a key that is removed.
        divided: the number by which the run's steps are divided.
        practice: whether it is a way of training for which there is no key, such as gradients that are accumulated.
    """

    key: str
    why: str = ""
    clock: float = 1.0
    loss: float = 1.0
    keys: dict[str, object] = field(default_factory=dict)
    divided: int = 1
    practice: bool = False

    def __str__(self) -> str:
        return f"{self.key} ({self.why})" if self.why else self.key

    @property
    def same_theory(self) -> tuple[float, int, bool]:
        """A value that is equal for causes under which theory is the same, because they give the same step."""
        return round(self.clock, 9), self.divided, "second_layer" in self.keys

    def changed(self, run: Run) -> Run:
        """The run with this cause's changes of its keys and steps."""
        config = RunConfig({key: value for key, value in (run.config | self.keys).items() if value is not None})
        clock = None if run.clock is None else run.clock / self.clock
        if self.divided == 1:
            return replace(run, config=config, clock=clock)
        steps, rows = np.unique(run.steps // self.divided, return_index=True)
        loss, overlaps, clock = (None if each is None else each[rows] for each in (run.loss, run.overlaps, clock))
        return replace(run, steps=steps, loss=loss, overlaps=overlaps, config=config, clock=clock)


def agrees(factor: float, error: float, predicted: float, near: float = _NEAR) -> bool:
    """Whether a factor is the predicted one, within its relative error or `near`."""
    return predicted > 0 and abs(math.log(factor / predicted)) < max(_ERRORS * error, near)


def causes_near(run: Run, clock: Clock, exact: bool) -> tuple[Cause, ...]:
    """The causes whose clock is near this one, still to be proved.

    A longer step also makes SGD noisier, which changes its clock as well, so a factor need only be near the predicted
    one. A clock that a single run determines poorly, as with one or two directions at k > 2, is evidence for no cause.
    An exact risk was computed with the second layer that the keys give, so that is not a cause then.
    """
    if not clock.is_telling:
        return ()
    causes = (cause for cause in causes_of_clock(run) if not (exact and "second_layer" in cause.keys))
    return tuple(cause for cause in causes if agrees(*clock, cause.clock, near=_NOISIER))


def causes_of_clock(run: Run) -> tuple[Cause, ...]:
    """The causes that change the clock of a run: another step size, or steps that count something else."""
    rate = "riccati_step" if run.kind == "stiefel_quadratic" else "learning_rate"
    causes = [] if rate == "riccati_step" else list(_descended(run))
    causes += _other_second_layers(run)
    if rate in run.config and run.clock is None:
        causes += _other_rates(rate, float(run.config[rate]), int(run.config.get("batch_size", 1)))
        causes += [] if rate == "riccati_step" else list(_other_momenta(float(run.config.get("momentum", 0.0))))
    batch = int(run.config.get("batch_size", 1))
    if batch > 1 and run.clock is None:
        causes.append(Cause("steps", "they count samples: divide them by batch_size", clock=batch, divided=batch))
    return tuple(causes)


def _descended(run: Run) -> Iterator[Cause]:
    """The other loss that SGD may have descended."""
    present = _training_loss(run)
    for other, clock in ((_SQUARE, 0.5), (_HALF, 2.0)):
        if other != present:
            yield Cause(f'training_loss = "{other}"', clock=clock, keys={"training_loss": other})


def _training_loss(run: Run) -> str:
    """The loss that SGD descends according to the keys."""
    said = run.config.get("training_loss", run.config.get("loss"))
    return _SQUARE if said == _SQUARE else _HALF


def _other_rates(rate: str, present: float, batch: int) -> Iterator[Cause]:
    """The causes that make steps longer or shorter than the learning rate under the key `rate`."""

    def times(factor: float, why: str, practice: bool = False) -> Cause:
        keys: dict[str, object] = {rate: present * factor}
        return Cause(f"{rate} = {present * factor:.4g}", why, 1 / factor, keys=keys, practice=practice)

    if batch > 1:
        yield times(batch, "gradients are summed over the batch")
        yield times(1 / batch, "it was divided by batch_size once too often")
    for count in _ACCUMULATED:
        yield times(
            1 / count, f"gradients accumulated over {count} steps make them this short in effect", practice=True
        )


def _other_momenta(present: float) -> Iterator[Cause]:
    """The momenta that people use, by which steps are longer in effect."""
    for momentum in _MOMENTA:
        if momentum != present:
            clock = (1 - momentum) / (1 - present)
            yield Cause(f"momentum = {momentum:g}", "Nesterov's or not", clock=clock, keys={"momentum": momentum})


def causes_of_loss(run: Run, teacher: Teacher, start: AnyStart) -> tuple[Cause, ...]:
    """The causes that multiply the whole loss column of a run by a factor, which step 0 shows."""
    if run.kind == "stiefel_quadratic":
        return ()
    present, moment = run.config.get("loss", _HALF), float(teacher.second_moment)
    scale = {_HALF: 2.0 / moment, _SQUARE: 1.0 / moment, _RISK: 1.0}  # risk over the loss column
    also = "" if "training_loss" in run.config else ", and training_loss, which is taken from it otherwise"
    causes = []
    for other in CONVENTIONS:
        if other != present and (other != _RISK or abs(moment - 1) > _UNIT):  # else the risk is E(f* - f)²
            keys: dict[str, object] = {"loss": other, "training_loss": _training_loss(run)}
            causes.append(Cause(f'loss = "{other}"{also}', loss=scale[present] / scale[other], keys=keys))
    expected = risk_of_start(teacher, start)
    for cause in _other_second_layers(run):
        norm = 1 / cause.clock
        other_risk = risk_of_start(teacher, start, norm)
        if expected and other_risk:
            causes.append(replace(cause, loss=other_risk / expected))
    return tuple(causes)


def loss_factor(run: Run, teacher: Teacher, start: AnyStart) -> float | None:
    """The risk at step 0 by the loss column over that of the start; None where that is near 1, or not known."""
    if run.risk is None or run.steps[0] != 0 or not run.risk[0] > 0:
        return None
    expected = risk_of_start(teacher, start)
    if expected is None or abs(float(run.risk[0]) / expected - 1) < LOSS_OFF:
        return None
    return float(run.risk[0]) / expected


def _other_second_layers(run: Run) -> Iterator[Cause]:
    """The second layer m^-β as it is, for a run that gives β; the normalised one, for a run that lists another."""
    if "second_layer" in run.config:
        a = np.asarray(run.config["second_layer"], float)
        norm = float(np.linalg.norm(a))
        if abs(norm - 1) > _UNIT:
            keys = {"second_layer": (a / norm).tolist()}
            yield Cause("second_layer", "divided by its norm, as SGD saw it", clock=norm, keys=keys)
    elif "beta" in run.config and "teacher_width" in run.config:
        a = np.arange(1.0, run.config["teacher_width"] + 1) ** -float(run.config["beta"])
        norm = float(np.linalg.norm(a))
        if norm > 1:
            written = ", ".join(f"{x:.4g}" for x in a[:_SHOWN]) + (", …" if len(a) > _SHOWN else "")
            why = f"a_m = m^-β is not normalised, ||a|| = {norm:.4g}"
            yield Cause(
                f"second_layer = [{written}]", why, clock=1 / norm, keys={"second_layer": a.tolist(), "beta": None}
            )


def risk_of_start(teacher: Teacher, start: AnyStart, norm: float = 1.0) -> float | None:
    """The risk of a start beside a second layer of norm ||a||, in units of that of norm 1; None with c_0 ≠ 0.

    It is ||a||² that of norms r/√||a||. A typical start's is 1 + g(1) Σ s²/E f*², as its overlaps are small.
    """
    if isinstance(start, Start) and start.second_layer is not None:
        return norm**2 * float(committee_risk(teacher, start.weights, start.second_layer / norm))
    if isinstance(start, Start):
        return norm**2 * float(population_risk(teacher, start.directions, np.asarray(start.amplitudes) / norm))
    if not teacher.link.is_centred:
        return None
    own = float(teacher.link.dual(1.0)) * start.student_width * float(np.mean(np.asarray(start.norms) ** 4))
    return norm**2 + own / float(teacher.second_moment)
