"""The interface of all flows, the solution that they return, and the time scales that the k = 2 flows share."""

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
from ..problem import Observables, Problem, Start, riccati_rate, spectrum
from ..support import ArgumentError, is_traced

_NO_RATE = 1e-12  # an eigenvalue this small beside the largest is rounding


class Solution(NamedTuple):
    """A flow's solution at T output times.

    Attributes:
        observables: risk (T,), alignment (T, M) and radius (T, M) at these times; the latter two are None where they
            are too large to keep, and the radius where the flow has none. Rows that were not reached are inf or NaN;
            a flow that runs in chunks leaves them out.
        outcome: how the integration ended.
        reached: how many output times were reached, None where a solution is exact and always reaches them all.
        steps: how many steps the integrator took, None where the solution is exact.
        record: data of the integrator's own steps, from which emergence times are found; None where none is kept.
    """

    observables: Observables
    outcome: Outcome = Outcome.complete
    reached: Int[Array, ""] | int | None = None
    steps: Int[Array, ""] | int | None = None
    record: Any = None


class Flow(eqx.Module):
    """A deterministic limit of online SGD; its fields are its settings.

    Subclasses say which problems they describe (`check`), solve these at output times (`evolve`), and tell when
    directions emerge (`emergence_times`). `riccati.solve` calls them; time is canonical everywhere. Flows are Equinox
    modules, and pass through jit and vmap.

    Example:
        >>> import riccati as rc
        >>> isinstance(rc.Decoupled(), rc.Flow)
        True
        >>> rc.Coupled(rtol=1e-6).settings()["rtol"]
        1e-06
    """

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """The flow's name in a legend."""

    @abc.abstractmethod
    def check(self, problem: Problem) -> None:
        """Raise `ArgumentError` if this flow does not describe such a problem."""

    @abc.abstractmethod
    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """The solution at `times` (T,), canonical gradient-flow time."""

    @abc.abstractmethod
    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """The canonical times up to times[-1] at which each alignment first reaches `level`, (M,); inf where never.

        `solution` is what `evolve` gave for the same problem and times.
        """

    @abc.abstractmethod
    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """Rough canonical times of the first and the last emergence to expect; None where nothing emerges."""

    def details(
        self, problem: Problem, times: Float[Array, " T"]
    ) -> tuple[Float[Array, "T M"], Float[Array, "T M"] | None]:
        """Alignment and radius at canonical `times`, for solutions that do not keep them."""
        observables = self.evolve(problem, times).observables
        assert observables.alignment is not None
        return observables.alignment, observables.radius

    def student_at(self, problem: Problem, time: float) -> Start:
        """The student at canonical `time`, as a start from which SGD or another flow goes on.

        Raises:
            ArgumentError: a flow that does not follow every neuron, or a time that it does not reach.
        """
        must = "follow every neuron, as Coupled, Quadratic, Correlation and FiniteStep do, for a student at a time"
        raise ArgumentError("flow", must, repr(self))

    def settings(self) -> dict[str, object]:
        """The flow's fields by name, as they are written in the provenance and in saved files."""
        return dict(vars(self))


def at_padded_times(evolve: Callable[[Float[Array, " T"]], Solution], times: Float[Array, " T"]) -> Solution:
    """The solution `evolve(times)` at padded times, cut back to the times that were asked for.

    This way compiled programs see few different numbers of output times. Traced times are not padded.
    """
    if is_traced(times):
        return evolve(times)
    count = times.shape[0]
    whole = evolve(padded(times))
    if is_traced(whole):
        cut = jax.tree.map(lambda x: x[:count], whole.observables)
        return whole._replace(
            observables=cut, reached=None if whole.reached is None else jnp.minimum(whole.reached, count)
        )
    # on the host, where nothing compiles
    reached = None if whole.reached is None else min(int(whole.reached), count)
    observables = jax.tree.map(lambda x: jax.device_put(np.asarray(x)[:count].copy()), whole.observables)
    return whole._replace(observables=observables, reached=reached)


def growing_rates(problem: Problem) -> Float[np.ndarray, " n"]:
    """The rates at which a k = 2 student learns, largest first: the min(N, M) largest positive eigenvalues of S*."""
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
