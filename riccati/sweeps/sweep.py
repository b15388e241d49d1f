"""`sweep` calls a function at every point of a grid and puts what it gives into one table; it can be resumed."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..support import package_versions, progress, require, require_integer, sole_writer
from .points import Axes, Function, Point, axes_of, in_this_process, on_workers, points_of
from .storage import (
    Columns,
    Journal,
    Provenance,
    columns_of,
    frame_of,
    journal_at,
    read_table,
    require_parquet,
    write_table,
)

if TYPE_CHECKING:
    import pandas as pd


class SweepFailed(RuntimeError):
    """The function raised at some points; the results of the others are kept.

    Attributes:
        errors: the error at each such point, by the point's index.
    """

    def __init__(self, errors: dict[int, BaseException], points: list[Point]):
        self.errors = errors
        first = min(errors)
        swept = [(name, value) for name, value in points[first].items() if any(p[name] != value for p in points)]
        at = f", the first at {', '.join(f'{name} = {value}' for name, value in swept)}" if swept else ""
        why = f"{type(errors[first]).__name__}: {errors[first]}"
        super().__init__(f"{len(errors)} of {len(points)} points failed{at}: {why}")


def sweep(
    function: Function,
    grid: Mapping[str, Sequence[Any]],
    path: str | os.PathLike | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """Call `function(**point)` at all combinations of the grid's values and return a table with a row for each.

    Worker processes are spawned, so a script that calls this must guard its main part by `if __name__ ==
    "__main__":`. Workers compute with one thread each; with one thread in this process too (OMP_NUM_THREADS=1,
    XLA_FLAGS=--xla_cpu_multi_thread_eigen=false) the table is the same to the bit for any number of workers, 0
    included. No result is lost if a worker or this process dies: results are written to a journal beside `path` as
    they are computed, and the same call continues from it.

    Args:
        function: gives a mapping of names to numbers, strings or vectors of numbers, the same names at every point.
        grid: an argument's name to its values, finite numbers, truth values, strings, None; the last changes fastest.
        path: a Parquet file for the table and its provenance; a complete one of the same sweep is read. None keeps
            the table in memory.
        workers: processes on this machine, one for each core that may be used if None; 0 computes in this process,
            without Dask.
        scheduler: the address of a Dask scheduler, whose workers are used instead, with the threads that they have.

    Returns:
        A pandas DataFrame: a column for each argument, then one for each name that the function gives (vectors as
        numpy arrays). Its `attrs["provenance"]` has the function with a digest of its source, the grid and versions.

    Raises:
        ArgumentError: values that cannot be kept, a file of another sweep, no Dask, or no scheduler that answers.
        SweepFailed: at the end, if the function raised at some points.

    Example:
        >>> import riccati as rc
        >>> def last_amplitude(beta, width):
        ...     teacher = rc.Teacher.power_law(width, beta, rc.Link.hermite(2))
        ...     return {"a_M": float(teacher.a[-1])}
        >>> table = rc.sweep(last_amplitude, {"beta": [0.5, 1.0], "width": [4]}, workers=0)
        >>> table.round(3).to_dict("list")
        {'beta': [0.5, 1.0], 'width': [4, 4], 'a_M': [0.346, 0.21]}
    """
    require(inspect.isfunction(function), "function", "be a plain function", repr(function))
    if workers is not None:
        require_integer(workers, "workers", 0)
        require(scheduler is None, "scheduler", "be left out where `workers` is given", scheduler)
    axes = axes_of(grid)
    points, provenance = points_of(axes), _provenance(function, axes)
    if path is None:
        journal = Journal({})
        _fill(journal, function, points, workers, scheduler)
        return frame_of(_columns(points, journal), provenance)
    target = Path(path)
    require_parquet(target)
    if not target.exists():
        with _kept(target, provenance) as journal:
            _fill(journal, function, points, workers, scheduler)
            write_table(target, _columns(points, journal), provenance)
    return read_table(target, provenance)


@contextmanager
def _kept(target: Path, provenance: Provenance) -> Iterator[Journal]:
    """The journal beside the table, removed once the table is there."""
    path = target.with_name(f"{target.name}.journal")
    with sole_writer(target):
        with journal_at(path, provenance) as journal:
            yield journal
        path.unlink()


def _fill(
    journal: Journal, function: Function, points: list[Point], workers: int | None, scheduler: str | None
) -> None:
    """Compute the points that are not there yet."""
    left = {index: point for index, point in enumerate(points) if index not in journal.done}
    if not left:
        return
    alone = workers == 0
    results = in_this_process(function, left) if alone else on_workers(function, left, workers, scheduler)
    errors: dict[int, BaseException] = {}
    with closing(results), progress(len(points), "sweep", "point") as bar:
        bar.update(len(journal.done))
        for index, result in results:
            if isinstance(result, BaseException):
                errors[index] = result
            else:
                journal.add(index, result)
            bar.update()
    if errors:
        raise SweepFailed(errors, points) from errors[min(errors)]


def _columns(points: list[Point], journal: Journal) -> Columns:
    return columns_of(points, [journal.done[index] for index in range(len(points))])


def _provenance(function: Function, axes: Axes) -> Provenance:
    """Return what makes two sweeps the same; the function's source counts where it can be read."""
    try:
        source = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
    except OSError:
        source = "unknown"
    named = {"function": f"{function.__module__}.{function.__qualname__}", "source_sha256": source}
    return json.loads(json.dumps(named | {"grid": axes, "versions": package_versions()}))
