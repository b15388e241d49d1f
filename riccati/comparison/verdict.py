"""The verdict: whether a run is consistent with the draws of theory, and if not, what is proved to explain it.

The run's distance from the draws is ranked among the draws' own (rank_test.py), so that a run that obeys the theory is
called consistent with a probability of 1 - LEVEL: exactly for replicas of SGD, and for draws of the law up to their own
error of relative order 1/d, for which the test allows. An explanation has to pass the same test: the run must be
consistent with the draws of theory for the changed problem.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .causes import Cause
from .clock import Clock
from .draws import Draws
from .explanations import Alternative, Explanation, explanations_of
from .observation import Observation, Readings
from .rank_test import LEVEL, power_against_slower, probability_of
from .signs import anomalies_of, signs_of

_ASK = "; with replicas=128 an explanation is looked for"
_ANOMALIES = 3  # that are mentioned of a run that nothing explains
_LEAST_POWER = 0.5  # below which a verdict of consistent says what it is worth


@dataclass(frozen=True)
class Verdict:
    """Whether a run is consistent with theory, and why.

    Attributes:
        consistent: whether the run is consistent with theory; None where that is not known.
        probability: that a run which obeys the theory is at least as far from the draws; None where it is not known.
        sentence: the verdict in one sentence, with the first reason.
        reasons: explanations of an inconsistent run, the likeliest first; with each of them the run is consistent.
    """

    consistent: bool | None
    probability: float | None
    sentence: str
    reasons: tuple[str, ...] = ()

    def explained(self, explanations: tuple[Explanation, ...], otherwise: str = "") -> Verdict:
        """The same verdict with its explanations in the sentence: all known causes, or the likeliest other problem."""
        reasons = tuple(str(one) for one in explanations)
        if reasons:
            possible = reasons if explanations[0].alternative.cause else reasons[:1]
            otherwise = f"; explained best by {' or '.join(possible)}"
        return replace(self, sentence=self.sentence + otherwise, reasons=reasons)

    def __str__(self) -> str:
        return self.sentence


UNASKED = Verdict(None, None, "not taken: compare(run, replicas=128) tests the run against 128 replicas of SGD")
NO_START = Verdict(None, None, "none: initial_overlaps are not given, and emergence times depend on them")
_NOT_COMPARABLE = Verdict(None, None, "none: neither the risk nor emergence times can be compared")


def verdict_of(
    readings: Readings,
    draws: Draws,
    alternatives: Iterable[Alternative] | None,
    *,
    clock: Clock | None = None,
    observation: Observation | None = None,
) -> tuple[Verdict, tuple[Cause, ...]]:
    """The verdict on a run that did not diverge, and the causes that are proved.

    Args:
        readings: the run.
        draws: theory's draws for it.
        alternatives: problems that might explain it, drawn one by one, and only if the run is not consistent; with None
            no explanation is looked for, and the verdict says how to ask for one.
        clock: the run's clock, mentioned where nothing explains the run.
        observation: the run, whose signs of how it was trained are mentioned where nothing explains it.
    """
    verdict = verdict_on_divergence(draws, run_diverged=False)
    exploding = verdict is not None
    if verdict is None:
        probability = probability_of(readings, draws)
        if probability is None:
            return _NOT_COMPARABLE, ()
        if probability >= LEVEL:
            said = f"a run that obeys it is as far from it with probability {probability:.2g}, by {draws.source}"
            remark = _remark_on_power(readings, draws)
            return Verdict(True, probability, f"consistent with theory: {said}{remark}"), ()
        verdict = _inconsistent(probability, draws, anomalies_of(readings, draws))
    if alternatives is None:
        return verdict.explained((), _ASK), ()
    explanations = explanations_of(readings, draws, alternatives)
    causes = tuple(one.alternative.cause for one in explanations if one.alternative.cause is not None)
    if explanations or exploding:
        return verdict.explained(explanations), causes
    assert verdict.probability is not None
    anomalies = anomalies_of(readings, draws)
    if clock is not None and clock.is_off:
        times = f"its times are {clock.factor:.3g} (± {clock.error:.1%}) times theory's"
        anomalies = (*anomalies[: _ANOMALIES - 1], times)
    signs = () if observation is None else signs_of(observation, readings, draws)
    otherwise = f"no key of a run explains it: {' and '.join(signs)}" if signs else "no known convention explains it"
    return _inconsistent(verdict.probability, draws, anomalies).explained((), f"; {otherwise}"), causes


def verdict_on_divergence(draws: Draws, run_diverged: bool) -> Verdict | None:
    """The verdict where the run diverged and theory's draws do not, or the reverse; None where they agree.

    Its probability is the share of the draws that diverged or not as the run did, with the run counted among them.
    """
    alike = int(np.count_nonzero(draws.diverged == run_diverged))
    probability = (1 + alike) / (1 + len(draws.diverged))
    if probability >= LEVEL:
        return None
    count = f"{np.count_nonzero(draws.diverged)} of {draws.source} do"
    said = f"SGD at the run's step explodes ({count}), this run did not"
    if run_diverged:
        said = f"this run diverged, SGD at its step seldom does ({count})"
    return Verdict(False, probability, f"not consistent with theory (probability {probability:.2g}): {said}")


def verdict_on_diverged(draws: Draws) -> Verdict:
    """The verdict on a run that diverged, by how many draws diverge; its curve is not compared."""
    apart = verdict_on_divergence(draws, run_diverged=True)
    if apart is not None:
        return apart
    said = f"consistent with theory: this run diverged, as {np.count_nonzero(draws.diverged)} of {draws.source} do"
    return Verdict(True, float(np.mean(draws.diverged)), said)


def _inconsistent(probability: float, draws: Draws, anomalies: tuple[str, ...]) -> Verdict:
    """The verdict on a run that is not consistent with the draws, with what is unusual about it."""
    where = "; ".join(anomalies) or "its curve is unusual as a whole"
    said = f"not consistent with theory (probability {probability:.2g} among {draws.source}): {where}"
    return Verdict(False, probability, said)


def _remark_on_power(readings: Readings, draws: Draws) -> str:
    """The remark on a verdict of consistency where the test could hardly reject a run at half the rate; else empty."""
    power = power_against_slower(readings, draws)
    if power is None or power >= _LEAST_POWER:
        return ""
    return f"; too short to tell: {1 - power:.0%} of runs at half the rate would be called consistent too"
