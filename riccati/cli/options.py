"""Options that several verbs share, and the trajectory they describe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..support import ArgumentError
from .choices import LINKS, AlgorithmChoice, DirectionsChoice, FlowChoice, StudentChoice
from .problem import problem_of

if TYPE_CHECKING:
    from ..trajectory import Trajectory

Out = Annotated[Path, typer.Option("--out", help="Folder for the results; made if absent.")]
Seed = Annotated[int, typer.Option(help="Seed of the random start.")]
LinkName = Annotated[str, typer.Option("--link", help=f"he1, he2, …, {', '.join(LINKS)}.")]
TeacherWidth = Annotated[int, typer.Option(help="M, directions of the teacher.")]
StudentWidth = Annotated[int, typer.Option(help="N, neurons of the student.")]
Beta = Annotated[float, typer.Option(help="Decay of the second layer, a_m ∝ m^-β.")]
Dim = Annotated[int, typer.Option(help="d, input dimension.")]
CovarianceExponent = Annotated[
    float | None, typer.Option(help="γ of the input's covariance, λ_i = i^-γ; isotropic if not given.")
]
StudentKind = Annotated[
    StudentChoice,
    typer.Option(
        "--kind",
        "--parametrisation",
        help="two_homogeneous: f = Σ |w_i|² σ(<x, w_i>/|w_i|); two_layer: f = Σ b_i σ(<x, w_i>), from b_i = ±|w_i|.",
    ),
]
TWO_HOMOGENEOUS = StudentChoice.TWO_HOMOGENEOUS
TeacherDirections = Annotated[
    DirectionsChoice, typer.Option(help="gaussian: independent Gaussian rows, drawn from the seed; they overlap.")
]
ORTHONORMAL = DirectionsChoice.ORTHONORMAL
Negative = Annotated[str | None, typer.Option(help="Directions whose a_m is negative, such as 2,5; none if not given.")]
Norm = Annotated[float, typer.Option(help="Initial norm of every neuron.")]
FlowName = Annotated[FlowChoice | None, typer.Option("--flow", help="The best for the link if not given.")]
Horizon = Annotated[float | None, typer.Option(help="Last time; past the last emergence if not given.")]
Gamma = Annotated[float | None, typer.Option(help="γ of FiniteStep, SGD's step size times d.")]
Algorithm = Annotated[
    AlgorithmChoice | None, typer.Option(help="of FiniteStep: SGD on the weights if not given, or stiefel (k = 2).")
]
Points = Annotated[int, typer.Option(help="Number of output times, spaced evenly in log t.")]
Level = Annotated[float, typer.Option(help="Squared overlap at which a direction counts as emerged.")]


@contextmanager
def written_to_out() -> Iterator[None]:
    """A refusal of a place to write is one of `--out`."""
    try:
        yield
    except ArgumentError as error:
        if error.argument not in ("path", "directory"):
            raise
        raise ArgumentError("out", error.must, error.value) from None


def solved(
    link: str, teacher_width: int, beta: float, student_width: int, dim: int, norm: float, seed: int,
    flow: FlowChoice | None, gamma: float | None, horizon: float | None, points: int,
    covariance_exponent: float | None, kind: str, teacher_directions: str, negative: str | None,
    algorithm: str | None = None,
) -> Trajectory:  # fmt: skip
    """The trajectory of a flow from a random start, as the options describe them."""
    import numpy as np

    from ..flows import FLOWS
    from ..problem import Problem
    from ..solver import best_flow, default_times, solve
    from ..support import require, require_real

    require_sizes(teacher_width, student_width, points)
    if horizon is not None:
        require_real(horizon, "horizon", above=0)
    at_finite_step = "be given with, and only with, the flow FiniteStep"
    require((flow == FlowChoice.FINITE_STEP) == (gamma is not None), "gamma", at_finite_step, gamma)
    must = "be left out but for the flow FiniteStep"
    require(algorithm is None or flow == FlowChoice.FINITE_STEP, "algorithm", must, algorithm)
    teacher, start = problem_of(
        link, teacher_width, beta, student_width, dim, norm, seed,
        covariance_exponent, kind, teacher_directions, negative,
    )  # fmt: skip
    if flow is None:
        chosen = best_flow(Problem(teacher, start))
    else:
        given = {"gamma": gamma, "algorithm": None if algorithm is None else str(algorithm)}
        chosen = FLOWS[flow.value](**{name: value for name, value in given.items() if value is not None})
    times = np.asarray(default_times(chosen, teacher, start, points))
    if horizon is not None:
        times = np.geomspace(min(times[0], horizon / 10), horizon, points)
    return solve(chosen, teacher, start, times)


def require_sizes(teacher_width: int, student_width: int, points: int) -> None:
    """Refuse widths and numbers of times that are no counts, or whose arrays no memory holds."""
    from ..support import require_integer, require_memory

    require_integer(teacher_width, "teacher_width", 1)
    require_integer(student_width, "student_width", 1)
    require_integer(points, "points", 2)
    require_memory(teacher_width, "teacher_width", teacher_width)
    require_memory(student_width * (teacher_width + student_width), "student_width", student_width)
    require_memory(points * teacher_width, "points", points)
