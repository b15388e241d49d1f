"""The verdict: whether a run is one of those that the theory draws, and if not, what change of one key would explain it.

The law of the risk and of the emergence times at the run's own start, step and batch is sampled, and the run's
distance from the draws is ranked among the draws' own (statistics.py). A run that obeys the theory is called consistent
with a probability of 1 - LEVEL, up to the law's own error of relative order 1/d, for which there is slack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..emergence import EmergenceLaw, RiskLaw
from .statistics import risk_probability, times_probability, tolerance

LEVEL = 0.05


@dataclass(frozen=True)
class Draws:
    """What the theory draws for a run.

    Attributes:
        risk: (n, T), at the run's logged times.
        emerged: (n, M), emergence times, inf where not by the run's end; None where the run's cannot be compared.
        dim: d.
    """

    risk: Float[np.ndarray, "n T"]
    emerged: Float[np.ndarray, "n M"] | None
    dim: int


@dataclass(frozen=True)
class Verdict:
    """What theory says of a run.

    Attributes:
        consistent: whether the run is one of those that theory draws; None where that cannot be said.
        probability: of a run as far from theory as this one, if it obeyed it.
        sentence: the verdict in one sentence, with the first reason.
        reasons: what would explain an inconsistent run, the likeliest first.
    """

    consistent: bool | None
    probability: float | None
    sentence: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.sentence


def draws_of(law: EmergenceLaw, band: RiskLaw, dim: int, last: float, count: int, with_times: bool) -> Draws:
    """`count` draws of the emergence times, as seen by a run that ends at time `last`, and the band's of the risk."""
    emerged = None
    if with_times:
        times = np.asarray(law.sample(count, seed=1))
        emerged = np.where(times <= last, times, np.inf)
    return Draws(np.asarray(band.draws), emerged, dim)


def probability_of(
    draws: Draws, risk: Float[np.ndarray, " T"] | None, emerged: Float[np.ndarray, " M"] | None
) -> float | None:
    """The probability of a run as unusual as this one, the smaller of risk's and times' counted twice; None without."""
    slack = tolerance(draws.dim)
    found = []
    if risk is not None:
        found.append(risk_probability(draws.risk, risk, slack))
    if emerged is not None and draws.emerged is not None:
        found.append(times_probability(draws.emerged, emerged, slack))
    known = [p for p in found if np.isfinite(p)]
    return min(1.0, len(known) * min(known)) if known else None


@dataclass(frozen=True)
class Alternative:
    """Another problem that the run might be of.

    Attributes:
        reason: which key would have to be what, one line.
        probability: of a run as unusual as this one under it; computed when it is asked for.
    """

    reason: str
    probability: Callable[[], float | None]


def verdict_of(probability: float | None, where: str, alternatives: tuple[Alternative, ...]) -> Verdict:
    """The verdict from the run's probability under theory and, if that is small, under the alternatives.

    `where` says where the run leaves theory's band.
    """
    if probability is None:
        return Verdict(None, None, "no verdict: the run's step, or its law, is not known")
    if probability >= LEVEL:
        return Verdict(True, probability, f"consistent with theory: a run like this has probability {probability:.2g}")
    found = [(other.probability() or 0.0, other.reason) for other in alternatives]
    better = sorted((pair for pair in found if pair[0] > 2 * probability), reverse=True)
    reasons = tuple(f"{reason} (probability {p:.2g})" for p, reason in better)
    explained = f"; explained best by {reasons[0]}" if reasons else "; no change of one key explains it"
    sentence = f"not consistent with theory (probability {probability:.2g}): {where}{explained}"
    return Verdict(False, probability, sentence, reasons)
