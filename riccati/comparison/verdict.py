"""The verdict: whether a run is one of those that theory draws, and if not, what change of one key would explain it.

The law of the risk and of the emergence times at the run's own start, step and batch is sampled, and the run's distance
from the draws is ranked among the draws' own (statistics.py). A run that obeys the theory is called consistent with a
probability of 1 - LEVEL, up to the law's own error of relative order 1/d, for which there is slack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .statistics import Draws, probability_of

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


@dataclass(frozen=True, eq=False)
class Observed:
    """What of a run is held against draws.

    Attributes:
        times: (T,), canonical.
        risk: (T,), or None.
        emerged: (M,), emergence times, inf where not by the run's end; None where they are not comparable.
    """

    times: Float[np.ndarray, " T"]
    risk: Float[np.ndarray, " T"] | None
    emerged: Float[np.ndarray, " M"] | None


@dataclass(frozen=True, eq=False)
class Alternative:
    """Another problem that the run might be of.

    Attributes:
        reason: which key would have to be what.
        draws: what theory draws for it.
        observed: the run as it then is.
    """

    reason: str
    draws: Draws
    observed: Observed


def verdict_of(observed: Observed, draws: Draws, alternatives: Iterable[Alternative]) -> Verdict:
    """The verdict; `alternatives` are drawn one by one, and only if the run is not consistent."""
    probability = probability_of(draws, observed.risk, observed.emerged)
    if probability is None:
        return Verdict(None, None, "no verdict: neither the risk nor emergence times can be compared")
    if probability >= LEVEL:
        said = f"consistent with theory: a run as far from it has probability {probability:.2g}"
        return Verdict(True, probability, said)
    reasons = tuple(_explanations(probability, alternatives))
    explained = f"; explained best by {reasons[0]}" if reasons else "; no change of one key explains it"
    said = f"not consistent with theory (probability {probability:.2g}): {_where(observed, draws)}{explained}"
    return Verdict(False, probability, said, reasons)


def _explanations(probability: float, alternatives: Iterable[Alternative]) -> Iterator[str]:
    """The reasons under which the run is more probable, the likeliest first."""
    found = []
    for other in alternatives:
        under = probability_of(other.draws, other.observed.risk, other.observed.emerged)
        if under is not None and under > probability:
            found.append((under, other.draws.distance(other.observed.risk), other.reason))
    for under, _, reason in sorted(found, key=lambda one: (-one[0], one[1])):
        yield f"{reason} (probability {under:.2g})"


def _where(observed: Observed, draws: Draws) -> str:
    """Where the run leaves the band of the risk first, and its most unusual emergence time."""
    said = []
    if observed.risk is not None:
        low, middle, high = np.quantile(draws.risk, [_OUTSIDE, 0.5, 1 - _OUTSIDE], axis=0)
        with np.errstate(invalid="ignore"):
            outside = np.flatnonzero((observed.risk < low) | (observed.risk > high))
        if len(outside):
            t = int(outside[0])
            ratio = observed.risk[t] / middle[t]
            said.append(
                f"from t = {observed.times[t]:.3g} on its risk leaves the band, {ratio:.3g} times the median there"
            )
    if observed.emerged is not None and draws.emerged is not None:
        shares = np.mean(draws.emerged < observed.emerged, axis=0)
        m = int(np.argmax(np.abs(shares - 0.5)))
        time = f"{observed.emerged[m]:.3g}" if np.isfinite(observed.emerged[m]) else "never"
        said.append(f"T_{m + 1} is {time}, later than {shares[m]:.0%} of theory's")
    return " and ".join(said) or "its course is unusual as a whole"
