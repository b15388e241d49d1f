"""The verdict: whether a run is one of those that theory draws, and if not, what change of one key would explain it.

The run's distance from the draws is ranked among the draws' own (statistics.py), so that a run that obeys the theory is
called consistent with a probability of 1 - LEVEL: for replicas of SGD exactly, for draws of the law up to their own
error of relative order 1/d, for which there is slack.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .draws import Draws
from .statistics import Features, Observed, cloud_of

LEVEL = 0.05
_OUTSIDE = 0.01  # of the draws on either side, beyond which a point of the risk is outside theory's band


@dataclass(frozen=True)
class Verdict:
    """What theory says of a run.

    Attributes:
        consistent: whether the run is one of those that theory draws; None where that cannot be said.
        probability: of a run as far from theory as this one, if it obeyed it; None where it is not known.
        sentence: the verdict in one sentence, with the first reason.
        reasons: what would explain an inconsistent run, the likeliest first.
    """

    consistent: bool | None
    probability: float | None
    sentence: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.sentence


UNASKED = Verdict(None, None, "none: give replicas, the number of draws to hold the run against")
NO_START = Verdict(None, None, "none: initial_overlaps are not given, and emergence times depend on them")


@dataclass(frozen=True, eq=False)
class Alternative:
    """Another problem that the run might be of.

    Attributes:
        reason: which key would have to be what.
        draws: what theory draws for it.
        observed: the run as it then is; without emergence times where its overlaps are not those of the problem.
    """

    reason: str
    draws: Draws
    observed: Observed


def verdict_of(observed: Observed, draws: Draws, alternatives: Iterable[Alternative] | None) -> Verdict:
    """The verdict; `alternatives` are drawn one by one, and only if the run is not consistent. With None of them no
    explanation is looked for, and the verdict says how to ask for one."""
    features = Features.of(observed, draws)
    cloud = cloud_of(features, observed, draws)
    if cloud is None:
        return Verdict(None, None, "none: neither the risk nor emergence times can be compared")
    probability = cloud.probability
    against = f"probability {probability:.2g} among {draws.source}"
    if probability >= LEVEL:
        return Verdict(True, probability, f"consistent with theory: a run as far from it has {against}")
    reasons = () if alternatives is None else _explanations(features, observed, draws, alternatives)
    if alternatives is None:
        explained = "; with replicas an explanation is looked for"
    else:
        explained = f"; explained best by {reasons[0]}" if reasons else "; no change of one key explains it"
    said = f"not consistent with theory ({against}): {_where(observed, draws)}{explained}"
    return Verdict(False, probability, said, reasons)


def _explanations(
    features: Features, observed: Observed, draws: Draws, alternatives: Iterable[Alternative]
) -> tuple[str, ...]:
    """The reasons under which the run is likelier: those it is consistent with first, and each by how much likelier.

    The normal law behind a likelihood says little of draws of which some have learned a direction and some have not;
    the rank of the distance holds for them as well.
    """
    found = []
    for other in alternatives:
        seen = features if other.observed.emerged is not None else Features(features.rows, np.array([], int))
        here, there = cloud_of(seen, observed, draws), cloud_of(seen, other.observed, other.draws)
        if here is None or there is None:
            continue
        gain = there.log_likelihood - here.log_likelihood
        if gain > 0:
            under = there.probability
            found.append((under >= LEVEL, gain, f"{other.reason} (probability {under:.2g})"))
    return tuple(reason for *_, reason in sorted(found, key=lambda one: one[:2], reverse=True))


def _where(observed: Observed, draws: Draws) -> str:
    """Where the run leaves the band of the risk first, and its most unusual emergence time."""
    said = []
    if observed.risk is not None:
        low, middle, high = (draws.risk_quantile(q) for q in (_OUTSIDE, 0.5, 1 - _OUTSIDE))
        with np.errstate(invalid="ignore"):
            outside = np.flatnonzero((observed.risk < low) | (observed.risk > high))
        if len(outside):
            t = int(outside[0])
            ratio = observed.risk[t] / middle[t]
            said.append(
                f"from t = {observed.times[t]:.3g} on its risk leaves the band, {ratio:.3g} times the median there"
            )
    if observed.emerged is not None:
        shares = np.mean(draws.seen < observed.emerged, axis=0)
        m = int(np.argmax(np.abs(shares - 0.5)))
        time = f"{observed.emerged[m]:.3g}" if np.isfinite(observed.emerged[m]) else "never"
        said.append(f"T_{m + 1} is {time}, later than {shares[m]:.0%} of theory's")
    return " and ".join(said) or "its course is unusual as a whole"
