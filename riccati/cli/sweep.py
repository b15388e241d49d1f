"""`riccati sweep`: solves or simulations at every point of a grid, one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from .options import Out, is_hidden, parameters_of, say_renamed, written_to_out
from .problem import ProblemOptions
from .simulate import ExperimentOptions
from .solve import FlowOptions

if TYPE_CHECKING:
    import pandas as pd

_TABLE = "sweep.parquet"
_Group = TypeVar("_Group")


def sweep(
    config: Annotated[Path, typer.Argument(help="A TOML file: the verb, and its options; a list is swept.")],
    out: Out,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes on this machine, one a core if not given; 0 for this process, without Dask."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, whose workers are used instead.")
    ] = None,
) -> None:
    """Run `solve` or `simulate` at every point of a grid; writes sweep.parquet, with a row for each point.

    CONFIG names the verb and gives its options, with underscores for hyphens; options that are not given have the
    verb's defaults, and an option with a list of values is swept:

        verb = "simulate"; teacher_width = 16; student_width = [4, 8]; beta = [0.8, 1.2]; seed = [0, 1, 2]; …

    If it was stopped, the same command continues.
    """
    from ..support import require_folder
    from ..sweeps import SweepFailed
    from ..sweeps import sweep as swept

    require_folder(out, "out")
    verb, given = _configured(config)
    grid = _grid(verb, given, config)
    try:
        with written_to_out():
            frame: pd.DataFrame = swept(verb.point, grid, out / _TABLE, workers=workers, scheduler=scheduler)
    except SweepFailed as failed:
        typer.echo(f"{failed} The others are kept; the same command tries these again.", err=True)
        raise typer.Exit(1) from None
    typer.echo(frame.to_string(max_rows=20, max_colwidth=30))
    typer.echo(f"wrote {_TABLE} with {len(frame)} points to {out}")


def solve_point(level: float, **options: Any) -> Mapping[str, object]:
    """The results of `riccati solve`: times and risk, emergence times at `level`, and the outcome."""
    from ..numerics import name_of

    problem, flow = _built(ProblemOptions, options), _built(FlowOptions, options)
    trajectory = flow.solved(problem)
    return {
        "outcome": name_of(trajectory.outcome),
        "final_risk": float(trajectory.risk[-1]),
        "emergence_times": trajectory.emergence_times(level),
        "times": trajectory.times,
        "risk": trajectory.risk,
    }


def simulate_point(seed: int, **options: Any) -> Mapping[str, object]:
    """The results of `riccati simulate`, emergence times at ½, and the step at which the run diverged, -1 for none."""
    problem, experiment = _built(ProblemOptions, options | {"seed": seed}), _built(ExperimentOptions, options)
    ensemble = experiment.experiment(problem).ensemble([seed])
    run = ensemble.run(0)
    return {
        "diverged": ensemble.diverged[0],
        "final_risk": run.risk[-1],  # type: ignore[index]
        "emergence_times": ensemble.emergence_times()[0],
        "logged_steps": run.steps,
        "times": run.times,
        "risk": run.risk,
    }


def _built(group: Callable[..., _Group], options: Mapping[str, Any]) -> _Group:
    """The object of those options that are its."""
    names = [option.name for option in parameters_of(group)]
    return group(**{name: options[name] for name in names if name in options})


@dataclass(frozen=True)
class SweptVerb:
    """A verb that can be swept.

    Attributes:
        name: of the verb.
        point: what is computed at a point.
        options: the options of the command line, a point's arguments.
    """

    name: str
    point: Callable[..., Mapping[str, Any]]
    options: tuple[Parameter, ...]


_STAND_FOR = {"engine": ("constraint", "coordinates"), "algorithm": ("constraint",)}  # old options, and today's
_LEVEL = Parameter("level", Parameter.KEYWORD_ONLY, default=0.5)
_VERBS = {
    verb.name: verb
    for verb in (
        SweptVerb("solve", solve_point, (*parameters_of(ProblemOptions), *parameters_of(FlowOptions), _LEVEL)),
        SweptVerb("simulate", simulate_point, (*parameters_of(ProblemOptions), *parameters_of(ExperimentOptions))),
    )
}


def _configured(config: Path) -> tuple[SweptVerb, Mapping[str, Any]]:
    """The verb that a file names, and the options that it gives."""
    import tomllib

    from ..support import ArgumentError, require

    try:
        given = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArgumentError("config", "be a TOML file", f"{config} ({error})") from None
    name = given.pop("verb", None)
    require(name in _VERBS, "config", f"name a verb, {' or '.join(_VERBS)}", f"{config}, with {name!r}")
    if "parametrisation" in given:  # the name of `kind` up to 0.4
        given["kind"] = given.pop("parametrisation")
    if isinstance(given.get("engine"), str):  # of a list each point is read for itself
        given |= _words_of_engine(given.pop("engine"))
    return _VERBS[name], given


def _words_of_engine(engine: str) -> Mapping[str, str]:
    """The options that an engine's old name stands for, so that the table has them."""
    from ..sgd import engine_words

    constraint, coordinates = engine_words(engine)
    words = {"coordinates": coordinates} | ({} if constraint is None else {"constraint": constraint})
    say_renamed(f'engine = "{engine}"', ", ".join(f'{name} = "{word}"' for name, word in words.items()))
    return words


def _grid(verb: SweptVerb, given: Mapping[str, Any], config: Path) -> dict[str, list[Any]]:
    """Every option with its values; those that are not given have their default."""
    from ..support import require

    known = [option.name for option in verb.options]
    for name in given:
        require(name in known, "config", f"give options of {verb.name} only", f"{config}, with {name}")
    grid: dict[str, list[Any]] = {}
    stood_for = {name for old, names in _STAND_FOR.items() if old in given for name in names}
    for option in verb.options:
        if option.name not in given and (is_hidden(option) or option.name in stood_for):
            continue
        value = given.get(option.name, option.default)
        must = f"give {option.name}, which {verb.name} needs"
        require(value is not Parameter.empty, "config", must, f"{config}, without it")
        grid[option.name] = value if isinstance(value, list) else [value]
    return grid
