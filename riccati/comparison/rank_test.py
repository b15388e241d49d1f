"""How unusual a run is among draws: a simulation-based test of its risk curve and its emergence times together.

Run and draws are pooled, and several distances of each from all the others are taken:

    features            the Mahalanobis distance in the log risk at some times and the log emergence time of some
                        directions, by the others' mean and covariance, widened by the errors of draws and logged loss
    band                where neither has an error, how far the risk leaves the band of all at its worst row
    principal, sided    where the risk is exact, the distance in the principal components of the whole log risk, and how
                        far the risk stays on one side of the median over all rows

Each distance is ranked, the most extreme rank is the score, and the run's score is ranked among those of the draws.
Run and draws are exchangeable if the run obeys the theory, and so the test keeps its level whatever their law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from .draws import LEAST_RISK, Draws
from .observation import Readings

LEVEL = 0.05  # probability below which a run is not one of theory's
_PARTS = 4  # of a run, in each of which its roughness is taken
_ROWS, _DIRECTIONS = 12, 6  # features at the most
_COMPONENTS = 12  # principal components of the log risk
_SELDOM = 0.02  # of the draws must learn a direction for it to be a feature
_RIDGE, _EXACT_RIDGE = 2e-3, 1e-5  # relative error that no feature is free of; of an exact risk, single precision's
_WITHIN = (0.16, 0.84)  # quantiles a standard deviation from the median of a normal law
_SLOWER = 2.0  # the clock that the test's power is against: that of a loss with its half for one without
_TRIED = 16  # draws that are held out for it, one by one


@dataclass(frozen=True, eq=False)
class Features:
    """The rows and directions that the test looks at; chosen by the draws and by what was logged, not by its values.

    Attributes:
        rows: indices of times.
        directions: indices of directions.
        every: indices of all times with a risk; `rows` are some of them.
    """

    rows: Int[np.ndarray, " R"]
    directions: Int[np.ndarray, " D"]
    every: Int[np.ndarray, " E"]

    @classmethod
    def of(cls, readings: Readings, draws: Draws) -> Features:
        """Times evenly among those with a risk, and directions that some draws learn."""
        rows = directions = every = np.array([], int)
        if readings.risk is not None:
            every = np.flatnonzero(np.isfinite(readings.risk) & (readings.risk > 0))
            rows = every[np.unique(np.linspace(0, len(every) - 1, _ROWS).round().astype(int))] if len(every) else every
        if readings.emerged is not None:
            learned = np.flatnonzero(np.isfinite(draws.emerged_by_end).mean(axis=0) >= _SELDOM)
            others = np.setdiff1d(np.arange(draws.emerged.shape[1]), learned)
            directions = np.r_[learned, others][:_DIRECTIONS]
        return cls(rows, directions, every)

    @property
    def none(self) -> bool:
        """Whether nothing can be compared."""
        return len(self.rows) + len(self.directions) == 0

    @property
    def without_directions(self) -> Features:
        """The same rows alone."""
        return replace(self, directions=self.directions[:0])


@dataclass(frozen=True, eq=False)
class RankTest:
    """A run pooled with n draws, of which it is the last row.

    Attributes:
        features: (n + 1, F), log risk and log emergence times.
        excess: (F, F), what their covariance is widened by.
        risk: (n + 1, E), the log risk at every row; without columns where it, or the draws, have an error.
        exact: whether the risk has no error at all, rather than none that shows.
    """

    features: Float[np.ndarray, "n+1 F"]
    excess: Float[np.ndarray, "F F"]
    risk: Float[np.ndarray, "n+1 E"]
    exact: bool

    @property
    def probability(self) -> float:
        """The probability that a run which obeys the theory is at least as far from the others as this one."""
        return float(np.mean(_as_unusual(self.distances)))

    @cached_property
    def distances(self) -> Float[np.ndarray, "S n+1"]:
        """The distances of each row from all the others, one array for each kind of distance."""
        several = [_distances(self.features, self.excess)]
        if self.risk.shape[1]:
            several.append(_beyond_band(self.risk, _EXACT_RIDGE if self.exact else _RIDGE))
        if self.risk.shape[1] and self.exact:
            several += [_distances(*_principal(self.risk)), _one_sided(self.risk)]
        return np.array(several)

    @property
    def log_likelihood(self) -> float:
        """The log likelihood of the run by the normal law with the draws' mean and covariance."""
        draws = self.features[:-1]
        covariance = np.atleast_2d(np.cov(draws.T, ddof=1)) + self.excess
        off = self.features[-1] - draws.mean(axis=0)
        return -0.5 * float(off @ np.linalg.solve(covariance, off) + np.linalg.slogdet(covariance)[1])


