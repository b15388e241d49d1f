"""Explanations of a run that is not consistent with theory: other problems, each tested in the same way.

Known causes (causes.py) whose factors agree with the run's are tried first, and keys that its late risk tells
(plateaus.py); then any other factor of the clock, and problems of another β or information exponent. A problem explains
the run only if the run is consistent with the draws of theory for it, and as rough late as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..problem import Link, Teacher
from ..runs import overlap_of
from ..support import ArgumentError
from .case import Case
from .causes import Cause, agrees, causes_near, causes_of_loss, loss_factor
from .clock import Clock, clock_from_draws
from .draws import Draws, DrawSetting
from .observation import Readings
from .plateaus import causes_of_plateau
from .rank_test import LEVEL, Features, rank_test_of
from .signs import is_as_rough

_SHIFTS = (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3)  # of β that are tried as explanations
_SURE = 3.0  # errors beyond which a cause leaves the clock off
_EXPONENTS = (2, 3, 4)  # and of the information exponent


@dataclass(frozen=True, eq=False)
class Alternative:
    """Another problem that the run might solve.

    Attributes:
        reason: the key and value that make this problem, as text.
        draws: theory's draws for it.
        readings: the run read under this problem; without emergence times where its overlaps are defined otherwise.
        cause: the known cause behind it, preferred to a problem that happens to fit; None for others.
    """

    reason: str
    draws: Draws
    readings: Readings
    cause: Cause | None = None


@dataclass(frozen=True, eq=False)
class Explanation:
    """An alternative that the run is consistent with.

    Attributes:
        alternative: what would explain the run.
        probability: of a run as far from it as this one.
        gain: how much likelier the run is under it, in units of the log likelihood.
    """

    alternative: Alternative
    probability: float
    gain: float

    def __str__(self) -> str:
        return f"{self.alternative.reason} (probability {self.probability:.2g})"


def explanations_of(readings: Readings, draws: Draws, alternatives: Iterable[Alternative]) -> tuple[Explanation, ...]:
    """The alternatives that the run is consistent with, the likeliest first; known causes alone where one of them is.

    The likelihood is that of a normal law (synthetic likelihood, Wood 2010, Nature 466, 1102). It is a poor description
    of draws of which only some have learned a direction, so it only ranks the alternatives that pass the test.
    """
    features = Features.of(readings, draws)
    explanations: list[Explanation] = []
    for other in alternatives:
        if other.cause is None and any(one.alternative.cause for one in explanations):
            break
        there = rank_test_of(Features.of(other.readings, other.draws), other.readings, other.draws)
        if there is None or there.probability < LEVEL or not is_as_rough(other.readings, other.draws):
            continue
        shared = features if other.readings.emerged is not None else features.without_directions
        tests = rank_test_of(shared, readings, draws), rank_test_of(shared, other.readings, other.draws)
        likelihoods = [-np.inf if test is None else test.log_likelihood for test in tests]
        explanations.append(Explanation(other, there.probability, likelihoods[1] - likelihoods[0]))
    return tuple(sorted(explanations, key=lambda one: one.gain, reverse=True))


def alternatives_of(case: Case, draws: Draws, clock_of: Callable[[], Clock | None]) -> Iterator[Alternative]:
    """Yield the problems that might explain a run, known causes first, until an interrupt; each is drawn when reached.

    `draws` are those of the run as it is. `clock_of` gives the run's clock, and is called when the first alternative is
    needed. Left out are problems without a known law whose replicas would take long, problems that contradict what the
    run shows, and causes with which the run's clock is still off.
    """
    clock = clock_of()
    for cause, other, drawn in _named(case, draws, clock):
        again = clock_from_draws(other.readings, drawn)
        if again is None or not again.is_beyond(_SURE):
            yield Alternative(str(cause), drawn, other.readings, cause)
        if drawn.stopped:
            return
    for reason, setting, readings in _others(case, clock):
        try:
            draws = setting.drawn_at_any_cost() if setting.teacher is case.setting.teacher else setting.drawn()
        except ArgumentError:
            continue
        yield Alternative(reason, draws, readings)
        if draws.stopped:
            return


def _named(case: Case, draws: Draws, clock: Clock | None) -> Iterator[tuple[Cause, Case, Draws]]:
    """Known causes and keys that the late risk tells, each with its case and draws."""
    for cause, other in _with_causes(case, clock):
        yield cause, other, other.draws
    yield from causes_of_plateau(case, draws)


def _with_causes(case: Case, clock: Clock | None) -> Iterator[tuple[Cause, Case]]:
    """Known causes with the run's factors: of the loss at step 0, alone or with one of the clock; else of the clock."""
    teacher, start, observation = case.setting.teacher, case.setting.start, case.observation
    factor = None if observation.exact else loss_factor(observation.run, teacher, start)
    if factor is None:
        if clock is not None and clock.is_off:  # one whose interval contains 1 explains nothing
            yield from _with_clock_causes(case, clock, observation.exact)
        return
    for cause in causes_of_loss(observation.run, teacher, start):
        if not agrees(factor, 0.0, cause.loss) or (mended := case.with_cause(cause)) is None:
            continue
        yield cause, mended
        again = clock_from_draws(mended.readings, mended.draws)
        if again is not None and again.is_off:
            for second, both in _with_clock_causes(mended, again, observation.exact):
                yield replace(second, key=f"{cause} and {second.key}", keys=cause.keys | second.keys), both


def _with_clock_causes(case: Case, clock: Clock, exact: bool) -> Iterator[tuple[Cause, Case]]:
    """Causes with this clock, each with its case; causes that give the same step share one case and its draws."""
    drawn: dict[tuple[float, int, bool], Case] = {}
    for cause in causes_near(case.observation.run, clock, exact):
        other = case.with_cause(cause)
        if other is None:
            continue
        yield cause, drawn.setdefault(cause.same_theory, other)


def _others(case: Case, clock: Clock | None) -> Iterator[tuple[str, DrawSetting, Readings]]:
    """A clock that is off by no known factor, and the problems that differ in β or in the information exponent."""
    setting, readings, run = case.setting, case.readings, case.observation.run
    if clock is not None and clock.is_off:
        yield _with_clock(setting, readings, clock)
    link, width = setting.teacher.link, setting.teacher.width
    if "beta" in run.config and "second_layer" not in run.config:
        for shift in _SHIFTS:
            beta = float(run.config["beta"]) + shift
            if beta >= 0:
                other = Teacher.power_law(width, beta, link)
                yield f"beta = {beta:.3g}", replace(setting, teacher=other), readings
    if setting.sgd.on_stiefel or case.observation.exact:
        return
    for k in _EXPONENTS:
        if k != link.degree:
            teacher = Teacher(setting.teacher.a, Link.hermite(k))
            comparable = run.overlap == overlap_of(teacher.link)
            held = readings if comparable else replace(readings, emerged=None)
            yield f"information_exponent = {k}", replace(setting, teacher=teacher), held


def _with_clock(setting: DrawSetting, readings: Readings, clock: Clock) -> tuple[str, DrawSetting, Readings]:
    """The reason, the problem with its step divided by the clock's factor, and the run with its times divided by it."""
    factor, error = clock
    emerged = None if readings.emerged is None else readings.emerged / factor
    held = replace(readings, times=readings.times / factor, emerged=emerged, clock_error=error)
    reason = f"a clock whose times are {factor:.3g} times theory's (± {error:.1%})"
    return reason, replace(setting, sgd=setting.sgd.faster(1 / factor)), held
