"""A problem: a teacher, and where its student starts."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..support import is_traced, namespace_of, require
from .assignment import TypicalStart
from .directions import GRAM_TOLERANCE
from .pair_averages import largest_norm
from .start import Start
from .teacher import Teacher

AnyStart = Start | TypicalStart


class Spectators(NamedTuple):
    """Neurons that have no direction: only their own norm acts on them, ds/dt = -4 g(1) s², s = s_0/(1 + 4 g(1) s_0 t).

    Under anisotropic input each decays at the speed uᵀΣu, its direction u assumed constant.

    Attributes:
        squared_norms: s_0, (n,).
        counts: (n,), how many neurons have each of these.
        speeds: (n,), uᵀΣu of each; None for isotropic input, where it is 1.
    """

    squared_norms: Float[Array, " n"]
    counts: Float[Array, " n"]
    speeds: Float[Array, " n"] | None = None

    def energy(self, decay: Float[Array, ""]) -> Float[Array, ""]:
        """Σ_i s_i² at `decay` = 4 g(1) t, t canonical time."""
        each, s = decay if self.speeds is None else decay * self.speeds, self.squared_norms
        return jnp.sum(self.counts * (s / (1 + s * each)) ** 2)


class Problem(eqx.Module):
    """A teacher and a start that fit each other, which a flow, a law or an experiment takes.

    It is checked once, when it is made; functions that take a teacher and a start make it themselves.

    Attributes:
        teacher: f*(x) = Σ_m a_m σ(<x, θ_m>).
        start: the student's initial overlaps and norms, all of them or the typical ones.

    Raises:
        ArgumentError: something else than a teacher or a start, or a start for other directions, another input or a
            link that its second layer cannot have.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher([1.0, 0.5], rc.Link.hermite(4))
        >>> problem = rc.Problem(teacher, rc.Start([[0.1, 0.3], [0.2, 0.1]], norms=0.5))
        >>> [round(float(m), 6) for m in problem.assigned()[0]]
        [0.2, 0.3]
    """

    teacher: Teacher
    start: AnyStart

    def __init__(self, teacher: Teacher, start: AnyStart):
        require(isinstance(teacher, Teacher), "teacher", "be a riccati.Teacher", type(teacher).__name__)
        known = isinstance(start, (Start, TypicalStart))
        require(known, "start", "be a riccati.Start or TypicalStart", type(start).__name__)
        _require_fit(teacher, start)
        self.teacher, self.start = teacher, start

    @property
    def full_start(self) -> Start:
        """The start with all overlaps.

        Raises:
            ArgumentError: for a typical start, which has one overlap per direction and no more.
        """
        must = "hold all overlaps here (see Start.random)"
        require(isinstance(self.start, Start), "start", must, "a TypicalStart")
        return self.start  # type: ignore[return-value]

    def assigned(self) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
        """The overlap m_p(0) and squared norm s_p(0), (M,) each, of the neuron that greedy selection gives direction p.

        Both are 0 where it gets none.
        """
        start = self.start
        if isinstance(start, TypicalStart):
            return start.overlaps, jnp.where(start.overlaps != 0, start.norms**2, 0.0)
        return _chosen(start.teacher_overlaps, start.norms, start.assignment(self.teacher))[:2]

    def spectators(self) -> Spectators:
        """The neurons that greedy selection gives no direction."""
        start = self.start
        if isinstance(start, TypicalStart):
            idle = start.student_width - jnp.sum(self.assigned()[0] != 0)
            squares, counts = start.norms[:1] ** 2, jnp.maximum(idle, 0)[None].astype(float)
            return Spectators(squares, counts, self._typical_speed())
        left, speeds = _chosen(start.teacher_overlaps, start.norms, start.assignment(self.teacher))[2], self.speeds
        return left if speeds is None else left._replace(speeds=start.directions**2 @ speeds)

    @property
    def is_committee(self) -> bool:
        """Whether the student is a committee machine, of two layers and a link without σ(λz) = λσ(z)."""
        return self.full_start.second_layer is not None and not self.teacher.link.is_homogeneous

    @property
    def speeds(self) -> Float[Array, " D"] | None:
        """The factors by which Σ changes the velocity along each reduced coordinate, (D,); None for isotropic input."""
        covariance, start = self.teacher.covariance, self.full_start
        if covariance is None:
            return None
        assert start.residual_eigenvalues is not None
        along = covariance.eigenvalues[: self.teacher.frame_dim]
        return covariance.speeds(jnp.concatenate([along, start.residual_eigenvalues]))

    def _typical_speed(self) -> Float[Array, " 1"] | None:
        """tr ΛΣ/tr Σ, Λ the speeds: uᵀΛu of a neuron of many coordinates."""
        covariance = self.teacher.covariance
        if covariance is None:
            return None
        eigenvalues = covariance.eigenvalues
        return (covariance.speeds(eigenvalues) @ eigenvalues / jnp.sum(eigenvalues))[None]


def _require_fit(teacher: Teacher, start: AnyStart) -> None:
    """Refuse a start for other directions, another input or another kind of link than `teacher` has."""
    directions = start.overlaps.shape[-1] if isinstance(start, TypicalStart) else start.teacher_overlaps.shape[-1]
    require(directions == teacher.width, "start", f"overlap with {teacher.width} directions", directions)
    if isinstance(start, TypicalStart):
        return
    _require_same_input(teacher, start)
    _require_same_directions(teacher, start)
    if start.second_layer is not None:
        _require_norms_within(teacher, start)


def _require_norms_within(teacher: Teacher, start: Start) -> None:
    """Refuse a two-layer student whose averages over σ(<x, w>) are not known at its norms."""
    largest = largest_norm(teacher.link)
    must = (
        "have a link known at arguments of any size for a two-layer student: a name, the Hermite coefficients of a "
        "polynomial, or Link.from_function of a smooth function that JAX can trace (jnp.tanh)"
    )
    require(largest > 0, "teacher", must, repr(teacher.link))
    if not is_traced(start.norms):
        norm = float(np.max(np.asarray(start.norms)))
        must = f"have norms ≤ {largest:.3g}, up to which averages over {teacher.link.label} are resolved"
        require(norm <= largest, "start", must, f"{norm:.6g}")


def _require_same_input(teacher: Teacher, start: Start) -> None:
    covariance, given = teacher.covariance, start.residual_eigenvalues
    if covariance is None:
        require(given is None, "start", "be for isotropic input, as the teacher is", "one under a covariance")
        return
    must = "be drawn under the teacher's covariance (Start.random, Start.from_weights(W, Theta, covariance))"
    require(given is not None, "start", must, "one for isotropic input")
    left = np.asarray(covariance.eigenvalues)[teacher.frame_dim :]
    same = start.dim == covariance.dim and bool(np.isin(np.asarray(given), left).all())
    require(same, "start", must, "one under another")


def _require_same_directions(teacher: Teacher, start: Start) -> None:
    must = "be made for the teacher's directions (Start.from_weights, Start(…, teacher_gram=teacher.gram))"
    if teacher.frame is None:
        correlated = "for correlated ones, which Teacher.from_directions gives a teacher"
        require(start.teacher_part is None, "start", must, correlated)
        return
    require(start.teacher_part is not None, "start", must, "for orthonormal ones")
    if is_traced(start, teacher):
        return
    part, wanted = np.asarray(start.teacher_part), teacher.frame_dim
    require(part.shape[1] == wanted, "start", must, f"for {part.shape[1]} coordinates, not {wanted}")
    off = float(np.abs(part @ np.asarray(teacher.frame).T - np.asarray(start.teacher_overlaps)).max())
    require(off < GRAM_TOLERANCE, "start", must, f"for others, with overlaps off by {off:.2g}")


def _chosen(
    overlaps: Float[Array, "N M"], norms: Float[Array, " N"], neuron: Int[Array, " M"]
) -> tuple[Float[Array, " M"], Float[Array, " M"], Spectators]:
    """m_p and s_p of each direction's neuron, 0 where there is none; and the neurons that have no direction."""
    xp = namespace_of(overlaps, norms, neuron)
    overlaps, norms, neuron = (xp.asarray(part) for part in (overlaps, norms, neuron))
    has, squares = neuron >= 0, norms**2
    m = overlaps[neuron, np.arange(overlaps.shape[1])]
    busy = xp.isin(np.arange(overlaps.shape[0]), neuron)
    parts = xp.where(has, m, 0.0), xp.where(has, squares[neuron], 0.0), squares, 1.0 - busy
    m, s, squares, idle = parts if xp is jnp else jax.device_put(parts)
    return m, s, Spectators(squares, idle)
