"""`riccati compare`: theory over an SGD run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer

from ..support import LINK_NAMES, LOSS_NAMES, OverlapName, RunKind
from .options import Out, with_options, written_to_out


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run's table is read, and keys of the JSON file beside it. `help` of each option says what it means."""

    step_column: Annotated[str | None, typer.Option(help="The column of the steps, if not step, iter, ….")] = None
    loss_column: Annotated[str | None, typer.Option(help="The loss column, if not risk, loss, test_loss, ….")] = None
    overlap_prefix: Annotated[str | None, typer.Option(help="What names of overlap columns begin with.")] = None
    loss: Annotated[
        str | None, typer.Option(help=f"What the loss column holds: {', '.join(LOSS_NAMES)}, or mse, half_mse, ….")
    ] = None
    training_loss: Annotated[
        str | None, typer.Option(help=f"What SGD descended: {', '.join(LOSS_NAMES[:2])}, mse, …, or correlation.")
    ] = None
    overlap: Annotated[OverlapName | None, typer.Option(help="What the overlap columns hold.")] = None
    kind: Annotated[RunKind | None, typer.Option(help="How the weights move.")] = None
    link: Annotated[str | None, typer.Option(help=f"The link: he1, he2, …, {', '.join(LINK_NAMES)}.")] = None
    information_exponent: Annotated[int | None, typer.Option(help="k of a pure h_k link, instead of --link.")] = None
    dim: Annotated[int | None, typer.Option(help="d, input dimension.")] = None
    teacher_width: Annotated[int | None, typer.Option(help="M, directions of the teacher.")] = None
    student_width: Annotated[int | None, typer.Option(help="N, neurons of the student.")] = None
    beta: Annotated[float | None, typer.Option(help="Decay of the second layer.")] = None
    learning_rate: Annotated[float | None, typer.Option(help="η of SGD.")] = None
    batch_size: Annotated[int | None, typer.Option(help="Samples per step.")] = None
    momentum: Annotated[float | None, typer.Option(help="μ, as torch.optim.SGD has it.")] = None
    dampening: Annotated[float | None, typer.Option(help="As torch.optim.SGD has it.")] = None
    nesterov: Annotated[bool | None, typer.Option(help="Whether the momentum is Nesterov's.")] = None
    weight_decay: Annotated[float | None, typer.Option(help="λ, as torch.optim.SGD has it.")] = None
    constraint: Annotated[Literal["sphere"] | None, typer.Option(help="sphere: norms stay as they are.")] = None
    second_layer_rate: Annotated[float | None, typer.Option(help="κ of a two_layer student, over η.")] = None
    label_noise: Annotated[float | None, typer.Option(help="Δ, variance of the labels' noise over E f*².")] = None
    loss_has_noise: Annotated[
        bool | None, typer.Option(help="Whether the loss is on noisy labels, with Δ on top; as it shows if not given.")
    ] = None
    init_norm: Annotated[float | None, typer.Option(help="Initial norm of every neuron.")] = None
    covariance_exponent: Annotated[
        float | None, typer.Option(help="α of the input's covariance, λ_i = i^-α; isotropic if nothing says it.")
    ] = None
    steps_per_epoch: Annotated[int | None, typer.Option(help="Steps of an epoch, where a log counts epochs.")] = None
    riccati_step: Annotated[float | None, typer.Option(help="Riccati time per step of Stiefel SGD.")] = None


@with_options
def compare(
    run: Annotated[str, typer.Argument(help="A run's CSV, NPZ, Parquet or JSON lines, or the name of a sample run.")],
    out: Out,
    keys: RunOptions,
    replicas: Annotated[
        int | None,
        typer.Option(
            help="Replicas of SGD to compare the run with, for a band and a verdict, at least 128; fewer are simulated "
            "if the verdict is decided earlier, or at Ctrl-C. If not given: 128 if they take seconds, else draws of "
            "the law."
        ),
    ] = None,
) -> None:
    """Compare an SGD run with theory; prints the table, writes comparison.png, .pdf, .json and comparison_curves.csv.

    Options replace keys of the JSON file beside the run.
    """
    from ..comparison import compare as lay_over
    from ..runs import Run
    from ..support import require_folder

    require_folder(out, "out")
    given = asdict(keys)
    loaded = Run.load(run, covariance=given.pop("covariance_exponent"), **given)
    report = lay_over(loaded, replicas=replicas)
    with written_to_out():
        report.save(out)
    typer.echo(report.table())
    typer.echo(f"wrote comparison.png, comparison.pdf, comparison.json and comparison_curves.csv to {out}")
