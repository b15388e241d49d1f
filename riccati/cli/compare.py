"""`riccati compare`: theory over an SGD run."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Out


def compare(
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
    from ..comparison import compare as lay_over
    from ..runs import Run

    report = lay_over(
        Run.load(
            run, loss_column=loss_column, loss=loss, kind=kind, information_exponent=information_exponent,
            dim=dim, teacher_width=teacher_width, student_width=student_width, beta=beta,
            learning_rate=learning_rate, batch_size=batch_size, init_norm=init_norm, riccati_step=riccati_step,
        )
    )  # fmt: skip
    report.save(out)
    typer.echo(report.table())
    typer.echo(f"wrote comparison.png and comparison.json to {out}")
