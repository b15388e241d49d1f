"""`riccati simulate`: online SGD from a random start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .choices import EngineChoice
from .options import (
    ORTHONORMAL,
    TWO_HOMOGENEOUS,
    Beta,
    CovarianceExponent,
    Dim,
    LinkName,
    Negative,
    Norm,
    Out,
    StudentKind,
    StudentWidth,
    TeacherDirections,
    TeacherWidth,
)
from .problem import problem_of

if TYPE_CHECKING:
    from ..runs import Run
    from ..sgd import Experiment

RESULTS = ("run.csv", "run.json", "run.png")


def simulate(
    teacher_width: TeacherWidth, student_width: StudentWidth, dim: Dim, out: Out,
    steps: Annotated[int, typer.Option(help="Number of steps.")],
    learning_rate: Annotated[float, typer.Option(help="η, canonical time per step.")],
    link: LinkName = "he2", beta: Beta = 1.0, norm: Norm = 1e-2,
    seed: Annotated[int, typer.Option(help="Seed of the random start and of the samples.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Samples per step.")] = 1,
    engine: Annotated[EngineChoice, typer.Option(help="How the steps are drawn.")] = EngineChoice.IN_LAW,
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
    covariance_exponent: CovarianceExponent = None, kind: StudentKind = TWO_HOMOGENEOUS,
    teacher_directions: TeacherDirections = ORTHONORMAL, negative: Negative = None,
) -> None:  # fmt: skip
    """Run online SGD from a random start; writes run.csv, run.json and run.png.

    SIGINT and SIGTERM stop it in order, and the same command goes on where it was. What it needs for that, and to write
    the results again, is in `checkpoint` until all of them are there.
    """
    from ..support import Stopped, orderly_stop, sole_writer

    with orderly_stop() as stop:
        experiment = experiment_of(
            teacher_width=teacher_width, student_width=student_width, dim=dim, steps=steps, learning_rate=learning_rate,
            link=link, beta=beta, norm=norm, seed=seed, batch_size=batch_size, engine=engine.value, schedule=schedule,
            exponent=exponent, scale=scale, student_scale=student_scale, dtype=dtype, rows=rows,
            covariance_exponent=covariance_exponent, kind=kind,
            teacher_directions=teacher_directions, negative=negative,
        )  # fmt: skip
        with sole_writer(out / "run.csv", "out"):
            _try_results(out, engine.value, student_width, second_phase_samples)
            try:
                run = experiment.simulate(seed, checkpoint=out / "checkpoint")
            except Stopped as stopped:
                typer.echo(stopped, err=True)
                raise typer.Exit(128 + stopped.signal_number) from None
            _write_results(run, out, second_phase_samples, seed)
            (out / "checkpoint").unlink()
            stop.signal_number = None  # all is done: a stop would have nothing left to stop


def experiment_of(
    *, teacher_width: int, student_width: int, dim: int, steps: int, learning_rate: float, link: str, beta: float,
    norm: float, seed: int, batch_size: int, engine: str, schedule: str, exponent: float | None, scale: float | None,
    student_scale: float | None, dtype: str, rows: int, covariance_exponent: float | None, kind: str,
    teacher_directions: str, negative: str | None,
) -> Experiment:  # fmt: skip
    """The experiment that the options describe.

    Raises:
        ArgumentError: for anything that cannot be simulated.
    """
    from ..sgd import Experiment, engine_words, schedule_named

    teacher, start = problem_of(
        link, teacher_width, beta, student_width, dim, norm, seed,
        covariance_exponent, kind, teacher_directions, negative,
    )  # fmt: skip
    constraint, coordinates = engine_words(engine)
    return Experiment(
        teacher=teacher, start=start, learning_rate=schedule_named(schedule, learning_rate, exponent, scale),
        steps=steps, batch_size=batch_size, constraint=constraint, coordinates=coordinates,
        student_scale=student_scale, dtype=dtype, rows=rows,
    )  # fmt: skip


def _try_results(out: Path, engine: str, student_width: int, second_phase_samples: int | None) -> None:
    """Refuse before the first step what could not be written or fitted after the last."""
    from ..sgd import require_enough_samples
    from ..support import ArgumentError, require, require_folder

    require_folder(out, "out")
    for name in RESULTS:
        require(
            not (out / name).is_dir(), "out", f"leave room for a file {name}", f"{out}, which has a folder of that name"
        )
    if second_phase_samples is None:
        return
    only = "be given for Stiefel SGD only"
    require(engine.startswith("stiefel"), "second_phase_samples", only, f"given with {engine}")
    try:
        require_enough_samples(student_width, second_phase_samples)
    except ArgumentError as error:
        raise error.renamed({"samples": "second_phase_samples"}) from None


def _write_results(run: Run, out: Path, second_phase_samples: int | None, seed: int) -> None:
    from ..sgd import second_phase
    from ..support import whole_file

    run.save(out / "run.csv")
    with whole_file(out / "run.png", "out") as temporary:
        run.plot().savefig(temporary)
    typer.echo(run)
    if second_phase_samples is not None:
        fit = second_phase(run, second_phase_samples, seed=seed)
        typer.echo(f"risk after Phase II on {second_phase_samples} samples: {fit.risk:.4g} (limit {fit.limit:.4g})")
    typer.echo(f"wrote {', '.join(RESULTS)} to {out}")
