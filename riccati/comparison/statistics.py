"""How unusual a run is among the draws of a law: simulation-based tests of its risk curve and its emergence times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

_LEAST_RISK = 1e-12
_LATE = 8.0  # relative error of the law's risk and times is of order this over d, measured from d = 300 to 4800


@dataclass(frozen=True, eq=False)
class Draws:
    """What theory draws for a run.

    Attributes:
        risk: (n, T), at the run's logged times.
        emerged: (n, M), emergence times, inf where not by the run's end.
        dim: d.
    """

    risk: Float[np.ndarray, "n T"]
    emerged: Float[np.ndarray, "n M"]
    dim: int

    def distance(self, risk: Float[np.ndarray, " T"] | None) -> float:
        """The root mean square of log(risk/median of the draws), 0 without a risk."""
        if risk is None:
            return 0.0
        known = np.isfinite(risk) & (risk > 0)
        middle = np.maximum(np.median(self.risk[:, known], axis=0), _LEAST_RISK)
        return float(np.sqrt(np.mean(np.log(np.maximum(risk[known], _LEAST_RISK) / middle) ** 2)))


def probability_of(
    draws: Draws, risk: Float[np.ndarray, " T"] | None, emerged: Float[np.ndarray, " M"] | None
) -> float | None:
    """The probability of a run as unusual as this one: the smaller of risk's and times', doubled; None without."""
    slack = tolerance(draws.dim)
    found = [] if risk is None else [risk_probability(draws.risk, risk, slack)]
    if emerged is not None:
        found.append(times_probability(draws.emerged, emerged, slack))
    known = [p for p in found if np.isfinite(p)]
    return min(1.0, len(known) * min(known)) if known else None


def tolerance(dim: int) -> float:
    """The relative error that the laws themselves have in dimension d: they are right up to O(1/d)."""
    return _LATE / dim


def risk_probability(draws: Float[np.ndarray, "n T"], risk: Float[np.ndarray, " T"], slack: float) -> float:
    """The fraction of draws that lie at least as far from the others as the run does; small where it is unusual.

    The distance is the mean over times of z², z the log risk in units of the draws' standard deviation and `slack`
    together. NaN where no time can be compared.
    """
    known = np.isfinite(risk) & (risk > 0)
    sound = np.isfinite(draws).all(axis=1)
    if not known.any() or sound.sum() < 2:
        return float("nan")
    logs = np.log(np.maximum(draws[sound][:, known], _LEAST_RISK))
    mean, spread = logs.mean(axis=0), np.sqrt(logs.var(axis=0) + slack**2)
    distances = np.mean(((logs - mean) / spread) ** 2, axis=1)
    own = float(np.mean(((np.log(np.maximum(risk[known], _LEAST_RISK)) - mean) / spread) ** 2))
    return _share(distances, own)


def times_probability(draws: Float[np.ndarray, "n M"], times: Float[np.ndarray, " M"], slack: float) -> float:
    """The same for emergence times (inf where never by the run's end), by the mean square of their normal scores.

    A time may move by a relative `slack` towards its law's median.
    """
    scores = np.stack([normal_scores(column, column, 0.0) for column in draws.T], axis=1)
    own = np.array([normal_scores(column, np.array([t]), slack)[0] for column, t in zip(draws.T, times, strict=True)])
    return _share(np.mean(scores**2, axis=1), float(np.mean(own**2)))


def normal_scores(
    draws: Float[np.ndarray, " n"], values: Float[np.ndarray, " k"], slack: float
) -> Float[np.ndarray, " k"]:
    """The standard normal quantiles of `values` among draws; what equals a draw, as inf does inf, is put amid them."""
    ordered, n = np.sort(draws), len(draws)

    def score(at: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        below, up_to = np.searchsorted(ordered, at, "left"), np.searchsorted(ordered, at, "right")
        return ndtri(np.clip((below + up_to) / (2 * n), 0.5 / n, 1 - 0.5 / n))

    early, late = score(values * (1 - slack)), score(values * (1 + slack))
    return np.where(early > 0, early, np.where(late < 0, late, 0.0))


def _share(distances: Float[np.ndarray, " n"], own: float) -> float:
    return float((1 + np.count_nonzero(distances >= own)) / (1 + len(distances)))
