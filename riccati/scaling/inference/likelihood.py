"""The Gaussian likelihood of a curve linear in its parameters, under the noise of the law and additional AR(1) noise.

    residual = J δ + ξ,       Cov ξ_ij = C_ij + σ² ρ^|i-j|;

δ is solved for at each σ and ρ of a grid, and a component's interval is by the profile over all else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

GRID = np.linspace(-1.0, 1.0, 4001)  # a component less its place, over which its likelihood is profiled
_NOISES = np.geomspace(1e-3, 0.3, 30)  # σ
_CORRELATIONS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)  # ρ of neighbouring rows


class Whitened(NamedTuple):
    """Residuals and slopes in units of the noise of one σ and ρ.

    Attributes:
        noise: σ.
        left: (n,).
        slope: (n, p).
        log_volume: ½ log det of the covariance.
    """

    noise: float
    left: Float[np.ndarray, " n"]
    slope: Float[np.ndarray, "n p"]
    log_volume: float

    def with_rows(self, left: Float[np.ndarray, " p"], slope: Float[np.ndarray, "p p"]) -> Whitened:
        """The same with further rows of unit noise, those of a prior of δ."""
        return self._replace(left=np.append(self.left, left), slope=np.vstack([self.slope, slope]))


def whitened(
    left: Float[np.ndarray, " n"], slope: Float[np.ndarray, "n p"], covariance: Float[np.ndarray, "n n"]
) -> list[Whitened]:
    """Residuals and slopes whitened at every σ and ρ of the grid."""
    apart = np.abs(np.subtract.outer(np.arange(len(left)), np.arange(len(left))))
    cases = []
    for rho in _CORRELATIONS:
        for noise in _NOISES:
            factor = scipy.linalg.cholesky(covariance + noise**2 * float(rho) ** apart, lower=True)
            both = scipy.linalg.solve_triangular(factor, np.column_stack([left, slope]), lower=True)
            cases.append(Whitened(float(noise), both[:, 0], both[:, 1:], float(np.log(np.diag(factor)).sum())))
    return cases


def best_shift(cases: list[Whitened], low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, Whitened]:
    """The δ within [low, high] of greatest likelihood, and the σ and ρ at which it is reached."""
    solved = [scipy.optimize.lsq_linear(case.slope, case.left, (low, high)) for case in cases]
    k = int(np.argmin([fit.cost + case.log_volume for fit, case in zip(solved, cases, strict=True)]))
    return solved[k].x, cases[k]


def threshold(rows: int, parameters: int, level: float) -> float:
    """How far the log likelihood may fall within an interval at `level`, as σ is fitted too."""
    freedom = rows - parameters - 1
    return float(0.5 * freedom * np.log1p(scipy.stats.f.ppf(level, 1, freedom) / freedom))


def profile_of(cases: list[Whitened], component: int, allowed: float) -> tuple[float, float] | None:
    """The interval in which the log likelihood of one component of δ falls by `allowed`; None beyond `GRID`."""
    likelihood = np.full(len(GRID), -np.inf)
    for case in cases:
        others, _ = np.linalg.qr(np.delete(case.slope, component, axis=1))
        pair = np.column_stack([case.left, case.slope[:, component]])
        left, along = (pair - others @ (others.T @ pair)).T
        squares = left @ left - 2 * GRID * (along @ left) + GRID**2 * (along @ along)
        likelihood = np.maximum(likelihood, -0.5 * squares - case.log_volume)
    inside = np.flatnonzero(likelihood >= likelihood.max() - allowed)
    if inside[0] == 0 or inside[-1] == len(GRID) - 1:
        return None
    return float(GRID[inside[0]]), float(GRID[inside[-1]])
