"""What every flow is: a deterministic limit of SGD that takes (teacher, start) through the output times."""

from __future__ import annotations

import abc
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import require
from ..start import Start
from ..teacher import Teacher
from ..typical import TypicalStart

AnyStart = Start | TypicalStart


class Observables(NamedTuple):
    """What a flow yields at the T output times.

    `risk` (T,) is E(f* - f)²/E f*²; `alignment` (T, M) the squared overlap of each direction, in [0, 1];
    `radius` (T, M) the squared student norm along each direction, or None where the flow has no norms. A flow may
    leave `alignment` out where it is large, and give both by `details` when they are asked for.
    """

    risk: Float[Array, " T"]
    alignment: Float[Array, "T M"] | None
    radius: Float[Array, "T M"] | None


class Flow(eqx.Module):
    """A deterministic limit of online SGD; its fields are its settings."""

    @abc.abstractmethod
    def check(self, teacher: Teacher, start: AnyStart) -> None:
        """Raise `ArgumentError` if this flow does not describe such a teacher and start."""

    @abc.abstractmethod
    def evolve(self, teacher: Teacher, start: AnyStart, times: Float[Array, " T"]) -> Observables:
        """The observables at `times`, canonical gradient-flow time."""

    @abc.abstractmethod
    def emergence_times(
        self,
        teacher: Teacher,
        start: AnyStart,
        times: Float[Array, " T"],
        alignment: Float[Array, "T M"] | None,
        level: float,
    ) -> Float[Array, " M"]:
        """When each alignment first reaches `level` up to times[-1], inf where it does not; canonical time."""

    @abc.abstractmethod
    def horizon(self, teacher: Teacher, start: AnyStart) -> tuple[float, float]:
        """Canonical times of the first and the last emergence to be expected, roughly."""

    def details(
        self, teacher: Teacher, start: AnyStart, times: Float[Array, " T"]
    ) -> tuple[Float[Array, "T M"], Float[Array, "T M"] | None]:
        """Alignment and radius alone, for trajectories that do not keep them."""
        seen = self.evolve(teacher, start, times)
        assert seen.alignment is not None
        return seen.alignment, seen.radius

    def settings(self) -> dict[str, object]:
        """The flow's fields by name, as provenance and saved files carry them."""
        return dict(vars(self))


def check_quadratic(flow: Flow, teacher: Teacher, start: AnyStart) -> None:
    """The conditions of every k = 2 flow: σ = c h_2, a start with all overlaps, independent directions."""
    pure = f"have the pure link h_2 for {type(flow).__name__}"
    require(teacher.link.degree == 2, "teacher", pure, repr(teacher.link))
    require_all_overlaps(flow, start)


def require_all_overlaps(flow: Flow, start: AnyStart) -> None:
    """Refuse a typical start, which has one overlap per direction and no more."""
    must = f"hold all overlaps for {type(flow).__name__} (see Start.random)"
    require(not isinstance(start, TypicalStart), "start", must, "a TypicalStart")


def quadratic_horizon(teacher: Teacher, start: Start) -> tuple[float, float]:
    """First and last emergence time of the decoupled approximation log(1/G_0 - 1)/(2 a_m), in canonical time.

    Only min(N, M) directions emerge. G_0 is the mean of ||Z_m||², which is N/d for a random start.
    """
    small = 0.5 * jnp.mean(jnp.sum(start.teacher_overlaps**2, axis=0))
    a = -jnp.sort(-teacher.a)[: start.student_width]
    delay = jnp.log(1 / jnp.minimum(small, 0.25) - 1) / (2 * riccati_rate(teacher))
    return float(delay / a[0]), float(delay / a[-1])


def riccati_rate(teacher: Teacher) -> Float[Array, ""]:
    """dτ/dt = 2 c_2²: Riccati time per canonical time, 2 for σ = h_2."""
    return 2 * teacher.link.coefficients[2] ** 2
