"""`riccati simulate`: online SGD from a random start."""

from __future__ import annotations

from typing import Annotated

import typer

from .choices import EngineChoice
from .options import Beta, Dim, LinkName, Norm, Out, StudentWidth, TeacherWidth


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
) -> None:  # fmt: skip
    """Run online SGD from a random start; writes run.csv, run.json and run.png.

    An interrupted run goes on where it was when the same command is given again.
    """
    from ..problem import Link, Start, Teacher
    from ..sgd import Experiment, schedule_named, second_phase
    from ..support import whole_file

    teacher = Teacher.power_law(teacher_width, beta, Link.named(link))
    experiment = Experiment(
        teacher=teacher, start=Start.random(teacher, student_width, dim, norm, seed),
        learning_rate=schedule_named(schedule, learning_rate, exponent, scale), steps=steps, batch_size=batch_size,
        engine=engine.value, student_scale=student_scale, dtype=dtype, rows=rows,
    )  # fmt: skip
    run = experiment.simulate(seed, checkpoint=out / "checkpoint.npz")
    run.save(out / "run.csv")
    with whole_file(out / "run.png") as temporary:
        run.plot().savefig(temporary)
    typer.echo(run)
    if second_phase_samples is not None:
        fit = second_phase(run, second_phase_samples, seed=seed)
        typer.echo(f"risk after Phase II on {second_phase_samples} samples: {fit.risk:.4g} (limit {fit.limit:.4g})")
    typer.echo(f"wrote run.csv, run.json and run.png to {out}")
