"""A problem: a teacher, and where its student starts."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..support import require
from .start import Start
from .teacher import Teacher
from .typical import TypicalStart

AnyStart = Start | TypicalStart


class Spectators(NamedTuple):
    """Neurons without a direction: only their own norm acts on them, ds/dt = -4 g(1) s², s = s_0/(1 + 4 g(1) s_0 t).

    Attributes:
        s: (n,), initial squared norms.
        number: (n,), how many neurons have each.
    """

    s: Float[Array, " n"]
    number: Float[Array, " n"]

    def energy(self, decay: Float[Array, ""]) -> Float[Array, ""]:
        """Σ_i s_i² at `decay` = 4 g(1) t."""
        return jnp.sum(self.number * (self.s / (1 + self.s * decay)) ** 2)


class Problem(eqx.Module):
    """A teacher and a start that fit each other; what every flow, law and experiment is given.

    Attributes:
        teacher: f*(x) = Σ_m a_m σ(<x, θ_m>).
        start: the student's initial overlaps and norms, all of them or the typical ones.

    Raises:
        ArgumentError: something else than a teacher or a start, or a start for another number of directions.
    """

    teacher: Teacher
    start: AnyStart

    def __init__(self, teacher: Teacher, start: AnyStart):
        require(isinstance(teacher, Teacher), "teacher", "be a riccati.Teacher", type(teacher).__name__)
        known = isinstance(start, (Start, TypicalStart))
        require(known, "start", "be a riccati.Start or TypicalStart", type(start).__name__)
        start.check_against(teacher)
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
        """m_p(0) and s_p(0) of the neuron that greedy selection gives direction p; both 0 where it gets none."""
        start = self.start
        if isinstance(start, TypicalStart):
            return start.overlaps, jnp.where(start.overlaps != 0, start.norms**2, 0.0)
        return _chosen(start.teacher_overlaps, start.norms, start.assignment(self.teacher))[:2]

    def spectators(self) -> Spectators:
        """The neurons that greedy selection gives no direction."""
        start = self.start
        if isinstance(start, TypicalStart):
            idle = start.student_width - jnp.sum(self.assigned()[0] != 0)
            return Spectators(start.norms[:1] ** 2, jnp.maximum(idle, 0)[None].astype(float))
        return _chosen(start.teacher_overlaps, start.norms, start.assignment(self.teacher))[2]


@jax.jit
def _chosen(
    overlaps: Float[Array, "N M"], norms: Float[Array, " N"], neuron: Int[Array, " M"]
) -> tuple[Float[Array, " M"], Float[Array, " M"], Spectators]:
    """m_p and s_p of each direction's neuron, 0 where there is none; and the neurons that have no direction."""
    has = neuron >= 0
    m = overlaps[neuron, jnp.arange(overlaps.shape[1])]
    idle = jnp.ones(overlaps.shape[0]).at[neuron].set(0.0, mode="drop", wrap_negative_indices=False)
    return jnp.where(has, m, 0.0), jnp.where(has, norms[neuron] ** 2, 0.0), Spectators(norms**2, idle)