def rank_test_of(features: Features, readings: Readings, draws: Draws) -> RankTest | None:
    """The test of a run among the draws that did not diverge; None where there are too few, or nothing to compare."""
    horizon, risk = float(draws.times[-1]), draws.risk
    own_risk = np.full(risk.shape[1], np.nan) if readings.risk is None else readings.risk
    own_emerged = np.full(draws.emerged.shape[1], np.inf) if readings.emerged is None else readings.emerged
    sound = np.isfinite(risk[:, features.every]).all(axis=1)
    if features.none or sound.sum() < 2 * (len(features.rows) + len(features.directions)):
        return None
    logs = np.log(np.maximum(np.vstack([risk[sound], own_risk]), LEAST_RISK))
    emerged = np.vstack([draws.emerged_by_end[sound], own_emerged])[:, features.directions]
    # a direction that is not learned counts as learned at the horizon
    rows = np.hstack([logs[:, features.rows], np.log(np.clip(emerged, 1e-9 * horizon, horizon))])
    excess = _excess(features, rows[:-1].mean(axis=0), draws, readings)
    known = readings.noise == readings.clock_error == draws.slack == 0
    every = features.every if known else features.every[:0]
    return RankTest(rows, excess, logs[:, every], readings.exact)


def probability_of(readings: Readings, draws: Draws) -> float | None:
    """The probability that a run which obeys the theory is as far from the draws as this one; None without a test."""
    test = rank_test_of(Features.of(readings, draws), readings, draws)
    return None if test is None else test.probability


def power_against_slower(readings: Readings, draws: Draws) -> float | None:
    """The share of theory's own draws that the test would reject if they ran at half their rate; None where unknown."""
    sound = np.flatnonzero(np.isfinite(draws.risk).all(axis=1) & (draws.risk > 0).all(axis=1))[:_TRIED]
    at, refused = np.log(draws.times), []
    for i in sound:
        risk = emerged = None
        if readings.risk is not None:
            risk = np.exp(np.interp(at - np.log(_SLOWER), at, np.log(draws.risk[i])))
        if readings.emerged is not None:
            slower = _SLOWER * draws.emerged[i]
            emerged = np.where(slower <= draws.times[-1], slower, np.inf)
        others = np.arange(len(draws.risk)) != i
        rest = replace(draws, risk=draws.risk[others], emerged=draws.emerged[others])
        probability = probability_of(replace(readings, risk=risk, emerged=emerged), rest)
        if probability is not None:
            refused.append(probability < LEVEL)
    return float(np.mean(refused)) if refused else None


def _as_unusual(distances: Float[np.ndarray, "S n+1"]) -> np.ndarray:
    """(n + 1,), whether each is at least as unusual as the last, by its largest rank and then by how far it is out."""
    ranks = np.array([np.searchsorted(np.sort(one), one, side="left") for one in distances]).max(axis=0)
    middle, high = np.quantile(distances, [0.5, _WITHIN[1]], axis=1)
    spread = np.maximum(high - middle, 1e-9 * np.maximum(middle, 1.0))
    out = ((distances - middle[:, None]) / spread[:, None]).max(axis=0)
    return (ranks > ranks[-1]) | ((ranks == ranks[-1]) & (out >= out[-1]))


def _distances(rows: Float[np.ndarray, "n F"], excess: Float[np.ndarray, "F F"]) -> Float[np.ndarray, " n"]:
    """Each row's distance from all the others, by their mean and their covariance plus the excess."""
    n = len(rows)
    off = rows - rows.mean(axis=0)
    covariance = (off.T @ off - n / (n - 1) * off[:, :, None] * off[:, None, :]) / (n - 2) + excess
    apart = off * n / (n - 1)
    return np.sum(apart * np.linalg.solve(covariance, apart[..., None])[..., 0], axis=-1)


