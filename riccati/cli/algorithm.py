"""The options of the algorithm, which verbs share: how SGD steps, and how its learning rate changes with the step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..support import LOSS_NAMES, Constraint, require

if TYPE_CHECKING:
    from ..problem import SGD

ScheduleName = Literal["constant", "cosine", "linear", "step", "power", "direction"]


@dataclass(frozen=True, kw_only=True)
class AlgorithmOptions:
    """How SGD steps, in the words of rc.SGD and of a run's keys; the meaning of each is in its `help`."""

    constraint: Annotated[
        Constraint | None,
        typer.Option(help="stiefel: weights stay orthonormal (k = 2); sphere: norms stay; free if not given."),
    ] = None
    training_loss: Annotated[
        str, typer.Option(help=f"What SGD descends: {', '.join(LOSS_NAMES[:2])} (or mse), or correlation.")
    ] = LOSS_NAMES[0]
    momentum: Annotated[float, typer.Option(help="μ, as torch.optim.SGD has it; steps are 1/(1-μ) longer.")] = 0.0
    dampening: Annotated[float, typer.Option(help="As torch.optim.SGD has it; with momentum.")] = 0.0
    nesterov: Annotated[bool, typer.Option("--nesterov", help="Nesterov's momentum.")] = False
    weight_decay: Annotated[float, typer.Option(help="λ, as torch.optim.SGD has it, of the training loss.")] = 0.0
    second_layer_rate: Annotated[
        float | None, typer.Option(help="κ of a two_layer student, the rate of b over η; 0 freezes b.")
    ] = None

    def sgd(
        self, kind: str, learning_rate: float, batch_size: int = 1, schedule: dict[str, object] | None = None
    ) -> SGD:
        """The algorithm on ½(f* - f)² for a student of this kind.

        Raises:
            ArgumentError: numbers out of range, or options that exclude each other.
        """
        from ..runs import RunConfig, sgd_of_run

        names = ("momentum", "dampening", "nesterov", "weight_decay", "second_layer_rate")
        keys = {name: value for name in names if (value := getattr(self, name))}
        if self.second_layer_rate is not None:
            require(kind == "two_layer", "second_layer_rate", "be left out unless kind is two_layer", "given")
            keys["second_layer_rate"] = self.second_layer_rate
        keys |= {"learning_rate": learning_rate, "batch_size": batch_size, "training_loss": self.training_loss}
        keys |= {} if schedule is None else {"schedule": schedule}
        sgd = sgd_of_run(RunConfig(keys).with_conventions())
        assert sgd is not None
        return sgd if self.constraint is None else replace(sgd, constraint=self.constraint)


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """How the learning rate changes with the step n, by torch's names and formulas."""

    schedule: Annotated[
        ScheduleName,
        typer.Option(help="constant; cosine, linear, step: as torch.optim.lr_scheduler; "
                     "power: η (1 + n/scale)^-exponent; direction: η times the a_m being learned."),
    ] = "constant"  # fmt: skip
    exponent: Annotated[float | None, typer.Option(help="Exponent of the power schedule.")] = None
    scale: Annotated[float | None, typer.Option(help="Steps after which the power schedule sets in.")] = None
    t_max: Annotated[int | None, typer.Option(help="Steps of the cosine.")] = None
    eta_min: Annotated[float | None, typer.Option(help="η at the end of the cosine, 0 if not given.")] = None
    start_factor: Annotated[float | None, typer.Option(help="Of the first step of linear.")] = None
    end_factor: Annotated[float | None, typer.Option(help="Of the last step of linear.")] = None
    total_iters: Annotated[int | None, typer.Option(help="Steps of linear.")] = None
    step_size: Annotated[int | None, typer.Option(help="Steps between two drops of step.")] = None
    drop: Annotated[
        float | None, typer.Option(help="The factor of a drop of step, torch's gamma; 0.1 if not given.")
    ] = None
    warmup: Annotated[int | None, typer.Option(help="Steps of a linear warm-up before the schedule.")] = None
    warmup_start_factor: Annotated[float | None, typer.Option(help="Of its first step, 1/warmup if not given.")] = None

    def words(self) -> dict[str, object] | None:
        """The schedule in the words of a run's key; None for a constant learning rate."""
        names = ("exponent", "scale", "eta_min", "start_factor", "end_factor", "total_iters", "step_size", "warmup",
                 "warmup_start_factor")  # fmt: skip
        numbers = {name: getattr(self, name) for name in names} | {"T_max": self.t_max, "gamma": self.drop}
        given = {name: value for name, value in numbers.items() if value is not None}
        return {"name": self.schedule, **given} if given or self.schedule != "constant" else None
