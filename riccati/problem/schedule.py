"""Learning-rate schedules: constant, a power of the step, proportional to a_p of the learned direction, any function.

A rate η is canonical time per step: a step adds η to t. schedule_words.py makes a schedule of what a user gives.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import ArgumentError, require_real
from .teacher import Teacher

_LEARNED = 0.5  # squared overlap from which a direction is no longer being learned
_SAMPLED = tuple(int(n) for n in np.geomspace(1, 1e6, 61))  # steps whose rates tell one function from another


class Schedule(abc.ABC):
    """The learning rate of each step; with `follows_direction` it is multiplied by a_p of the learned direction."""

    follows_direction: ClassVar[bool] = False

    @abc.abstractmethod
    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """η at `count` steps from `first` on, before any factor that depends on the state."""

    @abc.abstractmethod
    def scaled(self, factor: float) -> Schedule:
        """The same schedule with every rate so many times larger."""

    def rates_at(self, steps: ArrayLike) -> Float[np.ndarray, " n"]:
        """η at each of these steps."""
        return np.array([float(self.rates(int(n), 1)[0]) for n in np.asarray(steps)])

    def times_at(self, steps: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Canonical time after so many steps, Σ_{j<n} η_j, before any factor that depends on the state."""
        last = int(np.max(steps, initial=0))
        return np.concatenate([[0.0], np.cumsum(self.rates(0, last))])[np.asarray(steps).astype(int)]

    def describe(self) -> dict[str, object]:
        """The schedule as it is written in a run's JSON file."""
        return {"schedule": {"kind": type(self).__name__, **asdict(self)}}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Constant(Schedule):
    """η at every step."""

    rate: float

    def __post_init__(self) -> None:
        require_real(self.rate, "learning_rate", above=0)

    def scaled(self, factor: float) -> Constant:
        """The same with `rate` so many times larger."""
        return replace(self, rate=factor * self.rate)

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """`rate`, `count` times."""
        return np.full(count, float(self.rate))

    def describe(self) -> dict[str, object]:
        """Just the learning rate, so that a run's times follow from its steps."""
        return {"learning_rate": float(self.rate)}


@dataclass(frozen=True)
class PowerLaw(Schedule):
    """A learning rate that falls as a power of the step n: η(n) = rate·(1 + n/scale)^(-exponent).

    Attributes:
        rate: η of the first step, canonical time per step.
        exponent: of the fall, ≥ 0.
        scale: steps after which the fall sets in.

    Raises:
        ArgumentError: a rate or scale that is not positive, or a negative exponent.

    Example:
        >>> import riccati as rc
        >>> schedule = rc.sgd.PowerLaw(rate=1e-3, exponent=1.0, scale=100.0)
        >>> [round(float(rate), 6) for rate in schedule.rates(first=0, count=3)]
        [0.001, 0.00099, 0.00098]
        >>> sgd = rc.SGD(schedule, batch_size=4)
        >>> round(float(sgd.times(100)), 4)
        0.0696
    """

    rate: float
    exponent: float
    scale: float

    def __post_init__(self) -> None:
        require_real(self.rate, "rate", above=0)
        require_real(self.exponent, "exponent", least=0)
        require_real(self.scale, "scale", above=0)

    def scaled(self, factor: float) -> PowerLaw:
        """The same with `rate` so many times larger."""
        return replace(self, rate=factor * self.rate)

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """The power law."""
        return self.rate * (1 + np.arange(first, first + count) / self.scale) ** -self.exponent


