"""Learning rates that are planned by step: as torch anneals them, with a warm-up before, or listed.

The formulas are those of torch.optim.lr_scheduler with `scheduler.step()` after each step n = 0, 1, … of SGD.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from ..support import as_numbers, require, require_integer, require_real, require_unmasked
from .schedule import Schedule


@dataclass(frozen=True)
class Annealed(Schedule):
    """A schedule that starts from a learning rate of its own and changes it by a formula of the step.

    Attributes:
        name: the word for it in a run's key `schedule`, whose other entries are the fields by their names.
    """

    name: ClassVar[str]
    rate: float

    def scaled(self, factor: float) -> Self:
        """The same with `rate` so many times larger."""
        return replace(self, rate=factor * self.rate)

    def describe(self) -> dict[str, object]:
        """The keys `learning_rate` and `schedule` of a run's JSON file."""
        numbers = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "rate"}
        return {"learning_rate": float(self.rate), "schedule": {"name": self.name, **numbers}}


@dataclass(frozen=True)
class Cosine(Annealed):
    """Cosine annealing, torch's CosineAnnealingLR: η(n) = η_min + (η - η_min)(1 + cos(πn/T_max))/2.

    Attributes:
        rate: η of the first step.
        T_max: steps until η_min is reached; afterwards the cosine rises again, as torch's does.
        eta_min: η_min ≥ 0.

    Raises:
        ArgumentError: a rate that is not positive, η_min < 0, or T_max that is no whole number ≥ 1.

    Example:
        >>> import riccati as rc
        >>> rc.sgd.Cosine(rate=0.1, T_max=4).rates(first=0, count=4).round(4).tolist()
        [0.1, 0.0854, 0.05, 0.0146]
    """

    name: ClassVar[str] = "cosine"
    T_max: int
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        require_real(self.rate, "learning_rate", above=0)
        require_integer(self.T_max, "T_max", 1)
        require_real(self.eta_min, "eta_min", least=0)

    def scaled(self, factor: float) -> Cosine:
        """The same with both rates so many times larger."""
        return replace(self, rate=factor * self.rate, eta_min=factor * self.eta_min)

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """The cosine."""
        half = (1 + np.cos(np.pi * np.arange(first, first + count) / self.T_max)) / 2
        return self.eta_min + (self.rate - self.eta_min) * half


@dataclass(frozen=True)
class Linear(Annealed):
    """A linear change, torch's LinearLR: η(n) = η (s + (e - s) min(n, N)/N).

    Attributes:
        rate: η.
        start_factor: s ≥ 0, of the first step.
        end_factor: e ≥ 0, of step N and all later ones.
        total_iters: N, steps of the change.

    Raises:
        ArgumentError: numbers out of range.

    Example:
        >>> import riccati as rc
        >>> schedule = rc.sgd.Linear(rate=0.1, start_factor=1.0, end_factor=0.2, total_iters=4)
        >>> schedule.rates(first=2, count=4).round(3).tolist()
        [0.06, 0.04, 0.02, 0.02]
    """

    name: ClassVar[str] = "linear"
    start_factor: float
    end_factor: float
    total_iters: int

    def __post_init__(self) -> None:
        require_real(self.rate, "learning_rate", above=0)
        require_real(self.start_factor, "start_factor", least=0)
        require_real(self.end_factor, "end_factor", least=0)
        require_integer(self.total_iters, "total_iters", 1)

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """The line, and the constant after it."""
        done = np.minimum(np.arange(first, first + count) / self.total_iters, 1.0)
        return self.rate * (self.start_factor + (self.end_factor - self.start_factor) * done)


