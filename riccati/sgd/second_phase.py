"""Phase II of Stiefel SGD (BEVW25): the radial part Ω, fitted by least squares on fresh samples.

The student is ŷ = <Ω, uuᵀ - I>, u = Wx, linear in the N(N+1)/2 entries of Ω. In the limit of many samples Ω* = ZᵀAZ,
and the risk is 1 - tr(AGAG); a fit on n' samples has the risk Σa² - 2 <Ω, ZᵀAZ> + ||Ω||_F². n' = Θ̃(N²) is enough.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from ..runs import Run
from ..support import require, require_integer, require_memory, require_real


class SecondPhase(NamedTuple):
    """The radial part that `second_phase` fitted, and the risk with it.

    Attributes:
        Omega: (N, N), symmetric.
        risk: E(f* - f)²/E f*² of the student with it.
        limit: the risk that many samples would give.
    """

    Omega: Float[np.ndarray, "N N"]
    risk: float
    limit: float


def second_phase(run: Run, samples: int, ridge: float = 0.0, seed: int = 0) -> SecondPhase:
    """Fit the radial part Ω of a student at the end of a run of Stiefel SGD, on n' = `samples` fresh samples.

    Ω minimises mean (y - <Ω, uuᵀ - I>)² + ridge·||Ω||_F². Only the samples' projections are drawn, with the law that
    they have in R^d.

    Raises:
        ArgumentError: a run that is not one of Stiefel SGD by `riccati.sgd`, fewer samples than unknowns without a
            ridge, a ridge < 0.
    """
    simulated = run.kind == "stiefel_quadratic" and "final_overlaps" in run.config
    require(simulated, "run", "be one of Stiefel SGD with final_overlaps", run.source or "another")
    Z, a = np.asarray(run.config["final_overlaps"], float), np.asarray(run.teacher.a)
    neurons = Z.shape[1]
    require_enough_samples(neurons, samples, ridge)
    require_integer(seed, "seed", 0)
    random = np.random.default_rng(seed)
    u = random.standard_normal((samples, neurons))
    size, vectors = np.linalg.eigh(np.eye(len(a)) - Z @ Z.T)
    # given u, the teacher's projections are Zu and an independent part of covariance I - ZZᵀ
    along = u @ Z.T + random.standard_normal((samples, len(a))) * np.sqrt(np.maximum(size, 0.0)) @ vectors.T
    y = (along**2 - 1) @ a

    Omega = _fitted(u, y, ridge)
    K = Z.T @ (a[:, None] * Z)
    whole = float(np.sum(a**2))
    limit = 1 - float(np.sum(K**2)) / whole
    return SecondPhase(Omega, limit + float(np.sum((Omega - K) ** 2)) / whole, limit)


def require_enough_samples(neurons: int, samples: int, ridge: float = 0.0) -> None:
    """Refuse samples that are fewer than the N(N+1)/2 unknowns without a ridge, or more than memory holds."""
    unknowns = neurons * (neurons + 1) // 2
    require_integer(samples, "samples", 1)
    require_real(ridge, "ridge", least=0)
    enough = f"be ≥ N(N+1)/2 = {unknowns} without a ridge"
    require(ridge > 0 or samples >= unknowns, "samples", enough, samples)
    require_memory(3.0 * samples * unknowns, "samples", samples)


def _fitted(u: Float[np.ndarray, "n N"], y: Float[np.ndarray, " n"], ridge: float) -> Float[np.ndarray, "N N"]:
    """The symmetric Ω with least mean (y - <Ω, uuᵀ - I>)² + ridge·||Ω||_F²."""
    neurons = u.shape[1]
    row, column = np.triu_indices(neurons)
    # in an orthonormal basis of the symmetric matrices, so that the ridge is that of the Frobenius norm
    weight = np.where(row == column, 1.0, np.sqrt(2.0))
    features = weight * (u[:, row] * u[:, column] - (row == column))
    if ridge > 0:
        features = np.vstack([features, np.sqrt(ridge * len(u)) * np.eye(len(row))])
        y = np.concatenate([y, np.zeros(len(row))])
    entries = scipy.linalg.lstsq(features, y)[0] / weight
    Omega = np.zeros((neurons, neurons))
    Omega[row, column] = entries
    Omega[column, row] = entries
    return Omega
