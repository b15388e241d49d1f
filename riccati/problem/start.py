"""The student's start: overlaps of its neurons with the teacher and with each other, and their norms.

Neuron i has direction u_i and norm r_i. An isometry puts (θ, u) in R^(M+N): u_i = (m_i, ρ_i), with
m_im = <u_i, θ_m> and ρ the rows of a factor of the Gram matrix of the parts orthogonal to the teacher,
ρ ρᵀ = q - m mᵀ. The dimension d enters a random start only through the law of (m, ρ), so d = 10⁹ costs
what d = 10³ costs. Correlated teacher directions have coordinates of their own (problem/directions.py), which take the
place of m in u_i; under anisotropic input u and r are those of the whitened weights (problem/covariance.py).
"""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from ..numerics import as_key
from ..support import (
    all_numbers,
    is_traced,
    require,
    require_finite,
    require_integer,
    require_norms,
    require_real,
    restored,
    warn_renamed,
)
from .assignment import TypicalStart, greedy_assignment
from .covariance import Covariance
from .directions import GRAM_TOLERANCE, coordinates_of, frame_of, is_orthonormal, unit_rows
from .reduced import Reduced, drawn, factor_of_gram, located
from .teacher import Teacher


class Start(eqx.Module):
    """The initial state of a student of N neurons: their overlaps with the teacher and each other, and their norms.

    Build one from overlaps, as here, or with `Start.random`, `Start.from_weights` or `Start.typical`.

    Args:
        teacher_overlaps: m, (N, M), m_im = <u_i, θ_m>.
        student_gram: q, (N, N), q_il = <u_i, u_l>; None where the directions' parts orthogonal to the teacher
            are orthogonal to each other.
        norms: r_i = |w_i|, (N,) or one number; |w_i|_Σ under a covariance.
        dim: d, where known; only typical scales and learning-rate rules read it.
        seed: the integer seed that a random start was drawn with, for its provenance; None for others.
        teacher_gram: C, (M, M), of a teacher whose directions are not orthonormal.
        second_layer: b, (N,) or one number, of either sign, for the two-layer student f(x) = Σ b_i σ(<x, w_i>) in the
            standard parametrisation; None for the 2-homogeneous one, Σ |w_i|² σ(<x, w_i>/|w_i|).

    Attributes:
        second_layer: what the student's output has before σ, (N,): c b with an output scale c, see `with_second_layer`.
        output_scale: c of f(x) = c Σ b_i σ(<x, w_i>); 1 unless `with_second_layer` was given one.
        residual_factor: ρ, (N, R), with ρ ρᵀ = q - m mᵀ; R = N for isotropic input.
        teacher_part: (N, K), coordinates along the teacher's where these are not its directions themselves, so that
            they take the overlaps' place; None where they are.
        residual_eigenvalues: (R,), the covariance's along each column of ρ; None for isotropic input.

    Raises:
        ArgumentError: shapes that disagree, entries that are not finite, norms that are not positive, or a Gram
            matrix that no directions of unit length can have.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=4, beta=1.0, link=rc.Link.hermite(2))
        >>> rc.Start.random(teacher, student_width=3, dim=10**6, norm=1e-3, seed=0)
        Start(3 neurons, 4 directions, dim 1000000)
        >>> start = rc.Start([[0.1, 0.2]], norms=0.5, dim=100)
        >>> start.amplitudes.tolist()
        [0.25]
    """

    is_typical: ClassVar[bool] = False

    teacher_overlaps: Float[Array, "N M"]
    residual_factor: Float[Array, "N R"]
    norms: Float[Array, " N"]
    second_layer: Float[Array, " N"] | None
    teacher_part: Float[Array, "N K"] | None
    residual_eigenvalues: Float[Array, " R"] | None
    dim: int | None = eqx.field(static=True)
    seed: int | None = eqx.field(static=True)
    output_scale: float = eqx.field(static=True)

    def __init__(
        self,
        teacher_overlaps: ArrayLike,
        student_gram: ArrayLike | None = None,
        norms: ArrayLike = 1.0,
        dim: int | None = None,
        *,
        teacher_gram: ArrayLike | None = None,
        second_layer: ArrayLike | None = None,
    ):
        shape = np.shape(teacher_overlaps)
        require(len(shape) == 2 and min(shape) > 0, "teacher_overlaps", "be of shape (N, M)", shape)
        require_finite(teacher_overlaps, "teacher_overlaps")
        self.teacher_overlaps = jnp.asarray(teacher_overlaps, float)
        self.teacher_part = None if teacher_gram is None else coordinates_of(self.teacher_overlaps, teacher_gram)
        m = self.teacher_overlaps if self.teacher_part is None else self.teacher_part
        if student_gram is None and is_traced(m):
            factor = jnp.diag(jnp.sqrt(jnp.maximum(1 - jnp.sum(m**2, axis=1), 0.0)))
        elif student_gram is None:
            within = 1 - np.sum(np.asarray(m) ** 2, axis=1)
            low = float(within.min())
            short = f"{(1 - low) ** 0.5:.6g}"
            require(low >= -GRAM_TOLERANCE, "teacher_overlaps", "have rows of norm ≤ 1", short)
            factor = jnp.asarray(np.diag(np.sqrt(np.maximum(within, 0.0))))
        else:
            factor = factor_of_gram(m, student_gram)
        neurons = m.shape[0]
        require(np.shape(norms) in ((), (neurons,)), "norms", f"be one number or {neurons}", np.shape(norms))
        require_norms(norms, "norms")
        if dim is not None:
            require_integer(dim, "dim", max(shape))
        self.residual_factor, self.residual_eigenvalues, self.dim, self.seed = factor, None, dim, None
        self.output_scale = 1.0
        self.norms = _spread(norms, neurons)
        self.second_layer = None if second_layer is None else _second_layer(second_layer, neurons)

    @classmethod
    def _at(cls, place: Reduced, norms: ArrayLike, dim: int, seed: int | None = None) -> Start:
        """A start at directions already known to be sound."""
        overlaps = place.along if place.frame is None else place.along @ place.frame.T
        return restored(
            cls, teacher_overlaps=overlaps, residual_factor=place.factor, norms=_spread(norms, len(overlaps)),
            second_layer=None, teacher_part=None if place.frame is None else place.along,
            residual_eigenvalues=place.eigenvalues, dim=dim, seed=seed, output_scale=1.0,
        )  # fmt: skip

    @classmethod
    def random(
        cls,
        teacher: Teacher,
        student_width: int,
        dim: int,
        norm: float = 1e-2,
        seed: int | Key[Array, ""] = 0,
    ) -> Start:
        """A random start: w_i uniform on the sphere of R^d, all of norm `norm`; `seed` is an integer or a JAX key.

        Only the overlaps are drawn, from their exact law, at a cost that does not depend on d. Under the teacher's
        covariance it is w that is uniform, so that v = Σ^½ w leans to large eigenvalues, and `norm` is |w|_Σ, the
        student's own scale. See problem/reduced.py.

        Raises:
            ArgumentError: if `student_width` < 1, or it or the teacher's width exceeds `dim`, or `dim` is not the
                covariance's.
        """
        neurons, directions, covariance = student_width, teacher.width, teacher.covariance
        require_integer(neurons, "student_width", 1)
        require_integer(dim, "dim", 1)
        require(neurons <= dim, "student_width", f"be ≤ dim = {dim}", neurons)
        if covariance is None:
            require(directions <= dim, "dim", f"be ≥ the teacher's width {directions}", dim)
        else:
            require(dim == covariance.dim, "dim", f"be the covariance's {covariance.dim}", dim)
        require_norms(norm, "norm")
        drawn_with = int(seed) if isinstance(seed, (int, np.integer)) else None
        return cls._at(drawn(as_key(seed), teacher, neurons, dim), norm, dim, drawn_with)

    @classmethod
    def from_weights(cls, W: ArrayLike, Theta: ArrayLike, covariance: Covariance | None = None) -> Start:
        """The start of a student with weights W (N, d), for teacher directions Θ (M, d), in the input's coordinates.

        The rows of Θ need be neither orthogonal nor of length one, as independent Gaussian rows are not; only their
        directions count, and the teacher is `Teacher.from_directions(Theta, …)` then, which is checked. Under a
        covariance both are in its eigenbasis, and it is the teacher's.

        Raises:
            ArgumentError: shapes that disagree, a zero neuron or direction.
        """
        W, Theta = all_numbers(W, "W"), all_numbers(Theta, "Theta")
        require(W.ndim == 2 and W.shape[0] <= W.shape[1], "W", "be of shape (N, d) with N ≤ d", W.shape)
        agree = Theta.ndim == 2 and Theta.shape[1:] == W.shape[1:]
        require(agree, "Theta", f"be of shape (M, {W.shape[1]})", Theta.shape)
        require_finite(W, "W")
        require_finite(Theta, "Theta")
        plain = covariance is None and is_orthonormal(Theta @ Theta.T)
        directions = Theta if plain else unit_rows(Theta, "Theta", covariance)[0]
        whitened = W if covariance is None else W * np.sqrt(np.asarray(covariance.eigenvalues))
        norms = np.linalg.norm(whitened, axis=1)
        require(bool(norms.min() > 0), "W", "have no zero row", f"zero at row {int(norms.argmin())}")
        frame = None if plain else frame_of(directions, covariance)
        return cls._at(located(whitened / norms[:, None], directions, frame, covariance), norms, W.shape[1])

    @staticmethod
    def typical(
        teacher: Teacher, student_width: int, dim: int, norm: float = 1e-2, quantile: float = 0.5
    ) -> TypicalStart:
        """The overlaps that greedy assignment gives a typical random start, in O(M) memory; see `TypicalStart`."""
        return TypicalStart(teacher, student_width, dim, norm, quantile)

    def with_second_layer(self, b: ArrayLike, scale: float = 1.0) -> Start:
        """The start with the same weights and a second layer b, of the student f(x) = c Σ b_i σ(<x, w_i>).

        b is (N,) or one number, of either sign; for σ(λz) = λσ(z) and c = 1, b_i = ±|w_i| is the balanced start. The
        output scale c = `scale`, such as 1/√N or 1/N, belongs to the architecture: b is trained, and c is not. What
        the start holds as `second_layer` is c b, which moves like a second layer of scale 1 at c² times its rate
        (derivations/committee.py); flows and SGD take that into account, so that their κ is the training loop's own.

        Raises:
            ArgumentError: numbers that are not finite, or not N; a scale that is not positive.
        """
        require_real(scale, "scale", above=0)
        b = _second_layer(b, self.student_width)
        held = {"second_layer": b if scale == 1 else float(scale) * b, "output_scale": float(scale)}
        return restored(type(self), **vars(self) | held)

    def moved_to(
        self, teacher: Teacher, U: Float[Array, "N D"], norms: Float[Array, " N"], second_layer: Array | None
    ) -> Start:
        """The start of the same student with other directions in its reduced coordinates, norms and second layer."""
        axes = teacher.frame_dim
        moved = {
            "teacher_overlaps": teacher.overlaps(U), "residual_factor": U[:, axes:], "norms": norms, "seed": None,
            "second_layer": second_layer, "teacher_part": None if teacher.frame is None else U[:, :axes],
        }  # fmt: skip
        return restored(type(self), **vars(self) | moved)

    @property
    def student_width(self) -> int:
        """N, the number of neurons."""
        return self.teacher_overlaps.shape[0]

    @property
    def directions(self) -> Float[Array, "N D"]:
        """U, the neurons' unit directions in reduced coordinates."""
        parts = [self.teacher_coordinates, self.residual_factor]
        if is_traced(*parts):
            return jnp.concatenate(parts, axis=1)
        return jax.device_put(np.concatenate(parts, axis=1))  # on the host, where nothing compiles

    @property
    def teacher_coordinates(self) -> Float[Array, "N K"]:
        """The first K of the neurons' reduced coordinates, those that hold the teacher's directions."""
        return self.teacher_overlaps if self.teacher_part is None else self.teacher_part

    @property
    def weights(self) -> Float[Array, "N D"]:
        """The weights w_i = r_i u_i in reduced coordinates."""
        norms, directions = self.norms, self.directions
        if is_traced(norms, directions):
            return norms[:, None] * directions
        return jax.device_put(
            np.asarray(norms)[:, None] * np.asarray(directions)
        )  # on the host, where nothing compiles

    @property
    def amplitudes(self) -> Float[Array, " N"]:
        """s_i of f = Σ_i s_i σ(<x, u_i>), (N,): |w_i|², or b_i|w_i| of a two-layer student."""
        norms, b = self.norms, self.norms if self.second_layer is None else self.second_layer
        return b * norms if is_traced(b, norms) else jax.device_put(np.asarray(b) * np.asarray(norms))

    @property
    def student_gram(self) -> Float[Array, "N N"]:
        """q_il = <u_i, u_l>."""
        U = self.directions
        return U @ U.T if is_traced(U) else jax.device_put(np.asarray(U) @ np.asarray(U).T)

    def assignment(self, teacher: Teacher) -> Array:
        """The neuron that greedy maximum selection gives each direction, (M,) whole numbers; -1 where none is left."""
        return greedy_assignment(teacher.search_rates, self.teacher_overlaps, teacher.link)

    @property
    def s(self) -> Float[Array, " N"]:
        """The old name of `amplitudes`."""
        warn_renamed("Start.s", "Start.amplitudes")
        return self.amplitudes

    @property
    def along(self) -> Float[Array, "N K"]:
        """The old name of `teacher_coordinates`."""
        warn_renamed("Start.along", "Start.teacher_coordinates")
        return self.teacher_coordinates

    def __repr__(self) -> str:
        neurons, directions = self.teacher_overlaps.shape
        layer = "" if self.second_layer is None else ", two-layer"
        layer += "" if self.output_scale == 1 else f", output scale {self.output_scale:.6g}"
        return f"Start({neurons} neurons, {directions} directions, dim {self.dim or 'not given'}{layer})"


def _spread(norms: ArrayLike, neurons: int) -> Array:
    broadcast = jnp.broadcast_to if is_traced(norms) else np.broadcast_to
    return jnp.asarray(broadcast(norms, (neurons,)), float)


def _second_layer(b: ArrayLike, neurons: int) -> Array:
    b = b if is_traced(b) else all_numbers(b, "second_layer")
    require(np.shape(b) in ((), (neurons,)), "second_layer", f"be one number or {neurons}", np.shape(b))
    require_finite(b, "second_layer")
    return _spread(b, neurons)
