"""A run beside what theory says of it: the numbers of a comparison, which its table and its picture show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ..runs import Run
from ..trajectory import Trajectory
from .found import Check
from .theory import definition_of
from .verdict import NO_START, UNASKED, Verdict

if TYPE_CHECKING:
    from .assessment import Judgement


_OVERLAPS = {
    "subspace": "squared overlap with the student's span",
    "neuron": "largest squared cosine of a neuron",
}  # fmt: skip
_QUARTILES = 1.349  # standard deviations between the quartiles of a normal law
_SPREAD = 0.1


@dataclass(frozen=True)
class Emergence:
    """A direction and its emergence times, canonical, None where never or unknown.

    Attributes:
        direction: m, from 1.
        predicted: by the comparison's flow.
        measured: in the run.
        expected: what the run is compared with: the median of T_m at its step where that is known, else `predicted`.
        decoupled: for k > 2, the exact inverse of the decoupled equation.
        finite_step: in the finite-step limit.
        early, median, late: the quartiles and the median of T_m over what theory draws at the run's step.
    """

    direction: int
    predicted: float | None
    measured: float | None
    expected: float | None
    decoupled: float | None = None
    finite_step: float | None = None
    early: float | None = None
    median: float | None = None
    late: float | None = None

    @property
    def spread(self) -> float:
        """The relative standard deviation of T_m: the law's, by its quartiles, or a tenth where it is not known."""
        if not self.early or self.late is None:
            return _SPREAD
        return math.log(self.late / self.early) / _QUARTILES

    @property
    def ratio(self) -> float | None:
        """expected/measured, None unless both are known and positive."""
        if self.expected is None or not self.measured:
            return None
        return self.expected / self.measured


@dataclass(frozen=True)
class Compared:
    """A run beside the trajectories that theory predicts for it.

    Attributes:
        run: the run.
        trajectory: the prediction; `trajectory.flow` says of what.
        emergence: a row for each direction.
        notes: what was left out, ended early or cannot be compared, a line each.
        assumed: what the run does not say and was taken for granted, a line each.
        finite_step: the limit at the run's step size, None where the step is unknown or the limit does not apply.
        overlaps: (T, M), the run's overlaps where they are defined as theory's are, else None.
        checks: the run's conventions, each held against what its keys say.
        judgement: what theory draws for the run, and the verdict; None where there are no draws.
    """

    run: Run
    trajectory: Trajectory
    emergence: tuple[Emergence, ...]
    notes: tuple[str, ...]
    assumed: tuple[str, ...] = ()
    finite_step: Trajectory | None = None
    overlaps: Float[np.ndarray, "T M"] | None = None
    checks: tuple[Check, ...] = ()
    judgement: Judgement | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the run is one of those that theory draws, in one sentence."""
        if self.judgement is None:
            return UNASKED if self.run.start is not None else NO_START
        return self.judgement.verdict

    @cached_property
    def risk_rms_log10(self) -> float:
        """Root mean square of log10(predicted risk/measured risk) over the logged steps with a positive risk."""
        return risk_deviation(self.run, self.trajectory)

    @cached_property
    def finite_step_deviation(self) -> float:
        """`risk_rms_log10` of the finite-step limit, NaN without one."""
        return math.nan if self.finite_step is None else risk_deviation(self.run, self.finite_step)

    @property
    def nearest(self) -> tuple[Trajectory, float]:
        """The trajectory whose risk is nearest to the run's, and its rms log10 risk ratio."""
        if self.finite_step is not None and self.finite_step_deviation <= self.risk_rms_log10:
            return self.finite_step, self.finite_step_deviation
        return self.trajectory, self.risk_rms_log10

    @property
    def overlap(self) -> str:
        """What the overlaps are, in words."""
        return _OVERLAPS[definition_of(self.trajectory)]

    @property
    def problem(self) -> str:
        """The problem and the step in one line: link, widths, dimension, batch, step size and γ = ηd/B."""
        teacher, config = self.trajectory.teacher, self.run.config
        said = {"M": teacher.width, "N": self.trajectory.start.student_width, "d": self.trajectory.start.dim}
        said |= {"B": config.get("batch_size"), "η": config.get("learning_rate"), "ε": config.get("riccati_step")}
        if self.run.clock is not None:
            said["η"] = None
        if self.finite_step is not None:
            said["γ"] = getattr(self.finite_step.flow, "gamma", None)
        numbers = [f"{name} = {value:.4g}" for name, value in said.items() if value is not None]
        return ", ".join([f"link {teacher.link.label}", *numbers])

    @property
    def flow(self) -> str:
        """The name of the flow that made the prediction."""
        return type(self.trajectory.flow).__name__

    @property
    def ratio_of(self) -> str:
        """What `ratio` of a row divides by what."""
        known_law = any(e.median is not None for e in self.emergence)
        return f"{'median' if known_law else 'predicted'} T / measured T"


def risk_deviation(run: Run, trajectory: Trajectory) -> float:
    """Root mean square of log10(predicted/measured risk) over logged steps with a positive risk; NaN without any."""
    if run.risk is None:
        return math.nan
    times, risk = np.asarray(trajectory.times), np.asarray(trajectory.risk)
    inside = (run.times >= times[0]) & (run.times <= times[-1]) & (run.risk > 0)
    if not inside.any():
        return math.nan
    predicted = np.interp(run.times[inside], times, np.log10(np.maximum(risk, np.finfo(float).tiny)))
    return float(np.sqrt(np.mean((predicted - np.log10(run.risk[inside])) ** 2)))


def known(value: float) -> float | None:
    """The value, None where it is not finite."""
    return value if math.isfinite(value) else None
