"""`riccati sweep`: solves or simulations at every point of a grid, one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .choices import FlowChoice
from .options import Out, solved, written_to_out
from .simulate import experiment_of, simulate
from .solve import solve

if TYPE_CHECKING:
    import pandas as pd

_TABLE = "sweep.parquet"


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
    """Run `solve` or `simulate` at every point of a grid; writes sweep.parquet, a row a point.

    CONFIG names the verb and gives its options, with underscores and its defaults; an option with a list of values
    is swept:

        verb = "simulate"; teacher_width = 16; student_width = [4, 8]; beta = [0.8, 1.2]; seed = [0, 1, 2]; …

    The same command goes on where it was stopped.
    """
    from ..support import require_folder
    from ..sweeps import SweepFailed
    from ..sweeps import sweep as swept

    require_folder(out, "out")
    function, grid = _configured(config)
    try:
        with written_to_out():
            frame: pd.DataFrame = swept(function, grid, out / _TABLE, workers=workers, scheduler=scheduler)
    except SweepFailed as failed:
        typer.echo(f"{failed} The others are kept; the same command tries these again.", err=True)
        raise typer.Exit(1) from None
    typer.echo(frame.to_string(max_rows=20, max_colwidth=30))
    typer.echo(f"wrote {_TABLE} with {len(frame)} points to {out}")


def solve_point(flow: str | None, level: float, **options: Any) -> dict[str, Any]:
    """What `riccati solve` finds: times and risk, emergence times at `level`, and how it ended."""
    from ..numerics import name_of
    from ..support import require

    require(flow in (None, *FlowChoice), "flow", f"be one of {', '.join(FlowChoice)}", repr(flow))
    trajectory = solved(flow=None if flow is None else FlowChoice(flow), **options)
    return {
        "outcome": name_of(trajectory.outcome),
        "final_risk": float(trajectory.risk[-1]),
        "emergence_times": trajectory.emergence_times(level),
        "times": trajectory.times,
        "risk": trajectory.risk,
    }


def simulate_point(seed: int, **options: Any) -> dict[str, Any]:
    """What `riccati simulate` finds, emergence times at ½; the step at which a run diverged, -1 if it did not."""
    ensemble = experiment_of(seed=seed, **options).ensemble([seed])
    run = ensemble.run(0)
    return {
        "diverged": ensemble.diverged[0],
        "final_risk": run.risk[-1],  # type: ignore[index]
        "emergence_times": ensemble.emergence_times()[0],
        "logged_steps": run.steps,
        "times": run.times,
        "risk": run.risk,
    }


_VERBS: dict[str, tuple[Callable, Callable, Callable]] = {
    "solve": (solve, solved, solve_point),
    "simulate": (simulate, experiment_of, simulate_point),
}


def _configured(config: Path) -> tuple[Callable[..., Mapping[str, Any]], dict[str, list[Any]]]:
    """The function of a point, and the grid."""
    import tomllib

    from ..support import ArgumentError, require

    try:
        given = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArgumentError("config", "be a TOML file", f"{config} ({error})") from None
    verb = given.pop("verb", None)
    require(verb in _VERBS, "config", f"name a verb, {' or '.join(_VERBS)}", f"{config}, with {verb!r}")
    command, described, function = _VERBS[verb]
    names = {*signature(described).parameters, *signature(function).parameters} - {"options"}
    defaults = {name: parameter.default for name, parameter in signature(command).parameters.items()}
    if "parametrisation" in given:  # the name of `kind` up to 0.4
        given["kind"] = given.pop("parametrisation")
    for name in given:
        require(name in names, "config", f"give options of {verb} only", f"{config}, with {name}")
    grid: dict[str, list[Any]] = {}
    for name in sorted(names, key=list(defaults).index):
        value = given.get(name, defaults[name])
        needed = name in given or value is not signature(command).empty
        require(needed, "config", f"give {name}, which {verb} needs", f"{config}, without it")
        grid[name] = value if isinstance(value, list) else [value]
    return function, grid
