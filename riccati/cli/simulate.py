"""`riccati simulate`: online SGD from a random start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..support import ArgumentError, Coordinates, EngineName, require
from .algorithm import AlgorithmOptions, ScheduleOptions
from .options import Out, say_renamed, with_options
from .problem import ProblemOptions

if TYPE_CHECKING:
    from ..runs import Run
    from ..sgd import Experiment

RESULTS = ("run.csv", "run.json", "run.png")


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions(AlgorithmOptions, ScheduleOptions):
    """The algorithm, how it is simulated and what is logged. `help` of each option says what it means."""

    steps: Annotated[int, typer.Option(help="Number of steps.")]
    learning_rate: Annotated[float, typer.Option(help="η, canonical time per step.")]
    batch_size: Annotated[int, typer.Option(help="Samples per step.")] = 1
    coordinates: Annotated[
        Coordinates,
        typer.Option(help="reduced: few coordinates, exact in law at any d; direct: all d of them."),
    ] = "reduced"
    student_scale: Annotated[float | None, typer.Option(help="c of Stiefel SGD; ‖a‖/√N if not given.")] = None
    dtype: Annotated[str, typer.Option(help="float64, or float32 for direct simulation.")] = "float64"
    rows: Annotated[int, typer.Option(help="Logged steps, spaced evenly in their logarithm.")] = 200
    engine: Annotated[EngineName | None, typer.Option(hidden=True)] = None

    def __post_init__(self) -> None:
        if self.engine is None:
            return
        from ..sgd import engine_words

        given = self.constraint is not None or self.coordinates != "reduced"
        require(not given, "engine", "be left out beside --constraint and --coordinates", self.engine)
        constraint, coordinates = engine_words(self.engine)
        words = f"--coordinates {coordinates}"
        say_renamed(f"--engine {self.engine}", words if constraint is None else f"--constraint {constraint} {words}")
        object.__setattr__(self, "constraint", constraint)
        object.__setattr__(self, "coordinates", coordinates)

    def experiment(self, problem: ProblemOptions) -> Experiment:
        """SGD on the problem.

        Raises:
            ArgumentError: for anything that cannot be simulated.
        """
        from ..sgd import Experiment

        teacher, start = problem.problem()
        sgd = self.sgd(problem.kind, self.learning_rate, self.batch_size, self.words())
        return Experiment(
            teacher, start, sgd, steps=self.steps, coordinates=self.coordinates, student_scale=self.student_scale,
            dtype=self.dtype, rows=self.rows,
        )  # fmt: skip


@with_options
def simulate(
    problem: ProblemOptions,
    out: Out,
    experiment: ExperimentOptions,
    second_phase_samples: Annotated[
        int | None,
        typer.Option(help="Fit the last layer on as many fresh samples at the end; the radial part of Stiefel SGD."),
    ] = None,
) -> None:
    """Run online SGD from a random start; writes run.csv, run.json and run.png.

    SIGINT and SIGTERM stop it cleanly, and the same command continues from there. The state is kept in the file
    `checkpoint` until all results are written.
    """
    from ..support import Stopped, orderly_stop, sole_writer

    with orderly_stop() as stop:
        described = experiment.experiment(problem)
        with sole_writer(out / "run.csv", "out"):
            _require_results(out, experiment.constraint, problem.student_width, second_phase_samples)
            try:
                run = described.simulate(problem.seed, checkpoint=out / "checkpoint")
            except Stopped as stopped:
                typer.echo(stopped, err=True)
                raise typer.Exit(128 + stopped.signal_number) from None
            _write_results(run, out, second_phase_samples, problem.seed)
            (out / "checkpoint").unlink()
            stop.signal_number = None  # all is done: a stop would have nothing left to stop


def _require_results(out: Path, constraint: str | None, student_width: int, second_phase_samples: int | None) -> None:
    """Refuse, before the first step, results that could not be written or fitted after the last."""
    from ..sgd import require_enough_samples
    from ..support import require_folder

    require_folder(out, "out")
    for name in RESULTS:
        require(
            not (out / name).is_dir(), "out", f"leave room for a file {name}", f"{out}, which has a folder of that name"
        )
    if second_phase_samples is None:
        return
    try:
        require_enough_samples(student_width, second_phase_samples, stiefel=constraint == "stiefel")
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