@dataclass(frozen=True)
class StepDecay(Annealed):
    """A drop by one factor every so many steps, torch's StepLR: η(n) = η gamma^⌊n/step_size⌋.

    Attributes:
        rate: η of the first step.
        step_size: steps between drops.
        gamma: the factor, above 0.

    Raises:
        ArgumentError: numbers out of range.

    Example:
        >>> import riccati as rc
        >>> rc.sgd.StepDecay(rate=0.1, step_size=2, gamma=0.5).rates(first=0, count=5).tolist()
        [0.1, 0.1, 0.05, 0.05, 0.025]
    """

    name: ClassVar[str] = "step"
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        require_real(self.rate, "learning_rate", above=0)
        require_integer(self.step_size, "step_size", 1)
        require_real(self.gamma, "gamma", above=0)

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """The rate after the drops so far."""
        return self.rate * self.gamma ** (np.arange(first, first + count) // self.step_size).astype(float)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """A linear warm-up before another schedule, torch's SequentialLR of LinearLR and that one.

    η(n) = η (f + (1 - f) n/W) for n < W, with η the first rate of the other schedule, whose own steps count from W.

    Attributes:
        after: the schedule after the warm-up.
        steps: W.
        start_factor: f ≥ 0 of the first step, 1/W where it is None.

    Raises:
        ArgumentError: numbers out of range, or a schedule that depends on what is learned.

    Example:
        >>> import riccati as rc
        >>> schedule = rc.sgd.WarmUp(rc.sgd.Cosine(rate=0.1, T_max=4), steps=2)
        >>> schedule.rates(first=0, count=5).round(4).tolist()
        [0.05, 0.075, 0.1, 0.0854, 0.05]
    """

    after: Schedule
    steps: int
    start_factor: float | None = None

    def __post_init__(self) -> None:
        require_integer(self.steps, "warmup", 1)
        if self.start_factor is not None:
            require_real(self.start_factor, "warmup_start_factor", least=0)
        alone = isinstance(self.after, Schedule) and not self.after.follows_direction
        require(alone, "after", "be a schedule that does not depend on what is learned", repr(self.after))

    def scaled(self, factor: float) -> WarmUp:
        """The same before the other schedule with every rate so many times larger."""
        return replace(self, after=self.after.scaled(factor))

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """The line up to `steps`, and the other schedule."""
        before = np.arange(first, min(first + count, max(self.steps, first)))
        start = 1 / self.steps if self.start_factor is None else self.start_factor
        line = self.after.rates(0, 1)[0] * (start + (1 - start) * before / self.steps)
        later = max(first - self.steps, 0)
        return np.concatenate([line, self.after.rates(later, count - len(before))])

    def describe(self) -> dict[str, object]:
        """The keys of the schedule after it, whose `schedule` has the warm-up too."""
        keys = self.after.describe()
        words = keys.get("schedule", {"name": "constant"})
        if not isinstance(words, dict):
            return {"schedule": {"kind": type(self).__name__, "steps": self.steps, "after": words}}
        start = {} if self.start_factor is None else {"warmup_start_factor": self.start_factor}
        return keys | {"schedule": {**words, "warmup": self.steps, **start}}


@dataclass(frozen=True)
class Piecewise(Schedule):
    """A learning rate that is constant between listed steps, as a run's key `schedule` lists it.

    Attributes:
        pairs: of a step, whole and increasing from 0 on, and η > 0 from that step on; the first η holds from step 0.

    Raises:
        ArgumentError: pairs that are none.

    Example:
        >>> import riccati as rc
        >>> rc.sgd.Piecewise([[0, 0.1], [2, 0.01]]).rates(first=0, count=4).tolist()
        [0.1, 0.1, 0.01, 0.01]
    """

    pairs: Any

    def __post_init__(self) -> None:
        must = "be a list of pairs [step, η], with steps whole and increasing from 0 on and η > 0"
        pairs = as_numbers(self.pairs, "schedule", must)
        require_unmasked(pairs, "schedule")
        require(pairs.ndim == 2 and pairs.shape[1:] == (2,), "schedule", must, f"of shape {pairs.shape}")
        steps, rates = np.asarray(pairs, float).T
        whole = np.isfinite(steps) & (steps == np.floor(steps)) & (steps >= 0)
        sound = whole.all() and np.all(np.diff(steps) > 0) and np.all(np.isfinite(rates) & (rates > 0))
        require(len(steps) > 0 and bool(sound), "schedule", must, "not")
        plain = tuple((int(step), float(rate)) for step, rate in zip(steps, rates, strict=True))
        object.__setattr__(self, "pairs", plain)

    @property
    def _listed(self) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
        steps, rates = np.array(self.pairs, float).T
        steps[0] = 0.0
        return steps, rates

    def scaled(self, factor: float) -> Piecewise:
        """The same with every rate so many times larger."""
        steps, rates = self._listed
        return Piecewise(np.stack([steps, factor * rates], axis=1))

    def rates(self, first: int, count: int) -> Float[np.ndarray, " count"]:
        """The listed rates."""
        return self.rates_at(np.arange(first, first + count))

    def rates_at(self, steps: ArrayLike) -> Float[np.ndarray, " n"]:
        """η at each of these steps."""
        begins, rates = self._listed
        return rates[np.searchsorted(begins, np.asarray(steps), side="right") - 1]

    def times_at(self, steps: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Σ_{j<n} η_j, piece by piece."""
        begins, rates = self._listed
        before = np.concatenate([[0.0], np.cumsum(rates[:-1] * np.diff(begins))])
        at = np.searchsorted(begins, steps, side="right") - 1
        return before[at] + rates[at] * (np.asarray(steps, float) - begins[at])

    def describe(self) -> dict[str, object]:
        """The pairs themselves."""
        return {"schedule": [list(pair) for pair in self.pairs]}
