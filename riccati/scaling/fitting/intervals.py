"""Intervals of a fitted exponent: profile, block bootstrap, over seeds; and whether a floor is identified."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from .power_law import FitProblem, PowerLawShape, least_over_bends, least_over_exponents

_EXPANSIONS = 60
_REPLICAS = 2000
_SEED = 0  # of the bootstrap's blocks: the same data give the same interval


def effective_rows(problem: FitProblem) -> float:
    """(n - q)(1 - ρ)/(1 + ρ), at least 1: independent rows that say as much about a mean."""
    n, q = len(problem.log_x), problem.parameters
    return max((n - q) * (1 - problem.rho) / (1 + problem.rho), 1.0)


def variance_ratio(problem: FitProblem, least: float, restricted: float) -> float:
    """(S_restricted - S_least)/(S_least/(n - q)), Fisher's ratio of one restriction; 0/0 counts as 0."""
    excess = max(restricted - least, 0.0)
    freedom = len(problem.log_x) - problem.parameters
    return excess * freedom / least if least > 0 else (np.inf if excess > 0 else 0.0)


def profile_interval(problem: FitProblem, shape: PowerLawShape, level: float) -> tuple[float, float]:
    """{e: F(e) ≤ F_level}, the other parameters at their best for each e; infinite where nothing bounds it."""
    least = float(problem.squares(shape.exponent, shape.bend))
    bound = float(scipy.stats.f.ppf(level, 1, effective_rows(problem)))

    def excess(exponent: float) -> float:
        return variance_ratio(problem, least, least_over_bends(problem, exponent)) - bound

    return _crossing(excess, shape.exponent, -1.0), _crossing(excess, shape.exponent, 1.0)


def _crossing(excess: Callable[[float], float], centre: float, side: float) -> float:
    """Where `excess` becomes positive on one side of `centre`; infinite if it does not."""
    step, inner = 1e-6 * max(abs(centre), 1e-3), centre
    if excess(centre) >= 0:  # an exact curve: nothing but rounding is left
        return centre
    for _ in range(_EXPANSIONS):
        outer = centre + side * step
        if abs(outer - centre) > 16:
            break
        if excess(outer) > 0:
            return float(scipy.optimize.brentq(excess, *sorted((inner, outer)), xtol=1e-9))
        inner, step = outer, 2 * step
    return side * np.inf


def bootstrap_interval(problem: FitProblem, shape: PowerLawShape, level: float) -> tuple[float, float]:
    """Percentiles of e over residuals redrawn in blocks, each refitted to first order about the fit.

    Moving blocks of length n^{1/3} (2ρ/(1 - ρ²))^{2/3}, at least 2 (Kuensch 1989, Carlstein's rule for AR(1)).
    """
    residuals, jacobian = problem.residuals(shape.exponent, shape.bend), problem.jacobian(shape)
    n, q = jacobian.shape
    rho = problem.rho
    block = int(np.clip(np.ceil(n ** (1 / 3) * (2 * rho / (1 - rho**2)) ** (2 / 3)), 2, max(n // 3, 2)))
    rng = np.random.default_rng(_SEED)
    begins = rng.integers(0, n - block + 1, (_REPLICAS, -(-n // block)))
    rows = (begins[..., None] + np.arange(block)).reshape(_REPLICAS, -1)[:, :n]
    redrawn = (residuals - residuals.mean())[rows] * np.sqrt(n / max(n - q, 1))
    moved = redrawn @ _influence(problem, jacobian)
    low, high = np.quantile(shape.exponent + moved, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def seeds_interval(
    problem: FitProblem, shape: PowerLawShape, log_curves: np.ndarray, level: float
) -> tuple[float, float]:
    """Student's interval of e over S seeds, each seed's exponent to first order about the fit to their mean.

    Nothing is assumed about the noise along a run.
    """
    moved = (log_curves - log_curves.mean(0)) @ _influence(problem, problem.jacobian(shape))
    seeds = len(moved)
    half = scipy.stats.t.ppf((1 + level) / 2, seeds - 1) * moved.std(ddof=1) / np.sqrt(seeds)
    return float(shape.exponent - half), float(shape.exponent + half)


def _influence(problem: FitProblem, jacobian: np.ndarray) -> np.ndarray:
    """∂e/∂(log y), (n,): the exponent's row of the generalised inverse of the whitened Jacobian."""
    n = len(problem.log_x)
    white = problem.whiten(np.eye(n)).T
    row = 0 if problem.mode == "pinned" else 1
    return (np.linalg.pinv(white @ jacobian) @ white)[row]


def floor_is_identified(problem: FitProblem, shape: PowerLawShape, error: float) -> bool:
    """Whether u = 0, no floor, is refused at the chance `error` of refusing it wrongly."""
    least = float(problem.squares(shape.exponent, shape.bend))
    ratio = variance_ratio(problem, least, least_over_exponents(problem, 0.0))
    return bool(ratio > scipy.stats.f.isf(error, 1, effective_rows(problem)))
