"""What a run's step size says beyond gradient flow: the finite-step limit, and for k > 2 the law of emergence times."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..flows import FiniteStep
from ..problem import SGD, AnyStart, Start, Teacher, uncovered
from ..runs import Run
from ..sgd import Logged
from ..trajectory import Trajectory

if TYPE_CHECKING:
    from ..laws import EmergenceLaw


@dataclass(frozen=True)
class RunStep:
    """The step of a run.

    Attributes:
        learning_rate: η, canonical time per step; the mean one under a schedule.
        batch_size: B, samples per step.
        dim: d.
        on_stiefel: whether the weights stay orthonormal.
        student_scale: c of Stiefel SGD, None otherwise or where it is ‖a‖/√N.
        second_layer_rate: κ of a two-layer student, 0 where b is frozen.
        schedule: the rates of a run whose learning rate is not constant, else None. No limit is known for those.
    """

    learning_rate: float
    batch_size: int
    dim: int
    on_stiefel: bool
    student_scale: float | None
    second_layer_rate: float = 1.0
    schedule: Logged | None = None

    def faster(self, factor: float) -> RunStep:
        """The same with a rate, or a schedule of rates, so many times larger."""
        schedule = None if self.schedule is None else self.schedule.scaled(factor)
        return replace(self, learning_rate=factor * self.learning_rate, schedule=schedule)

    @property
    def flow(self) -> FiniteStep:
        """The limit at γ = ηd/B."""
        sgd = SGD(self.learning_rate, self.batch_size, "stiefel" if self.on_stiefel else None)
        return FiniteStep.of(sgd, self.dim, self.student_scale)

    def law(self, trajectory: Trajectory) -> EmergenceLaw | None:
        """The law of the emergence times where it costs no replicas, for k > 2 and c_0 = 0 in the standard problem."""
        teacher, start = trajectory.teacher, trajectory.start
        if self.schedule is not None or teacher.link.information_exponent <= 2:
            return None
        if uncovered("emergence_law", teacher, start):
            return None
        from ..laws import emergence_law  # needed for k > 2 only

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the law's own `caution` says it
            return emergence_law(teacher, start, learning_rate=self.learning_rate, batch_size=self.batch_size)


def step_of(run: Run, teacher: Teacher, start: AnyStart) -> tuple[RunStep | None, str]:
    """The run's step, or None and why it is not known."""
    on_stiefel = run.kind == "stiefel_quadratic"
    missing = [key for key in ("batch_size", "dim") if key not in run.config]
    if missing:
        return None, f"the run does not give {', '.join(missing)}"
    if isinstance(start, Start) and start.dim is None:
        return None, "the trajectory's start does not know its dimension"
    scale = run.student_scale if on_stiefel else None
    rate, schedule = (run.time_per_step, None) if run.clock is None else _scheduled(run)
    own = float(run.config.get("second_layer_rate", 1.0))
    return RunStep(rate, run.config["batch_size"], run.config["dim"], on_stiefel, scale, own, schedule), ""


def _scheduled(run: Run) -> tuple[float, Logged]:
    """The mean rate of a run with a clock of its own, and its rates between the logged rows."""
    assert run.clock is not None
    schedule = Logged(tuple(int(n) for n in run.steps), tuple(float(t) for t in run.clock))
    return float(run.clock[-1]) / max(int(run.steps[-1]), 1), schedule
