"""The command line: `riccati VERB`, one verb per job. JAX is imported by the verbs, not by `--help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from ._errors import ArgumentError

if TYPE_CHECKING:
    from .trajectory import Trajectory

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The deterministic theory of online SGD in shallow networks. Times are canonical gradient-flow time.",
)

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


def _trajectory(
    link: str, teacher_width: int, beta: float, student_width: int, dim: int, norm: float, seed: int,
    flow: str | None, gamma: float | None, horizon: float | None, points: int,
) -> Trajectory:  # fmt: skip
    import numpy as np

    from ._checks import require, require_integer, require_real
    from .flows import FLOWS
    from .hermite import Link
    from .solver import best_flow, default_times, solve
    from .start import Start
    from .teacher import Teacher

    require(flow is None or flow in FLOWS, "flow", f"be one of {', '.join(FLOWS)}", flow)
    require_integer(teacher_width, "teacher_width", 1)
    require_integer(points, "points", 2)
    teacher = Teacher.power_law(teacher_width, beta, Link.named(link))
    start = Start.random(teacher, student_width, dim, norm, seed)
    at_finite_step = "be given with, and only with, the flow FiniteStep"
    require((flow == "FiniteStep") == (gamma is not None), "gamma", at_finite_step, gamma)
    chosen = best_flow(teacher) if flow is None else FLOWS[flow](**({} if gamma is None else {"gamma": gamma}))
    chosen.check(teacher, start)
    times = np.asarray(default_times(chosen, teacher, start, points))
    if horizon is not None:
        require_real(horizon, "horizon", above=0)
        times = np.geomspace(min(times[0], horizon / 10), horizon, points)
    return solve(chosen, teacher, start, times)


def _write_emergence(trajectory: Trajectory, level: float, path: Path) -> None:
    import numpy as np
    import pandas as pd

    from ._files import whole_file

    times = np.asarray(trajectory.emergence_times(level))
    columns = {
        "direction": np.arange(1, len(times) + 1),
        "a": np.asarray(trajectory.teacher.a),
        "time": times,
    }
    with whole_file(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False)


@app.command("solve")
def solve_command(
    teacher_width: TeacherWidth, student_width: StudentWidth, dim: Dim, out: Out,
    link: LinkName = "he2", beta: Beta = 1.0, norm: Norm = 1e-2, seed: Seed = 0, flow: FlowName = None,
    gamma: Gamma = None, horizon: Horizon = None, points: Points = 200, level: Level = 0.5,
) -> None:  # fmt: skip
    """Follow a flow from a random start; writes trajectory.npz, risk.png and emergence.csv."""
    from ._files import whole_file

    trajectory = _trajectory(link, teacher_width, beta, student_width, dim, norm, seed, flow, gamma, horizon, points)
    _write_emergence(trajectory, level, out / "emergence.csv")
    trajectory.save(out / "trajectory.npz")
    with whole_file(out / "risk.png") as temporary:
        trajectory.plot().savefig(temporary)
    typer.echo(trajectory)
    typer.echo(f"wrote trajectory.npz, risk.png and emergence.csv to {out}")


@app.command()
def emergence(
    teacher_width: TeacherWidth, student_width: StudentWidth, dim: Dim,
    link: LinkName = "he2", beta: Beta = 1.0, norm: Norm = 1e-2, seed: Seed = 0, flow: FlowName = None,
    gamma: Gamma = None, horizon: Horizon = None, points: Points = 200, level: Level = 0.5,
    out: Annotated[Path | None, typer.Option(help="Folder for emergence.csv; nothing is written if not given.")] = None,
) -> None:  # fmt: skip
    """Print when each direction emerges."""
    import numpy as np

    trajectory = _trajectory(link, teacher_width, beta, student_width, dim, norm, seed, flow, gamma, horizon, points)
    if out is not None:
        _write_emergence(trajectory, level, out / "emergence.csv")
    typer.echo(f"{'direction':>9} {'a':>9} {'T':>11}")
    for m, (a, time) in enumerate(zip(trajectory.teacher.a, trajectory.emergence_times(level), strict=True)):
        typer.echo(f"{m + 1:>9} {a:>9.4g} {'never' if np.isinf(time) else format(time, '.5g'):>11}")


@app.command()
def simulate(
    teacher_width: TeacherWidth, student_width: StudentWidth, dim: Dim, out: Out,
    steps: Annotated[int, typer.Option(help="Number of steps.")],
    learning_rate: Annotated[float, typer.Option(help="η, canonical time per step.")],
    link: LinkName = "he2", beta: Beta = 1.0, norm: Norm = 1e-2,
    seed: Annotated[int, typer.Option(help="Seed of the random start and of the samples.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Samples per step.")] = 1,
    engine: Annotated[str, typer.Option(help="in_law, direct, stiefel or stiefel_direct.")] = "in_law",
    schedule: Annotated[
        str,
        typer.Option(help="constant, power (η falls with the step) or direction (η times the a_m being learned)."),
    ] = "constant",
    exponent: Annotated[float | None, typer.Option(help="Exponent of the power schedule.")] = None,
    scale: Annotated[float | None, typer.Option(help="Steps after which the power schedule sets in.")] = None,
    student_scale: Annotated[float | None, typer.Option(help="c of Stiefel SGD; 1/√N if not given.")] = None,
    dtype: Annotated[str, typer.Option(help="float64, or float32 for direct simulation.")] = "float64",
    rows: Annotated[int, typer.Option(help="Logged steps, spaced evenly in their logarithm.")] = 200,
    second_phase_samples: Annotated[
        int | None, typer.Option(help="Fit the radial part of Stiefel SGD on as many fresh samples at the end.")
    ] = None,
) -> None:  # fmt: skip
    """Run online SGD from a random start; writes run.csv, run.json and run.png.

    An interrupted run goes on where it was when the same command is given again.
    """
    from ._files import whole_file
    from .hermite import Link
    from .plot import plot_run
    from .sgd import Experiment, schedule_named, second_phase
    from .start import Start
    from .teacher import Teacher

    teacher = Teacher.power_law(teacher_width, beta, Link.named(link))
    experiment = Experiment(
        teacher=teacher, start=Start.random(teacher, student_width, dim, norm, seed),
        learning_rate=schedule_named(schedule, learning_rate, exponent, scale), steps=steps, batch_size=batch_size,
        engine=engine, student_scale=student_scale, dtype=dtype, rows=rows,
    )  # fmt: skip
    run = experiment.simulate(seed, checkpoint=out / "checkpoint.npz")
    run.save(out / "run.csv")
    with whole_file(out / "run.png") as temporary:
        plot_run(run).savefig(temporary)
    typer.echo(run)
    if second_phase_samples is not None:
        fit = second_phase(run, second_phase_samples, seed=seed)
        typer.echo(f"risk after Phase II on {second_phase_samples} samples: {fit.risk:.4g} (limit {fit.limit:.4g})")
    typer.echo(f"wrote run.csv, run.json and run.png to {out}")


@app.command("compare")
def compare_command(
    run: Annotated[str, typer.Argument(help="A run's CSV, NPZ, Parquet or JSON lines, or the name of a sample run.")],
    out: Out,
    loss_column: Annotated[str | None, typer.Option(help="The loss column, if not loss, risk or train_loss.")] = None,
    loss: Annotated[str | None, typer.Option(help="What it holds: 0.5*(f*-f)^2, (f*-f)^2 or risk.")] = None,
    kind: Annotated[str | None, typer.Option(help="two_homogeneous or stiefel_quadratic.")] = None,
    information_exponent: Annotated[int | None, typer.Option(help="k of a pure h_k link.")] = None,
    dim: Annotated[int | None, typer.Option(help="d, input dimension.")] = None,
    teacher_width: Annotated[int | None, typer.Option(help="M, directions of the teacher.")] = None,
    student_width: Annotated[int | None, typer.Option(help="N, neurons of the student.")] = None,
    beta: Annotated[float | None, typer.Option(help="Decay of the second layer.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="η of SGD.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per step.")] = None,
    init_norm: Annotated[float | None, typer.Option(help="Initial norm of every neuron.")] = None,
    riccati_step: Annotated[float | None, typer.Option(help="Riccati time per step of Stiefel SGD.")] = None,
) -> None:
    """Lay theory over an SGD run; prints the table, writes comparison.png and comparison.json.

    Options replace keys of the JSON file beside the run.
    """
    from .comparison import compare
    from .runs import Run

    report = compare(
        Run.load(
            run, loss_column=loss_column, loss=loss, kind=kind, information_exponent=information_exponent,
            dim=dim, teacher_width=teacher_width, student_width=student_width, beta=beta,
            learning_rate=learning_rate, batch_size=batch_size, init_norm=init_norm, riccati_step=riccati_step,
        )
    )  # fmt: skip
    report.save(out)
    typer.echo(report.table())
    typer.echo(f"wrote comparison.png and comparison.json to {out}")


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Derivations to check; all if left out.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Write the derivations to this LaTeX file.")] = None,
) -> None:
    """Derive every equation symbolically and hold the code against it, a line for each result."""
    from derivations import verify as check  # beside the package, not inside it

    try:
        holds = check(names or (), latex, typer.echo)
    except ValueError as error:  # a name that no derivation has
        raise typer.BadParameter(str(error)) from None
    raise typer.Exit(0 if holds else 1)


def main() -> NoReturn:
    """Run the command line; what is wrong with the input is said in one line, with exit code 2."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as exit_:
        code = exit_.exit_code
    except TyperException as error:
        _refuse(error.format_message())
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Interrupted.", err=True)
        sys.exit(130)
    except (ArgumentError, OSError) as error:
        _refuse(str(error))
    sys.exit(code or 0)


def _refuse(message: str) -> NoReturn:
    typer.echo(" ".join(message.split()), err=True)
    sys.exit(2)