def _principal(logs: Float[np.ndarray, "n E"]) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of rows that are scaled to one variance, each of variance 1, and no excess to speak of."""
    scaled = logs - logs.mean(axis=0)
    scaled /= np.sqrt(np.mean(scaled**2, axis=0) + _EXACT_RIDGE**2)
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = int(np.count_nonzero(sizes[:_COMPONENTS] > 1e-6 * sizes[0])) if sizes[0] > 0 else 1
    return left[:, :kept] * math.sqrt(len(logs)), 1e-9 * np.eye(kept)


def _beyond_band(logs: Float[np.ndarray, "n E"], ridge: float) -> Float[np.ndarray, " n"]:
    """How many spreads each is from the median at its worst row, spreads above and below apart."""
    low, middle, high = np.quantile(logs, [_WITHIN[0], 0.5, _WITHIN[1]], axis=0)
    off = logs - middle
    return np.max(np.abs(off) / np.where(off > 0, high - middle + ridge, middle - low + ridge), axis=1)


def _one_sided(logs: Float[np.ndarray, "n E"]) -> Float[np.ndarray, " n"]:
    """How far the rank of each is from the middle, on average over the rows: large if it is always late or early."""
    beyond = np.zeros(logs.shape)
    for column, each in zip(beyond.T, logs.T, strict=True):
        ordered = np.sort(each)
        below, up_to = (np.searchsorted(ordered, each, side) for side in ("left", "right"))
        column[:] = (below + up_to - len(each)) / 2  # ties have their mean rank
    return np.abs(np.mean(beyond, axis=1))


def _excess(features: Features, mean: np.ndarray, draws: Draws, readings: Readings) -> np.ndarray:
    """The covariance of the systematic errors of draws and loss: common to all features, in the clock, independent."""
    count, directions, noise = len(features.rows), len(features.directions), readings.noise
    level, clock = np.r_[np.ones(count), np.zeros(directions)], np.r_[np.zeros(count), -np.ones(directions)]
    if count > 1:
        clock[:count] = np.gradient(mean[:count], np.log(draws.times[features.rows]))
    in_risk = np.maximum(noise * level, np.r_[np.full(count, _EXACT_RIDGE if readings.exact else _RIDGE),
                                              np.full(directions, _RIDGE)])  # fmt: skip
    in_clock = draws.slack**2 + readings.clock_error**2
    common = (draws.slack**2 + noise**2) * np.outer(level, level) + in_clock * np.outer(clock, clock)
    return common + np.diag(draws.slack**2 + in_risk**2)


def noise_of(readings: Readings, draws: Draws) -> float:
    """The relative error of a logged risk, as of one estimated on samples: its roughness beyond that of the draws.

    Roughness is the median of |second difference of log risk| over neighbouring rows; an exact risk has no error. It is
    taken where it is largest, as a risk estimated on samples is rougher where its tails are heavier.
    """
    if readings.risk is None or readings.exact:
        return 0.0
    known = np.flatnonzero(np.isfinite(readings.risk) & (readings.risk > 0))
    if len(known) < _ROWS:
        return 0.0
    parts = np.array_split(known, min(len(known) // _ROWS, _PARTS))
    return max(_noise_of_rows(readings.risk[rows], draws.risk[:, rows]) for rows in parts)


def _noise_of_rows(risk: Float[np.ndarray, " R"], drawn: Float[np.ndarray, "n R"]) -> float:
    theirs = _roughness(drawn)
    largest = float(np.quantile(theirs[np.isfinite(theirs)], 0.99)) if np.isfinite(theirs).any() else 0.0
    return math.sqrt(max(float(_roughness(risk)) ** 2 - largest**2, 0.0) / 6) / 0.6745


def _roughness(risk: Float[np.ndarray, "... R"]) -> Float[np.ndarray, ...]:
    logs = np.log(np.maximum(risk, LEAST_RISK))
    with np.errstate(invalid="ignore"):
        return np.median(np.abs(np.diff(logs, 2, axis=-1)), axis=-1)
