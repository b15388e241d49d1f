"""Keys that the late risk of a run tells: label noise, weight decay, and norms that are held.

Noise holds the risk up at a level that fluctuates and is about linear in Δ. Decay holds it at a floor that is smooth
and about quadratic in λ, with norms below what is learned. On the sphere norms stay, and so does the risk that they
leave. The value of a key is that at which theory's draws have the run's late risk on average; whether the run is then
one of them is for the rank test to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..runs import Run
from ..support import ArgumentError
from .case import Case
from .causes import Cause
from .draws import Draws
from .signs import HARDLY, SHRUNK, is_smoother, late_rows, share_of_shrinking

_OUTSIDE = 0.025  # of the draws on either side, beyond which a run's late risk is its own
_FALLEN = 0.9  # of the risk at the first row: a late risk above that has not come down to a plateau
_ROUNDS, _CLOSE = 5, 0.3  # sets of draws for one value at the most, and spreads of the draws that will do
_HELD = 1e-4  # relative change of norms that is none
_WITHIN = (0.16, 0.84)  # quantiles a standard deviation from the median of a normal law


@dataclass(frozen=True)
class _Unknown:
    """A key whose value is looked for.

    Attributes:
        key: its name.
        why: what it means for the run.
        first: the value that is tried first.
        power: of the value, in which the late risk is about linear.
        also: other keys that go with it.
    """

    key: str
    why: str
    first: float
    power: float
    also: dict[str, object] = field(default_factory=dict)

    def cause(self, value: float) -> Cause:
        """The cause that the key has this value."""
        also = "".join(f", {key} = {str(each).lower()}" for key, each in self.also.items())
        return Cause(f"{self.key} = {value:.3g}{also}", self.why, keys={self.key: float(f"{value:.3g}"), **self.also})


def causes_of_plateau(case: Case, draws: Draws) -> Iterator[tuple[Cause, Case, Draws]]:
    """Keys with which theory has the run's late risk, each with its case and draws; those that the run refutes are not.

    Norms at the end refute decay where they are those of what is learned, noise where they are smaller, and the sphere
    where they have changed. A late risk that is smoother than without noise refutes noise.
    """
    late = late_rows(case.readings)
    if late is None or not _is_off(case, draws, late):
        return
    held = _norms_held(case.run)
    if held is not False and case.run.config.constraint is None:
        cause = Cause('constraint = "sphere"', "norms do not change", keys={"constraint": "sphere"})
        other = case.with_cause(cause)
        drawn = None if other is None else other.quick_draws
        if other is not None and drawn is not None:
            yield cause, other, drawn
    for unknown in () if held else _unknowns(case, draws, late):
        if (fitted := _fitted(case, draws, late, unknown)) is not None:
            yield fitted


def _is_off(case: Case, draws: Draws, late: np.ndarray) -> bool:
    """Whether the run's late risk is outside the draws', and below where it began."""
    own, theirs = _means(case, draws, late)
    risk = case.readings.risk
    assert risk is not None
    low, high = np.quantile(theirs, [_OUTSIDE, 1 - _OUTSIDE])
    return own < _FALLEN * float(risk[np.isfinite(risk)][0]) and not low <= own <= high


def _means(case: Case, draws: Draws, late: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean late risk of the run, and of each draw that did not diverge."""
    assert case.readings.risk is not None
    sound = draws.risk[np.isfinite(draws.risk).all(axis=1)]
    return float(np.nanmean(case.readings.risk[late])), sound[:, late].mean(axis=1)


def _norms_held(run: Run) -> bool | None:
    """Whether the last norms are the first ones; None where the run did not log them."""
    last, first = run.config.get("final_norms"), run.config.init_norm
    if last is None or first is None:
        return None
    return bool(np.max(np.abs(np.asarray(last) / first - 1)) < _HELD)


def _unknowns(case: Case, draws: Draws, late: np.ndarray) -> Iterator[_Unknown]:
    """The keys that may hold the risk where it is."""
    run, own = case.run, _means(case, draws, late)[0]
    share, noise = share_of_shrinking(run), run.config.label_noise or 0.0
    unconstrained = run.kind != "stiefel_quadratic" and run.config.constraint is None
    if share is None or share < SHRUNK:
        if not is_smoother(case.readings, draws):
            yield _Unknown("label_noise", "the risk stays up and fluctuates", max(1.0, 2 * noise), 1)
        if run.kind != "stiefel_quadratic" and run.config.get("loss") != "risk" and not noise:
            also: dict[str, object] = {"loss_has_noise": True}
            yield _Unknown("label_noise", "the loss has it on top", max(own, 0.1), 1, also)
    if unconstrained and (share is None or share > HARDLY):
        teacher = run.teacher
        floor = own * float(teacher.second_moment) / (float(teacher.link.dual(1.0)) * teacher.width)
        yield _Unknown("weight_decay", "the risk has a floor, as learned norms are smaller", 2 * math.sqrt(floor), 2)


def _fitted(case: Case, draws: Draws, late: np.ndarray, unknown: _Unknown) -> tuple[Cause, Case, Draws] | None:
    """The key with the value at which the draws' median late risk is the run's, by secants; None where there is none.

    Secants are taken in the power of the value in which the risk is about linear, from the value that the run says.
    """
    own, theirs = _means(case, draws, late)
    before = (float(case.run.config.get(unknown.key, 0.0)) ** unknown.power, own - float(np.median(theirs)))
    at = unknown.first**unknown.power
    for _ in range(_ROUNDS):
        if not 0 < at < math.inf:
            return None
        cause = unknown.cause(at ** (1 / unknown.power))
        try:
            other = case.with_cause(cause)
            drawn = None if other is None else other.quick_draws
        except ArgumentError:
            return None
        if other is None or drawn is None or drawn.stopped or drawn.diverged.any():
            return None
        own, theirs = _means(other, drawn, late)
        low, middle, high = np.quantile(theirs, [_WITHIN[0], 0.5, _WITHIN[1]])
        off = own - float(middle)
        if abs(off) <= _CLOSE * float(high - low) / 2:
            return cause, other, drawn
        slope = (off - before[1]) / (at - before[0]) if at != before[0] else 0.0
        if not slope < 0:
            return None
        before, at = (at, off), at - off / slope
    return None
