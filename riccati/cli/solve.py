"""`riccati solve` and `riccati emergence`: a flow from a random start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    ORTHONORMAL,
    TWO_HOMOGENEOUS,
    Algorithm,
    Beta,
    CovarianceExponent,
    Dim,
    FlowName,
    Gamma,
    Horizon,
    Level,
    LinkName,
    Negative,
    Norm,
    Out,
    Points,
    Seed,
    StudentKind,
    StudentWidth,
    TeacherDirections,
    TeacherWidth,
    solved,
    written_to_out,
)  # fmt: skip

if TYPE_CHECKING:
    import numpy as np

    from ..trajectory import Trajectory


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


def solve(
    teacher_width: TeacherWidth, student_width: StudentWidth, dim: Dim, out: Out,
    link: LinkName = "he2", beta: Beta = 1.0, norm: Norm = 1e-2, seed: Seed = 0, flow: FlowName = None,
    gamma: Gamma = None, horizon: Horizon = None, points: Points = 200, level: Level = 0.5,
    covariance_exponent: CovarianceExponent = None, kind: StudentKind = TWO_HOMOGENEOUS,
    teacher_directions: TeacherDirections = ORTHONORMAL, negative: Negative = None, algorithm: Algorithm = None,
) -> None:  # fmt: skip
    """Follow a flow from a random start; writes trajectory.npz, risk.png and emergence.csv."""
    from ..support import require_folder, require_open_unit, whole_file

    require_folder(out, "out")
    require_open_unit(level, "level")
    trajectory = solved(
        link, teacher_width, beta, student_width, dim, norm, seed, flow, gamma, horizon, points,
        covariance_exponent, kind, teacher_directions, negative, algorithm,
    )  # fmt: skip
    with written_to_out():
        _write_emergence(trajectory, level, out / "emergence.csv")
        trajectory.save(out / "trajectory.npz")
        with whole_file(out / "risk.png") as temporary:
            trajectory.plot().savefig(temporary)
    typer.echo(trajectory)
    typer.echo(f"wrote trajectory.npz, risk.png and emergence.csv to {out}")


def emergence(
    teacher_width: TeacherWidth, student_width: StudentWidth, dim: Dim,
    link: LinkName = "he2", beta: Beta = 1.0, norm: Norm = 1e-2, seed: Seed = 0, flow: FlowName = None,
    gamma: Gamma = None, horizon: Horizon = None, points: Points = 200, level: Level = 0.5,
    covariance_exponent: CovarianceExponent = None, kind: StudentKind = TWO_HOMOGENEOUS,
    teacher_directions: TeacherDirections = ORTHONORMAL, negative: Negative = None, algorithm: Algorithm = None,
    out: Annotated[Path | None, typer.Option(help="Folder for emergence.csv; nothing is written if not given.")] = None,
) -> None:  # fmt: skip
    """Print when each direction emerges."""
    import numpy as np

    from ..support import require_folder, require_open_unit

    if out is not None:
        require_folder(out, "out")
    require_open_unit(level, "level")
    trajectory = solved(
        link, teacher_width, beta, student_width, dim, norm, seed, flow, gamma, horizon, points,
        covariance_exponent, kind, teacher_directions, negative, algorithm,
    )  # fmt: skip
    if out is not None:
        with written_to_out():
            _write_emergence(trajectory, level, out / "emergence.csv")
    columns = {"T": np.asarray(trajectory.emergence_times(level))}
    if gamma:
        columns["T at γ → 0"] = _without_noise(trajectory, level)
    typer.echo("".join([f"{'direction':>9} {'a':>9}", *(f" {name:>11}" for name in columns)]))
    for m, (a, *times) in enumerate(zip(np.asarray(trajectory.teacher.a), *columns.values(), strict=True)):
        said = ("never" if np.isinf(time) else format(time, ".5g") for time in times)
        typer.echo("".join([f"{m + 1:>9} {a:>9.4g}", *(f" {time:>11}" for time in said)]))
    if gamma:
        typer.echo(
            f"T is that of SGD's limit d → ∞ at γ = ηd/B = {gamma:g}: gradient flow and the drag of a step's noise."
        )
        typer.echo("The noise also kicks, at every d: riccati.emergence_law has the quartiles of T, which is random.")


def _without_noise(trajectory: Trajectory, level: float) -> np.ndarray:
    """The emergence times of the same algorithm's gradient flow."""
    import numpy as np

    from ..flows import FiniteStep
    from ..solver import solve

    assert isinstance(trajectory.flow, FiniteStep)
    flow = FiniteStep(0.0, constraint=trajectory.flow.constraint, student_scale=trajectory.flow.student_scale)
    return np.asarray(solve(flow, trajectory.teacher, trajectory.start, trajectory.times).emergence_times(level))
