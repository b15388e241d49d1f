"""Students whose first layer is fixed: linear in what is left, with their population risk and the law of their samples.

f(x) = Σ_p s_p φ_p(x) has the risk of the best coefficients s*, Ks* = E f*φ with K = E φφᵀ, and on top the excess
(s - s*)ᵀK(s - s*), both over E f*². There are two such students,

    neurons           φ_i = σ(<x, u_i>),                                K_il = g(q_il),  E f*φ_i = Σ_m a_m g_m(m_im)
    Stiefel, k = 2    f = <Ω, uuᵀ - I>/√2, u = Wx, Ω symmetric N x N    Ω* = ZᵀAZ, Z = ΘᵀWᵀ, risk 1 - tr(AGAG)/Σa²

The risk is the quadratic form of derivations/risk.py, and these are its normal equations. Source: Oko, Song, Suzuki &
Wu 2024 (arXiv 2406.11828) for the neurons, BEVW25 (arXiv 2508.03688), Phase II, for Stiefel SGD.
"""

from __future__ import annotations

import abc

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..problem import Start, Teacher, pair_average, teacher_averages

RANK = 1e-10  # share of the largest eigenvalue of K below which a combination of features counts as none


class LinearModel(abc.ABC):
    """A student that is linear in P coefficients, with its population risk and the law of its samples.

    Attributes:
        teacher: what the labels are of.
        neurons: N.
        best: the coefficients of least risk, and of these of least norm, (P,).
        floor: their risk.
    """

    is_stiefel = False
    teacher: Teacher
    neurons: int
    best: Float[np.ndarray, " P"]
    floor: float

    @abc.abstractmethod
    def limit(self, ridge: float) -> Float[np.ndarray, " P"]:
        """The fit to infinitely many samples."""

    @abc.abstractmethod
    def excess(self, off: Float[np.ndarray, "... P"]) -> Float[np.ndarray, ...]:
        """E(Σ_p off_p φ_p)², by which a fit that is `off` the best one exceeds its risk."""

    @abc.abstractmethod
    def draw(self, random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The features (n, P) of fresh samples, and their labels (n,)."""

    def shaped(self, fits: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Amplitudes and Ω from coefficients."""
        return fits, None

    def expected_risk(self, samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"] | None:
        """The mean risk over samples without a ridge, where it is known exactly."""
        return None

    def risk(self, fits: Float[np.ndarray, "... P"]) -> Float[np.ndarray, ...]:
        """E(f* - f)²/E f*² with these coefficients."""
        return self.floor + self.excess(fits - self.best) / float(self.teacher.second_moment)

    def labels(self, random: np.random.Generator, along: Float[np.ndarray, "n M"]) -> Float[np.ndarray, " n"]:
        """y of samples with these projections on the teacher's directions."""
        clean, variance = np.asarray(self.teacher.output(jnp.asarray(along))), float(self.teacher.label_variance)
        return clean + np.sqrt(variance) * random.standard_normal(len(along)) if variance > 0 else clean


class NeuronAmplitudes(LinearModel):
    """f = Σ s_i σ(<x, u_i>), of overlaps m (N, M) and q (N, N), or σ(<x, w_i>) with norms |w_i| (N,).

    Projections do not know the input's covariance, so the teacher is that on isotropic input with the same Gram matrix.
    """

    def __init__(self, teacher: Teacher, overlaps: np.ndarray, gram: np.ndarray, norms: np.ndarray | None):
        C = None if teacher.frame is None else teacher.gram
        noise = None if teacher.noise is None else float(teacher.noise)
        self.teacher = Teacher(teacher.a, teacher.link, gram=C, links=teacher.links, noise=noise)
        self._start, self._norms, self.neurons = Start(overlaps, gram, teacher_gram=C), norms, len(overlaps)
        if norms is None:
            K, along = self.teacher.link.dual(gram), self.teacher.dual(self._start.teacher_overlaps)
        else:
            K = pair_average(teacher.link, norms[:, None] ** 2, norms[:, None] * gram * norms, norms**2)
            scaled = jnp.asarray(norms)[:, None] * self._start.teacher_overlaps
            along = teacher_averages(self.teacher, jnp.asarray(norms**2), scaled)
        self._K, self._along = np.asarray(K), np.asarray(along @ self.teacher.a)
        self.best = self.limit(0.0)
        self.floor = max(1 - float(self._along @ self.best) / float(self.teacher.second_moment), 0.0)

    def limit(self, ridge: float) -> Float[np.ndarray, " P"]:
        """(K + ρI)⁺ E f*φ."""
        K = self._K + ridge * np.eye(self.neurons)
        return np.linalg.pinv(K, rcond=RANK, hermitian=True) @ self._along

    def excess(self, off: Float[np.ndarray, "... P"]) -> Float[np.ndarray, ...]:
        """offᵀ K off."""
        return np.einsum("...i,ij,...j->...", off, self._K, off)

    def draw(self, random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """σ(<x, u_i>) and y from all reduced coordinates of the samples."""
        U = np.asarray(self._start.directions)
        X = random.standard_normal((count, U.shape[1]))
        u = X @ (U if self._norms is None else self._norms[:, None] * U).T
        return np.asarray(self.teacher.link(u)), self.labels(random, np.asarray(self.teacher.overlaps(jnp.asarray(X))))

    def expected_risk(self, samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"] | None:
        """floor + (floor + Δ) r/(n' - r - 1) where all is Gaussian."""
        if self.teacher.link.degree != 1 or self.teacher.links is not None:
            return None
        rank = np.linalg.matrix_rank(self._K, rtol=RANK, hermitian=True)
        left = self.floor + float(self.teacher.relative_noise)
        with np.errstate(divide="ignore"):
            return self.floor + np.where(samples > rank + 1, left * rank / np.abs(samples - rank - 1), np.inf)


class RadialPart(LinearModel):
    """√2 f = <Ω, uuᵀ - I> of orthonormal u with Z = ΘᵀWᵀ (M, N); the coefficients are Ω's in an orthonormal basis.

    In it all features have the variance 2, and the ridge is that of the Frobenius norm.
    """

    is_stiefel = True

    def __init__(self, teacher: Teacher, Z: Float[np.ndarray, "M N"]):
        self.teacher, self._Z, self.neurons = teacher, Z, Z.shape[1]
        self._entries = row, column = np.triu_indices(self.neurons)
        self._weight = np.where(row == column, 1.0, np.sqrt(2.0))
        a = np.asarray(teacher.a)
        K = Z.T @ (a[:, None] * Z)
        self.best = K[row, column] * self._weight
        self.floor = 1 - float(np.sum(K**2)) / float(np.sum(a**2))

    def limit(self, ridge: float) -> Float[np.ndarray, " P"]:
        """2Ω*/(2 + ρ)."""
        return self.best / (1 + ridge / 2)

    def excess(self, off: Float[np.ndarray, "... P"]) -> Float[np.ndarray, ...]:
        """c_2² ||off||², c_2 h_2 the link."""
        return float(self.teacher.link.dual(1.0)) * np.sum(off**2, axis=-1)

    def draw(self, random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Weighted entries of uuᵀ - I, and √2 y/c_2."""
        Z, (row, column) = self._Z, self._entries
        u = random.standard_normal((count, self.neurons))
        size, vectors = np.linalg.eigh(np.eye(len(Z)) - Z @ Z.T)
        # given u, the teacher's projections are Zu and an independent part of covariance I - ZZᵀ
        rest = random.standard_normal((count, len(Z))) * np.sqrt(np.maximum(size, 0.0)) @ vectors.T
        y = np.sqrt(2 / float(self.teacher.link.dual(1.0))) * self.labels(random, u @ Z.T + rest)
        return self._weight * (u[:, row] * u[:, column] - (row == column)), y

    def shaped(self, fits: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Ω from its coefficients."""
        row, column = self._entries
        Omega = np.zeros((*fits.shape[:-1], self.neurons, self.neurons))
        Omega[..., row, column] = Omega[..., column, row] = fits / self._weight
        return None, Omega
