"""The test of a run: which draws of theory are made for it, when they are enough, and the verdict that they give."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jax.typing import ArrayLike

from ..laws import EmergenceLaw, emergence_law
from ..problem import uncovered
from ..support import ArgumentError, require
from .case import Case
from .causes import Cause
from .clock import TELLING, Clock, clock_by_flow, clock_from_draws
from .draws import FEWEST, Draws, DrawSetting
from .explanations import alternatives_of
from .observation import Observation, Readings
from .rank_test import noise_of, probability_of
from .theory import Theory
from .verdict import NO_START, UNASKED, Verdict, verdict_of, verdict_on_diverged

_ROUGH = 0.005  # relative error of the logged risk from which it is mentioned
_AS_FAR = 10  # draws as far out as the run, after which no more are drawn (Besag & Clifford's h)


@dataclass(frozen=True, eq=False)
class Assessment:
    """The verdict on a run, with the draws that it was compared with.

    Attributes:
        verdict: whether the run is consistent with the draws; where there are no draws, or the run did not log its
            start, the reason why this is not known.
        draws: the draws that the run was compared with, or that its band is made of; None where there are none.
        law: the law of the emergence times, where it is known without draws.
        clock: the run's times over the draws', and the relative error of that; None where it is not known.
        notes: remarks on the draws, a line each.
        causes: the proved causes: with each of them the run is consistent with the draws of theory.
        explained: whether an explanation was looked for, if the run needs one.
    """

    verdict: Verdict
    draws: Draws | None = None
    law: EmergenceLaw | None = None
    clock: Clock | None = None
    notes: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    explained: bool = False

    @property
    def quantile(self) -> Callable[[float], ArrayLike] | None:
        """The function from q to the q-quantile of each emergence time over runs of SGD; None where it is not known."""
        if self.draws is not None:
            return self.draws.emergence_quantile
        return None if self.law is None else self.law.quantile


def assessment_of(observation: Observation, theory: Theory, replicas: int | None) -> Assessment:
    """The verdict on a run, and the draws of theory that it is based on.

    The draws are replicas of SGD where the user asks for `replicas`, or where they take seconds; else draws of the law
    where those take seconds.

    Raises:
        ArgumentError: if `replicas` are asked for and the run does not give its step size or has no step after 0, or
            it did not log its start and the law of its problem is not known.
        Stopped: a KeyboardInterrupt, before any block of replicas is finished.
    """
    asked, own_start = replicas is not None, observation.has_start
    nothing = Assessment(UNASKED if own_start else NO_START)
    known = not asked or not theory.unknown_step
    require(known, "run", "give its step size for a verdict", f"without: {theory.unknown_step}")
    if theory.unknown_step:
        return nothing
    require(not asked or len(observation.rows) > 0, "run", "have logged a step after 0", "without one")
    if not len(observation.rows):
        return nothing
    setting = DrawSetting.of(observation, theory.teacher, theory.start, max(replicas or 0, FEWEST))
    readings = observation.readings(theory.native_overlaps)
    draws, law, why = _drawn_for(setting, readings, asked, own_start)
    if draws is None:
        return replace(nothing, law=_law_of_times(setting) if theory.is_native else None, notes=(f"no band: {why}",))
    readings = replace(readings, noise=noise_of(readings, draws))
    clock = clock_from_draws(readings, draws)
    notes = (*draws.cautions(law), *_remarks(setting, readings, draws, offers=own_start and not asked))
    if not own_start:
        return Assessment(NO_START, draws, None, clock, notes)
    case, explain = Case(observation, setting, readings), asked and not draws.stopped
    verdict, causes = _verdict(case, theory, draws, clock, explain)
    return Assessment(verdict, draws, None, clock, notes, causes, explain)


def _drawn_for(
    setting: DrawSetting, readings: Readings, asked: bool, own_start: bool
) -> tuple[Draws | None, Draws | None, str]:
    """The draws that a run is compared with, the draws of the law beside them, and the reason where there are none."""
    if setting.has_replicas and own_start and (asked or setting.affordable):
        draws = setting.of_sgd(lambda held: _clearly_consistent(readings, held))
        return draws, setting.quick_law()[0] if asked and setting.affordable else None, ""
    if asked:
        return _drawn_without_start(setting), None, ""
    draws_of_law, why = setting.quick_law()
    offer = f"; {setting.offer}" if draws_of_law is None and own_start and setting.offer else ""
    return draws_of_law, None, why + offer


def _drawn_without_start(setting: DrawSetting) -> Draws:
    """Draws for the band of a run that logged no start, from the start that was taken instead."""
    try:
        return setting.drawn()
    except ArgumentError as error:
        law = f"as no law is known here, for which {error.argument} would have to {error.must}"
        must = f"give its start for a verdict (initial_overlaps, initial_student_gram, init_norm), {law}"
        raise ArgumentError("run", must, "without") from None


def _clearly_consistent(readings: Readings, draws: Draws) -> bool:
    """Whether `_AS_FAR` draws are as unusual as the run, so that more draws would hardly change the verdict."""
    with_noise = replace(readings, noise=noise_of(readings, draws))
    probability = probability_of(with_noise, draws)
    sound = int(np.count_nonzero(~draws.diverged))
    return probability is not None and bool(probability * (1 + sound) >= 1 + _AS_FAR)


def _law_of_times(setting: DrawSetting) -> EmergenceLaw | None:
    """The law of the emergence times where it costs no replicas, for k > 2 and c_0 = 0 in the standard problem."""
    if not setting.sgd.is_constant or setting.teacher.link.information_exponent <= 2:
        return None
    if uncovered("emergence_law", setting.teacher, setting.start, setting.sgd):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the law's own `caution` says it
        return emergence_law(setting.teacher, setting.start, setting.sgd)


def _remarks(setting: DrawSetting, readings: Readings, draws: Draws, offers: bool) -> Iterator[str]:
    """Remarks on how a run was compared with draws, a line each."""
    if draws.stopped:
        yield f"stopped by an interrupt: the verdict is by the {len(draws.risk)} replicas finished by then"
    if readings.noise > _ROUGH:
        rough = f"{readings.noise:.1%}, as one estimated on samples"
        yield f"the logged risk is rough by {rough}: the verdict allows for it"
    if offers and draws.slack and setting.offer:
        yield f"the verdict is by draws of the law; {setting.offer}"


def _verdict(
    case: Case, theory: Theory, draws: Draws, clock: Clock | None, explain: bool
) -> tuple[Verdict, tuple[Cause, ...]]:
    """The verdict, and with `explain` the causes that are proved."""
    observation = case.observation
    if observation.diverged:
        return verdict_on_diverged(_drawn_until_divergence(case, draws)), ()

    def clock_or_flows() -> Clock | None:
        """The clock by the draws; where they do not give it that by the flow, with an error of at least `TELLING`."""
        if clock is not None:
            return clock
        rough = clock_by_flow(observation, theory.flow_alone)
        return None if rough is None else Clock(rough.factor, max(rough.error, TELLING))

    alternatives = alternatives_of(case, draws, clock_or_flows) if explain else None
    return verdict_of(case.readings, draws, alternatives, clock=clock, observation=observation)


def _drawn_until_divergence(case: Case, draws: Draws) -> Draws:
    """The draws, extended up to the step at which the run diverged where that is later than its last row."""
    last = case.observation.run.config.get("diverged_at_step", 0)
    if last <= case.setting.logged[-1]:
        return draws
    return replace(case.setting, logged=np.r_[case.setting.logged, last]).drawn_at_any_cost()
