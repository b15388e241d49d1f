"""`riccati solve` and `riccati emergence`: a flow from a random start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    ORTHONORMAL,
    TWO_HOMOGENEOUS,
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
    teacher_directions: TeacherDirections = ORTHONORMAL, negative: Negative = None,
) -> None:  # fmt: skip
    """Follow a flow from a random start; writes trajectory.npz, risk.png and emergence.csv."""
    from ..support import require_folder, require_open_unit, whole_file

    require_folder(out, "out")
    require_open_unit(level, "level")
    trajectory = solved(
        link, teacher_width, beta, student_width, dim, norm, seed, flow, gamma, horizon, points,
        covariance_exponent, kind, teacher_directions, negative,
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
    teacher_directions: TeacherDirections = ORTHONORMAL, negative: Negative = None,
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
        covariance_exponent, kind, teacher_directions, negative,
    )  # fmt: skip
    if out is not None:
        with written_to_out():
            _write_emergence(trajectory, level, out / "emergence.csv")
    typer.echo(f"{'direction':>9} {'a':>9} {'T':>11}")
    for m, (a, time) in enumerate(
        zip(np.asarray(trajectory.teacher.a), np.asarray(trajectory.emergence_times(level)), strict=True)
    ):
        typer.echo(f"{m + 1:>9} {a:>9.4g} {'never' if np.isinf(time) else format(time, '.5g'):>11}")
