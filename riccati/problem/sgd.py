"""The algorithm, online SGD on L = ½ E(f* - f)², its step size in every convention, and its clocks.

One step with B fresh samples has the gradient g, the mean of that of the loss plus λw with weight decay λ, and moves
the weights as `torch.optim.SGD` does,

    v ← μv + (1 - dampening) g,        w ← w - η v        (Nesterov: w ← w - η (g + μv)),

the first step with v = g. Without momentum μ this is w ← w - ηg. Once the 1/(1 - μ) steps that v remembers are short
against the time in which weights change, ηλ_max ≪ 1 - μ, the limit d → ∞, its noise included, is that of plain SGD at

    η_eff = η (1 - dampening)/(1 - μ).

All measures of the step size follow from η_eff, B and d (derivations/clocks.py, derivations/momentum.py):

    η_eff           canonical gradient-flow time per step
    γ = η_eff d/B   the strength of gradient noise in the limit d → ∞
    ε = 2η_eff      Riccati time per step for σ = h_2 (dτ/dt = 2c_2², c_2 = 1): the step of Stiefel SGD

Canonical time t is gradient-flow time of L; the k = 2 equation runs in Riccati time τ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import (
    CONSTRAINTS,
    TRAINED_LOSSES,
    ArgumentError,
    Constraint,
    TrainedLoss,
    all_numbers,
    is_traced,
    require,
    require_integer,
    require_real,
)
from .schedule import Constant, Schedule
from .schedule_words import as_schedule
from .teacher import Teacher

Gamma = TypeVar("Gamma", float, np.ndarray)


@dataclass(frozen=True, repr=False)
class SGD:
    """Online SGD on ½(f* - f)² with fresh samples at each step.

    Attributes:
        learning_rate: η > 0: a number, a function of the step n = 0, 1, …, pairs [step, η], a dictionary such as
            {"name": "cosine", "learning_rate": 1e-3, "T_max": 10000} (problem/schedule_words.py), or a schedule of
            `riccati.sgd` (Cosine, Linear, StepDecay, WarmUp, Piecewise, PowerLaw, PerDirection). Canonical time per
            step where there is no momentum.
        batch_size: B, samples of a step; its gradient is their mean.
        constraint: None, SGD on the weights; "sphere", on the directions of the neurons, whose norms and second layer
            stay as they are at the start; "stiefel", on orthonormal weights with a polar retraction (σ = h_2), with
            the radius fitted afterwards.
        second_layer_rate: κ ≥ 0, the second layer's learning rate over the first's; 0 freezes the second layer. Only
            two-layer students have one.
        momentum: μ, 0 ≤ μ < 1, as in `torch.optim.SGD`, as are the next three.
        dampening: of the gradients that enter the momentum, 0 ≤ dampening < 1.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: λ ≥ 0, of the loss ½(f* - f)² + ½λ(|w|² + |b|²).
        loss: "squared", ½(f* - f)²; "correlation", 1 - f*f, whose gradient does not know the student's output.

    Raises:
        ArgumentError: a number out of range, an unknown constraint or loss, or fields that exclude each other.

    Example:
        >>> import riccati as rc
        >>> sgd = rc.SGD(learning_rate=1e-4, batch_size=16)
        >>> sgd.gamma(dim=1024)
        0.0064
        >>> rc.SGD(learning_rate=1e-4, batch_size=16, momentum=0.5).gamma(dim=1024)  # twice as much
        0.0128
    """

    learning_rate: float | Callable[[int], float] | Schedule
    batch_size: int = 1
    constraint: Constraint | None = None
    second_layer_rate: float = 1.0
    momentum: float = field(default=0.0, kw_only=True)
    dampening: float = field(default=0.0, kw_only=True)
    nesterov: bool = field(default=False, kw_only=True)
    weight_decay: float = field(default=0.0, kw_only=True)
    loss: TrainedLoss = field(default="squared", kw_only=True)

    def __post_init__(self) -> None:
        require_integer(self.batch_size, "batch_size", 1)
        known = self.constraint is None or self.constraint in CONSTRAINTS
        require(known, "constraint", f"be None or one of {', '.join(CONSTRAINTS)}", repr(self.constraint))
        require(self.loss in TRAINED_LOSSES, "loss", f"be one of {', '.join(TRAINED_LOSSES)}", repr(self.loss))
        numbers = ("second_layer_rate", "weight_decay", "momentum", "dampening")
        for name in numbers:
            require_real(getattr(self, name), name, least=0)
        for name in ("momentum", "dampening"):
            require(float(getattr(self, name)) < 1, name, "be below 1", getattr(self, name))
        require(isinstance(self.nesterov, (bool, np.bool_)), "nesterov", "be True or False", repr(self.nesterov))
        schedule = self.schedule
        plain: dict[str, object] = {name: float(getattr(self, name)) for name in numbers}
        plain |= {"batch_size": int(self.batch_size), "nesterov": bool(self.nesterov)}
        if isinstance(schedule, Constant):
            plain["learning_rate"] = schedule.rate
        elif not callable(self.learning_rate):
            plain["learning_rate"] = schedule
        vars(self).update(plain)  # numbers of any library as Python's, which can be hashed, compared and printed
        self._require_fields_that_agree()

    def __repr__(self) -> str:
        """Without the fields after the first four that are as in plain SGD."""
        written = (each for each in fields(self) if not each.kw_only or getattr(self, each.name) != each.default)
        return f"SGD({', '.join(f'{each.name}={getattr(self, each.name)!r}' for each in written)})"

    def _require_fields_that_agree(self) -> None:
        """Refuse fields that mean nothing beside others, or exclude them."""
        moves = self.momentum > 0
        require(moves or not self.dampening, "dampening", "be left out without momentum", self.dampening)
        require(moves or not self.nesterov, "nesterov", "be left out without momentum", True)
        require(not (self.nesterov and self.dampening), "dampening", "be 0 with nesterov=True", self.dampening)
        for name, without in (("momentum", 0), ("weight_decay", 0), ("loss", "squared")):
            value = getattr(self, name)
            alone = value == without or not self.on_stiefel
            require(alone, name, 'be left out with constraint="stiefel", whose steps have none', value)
        decays = self.weight_decay > 0 and self.constraint == "sphere"
        require(not decays, "weight_decay", "be left out on the sphere, where norms do not change", self.weight_decay)

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
    def momentum_factor(self) -> float:
        """(1 - dampening)/(1 - μ), by which momentum makes steps longer; 1 without."""
        return (1 - self.dampening) / (1 - self.momentum)

    @property
    def rate(self) -> float:
        """η_eff = η (1 - dampening)/(1 - μ), canonical time per step, where it is one number; η without momentum.

        Raises:
            ArgumentError: under a schedule; what takes a limit at one step size cannot use that.
        """
        if not isinstance(self.schedule, Constant):
            raise ArgumentError("learning_rate", "be one number here", f"a schedule, {type(self.schedule).__name__}")
        return float(self.schedule.rate) * self.momentum_factor

    @property
    def rate_per_sample(self) -> float:
        """η_eff/B, the strength of a step's noise at one dimension."""
        return self.rate / self.batch_size

    def gamma(self, dim: float) -> float:
        """γ = η_eff d/B, the strength of gradient noise in the limit d → ∞."""
        require_real(dim, "dim", above=0)
        return self.rate * float(dim) / self.batch_size

    @property
    def riccati_step(self) -> float:
        """ε = 2η_eff, Riccati time per step for σ = h_2."""
        return 2 * self.rate

    @property
    def on_stiefel(self) -> bool:
        """Whether weights are kept orthonormal."""
        return self.constraint == "stiefel"

    def times(self, steps: ArrayLike) -> Float[np.ndarray, " T"]:
        """Canonical time after n steps, Σ_{j<n} η_j with η_eff for η, for each n of `steps`; η_eff n where it is one.

        Raises:
            ArgumentError: steps that are no whole numbers ≥ 0, or a learning rate that follows what is learned.
        """
        numbers = all_numbers(steps, "steps")
        sound = bool(np.all((numbers >= 0) & (numbers == np.floor(numbers))))
        require(sound, "steps", "be whole numbers ≥ 0", steps)
        if self.is_constant:
            return numbers * self.rate
        require(not self.schedule.follows_direction, "learning_rate", "not depend on what is learned", "one that does")
        return self.momentum_factor * self.schedule.times_at(numbers)

    def faster(self, factor: float) -> SGD:
        """The same algorithm with every learning rate multiplied by `factor`."""
        require_real(factor, "factor", above=0)
        schedule = self.schedule.scaled(float(factor))
        return replace(self, learning_rate=schedule.rate if isinstance(schedule, Constant) else schedule)


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