@dataclass(frozen=True)
class PerDirection(Schedule):
    """A learning rate that follows the direction p being learned, η = rate·a_p.

    p is the direction with the largest a_p whose squared overlap is below ½. Only the min(N, M) largest count, as no
    more can be learned; after the last of them η stays. A fixed η loses the directions with small a_p;
    η ≍ a_p d^(-k/2) learns them one by one (the "optimal" rate of RNWL25, arXiv 2504.19983).

    Attributes:
        rate: η/a_p, canonical time per step.

    Raises:
        ArgumentError: a rate that is not positive.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher([0.8, 0.5], rc.Link.hermite(3))
        >>> start = rc.Start([[0.1, 0.0], [0.0, 0.1]], norms=0.5, dim=500)
        >>> sgd = rc.SGD(rc.sgd.PerDirection(1e-4))
        >>> run = rc.sgd.simulate(teacher, start, sgd, steps=10, rows=5)
        >>> round(float(run.times[-1]), 8)  # ten steps, the first direction being learned
        0.0008
    """

    follows_direction: ClassVar[bool] = True
    rate: float

    def __post_init__(self) -> None:
        require_real(self.rate, "rate", above=0)

    def scaled(self, factor: float) -> PerDirection:
        """The same with `rate` so many times larger."""
        return replace(self, rate=factor * self.rate)

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """`rate`, before the factor a_p."""
        return np.full(count, float(self.rate))


@dataclass(frozen=True)
class Logged(Schedule):
    """The mean η between the logged rows of a run that logged its canonical time; `times_at` returns those times.

    Attributes:
        steps: of the rows, increasing.
        times: canonical, at those.
    """

    steps: tuple[int, ...]
    times: tuple[float, ...]

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """The mean rate between the rows on either side; after the last row as before it."""
        begins, times = np.asarray(self.steps, float), np.asarray(self.times)
        if begins[0] > 0:
            begins, times = np.r_[0.0, begins], np.r_[0.0, times]
        means = np.diff(times) / np.diff(begins)
        rows = np.searchsorted(begins, np.arange(first, first + count), side="right") - 1
        return means[np.minimum(rows, len(means) - 1)]

    def times_at(self, steps: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Canonical time after so many steps, straight between the rows; before the first row and after the last at the
        rate of the nearest rows.
        """
        begins, times = np.asarray(self.steps, float), np.asarray(self.times)
        if begins[0] > 0:
            begins, times = np.r_[0.0, begins], np.r_[0.0, times]
        beyond = np.maximum(steps - begins[-1], 0) * (times[-1] - times[-2]) / (begins[-1] - begins[-2])
        return np.interp(steps, begins, times) + beyond

    def scaled(self, factor: float) -> Logged:
        """The same with every time so many times later."""
        return Logged(self.steps, tuple(factor * t for t in self.times))


@dataclass(frozen=True)
class Function(Schedule):
    """η(n) from a function of the step n = 0, 1, …; it is called once for each step."""

    function: Callable[[int], float]

    def scaled(self, factor: float) -> Function:
        """The same function times a factor."""
        return Function(lambda step: factor * self._value(step))

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """The function's values.

        Raises:
            ArgumentError: at a value that is no finite positive number.
        """
        values = np.array([self._value(n) for n in range(first, first + count)])
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        if len(bad):
            wrong = f"{values[bad[0]]:g} at step {first + int(bad[0])}"
            raise ArgumentError("learning_rate", "be > 0 at every step", wrong)
        return values

    def _value(self, step: int) -> float:
        try:
            return float(self.function(step))
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                "learning_rate", "be a function of the step", f"none at step {step} ({error})"
            ) from None

    def describe(self) -> dict[str, object]:
        """Its name, and a digest of its values that distinguishes it from another function of that name."""
        values = np.array([self._value(n) for n in _SAMPLED])
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return {"schedule": {"kind": "Function", "name": name, "digest": hashlib.sha256(values.tobytes()).hexdigest()}}


def direction_factor(teacher: Teacher, overlaps: Float[Array, " M"], neurons: int) -> Float[Array, ""]:
    """a_p of the direction being learned."""
    learnable = jnp.sort(teacher.a)[-min(neurons, teacher.width)]
    open_ = (teacher.a >= learnable) & (overlaps < _LEARNED)
    return jnp.maximum(jnp.max(jnp.where(open_, teacher.a, 0.0)), learnable)
