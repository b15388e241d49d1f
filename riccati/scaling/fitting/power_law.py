"""Least squares of a power law with a floor, in the logarithm, under autocorrelated noise.

    log y = b + log((x/x_0)^e + κ) + noise,        κ = w (e^u - 1),   w = (x_last/x_0)^e,

so that floor/scale = κ, u = 0 is no floor, u > 0 a positive one and u < 0 a curve that bends down, as that of a
finite number of directions does. e and u are the non-linear parameters; b is projected out (Golub and Pereyra 1973).
The minimum is sought on a grid of both before it is refined, so that no start decides where it ends.

Noise is AR(1) along the rows: residuals are whitened by (1 - ρL), ρ by restricted maximum likelihood, which unlike
ordinary residual autocorrelation is not biased towards 0 by the fit (Cheang and Reinsel 2000).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy

_EXPONENTS = np.concatenate([-np.geomspace(8.0, 0.01, 48), [0.0], np.geomspace(0.02, 2.0, 8)])
_BENDS = np.concatenate([np.linspace(-6, -0.5, 12), np.linspace(-0.4, 1.0, 29), np.linspace(1.25, 6.0, 14)])
_ROUNDS = 2  # of estimating ρ and fitting again
_LARGEST_RHO = 0.98
_STARTS = 3  # best nodes of the grid that are refined
_REACH = np.linspace(-12.0, 12.0, 241)  # u over which a profile minimises


class PowerLawShape(NamedTuple):
    """The parameters that are not linear in log y: the exponent e and the bend u, which says how large the floor is."""

    exponent: float
    bend: float


@dataclass(frozen=True, eq=False)
class FitProblem:
    """The n rows of one curve, and what its model has.

    Attributes:
        log_x: (n,), log(x/x_0).
        log_y: (n,), the mean of log y over the seeds.
        mode: "none", "free" or "pinned".
        log_floor: log |F| of a pinned floor, with `sign` its sign.
        sign: of the pinned floor.
        rho: the noise's autocorrelation.
    """

    log_x: np.ndarray
    log_y: np.ndarray
    mode: str
    log_floor: float = 0.0
    sign: float = 1.0
    rho: float = 0.0

    @property
    def parameters(self) -> int:
        """Free parameters: b, e and, where it is free, u."""
        return 3 if self.mode == "free" else 2

    def form(self, exponent: np.ndarray | float, bend: np.ndarray | float) -> np.ndarray:
        """log((x/x_0)^e + κ), (..., n) for e and u of shape (...)."""
        e, u = np.asarray(exponent, float)[..., None], np.asarray(bend, float)[..., None]
        rest = e * (self.log_x - self.log_x[-1])  # log of the power over its last value
        with np.errstate(over="ignore"):
            grown = np.log(np.maximum(np.exp(rest) + np.expm1(u), np.finfo(float).tiny))
        grown = np.where(rest > 300, rest, grown)
        return e * self.log_x[-1] + grown

    def whiten(self, rows: np.ndarray) -> np.ndarray:
        """(1 - ρL) along the last axis, the first entry times √(1 - ρ²)."""
        first = np.sqrt(1 - self.rho**2) * rows[..., :1]
        return np.concatenate([first, rows[..., 1:] - self.rho * rows[..., :-1]], axis=-1)

    def intercept(self, exponent: np.ndarray | float, bend: np.ndarray | float, form: np.ndarray) -> np.ndarray:
        """b: projected out, or what makes the floor the pinned one."""
        if self.mode == "pinned":
            e, u = np.asarray(exponent, float), np.asarray(bend, float)
            with np.errstate(divide="ignore"):
                return self.log_floor - e * self.log_x[-1] - np.log(np.abs(np.expm1(u)))
        one = self.whiten(np.ones_like(self.log_x))
        return self.whiten(self.log_y - form) @ one / (one @ one)

    def residuals(self, exponent: np.ndarray | float, bend: np.ndarray | float) -> np.ndarray:
        """log y less the curve, not whitened, (..., n)."""
        form = self.form(exponent, bend)
        return self.log_y - form - self.intercept(exponent, bend, form)[..., None]

    def squares(self, exponent: np.ndarray | float, bend: np.ndarray | float) -> np.ndarray:
        """The whitened sum of squares, (...)."""
        total = np.sum(self.whiten(self.residuals(exponent, bend)) ** 2, axis=-1)
        return np.where(np.isfinite(total), total, np.inf)

    def bends(self) -> np.ndarray:
        """The values of u on the grid that the floor's mode and sign allow."""
        if self.mode == "none":
            return np.zeros(1)
        return _BENDS if self.mode == "free" else _BENDS[self.sign * _BENDS > 0]

    def jacobian(self, at: PowerLawShape) -> np.ndarray:
        """∂(curve)/∂(b, e[, u]) at a fit, (n, parameters); for a pinned floor ∂/∂(e, u)."""

        def slope(de: float, du: float) -> np.ndarray:
            ahead = self.residuals(at.exponent + de, at.bend + du)
            return (self.residuals(at.exponent - de, at.bend - du) - ahead) / (2 * (de + du))

        step = 1e-5
        columns = [slope(step, 0.0)] if self.mode == "none" else [slope(step, 0.0), slope(0.0, step)]
        constant = [] if self.mode == "pinned" else [np.ones_like(self.log_x)]
        return np.column_stack([*constant, *columns])


