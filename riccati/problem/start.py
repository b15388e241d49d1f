"""Where a student starts: its overlaps with the teacher and among itself, in reduced coordinates.

Neuron i has direction u_i and norm r_i. An isometry puts (θ, u) in R^(M+N): u_i = (m_i, ρ_i), with
m_im = <u_i, θ_m> and ρ the rows of a factor of the Gram matrix of the parts orthogonal to the teacher,
ρ ρᵀ = q - m mᵀ. The dimension d enters a random start only through the law of (m, ρ), so d = 10⁹ costs
what d = 10³ costs.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from ..numerics import as_key, bartlett, compiled_quickly
from ..support import ArgumentError, is_traced, require, require_finite, require_integer, restored
from .assignment import greedy_assignment
from .norms import require_norms
from .teacher import Teacher
from .typical import TypicalStart

_INDEPENDENT = 1e-10  # least eigenvalue of q - m mᵀ at which Cholesky keeps its accuracy
_GRAM_TOLERANCE = 1e-6  # logs carry seven digits or more


class Start(eqx.Module):
    """Initial overlaps and norms of N student neurons.

    Args:
        teacher_overlaps: m, (N, M), m_im = <u_i, θ_m>.
        student_gram: q, (N, N), q_il = <u_i, u_l>; None where the directions' parts orthogonal to the teacher
            are orthogonal to each other.
        norms: r_i = |w_i|, (N,) or one number.
        dim: d, where known; only typical scales and learning-rate rules read it.
        seed: the integer seed that a random start was drawn with, for its provenance; None for others.

    Attributes:
        residual_factor: ρ, (N, N), with ρ ρᵀ = q - m mᵀ.

    Raises:
        ArgumentError: shapes that disagree, entries that are not finite, norms that are not positive, or a Gram
            matrix that no directions of unit length can have.
    """

    teacher_overlaps: Float[Array, "N M"]
    residual_factor: Float[Array, "N N"]
    norms: Float[Array, " N"]
    dim: int | None = eqx.field(static=True)
    seed: int | None = eqx.field(static=True)

    def __init__(
        self,
        teacher_overlaps: ArrayLike,
        student_gram: ArrayLike | None = None,
        norms: ArrayLike = 1.0,
        dim: int | None = None,
    ):
        shape = np.shape(teacher_overlaps)
        require(len(shape) == 2 and min(shape) > 0, "teacher_overlaps", "be of shape (N, M)", shape)
        require_finite(teacher_overlaps, "teacher_overlaps")
        m = jnp.asarray(teacher_overlaps, float)
        if student_gram is None and is_traced(m):
            factor = jnp.diag(jnp.sqrt(jnp.maximum(1 - jnp.sum(m**2, axis=1), 0.0)))
        elif student_gram is None:
            within = 1 - np.sum(np.asarray(m) ** 2, axis=1)
            low = float(within.min())
            short = f"{(1 - low) ** 0.5:.6g}"
            require(low >= -_GRAM_TOLERANCE, "teacher_overlaps", "have rows of norm ≤ 1", short)
            factor = jnp.asarray(np.diag(np.sqrt(np.maximum(within, 0.0))))
        else:
            factor = _residual_factor(m, student_gram)
        self._fill(m, factor, norms, dim)

    def _fill(self, m: Array, factor: Array, norms: ArrayLike, dim: int | None) -> None:
        neurons = m.shape[0]
        require(np.shape(norms) in ((), (neurons,)), "norms", f"be one number or {neurons}", np.shape(norms))
        require_norms(norms, "norms")
        if dim is not None:
            require_integer(dim, "dim", max(m.shape))
        self.teacher_overlaps, self.residual_factor, self.dim, self.seed = m, factor, dim, None
        broadcast = jnp.broadcast_to if is_traced(norms) else np.broadcast_to
        self.norms = jnp.asarray(broadcast(norms, (neurons,)), float)

    @classmethod
    def _from_factor(cls, m: Array, factor: Array, norms: ArrayLike, dim: int | None, seed: int | None = None) -> Start:
        """A start whose residual factor is already known to be sound."""
        broadcast = jnp.broadcast_to if is_traced(norms) else np.broadcast_to
        norms = jnp.asarray(broadcast(norms, (m.shape[0],)), float)
        return restored(cls, teacher_overlaps=m, residual_factor=factor, norms=norms, dim=dim, seed=seed)

    @classmethod
    def random(
        cls,
        teacher: Teacher,
        student_width: int,
        dim: int,
        norm: float = 1e-2,
        seed: int | Key[Array, ""] = 0,
    ) -> Start:
        """Directions uniform on the sphere of R^d, all norms `norm`, drawn in law.

        The first M coordinates are Gaussian, the rest a Bartlett factor: lower triangular, N(0, 1) below the
        diagonal, χ_(d-M-i) on it. Rows are then normalised. `seed` is an integer or a JAX key.

        Raises:
            ArgumentError: if `student_width` < 1, or it or the teacher's width exceeds `dim`.
        """
        neurons, directions = student_width, teacher.width
        require_integer(neurons, "student_width", 1)
        require_integer(dim, "dim", 1)
        require(neurons <= dim, "student_width", f"be ≤ dim = {dim}", neurons)
        require(directions <= dim, "dim", f"be ≥ the teacher's width {directions}", dim)
        require_norms(norm, "norm")
        m, factor = _in_law(as_key(seed), jnp.asarray(dim - directions), neurons, directions)
        drawn_with = int(seed) if isinstance(seed, (int, np.integer)) else None
        return cls._from_factor(m, factor, norm, dim, drawn_with)

    @classmethod
    def from_weights(cls, W: ArrayLike, Theta: ArrayLike) -> Start:
        """From student weights W (N, d) and teacher directions Θ (M, d) with orthonormal rows.

        The residual factor comes from a QR decomposition of the orthogonal parts, so nearly dependent neurons
        keep their digits.

        Raises:
            ArgumentError: shapes that disagree, a zero neuron, or rows of Θ that are not orthonormal.
        """
        W, Theta = np.asarray(W, float), np.asarray(Theta, float)
        require(W.ndim == 2 and W.shape[0] <= W.shape[1], "W", "be of shape (N, d) with N ≤ d", W.shape)
        agree = Theta.ndim == 2 and Theta.shape[1:] == W.shape[1:]
        require(agree, "Theta", f"be of shape (M, {W.shape[1]})", Theta.shape)
        require_finite(W, "W")
        require_finite(Theta, "Theta")
        off = float(np.abs(Theta @ Theta.T - np.eye(len(Theta))).max())
        require(off < _GRAM_TOLERANCE, "Theta", "have orthonormal rows", f"off by {off:.2g}")
        norms = np.linalg.norm(W, axis=1)
        require(bool(norms.min() > 0), "W", "have no zero row", f"zero at row {int(norms.argmin())}")
        directions = W / norms[:, None]
        m = directions @ Theta.T
        residual = directions - m @ Theta
        residual -= (residual @ Theta.T) @ Theta  # once more: the first projection leaves rounding of size |m|
        factor = np.linalg.qr(residual.T, mode="r").T  # type: ignore[attr-defined]
        return cls._from_factor(jnp.asarray(m), jnp.asarray(factor), norms, W.shape[1])

    @staticmethod
    def typical(
        teacher: Teacher, student_width: int, dim: int, norm: float = 1e-2, quantile: float = 0.5
    ) -> TypicalStart:
        """What greedy assignment gives a typical random start, in O(M) memory; see `TypicalStart`."""
        return TypicalStart(teacher, student_width, dim, norm, quantile)

    @property
    def student_width(self) -> int:
        """N, the number of neurons."""
        return self.teacher_overlaps.shape[0]

    @property
    def directions(self) -> Float[Array, "N M+N"]:
        """U, the neurons' unit directions in reduced coordinates."""
        parts = [self.teacher_overlaps, self.residual_factor]
        if is_traced(*parts):
            return jnp.concatenate(parts, axis=1)
        return jax.device_put(np.concatenate(parts, axis=1))  # on the host, where nothing compiles

    @property
    def weights(self) -> Float[Array, "N M+N"]:
        """The weights w_i = r_i u_i in reduced coordinates."""
        return self.norms[:, None] * self.directions

    @property
    def student_gram(self) -> Float[Array, "N N"]:
        """q_il = <u_i, u_l>."""
        return self.directions @ self.directions.T

    def assignment(self, teacher: Teacher) -> Array:
        """ι (M,): the neuron that greedy maximum selection gives direction p, -1 where none is left."""
        return greedy_assignment(teacher.a, self.teacher_overlaps, teacher.link)

    def check_against(self, teacher: Teacher) -> None:
        """Refuse a start whose overlaps are with another number of directions than `teacher` has."""
        directions = self.teacher_overlaps.shape[-1]
        require(directions == teacher.width, "start", f"overlap with {teacher.width} directions", directions)

    def __repr__(self) -> str:
        neurons, directions = self.teacher_overlaps.shape
        return f"Start({neurons} neurons, {directions} directions, dim {self.dim or 'not given'})"


