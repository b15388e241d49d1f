"""How unusual a run is among draws: a simulation-based test of its risk curve and its emergence times together.

A run is a row of features, the log risk at a few of its times and the log emergence time of a few directions. Its
distance from draws is Mahalanobis's, with the draws' own mean and covariance, widened by what the draws and the logged
loss may be off: by a factor in the risk, by one in the clock, and by as much in each feature alone. The distance is
ranked among those of the draws, each from all others, so that the test keeps its level whatever their law. A synthetic
likelihood of the same features (Wood 2010, Nature 466, 1102) ranks the problems that might explain a run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .draws import Draws

_LEAST_RISK = 1e-12
_ROWS, _DIRECTIONS = 12, 6  # features at the most
_SELDOM = 0.02  # of the draws must learn a direction for it to be a feature
_RIDGE = 2e-3  # relative error that no feature is free of


@dataclass(frozen=True, eq=False)
class Observed:
    """What of a run is held against draws.

    Attributes:
        times: (T,), canonical.
        risk: (T,), or None.
        emerged: (M,), emergence times, inf where not by the run's end; None where they are not comparable.
        noise: relative error of the logged risk.
    """

    times: Float[np.ndarray, " T"]
    risk: Float[np.ndarray, " T"] | None
    emerged: Float[np.ndarray, " M"] | None
    noise: float = 0.0


@dataclass(frozen=True, eq=False)
class Features:
    """Which rows and directions are looked at; chosen by what was logged and by the draws, not by the run's values.

    Attributes:
        rows: indices of times.
        directions: indices of directions.
    """

    rows: Int[np.ndarray, " R"]
    directions: Int[np.ndarray, " D"]

    @classmethod
    def of(cls, observed: Observed, draws: Draws) -> Features:
        """Times evenly among those with a risk, and directions that some draws learn."""
        rows = directions = np.array([], int)
        if observed.risk is not None:
            known = np.flatnonzero(np.isfinite(observed.risk) & (observed.risk > 0))
            rows = known[np.unique(np.linspace(0, len(known) - 1, _ROWS).round().astype(int))] if len(known) else known
        if observed.emerged is not None:
            learned = np.flatnonzero(np.isfinite(draws.seen).mean(axis=0) >= _SELDOM)
            others = np.setdiff1d(np.arange(draws.emerged.shape[1]), learned)
            directions = np.r_[learned, others][:_DIRECTIONS]
        return cls(rows, directions)

    @property
    def none(self) -> bool:
        """Whether nothing can be compared."""
        return len(self.rows) + len(self.directions) == 0

    def rows_of(self, risk: Float[np.ndarray, "n T"], emerged: Float[np.ndarray, "n M"], horizon: float) -> np.ndarray:
        """(n, R + D); a direction that is not learned counts as learned at the horizon."""
        logs = np.log(np.maximum(risk[:, self.rows], _LEAST_RISK))
        return np.hstack([logs, np.log(np.clip(emerged[:, self.directions], 1e-9 * horizon, horizon))])


@dataclass(frozen=True, eq=False)
class Cloud:
    """Draws and a run as rows of features.

    Attributes:
        rows: (n, F), of sound draws.
        own: (F,), of the run.
        excess: (F, F), what the covariance is widened by.
    """

    rows: Float[np.ndarray, "n F"]
    own: Float[np.ndarray, " F"]
    excess: Float[np.ndarray, "F F"]

    @property
    def _covariance(self) -> Float[np.ndarray, "F F"]:
        return np.atleast_2d(np.cov(self.rows.T, ddof=1))

    @property
    def probability(self) -> float:
        """Of a run at least as far from the others as this one."""
        own = self._distance(self.own, self.rows.mean(axis=0), self._wide(self._covariance))
        return float((1 + np.count_nonzero(self._others() >= own)) / (1 + len(self.rows)))

    @property
    def log_likelihood(self) -> float:
        """Of the run by the normal law with the draws' mean and covariance."""
        covariance = self._wide(self._covariance)
        distance = self._distance(self.own, self.rows.mean(axis=0), covariance)
        return -0.5 * (float(distance) + float(np.linalg.slogdet(covariance)[1]))

    def _others(self) -> Float[np.ndarray, " n"]:
        """Each draw's distance from all the others."""
        n = len(self.rows)
        off = self.rows - self.rows.mean(axis=0)
        every = (n - 1) * self._covariance
        without = (every - n / (n - 1) * off[:, :, None] * off[:, None, :]) / (n - 2)
        return self._distance(self.rows, self.rows - off * n / (n - 1), self._wide(without))

    def _wide(self, covariance: np.ndarray) -> np.ndarray:
        return covariance + self.excess

    @staticmethod
    def _distance(points: np.ndarray, means: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        off = points - means
        return np.sum(off * np.linalg.solve(covariance, off[..., None])[..., 0], axis=-1)


def cloud_of(features: Features, observed: Observed, draws: Draws) -> Cloud | None:
    """The draws that did not diverge and the run; None where there are too few of them."""
    horizon, risk = float(draws.times[-1]), draws.risk
    own_risk = np.full(risk.shape[1], np.nan) if observed.risk is None else observed.risk
    own_emerged = np.full(draws.emerged.shape[1], np.inf) if observed.emerged is None else observed.emerged
    sound = np.isfinite(risk[:, features.rows]).all(axis=1)
    if features.none or sound.sum() < 2 * (len(features.rows) + len(features.directions)):
        return None
    rows = features.rows_of(risk[sound], draws.seen[sound], horizon)
    own = features.rows_of(own_risk[None], own_emerged[None], horizon)[0]
    return Cloud(rows, own, _excess(features, rows.mean(axis=0), draws, observed.noise))


def _excess(features: Features, mean: np.ndarray, draws: Draws, noise: float) -> np.ndarray:
    """The covariance of the errors that draws and loss have of themselves: common to all, in the clock, and apart."""
    count, directions = len(features.rows), len(features.directions)
    level, clock = np.r_[np.ones(count), np.zeros(directions)], np.r_[np.zeros(count), -np.ones(directions)]
    if count > 1:
        clock[:count] = np.gradient(mean[:count], np.log(draws.times[features.rows]))
    in_risk = np.maximum(noise * level, _RIDGE)
    common = (draws.slack**2 + noise**2) * np.outer(level, level) + draws.slack**2 * np.outer(clock, clock)
    return common + np.diag(draws.slack**2 + in_risk**2)


def noise_of(risk: Float[np.ndarray, " T"] | None, draws: Draws) -> float:
    """The relative error of a logged risk, as one estimated on samples has: what of its roughness draws do not have.

    Roughness is the median of |second difference of log risk| over neighbouring rows.
    """
    if risk is None:
        return 0.0
    known = np.isfinite(risk) & (risk > 0)
    if known.sum() < _ROWS:
        return 0.0

    def rough(values: np.ndarray) -> np.ndarray:
        logs = np.log(np.maximum(values[..., known], _LEAST_RISK))
        with np.errstate(invalid="ignore"):
            return np.nanmedian(np.abs(np.diff(logs, 2, axis=-1)), axis=-1)

    theirs = rough(draws.risk)
    largest = float(np.quantile(theirs[np.isfinite(theirs)], 0.99)) if np.isfinite(theirs).any() else 0.0
    return math.sqrt(max(float(rough(risk)) ** 2 - largest**2, 0.0) / 6) / 0.6745
