"""The verdict: whether a run is one of those that theory draws, and if not, what is proved to explain it.

The run's distance from the draws is ranked among the draws' own (rank_test.py), so that a run that obeys the theory is
called consistent with a probability of 1 - LEVEL: for replicas of SGD exactly, for draws of the law up to their own
error of relative order 1/d, for which there is slack. An explanation is held to the same test: the run must be
consistent with what theory draws with that change, or it explains nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .causes import Cause
from .clock import Clock
from .draws import Draws
from .rank_test import Features, Observed, rank_test_of

LEVEL = 0.05
ASK = "; with replicas=128 an explanation is looked for"
_OUTSIDE = 0.01  # of the draws on either side, beyond which a point of the risk is outside theory's band
_TOLD = 3  # observations that are told of a run that nothing explains
_ENDS_OFF = 0.05  # relative: a final risk closer to theory's median is not told


@dataclass(frozen=True)
class Verdict:
    """What theory says of a run.

    Attributes:
        consistent: whether the run is one of those that theory draws; None where that cannot be said.
        probability: of a run as far from theory as this one, if it obeyed it; None where it is not known.
        sentence: the verdict in one sentence, with the first reason.
        reasons: what explains an inconsistent run, the likeliest first; the run is consistent with each of them.
    """

    consistent: bool | None
    probability: float | None
    sentence: str
    reasons: tuple[str, ...] = ()

    def explained(self, explanations: tuple[Explanation, ...], otherwise: str = "") -> Verdict:
        """The same with what explains it in the sentence: every known cause, or the likeliest problem that fits."""
        reasons = tuple(str(one) for one in explanations)
        if reasons:
            possible = reasons if explanations[0].alternative.cause else reasons[:1]
            otherwise = f"; explained best by {' or '.join(possible)}"
        return replace(self, sentence=self.sentence + otherwise, reasons=reasons)

    def __str__(self) -> str:
        return self.sentence


UNASKED = Verdict(None, None, "not taken: compare with replicas=128 holds the run against as many of SGD's")
NO_START = Verdict(None, None, "none: initial_overlaps are not given, and emergence times depend on them")
NOT_COMPARABLE = Verdict(None, None, "none: neither the risk nor emergence times can be compared")


@dataclass(frozen=True, eq=False)
class Alternative:
    """Another problem that the run might be of.

    Attributes:
        reason: which key would have to be what.
        draws: what theory draws for it.
        observed: the run as it then is; without emergence times where its overlaps are not those of the problem.
        cause: the known cause that it is the theory of, which is preferred to a problem that happens to fit.
    """

    reason: str
    draws: Draws
    observed: Observed
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


def verdict_of(observed: Observed, draws: Draws, alternatives: Iterable[Alternative] | None) -> Verdict:
    """The verdict; `alternatives` are drawn one by one, and only if the run is not consistent.

    With None of them no explanation is looked for, and the verdict says how to ask for one.
    """
    probability = probability_of(observed, draws)
    if probability is None:
        return NOT_COMPARABLE
    if probability >= LEVEL:
        return consistent(probability, draws)
    if alternatives is None:
        return unexplained(probability, observed, draws)
    return inconsistent(probability, observed, draws, explanations_of(observed, draws, alternatives))


def probability_of(observed: Observed, draws: Draws) -> float | None:
    """Of a run as far from the draws as this one, if it obeyed the theory; None where nothing can be compared."""
    test = rank_test_of(Features.of(observed, draws), observed, draws)
    return None if test is None else test.probability


def consistent(probability: float, draws: Draws, remark: str = "") -> Verdict:
    """The verdict on a run that is one of those that theory draws."""
    said = f"consistent with theory: a run as far from it has probability {probability:.2g} among {draws.source}"
    return Verdict(True, probability, said + remark)


def inconsistent(
    probability: float,
    observed: Observed,
    draws: Draws,
    explanations: tuple[Explanation, ...],
    signs: tuple[str, ...] = (),
    clock: Clock | None = None,
) -> Verdict:
    """The verdict on a run that is none of those, with what explains it, else with what it shows."""
    seen = observations(observed, draws)
    if not explanations and clock is not None and clock.is_off:
        seen = (*seen[: _TOLD - 1], f"its times are {clock.factor:.3g} (± {clock.error:.1%}) times theory's")
    otherwise = (
        f"; no key of a run explains it: {' and '.join(signs)}" if signs else "; no known convention explains it"
    )
    return _against(probability, seen, draws).explained(explanations, otherwise)


def unexplained(probability: float, observed: Observed, draws: Draws) -> Verdict:
    """The verdict on a run that is none of those, where nobody asked why."""
    verdict = _against(probability, observations(observed, draws), draws)
    return verdict.explained((), ASK)


def _against(probability: float, seen: tuple[str, ...], draws: Draws) -> Verdict:
    where = "; ".join(seen) or "its course is unusual as a whole"
    said = f"not consistent with theory (probability {probability:.2g} among {draws.source}): {where}"
    return Verdict(False, probability, said)


def explanations_of(observed: Observed, draws: Draws, alternatives: Iterable[Alternative]) -> tuple[Explanation, ...]:
    """The alternatives that the run is consistent with, the likeliest first; known causes alone where one of them is.

    The normal law behind a likelihood says little of draws of which some have learned a direction and some have not,
    so it only ranks what the test has let through.
    """
    features = Features.of(observed, draws)
    found: list[Explanation] = []
    for other in alternatives:
        if other.cause is None and any(one.alternative.cause for one in found):
            break
        there = rank_test_of(Features.of(other.observed, other.draws), other.observed, other.draws)
        if there is None or there.probability < LEVEL:
            continue
        shared = features if other.observed.emerged is not None else features.without_directions
        tests = rank_test_of(shared, observed, draws), rank_test_of(shared, other.observed, other.draws)
        likelihoods = [-np.inf if test is None else test.log_likelihood for test in tests]
        found.append(Explanation(other, there.probability, likelihoods[1] - likelihoods[0]))
    return tuple(sorted(found, key=lambda one: one.gain, reverse=True))


def observations(observed: Observed, draws: Draws) -> tuple[str, ...]:
    """Where the risk leaves theory's band, where it ends, and the most unusual emergence time; what is ordinary is left
    out.
    """
    said = () if observed.risk is None else _of_risk(observed.times, observed.risk, draws)
    return said if observed.emerged is None else (*said, *_of_times(observed.emerged, draws))


def _of_risk(times: np.ndarray, risk: np.ndarray, draws: Draws) -> tuple[str, ...]:
    low, middle, high = (draws.risk_quantile(q) for q in (_OUTSIDE, 0.5, 1 - _OUTSIDE))
    known = np.isfinite(risk) & np.isfinite(middle) & (middle > 0)
    outside = np.flatnonzero(known & ((risk < low) | (risk > high)))
    if not len(outside):
        return ()
    first, last = int(outside[0]), int(np.flatnonzero(known)[-1])
    said = [f"from t = {times[first]:.3g} on its risk leaves the band, {_times_of(risk[first] / middle[first])} there"]
    if last != first and outside[-1] == last and abs(risk[last] / middle[last] - 1) > _ENDS_OFF:
        said.append(f"it ends at {risk[last]:.3g}, {_times_of(risk[last] / middle[last])}")
    return tuple(said)


def _times_of(ratio: float) -> str:
    """A ratio to theory's median, in words that do not round it to 1."""
    if abs(ratio - 1) < 0.1:
        return f"{100 * abs(ratio - 1):.2g} % {'above' if ratio > 1 else 'below'} the median"
    return f"{ratio:.3g} times the median"


def _of_times(emerged: np.ndarray, draws: Draws) -> tuple[str, ...]:
    """The emergence time that is earlier or later than the most of theory's, if it is unusual."""
    earlier, later = np.mean(draws.seen < emerged, axis=0), np.mean(draws.seen > emerged, axis=0)
    m = int(np.argmax(np.maximum(earlier, later)))
    if max(earlier[m], later[m]) < 1 - LEVEL:
        return ()
    time = f"{emerged[m]:.3g}" if np.isfinite(emerged[m]) else "never"
    word, share = ("later", earlier[m]) if earlier[m] > later[m] else ("earlier", later[m])
    return (f"T_{m + 1} is {time}, {word} than {share:.0%} of theory's",)
