"""What a run's step size says beyond gradient flow: the finite-step limit, and for k > 2 the law of emergence times."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..flows import FiniteStep
from ..problem import AnyStart, Start, Teacher, departures
from ..runs import Run
from ..trajectory import Trajectory

if TYPE_CHECKING:
    from ..emergence import EmergenceLaw


@dataclass(frozen=True)
class RunStep:
    """The constant step of a run.

    Attributes:
        learning_rate: η, canonical time per step.
        batch_size: B, samples per step.
        dim: d.
        on_stiefel: whether the weights stay orthonormal.
        student_scale: c of Stiefel SGD, None otherwise or where it is 1/√N.
    """

    learning_rate: float
    batch_size: int
    dim: int
    on_stiefel: bool
    student_scale: float | None

    @property
    def flow(self) -> FiniteStep:
        """The limit at γ = ηd/B; for Stiefel SGD γ = εd/B, ε = 2η of Riccati time."""
        gamma = self.learning_rate * self.dim / self.batch_size
        if self.on_stiefel:
            return FiniteStep(gamma=2 * gamma, algorithm="stiefel", student_scale=self.student_scale)
        return FiniteStep(gamma=gamma, algorithm="homogeneous")

    def law(self, trajectory: Trajectory) -> EmergenceLaw | None:
        """The law of the emergence times where it costs no replicas, for k > 2 and c_0 = 0 in the standard problem."""
        link = trajectory.teacher.link
        if link.information_exponent <= 2 or float(link.dual(0.0)) != 0:
            return None
        if departures(trajectory.teacher, trajectory.start):
            return None
        from ..emergence import emergence_law  # needed for k > 2 only

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the law's own `caution` says it
            return emergence_law(
                trajectory.teacher, trajectory.start, learning_rate=self.learning_rate, batch_size=self.batch_size
            )


def step_of(run: Run, teacher: Teacher, start: AnyStart) -> tuple[RunStep | None, str]:
    """The run's step, or None and why there is none for which a limit is known."""
    if run.clock is not None:
        return None, "the learning rate is not constant"
    on_stiefel = run.kind == "stiefel_quadratic"
    missing = [key for key in ("batch_size", "dim") if key not in run.config]
    if missing:
        return None, f"the run does not give {', '.join(missing)}"
    if isinstance(start, Start) and start.dim is None:
        return None, "the trajectory's start does not know its dimension"
    scale = run.student_scale if on_stiefel else None
    return RunStep(run.time_per_step, run.config["batch_size"], run.config["dim"], on_stiefel, scale), ""
