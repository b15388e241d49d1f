"""Options that several verbs share, and the trajectory they describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..trajectory import Trajectory

Out = Annotated[Path, typer.Option("--out", help="Folder for the results; made if absent.")]
Seed = Annotated[int, typer.Option(help="Seed of the random start.")]
LinkName = Annotated[str, typer.Option("--link", help="he2, he3, …, relu, abs, sign, erf, exp, cos or sin.")]
TeacherWidth = Annotated[int, typer.Option(help="M, directions of the teacher.")]
StudentWidth = Annotated[int, typer.Option(help="N, neurons of the student.")]
Beta = Annotated[float, typer.Option(help="Decay of the second layer, a_m ∝ m^-β.")]
Dim = Annotated[int, typer.Option(help="d, input dimension.")]
Norm = Annotated[float, typer.Option(help="Initial norm of every neuron.")]
FlowName = Annotated[
    str | None,
    typer.Option(
        "--flow",
        help="Riccati, Quadratic, Decoupled, Coupled, FiniteStep or Correlation; the best for the link if not given.",
    ),
]
Horizon = Annotated[float | None, typer.Option(help="Last time; past the last emergence if not given.")]
Gamma = Annotated[float | None, typer.Option(help="γ of FiniteStep, SGD's step size times d.")]
Points = Annotated[int, typer.Option(help="Number of output times, spaced evenly in log t.")]
Level = Annotated[float, typer.Option(help="Squared overlap at which a direction counts as emerged.")]


def solved(
    link: str, teacher_width: int, beta: float, student_width: int, dim: int, norm: float, seed: int,
    flow: str | None, gamma: float | None, horizon: float | None, points: int,
) -> Trajectory:  # fmt: skip
    """The trajectory of a flow from a random start, as the options describe them."""
    import numpy as np

    from ..flows import FLOWS
    from ..problem import Link, Problem, Start, Teacher
    from ..solver import best_flow, default_times, solve
    from ..support import require, require_integer, require_real

    require(flow is None or flow in FLOWS, "flow", f"be one of {', '.join(FLOWS)}", flow)
    require_integer(teacher_width, "teacher_width", 1)
    require_integer(points, "points", 2)
    teacher = Teacher.power_law(teacher_width, beta, Link.named(link))
    start = Start.random(teacher, student_width, dim, norm, seed)
    at_finite_step = "be given with, and only with, the flow FiniteStep"
    require((flow == "FiniteStep") == (gamma is not None), "gamma", at_finite_step, gamma)
    chosen = (
        best_flow(Problem(teacher, start))
        if flow is None
        else FLOWS[flow](**({} if gamma is None else {"gamma": gamma}))
    )
    times = np.asarray(default_times(chosen, teacher, start, points))
    if horizon is not None:
        require_real(horizon, "horizon", above=0)
        times = np.geomspace(min(times[0], horizon / 10), horizon, points)
    return solve(chosen, teacher, start, times)
