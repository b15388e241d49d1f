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
    """Residuals and slopes in units of the noise, at each of K pairs of σ and ρ, or at one.

    Attributes:
        noise: σ, (K,).
        left: (K, n).
        slope: (K, n, p).
        log_volume: ½ log det of the covariance, (K,).
    """

    noise: Float[np.ndarray, " *K"]
    left: Float[np.ndarray, "*K n"]
    slope: Float[np.ndarray, "*K n p"]
    log_volume: Float[np.ndarray, " *K"]

    def with_rows(self, left: Float[np.ndarray, " p"], slope: Float[np.ndarray, "p p"]) -> Whitened:
        """The same with further rows of unit noise, those of a prior of δ."""
        cases = len(self.noise)
        left, slope = np.tile(left, (cases, 1)), np.tile(slope, (cases, 1, 1))
        return self._replace(left=np.hstack([self.left, left]), slope=np.hstack([self.slope, slope]))


def whitened(
    left: Float[np.ndarray, " n"], slope: Float[np.ndarray, "n p"], covariance: Float[np.ndarray, "n n"]
) -> Whitened:
    """Residuals and slopes whitened at every σ and ρ of the grid."""
    apart = np.abs(np.subtract.outer(np.arange(len(left)), np.arange(len(left))))
    rho, noise = (grid.ravel()[:, None, None] for grid in np.meshgrid(_CORRELATIONS, _NOISES, indexing="ij"))
    factors = np.linalg.cholesky(covariance + noise**2 * rho**apart)
    both = np.linalg.solve(factors, np.column_stack([left, slope]))
    log_volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    return Whitened(noise.ravel(), both[..., 0], both[..., 1:], log_volume)


def best_shift(cases: Whitened, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, Whitened]:
    """The δ within [low, high] of greatest likelihood, and the one case in which it is reached."""
    pairs = zip(cases.slope, cases.left, strict=True)
    solved = [scipy.optimize.lsq_linear(slope, left, (low, high)) for slope, left in pairs]
    k = int(np.argmin(np.array([fit.cost for fit in solved]) + cases.log_volume))
    return solved[k].x, Whitened(*(values[k] for values in cases))


def threshold(rows: int, parameters: int, level: float) -> float:
    """How far the log likelihood may fall within an interval at `level`, as σ is fitted too."""
    freedom = rows - parameters - 1
    return float(0.5 * freedom * np.log1p(scipy.stats.f.ppf(level, 1, freedom) / freedom))


def profile_of(cases: Whitened, component: int, allowed: float) -> tuple[float, float] | None:
    """The interval in which the log likelihood of one component of δ falls by `allowed`; None beyond `GRID`."""
    others, _ = np.linalg.qr(np.delete(cases.slope, component, axis=2))
    pair = np.stack([cases.left, cases.slope[..., component]], axis=2)
    left, along = np.moveaxis(pair - others @ (np.swapaxes(others, 1, 2) @ pair), 2, 0)
    # the likelihood of each case is a parabola in the component
    level, tilt, bend = (np.sum(product, axis=1)[:, None] for product in (left**2, along * left, along**2))
    each = -0.5 * (level - 2 * GRID * tilt + GRID**2 * bend) - cases.log_volume[:, None]
    likelihood = each.max(axis=0)
    inside = np.flatnonzero(likelihood >= likelihood.max() - allowed)
    if inside[0] == 0 or inside[-1] == len(GRID) - 1:
        return None
    return float(GRID[inside[0]]), float(GRID[inside[-1]])