def grid_shapes(problem: FitProblem) -> list[PowerLawShape]:
    """The nodes of a grid of e and u with the least squares, from which the fit is refined."""
    e, u = np.meshgrid(_EXPONENTS, problem.bends(), indexing="ij")
    order = np.argsort(problem.squares(e, u), axis=None)[:_STARTS]
    return [PowerLawShape(float(e.flat[flat]), float(u.flat[flat])) for flat in order]


def refined(problem: FitProblem, starts: list[PowerLawShape]) -> PowerLawShape:
    """The parameters of least squares, refined from each of `starts`; the best of these."""
    free = problem.mode != "none"

    def residuals(point: np.ndarray) -> np.ndarray:
        out = problem.whiten(problem.residuals(point[0], point[1] if free else 0.0))
        return np.where(np.isfinite(out), out, 1e6)

    low, high = (_EXPONENTS[0] * 2, _EXPONENTS[-1] * 2), (_REACH[0], _REACH[-1])
    if problem.mode == "pinned":
        high = (1e-12, _REACH[-1]) if problem.sign > 0 else (_REACH[0], -1e-12)
    bounds = tuple(zip(low, high, strict=True)) if free else ([low[0]], [low[1]])
    fits = [
        scipy.optimize.least_squares(
            residuals, np.array(start)[: 2 if free else 1], bounds=bounds, xtol=1e-12, ftol=1e-12, gtol=1e-12
        )
        for start in starts
    ]
    best = min(fits, key=lambda result: result.cost)
    return PowerLawShape(float(best.x[0]), float(best.x[1]) if free else 0.0)


def fitted(problem: FitProblem) -> tuple[FitProblem, PowerLawShape]:
    """The problem with ρ estimated from the residuals of its own fit, and that fit."""
    shape = refined(problem, grid_shapes(problem))
    for _ in range(_ROUNDS):
        problem = replace(problem, rho=autocorrelation(problem, shape))
        shape = refined(problem, [shape])
    return problem, shape


def autocorrelation(problem: FitProblem, at: PowerLawShape) -> float:
    """ρ in [0, 0.98) that maximises the restricted likelihood of the residuals, the curve linear about the fit."""
    residuals, jacobian = problem.residuals(at.exponent, at.bend), problem.jacobian(at)
    n, q = jacobian.shape
    if n <= q + 2 or not np.any(np.abs(residuals) > 1e-14):
        return 0.0

    def negative(rho: float) -> float:
        white = replace(problem, rho=rho).whiten
        design, target = white(jacobian.T).T, white(residuals)
        Q, R = np.linalg.qr(design)
        left = target - Q @ (Q.T @ target)
        spread = np.log(np.abs(np.diag(R)) + np.finfo(float).tiny).sum()
        return 0.5 * (n - q) * np.log(left @ left) + spread - 0.5 * np.log(1 - rho**2)

    return float(scipy.optimize.minimize_scalar(negative, bounds=(0.0, _LARGEST_RHO), method="bounded").x)


def least_over_bends(problem: FitProblem, exponent: float) -> float:
    """min_u of the whitened sum of squares at one e."""
    if problem.mode == "none":
        return float(problem.squares(exponent, 0.0))
    allowed = _REACH if problem.mode == "free" else _REACH[problem.sign * _REACH > 0]
    values = problem.squares(np.full(len(allowed), exponent), allowed)
    k = int(values.argmin())
    ends = allowed[max(k - 1, 0)], allowed[min(k + 1, len(allowed) - 1)]
    inner = scipy.optimize.minimize_scalar(lambda u: float(problem.squares(exponent, u)), bounds=ends, method="bounded")
    return float(min(inner.fun, values[k]))


def least_over_exponents(problem: FitProblem, bend: float) -> float:
    """min_e of the whitened sum of squares at one u."""
    values = problem.squares(_EXPONENTS, np.full(len(_EXPONENTS), bend))
    k = int(values.argmin())
    ends = _EXPONENTS[max(k - 1, 0)], _EXPONENTS[min(k + 1, len(_EXPONENTS) - 1)]
    inner = scipy.optimize.minimize_scalar(
        lambda e: float(problem.squares(e, bend)), bounds=ends, method="bounded", options={"xatol": 1e-10}
    )
    return float(min(inner.fun, values[k]))