@compiled_quickly(static_argnums=(2, 3))
def _in_law(key: Array, outside: Int[Array, ""], neurons: int, directions: int) -> tuple[Array, Array]:
    """Overlaps and residual factor of directions drawn uniformly, `outside` dimensions beyond the teacher's."""
    overlap_key, below_key, diagonal_key = jax.random.split(key, 3)
    return _on_sphere(overlap_key, bartlett(below_key, diagonal_key, neurons, outside), directions)


def _on_sphere(key: Array, factor: Array, directions: int) -> tuple[Array, Array]:
    """Gaussian overlaps beside a Gaussian factor, each neuron scaled to length one; a neuron at a time."""

    def neuron(pair: tuple[Array, Array]) -> tuple[Array, Array]:
        row_key, residual = pair
        m = jax.random.normal(row_key, (directions,))
        length = jnp.sqrt(jnp.sum(m**2) + jnp.sum(residual**2))
        return m / length, residual / length

    return jax.lax.map(neuron, (jax.random.split(key, factor.shape[0]), factor))


def _residual_factor(m: Array, student_gram: ArrayLike) -> Array:
    neurons = m.shape[0]
    shape = np.shape(student_gram)
    require(shape == (neurons, neurons), "student_gram", f"be of shape {(neurons, neurons)}", shape)
    require_finite(student_gram, "student_gram")
    if is_traced(m, student_gram):
        q = jnp.asarray(student_gram, float)
        return jnp.linalg.cholesky((q + q.T) / 2 - m @ m.T)
    return jnp.asarray(_concrete_factor(np.asarray(m), np.asarray(student_gram, float)))


def _concrete_factor(m: np.ndarray, q: np.ndarray) -> np.ndarray:
    """On the host, where a first call compiles nothing."""
    residual = (q + q.T) / 2 - m @ m.T
    require(bool(np.abs(q - q.T).max() < _GRAM_TOLERANCE), "student_gram", "be symmetric", "not")
    diagonal = float(np.abs(np.diag(q) - 1).max())
    require(diagonal < _GRAM_TOLERANCE, "student_gram", "have ones on its diagonal", f"off by {diagonal:.2g}")
    eigenvalues, vectors = np.linalg.eigh(residual)
    low = float(eigenvalues[0])
    if low < -_GRAM_TOLERANCE:
        must = "leave student_gram - teacher_overlaps @ teacher_overlaps.T positive semidefinite"
        raise ArgumentError("student_gram", must, f"not: its least eigenvalue is {low:.3g}")
    if low > _INDEPENDENT:
        return np.linalg.cholesky(residual)
    return vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
