"""The algorithm, online SGD on L = ½ E(f* - f)², its step size in every convention, and its clocks.

One step with B fresh samples moves the weights by -η times the mean gradient of ½(f* - f)². All measures of the step
size follow from η, B and the dimension d (derivations/clocks.py, derivations/finite_step.py):

    η           canonical gradient-flow time per step
    γ = ηd/B    the strength of gradient noise in the limit d → ∞
    ε = 2η      Riccati time per step for σ = h_2 (dτ/dt = 2c_2², c_2 = 1): the step of Stiefel SGD

Canonical time t is gradient-flow time of L; the k = 2 equation runs in Riccati time τ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import (
    CONSTRAINTS,
    ArgumentError,
    Constraint,
    all_numbers,
    is_traced,
    require,
    require_integer,
    require_real,
)
from .schedule import Constant, Logged, Schedule, as_schedule
from .teacher import Teacher

Gamma = TypeVar("Gamma", float, np.ndarray)


@dataclass(frozen=True)
class SGD:
    """Online SGD on ½(f* - f)² with fresh samples at each step.

    Attributes:
        learning_rate: η > 0, canonical time per step: a number, a function of the step n = 0, 1, …, or a schedule of
            `riccati.sgd` (PowerLaw, PerDirection).
        batch_size: B, samples of a step; its gradient is their mean.
        constraint: None, SGD on the weights; "stiefel", on orthonormal weights with a polar retraction (σ = h_2), with
            the radius fitted afterwards.
        second_layer_rate: κ ≥ 0, the second layer's learning rate over the first's; 0 freezes the second layer. Only
            two-layer students have one.

    Raises:
        ArgumentError: a number out of range, or an unknown constraint.

    Example:
        >>> import riccati as rc
        >>> sgd = rc.SGD(learning_rate=1e-4, batch_size=16)
        >>> sgd.gamma(dim=1024)
        0.0064
    """

    learning_rate: float | Callable[[int], float] | Schedule
    batch_size: int = 1
    constraint: Constraint | None = None
    second_layer_rate: float = 1.0

    def __post_init__(self) -> None:
        require_integer(self.batch_size, "batch_size", 1)
        known = self.constraint is None or self.constraint in CONSTRAINTS
        require(known, "constraint", 'be None or "stiefel"', repr(self.constraint))
        require_real(self.second_layer_rate, "second_layer_rate", least=0)
        schedule = self.schedule
        plain = {"batch_size": int(self.batch_size), "second_layer_rate": float(self.second_layer_rate)}
        if isinstance(schedule, Constant):
            plain["learning_rate"] = schedule.rate
        vars(self).update(plain)  # numbers of any library as Python's, which can be hashed, compared and printed

    @classmethod
    def from_gamma(cls, gamma: float, dim: int, batch_size: int = 1, constraint: Constraint | None = None) -> SGD:
        """The algorithm whose γ = ηd/B is `gamma` in dimension `dim`: η = γB/d.

        Raises:
            ArgumentError: `gamma` ≤ 0, or a dimension or batch size that is no whole number ≥ 1.
        """
        require_real(gamma, "gamma", above=0)
        require_integer(dim, "dim", 1)
        require_integer(batch_size, "batch_size", 1)
        return cls(rate_of_gamma(float(gamma), dim, batch_size), batch_size, constraint)

    @classmethod
    def from_riccati_step(cls, riccati_step: float, batch_size: int = 1) -> SGD:
        """Stiefel SGD whose step is `riccati_step` = ε = 2η of Riccati time.

        Raises:
            ArgumentError: `riccati_step` ≤ 0, or a batch size that is no whole number ≥ 1.
        """
        require_real(riccati_step, "riccati_step", above=0)
        return cls(float(riccati_step) / 2, batch_size, "stiefel")

    @cached_property
    def schedule(self) -> Schedule:
        """The learning rate by step."""
        return as_schedule(self.learning_rate)

    @property
    def is_constant(self) -> bool:
        """Whether all steps have one learning rate."""
        return isinstance(self.schedule, Constant)

    @property
    def rate(self) -> float:
        """η where it is one number.

        Raises:
            ArgumentError: under a schedule; what takes a limit at one step size cannot use that.
        """
        if not isinstance(self.schedule, Constant):
            raise ArgumentError("learning_rate", "be one number here", f"a schedule, {type(self.schedule).__name__}")
        return float(self.schedule.rate)

    @property
    def rate_per_sample(self) -> float:
        """η/B, the strength of a step's noise at one dimension."""
        return self.rate / self.batch_size

    def gamma(self, dim: float) -> float:
        """γ = ηd/B, the strength of gradient noise in the limit d → ∞."""
        require_real(dim, "dim", above=0)
        return self.rate * float(dim) / self.batch_size

    @property
    def riccati_step(self) -> float:
        """ε = 2η, Riccati time per step for σ = h_2."""
        return 2 * self.rate

    @property
    def on_stiefel(self) -> bool:
        """Whether weights are kept orthonormal."""
        return self.constraint == "stiefel"

    def times(self, steps: ArrayLike) -> Float[np.ndarray, " T"]:
        """Canonical time Σ_{j<n} η_j after n steps, for each n of `steps`; the clock is ηn where η is constant.

        Raises:
            ArgumentError: steps that are no whole numbers ≥ 0, or a learning rate that follows what is learned.
        """
        numbers = all_numbers(steps, "steps")
        sound = bool(np.all((numbers >= 0) & (numbers == np.floor(numbers))))
        require(sound, "steps", "be whole numbers ≥ 0", steps)
        if self.is_constant:
            return numbers * self.rate
        if isinstance(self.schedule, Logged):
            return self.schedule.times_at(numbers)
        require(not self.schedule.follows_direction, "learning_rate", "not depend on what is learned", "one that does")
        last = int(numbers.max(initial=0))
        return np.concatenate([[0.0], np.cumsum(self.schedule.rates(0, last))])[numbers.astype(int)]

    def faster(self, factor: float) -> SGD:
        """The same algorithm with every learning rate multiplied by `factor`."""
        require_real(factor, "factor", above=0)
        scaled = float(factor) * self.rate if self.is_constant else self.schedule.scaled(float(factor))
        return replace(self, learning_rate=scaled)


def rate_of_gamma(gamma: Gamma, dim: float, batch_size: int) -> Gamma:
    """η = γB/d, the learning rate at which γ = ηd/B is `gamma`, a number or an array of them."""
    return gamma * batch_size / dim


def sgd_of(sgd: SGD | None = None, **shorthand: Any) -> SGD:
    """The algorithm as an SGD object, from such an object or from its fields; a field that is None counts as not given.

    Raises:
        ArgumentError: both, neither, something else than an SGD object, or a field out of range.
    """
    given = {name: value for name, value in shorthand.items() if value is not None}
    if sgd is None:
        require("learning_rate" in given, "sgd", "be given, as rc.SGD(learning_rate=…, batch_size=…)", "not")
        return SGD(**given)
    require(isinstance(sgd, SGD), "sgd", "be a riccati.SGD", repr(sgd))
    for name, value in given.items():
        raise ArgumentError(name, "be left out beside `sgd`, which has it", value)
    return sgd


def riccati_rate(teacher: Teacher) -> Float[Array, ""]:
    """The Riccati time per canonical time, dτ/dt = 2 c_2²: 2 for σ = h_2 (derivations/clocks.py)."""
    coefficients = teacher.link.coefficients
    if is_traced(coefficients):
        return 2 * coefficients[2] ** 2
    return jax.device_put(2 * np.asarray(coefficients)[2] ** 2)  # on the host, where nothing compiles
