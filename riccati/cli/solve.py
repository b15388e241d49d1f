"""`riccati solve` and `riccati emergence`: a flow from a random start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..support import FLOW_NAMES, FlowName, require, require_integer, require_memory, require_real
from .algorithm import AlgorithmOptions
from .options import Level, Out, say_renamed, with_options, written_to_out
from .problem import ProblemOptions

if TYPE_CHECKING:
    import numpy as np

    from ..flows import Flow
    from ..trajectory import Trajectory


@dataclass(frozen=True, kw_only=True)
class FlowOptions(AlgorithmOptions):
    """The options of the flow and its output times; their meaning is in the `help` of each."""

    flow: Annotated[FlowName | None, typer.Option(help="The best for the link if not given.")] = None
    gamma: Annotated[float | None, typer.Option(help="γ = ηd/B of FiniteStep, η SGD's learning rate.")] = None
    horizon: Annotated[float | None, typer.Option(help="Last time; past the last emergence if not given.")] = None
    points: Annotated[int, typer.Option(help="Number of output times, spaced evenly in log t.")] = 200
    algorithm: Annotated[Literal["homogeneous", "stiefel"] | None, typer.Option(hidden=True)] = None

    def __post_init__(self) -> None:
        if self.algorithm is None:
            return
        require(self.constraint is None, "algorithm", "be left out beside --constraint", self.algorithm)
        if self.algorithm == "homogeneous":
            say_renamed("--algorithm homogeneous", "what is done without --constraint")
            return
        say_renamed("--algorithm stiefel --gamma γ", "--constraint stiefel --gamma γ/2, as γ = ηd/B")
        object.__setattr__(self, "constraint", "stiefel")
        if self.gamma is not None:
            object.__setattr__(self, "gamma", self.gamma / 2)

    def solved(self, problem: ProblemOptions) -> Trajectory:
        """The trajectory of the flow.

        Raises:
            ArgumentError: options that do not belong together, or a problem that cannot be.
        """
        import numpy as np

        from ..solver import default_times, solve

        self._require_sizes(problem)
        teacher, start = problem.problem()
        flow = self._flow(problem, teacher, start)
        times = np.asarray(default_times(flow, teacher, start, self.points))
        if self.horizon is not None:
            times = np.geomspace(min(times[0], self.horizon / 10), self.horizon, self.points)
        return solve(flow, teacher, start, times)

    def _flow(self, problem: ProblemOptions, teacher: Any, start: Any) -> Flow:
        """The flow of the algorithm: the one that is named, or the best that covers it."""
        from ..flows import FLOWS, Coupled, FiniteStep, Quadratic
        from ..problem import Problem, rate_of_gamma, uncovered
        from ..solver import best_flow

        if self.gamma is not None:
            unit = FiniteStep.of(self.sgd(problem.kind, rate_of_gamma(1.0, problem.dim, 1)), problem.dim)
            return replace(unit, gamma=self.gamma * unit.gamma)
        sgd = self.sgd(problem.kind, 1.0)
        flow = best_flow(Problem(teacher, start)) if self.flow is None else FLOWS[self.flow]()
        beyond = uncovered(type(flow).__name__, teacher, start, sgd)
        if self.flow is None and beyond:
            return Coupled.of(sgd)
        beyond = [words for words in beyond if words not in uncovered(type(flow).__name__, teacher, start)]
        require(not beyond, "flow", f"cover {' and '.join(beyond)}, as Coupled does", self.flow)
        return type(flow).of(sgd) if isinstance(flow, (Coupled, Quadratic)) else flow

    def _require_sizes(self, problem: ProblemOptions) -> None:
        """Refuse what is no count, or what no memory holds, before anything is allocated."""
        require(self.flow in (None, *FLOW_NAMES), "flow", f"be one of {', '.join(FLOW_NAMES)}", repr(self.flow))
        at_finite_step = self.flow == "FiniteStep"
        must = "be given with, and only with, the flow FiniteStep"
        require(at_finite_step == (self.gamma is not None), "gamma", must, self.gamma)
        must = "be left out but for the flow FiniteStep"
        require(self.constraint != "stiefel" or at_finite_step, "constraint", must, self.constraint)
        if self.horizon is not None:
            require_real(self.horizon, "horizon", above=0)
        M, N = problem.teacher_width, problem.student_width
        for value, name in ((M, "teacher_width"), (N, "student_width")):
            require_integer(value, name, 1)
        require_integer(self.points, "points", 2)
        require_memory(M, "teacher_width", M)
        require_memory(N * (M + N), "student_width", N)
        require_memory(self.points * M, "points", self.points)


@with_options
def solve(problem: ProblemOptions, out: Out, flow: FlowOptions, level: Level = 0.5) -> None:
    """Solve a flow from a random start; writes trajectory.npz, risk.png and emergence.csv."""
    from ..support import require_folder, require_open_unit, whole_file

    require_folder(out, "out")
    require_open_unit(level, "level")
    trajectory = flow.solved(problem)
    with written_to_out():
        _write_emergence(trajectory, level, out / "emergence.csv")
        trajectory.save(out / "trajectory.npz")
        with whole_file(out / "risk.png") as temporary:
            trajectory.plot().savefig(temporary)
    typer.echo(trajectory)
    typer.echo(f"wrote trajectory.npz, risk.png and emergence.csv to {out}")


@with_options
def emergence(
    problem: ProblemOptions,
    flow: FlowOptions,
    level: Level = 0.5,
    out: Annotated[Path | None, typer.Option(help="Folder for emergence.csv; nothing is written if not given.")] = None,
) -> None:
    """Print the emergence time of each direction."""
    import numpy as np

    from ..support import require_folder, require_open_unit

    if out is not None:
        require_folder(out, "out")
    require_open_unit(level, "level")
    trajectory = flow.solved(problem)
    if out is not None:
        with written_to_out():
            _write_emergence(trajectory, level, out / "emergence.csv")
    columns = {"T": np.asarray(trajectory.emergence_times(level))}
    if flow.gamma:
        columns["T at γ → 0"] = _without_noise(trajectory, level)
    typer.echo("".join([f"{'direction':>9} {'a':>9}", *(f" {name:>11}" for name in columns)]))
    for m, (a, *times) in enumerate(zip(np.asarray(trajectory.teacher.a), *columns.values(), strict=True)):
        said = ("never" if np.isinf(time) else format(time, ".5g") for time in times)
        typer.echo("".join([f"{m + 1:>9} {a:>9.4g}", *(f" {time:>11}" for time in said)]))
    if flow.gamma:
        typer.echo(f"T is that of SGD's limit d → ∞ at γ = ηd/B = {flow.gamma:g}: gradient flow and the drag of noise.")
        typer.echo("At finite d the noise of a step makes T random: riccati.emergence_law has its quartiles.")


def _write_emergence(trajectory: Trajectory, level: float, path: Path) -> None:
    import csv

    import numpy as np

    from ..support import whole_file

    times = np.asarray(trajectory.emergence_times(level)).tolist()
    amplitudes = np.asarray(trajectory.teacher.a).tolist()
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["direction", "a", "time"])
        rows.writerows(zip(range(1, len(times) + 1), amplitudes, times, strict=True))


def _without_noise(trajectory: Trajectory, level: float) -> np.ndarray:
    """The emergence times of the same algorithm's gradient flow."""
    import numpy as np

    from ..flows import FiniteStep
    from ..solver import solve

    assert isinstance(trajectory.flow, FiniteStep)
    flow = replace(trajectory.flow, gamma=0.0)
    return np.asarray(solve(flow, trajectory.teacher, trajectory.start, trajectory.times).emergence_times(level))
