"""What every flow is: a deterministic limit of SGD that takes a problem through the output times."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..numerics import Outcome, padded
from ..problem import Observables, Problem, riccati_rate, spectrum
from ..support import is_traced

_NO_RATE = 1e-12  # an eigenvalue this small beside the largest is rounding


class Course(NamedTuple):
    """What a flow yields.

    Attributes:
        seen: the observables at the T output times; fewer outside jit where the flow did not reach them all.
        outcome: how the evolution ended.
        reached: how many output times were reached.
        steps: the integrator's steps, None where the solution is exact.
        record: what the flow keeps of its way to find emergence times later, None where it needs nothing.
    """

    seen: Observables
    outcome: Outcome = Outcome.complete
    reached: Int[Array, ""] | int | None = None
    steps: Int[Array, ""] | int | None = None
    record: Any = None


class Flow(eqx.Module):
    """A deterministic limit of online SGD; its fields are its settings."""

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What it follows, in the words of a legend."""

    @abc.abstractmethod
    def check(self, problem: Problem) -> None:
        """Raise `ArgumentError` if this flow does not describe such a problem."""

    @abc.abstractmethod
    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Course:
        """The course through `times`, canonical gradient-flow time."""

    @abc.abstractmethod
    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], course: Course, level: float
    ) -> Float[Array, " M"]:
        """When each alignment first reaches `level` up to times[-1], inf where it does not; canonical time.

        `course` is what `evolve` gave for the same problem and times.
        """

    @abc.abstractmethod
    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """Canonical times of the first and the last emergence to be expected, roughly; None where nothing emerges."""

    def details(
        self, problem: Problem, times: Float[Array, " T"]
    ) -> tuple[Float[Array, "T M"], Float[Array, "T M"] | None]:
        """Alignment and radius alone, for trajectories that do not keep them."""
        seen = self.evolve(problem, times).seen
        assert seen.alignment is not None
        return seen.alignment, seen.radius

    def settings(self) -> dict[str, object]:
        """The flow's fields by name, as provenance and saved files carry them."""
        return dict(vars(self))


def in_blocks(evolve: Callable[[Float[Array, " T"]], Course], times: Float[Array, " T"]) -> Course:
    """`evolve(times)` at the times padded, and the course cut back to what was asked.

    So compiled programs see few different numbers of output times. Traced times go in as they are.
    """
    if is_traced(times):
        return evolve(times)
    count = times.shape[0]
    course = evolve(padded(times))
    if is_traced(course):
        reached = None if course.reached is None else jnp.minimum(course.reached, count)
        return course._replace(seen=jax.tree.map(lambda x: x[:count], course.seen), reached=reached)
    # on the host, where nothing compiles
    seen = jax.tree.map(lambda x: jax.device_put(np.asarray(x)[:count].copy()), course.seen)
    return course._replace(seen=seen, reached=None if course.reached is None else min(int(course.reached), count))


def growing_rates(problem: Problem) -> Float[np.ndarray, " n"]:
    """The rates that a k = 2 student learns, largest first: positive eigenvalues of S*, min(N, M) at the most."""
    rates = -np.sort(-np.asarray(spectrum(problem.teacher).rates))
    return rates[rates > _NO_RATE * np.abs(rates).max()][: problem.start.student_width]


def quadratic_horizon(problem: Problem) -> tuple[float, float] | None:
    """First and last emergence time of the decoupled approximation log(1/G_0 - 1)/(2 a_m), in canonical time.

    G_0 is the mean of ||Z_m||², which is N/d for a random start.
    """
    overlaps, rate = np.asarray(problem.full_start.teacher_overlaps), float(riccati_rate(problem.teacher))
    small = 0.5 * np.mean(np.sum(overlaps**2, axis=0))
    a = growing_rates(problem)
    delay = np.log(1 / min(small, 0.25) - 1) / (2 * rate)
    return (float(delay / a[0]), float(delay / a[-1])) if len(a) else None
