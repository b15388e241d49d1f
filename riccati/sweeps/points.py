"""The points of a grid, and who computes them: this process, worker processes of its own, or those of a Dask scheduler.

A worker that dies is started again and its point given to another; a point with which four have died has failed.
Workers compute with one thread each, so that sums are added in the same order wherever a point falls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support import ArgumentError, require

if TYPE_CHECKING:
    from distributed import Client

_SECONDS = 10  # until a scheduler must have answered
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}

Value = bool | int | float | str | None  # of an argument
Axes = dict[str, list[Value]]
Point = Mapping[str, Value]
Entry = bool | int | float | str | list[bool] | list[int] | list[float]  # of a result
Result = dict[str, Entry]
Function = Callable[..., Mapping[str, Any]]  # what a user's function gives, before it is checked
Results = Generator[tuple[int, Result | BaseException], None, None]


def axes_of(grid: Mapping[str, Sequence[Any]]) -> Axes:
    """Return the values of each argument as Python's own.

    Raises:
        ArgumentError: an axis that is empty, or holds anything but finite numbers, truth values, strings and None.
    """
    require(len(grid) > 0, "grid", "have one axis or more", "empty")
    axes: Axes = {}
    for name, values in grid.items():
        single = isinstance(values, str) or not hasattr(values, "__len__")
        require(not single and len(values) > 0, "grid", f"give {name} a list of values", values)
        axes[name] = [_value(name, value) for value in values]
    return axes


def _value(name: str, value: Any) -> Value:
    value = value.item() if isinstance(value, np.generic) else str(value) if isinstance(value, str) else value
    sound = value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and np.isfinite(value))
    require(sound, "grid", f"give {name} finite numbers, truth values, strings or None", repr(value))
    return value


def points_of(axes: Axes) -> list[Point]:
    """Return all combinations of the axes' values; the last axis changes fastest."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def result_at(function: Function, point: Point) -> Result:
    """Call the function at a point and return what it gives as Python's own numbers, strings and lists.

    Raises:
        ArgumentError: anything else, or a name that the grid has too.
    """
    given = function(**point)
    require(isinstance(given, Mapping), "function", "return a mapping of names to values", type(given).__name__)
    both = next((name for name in given if name in point), None)
    require(both is None, "function", "return names that the grid has not", both)
    return {str(name): _entry(str(name), value) for name, value in given.items()}


def _entry(name: str, value: Any) -> Entry:
    if isinstance(value, str):
        return str(value)
    array = np.asarray(value)
    if array.ndim > 1 or array.dtype.kind not in "biuf":
        must = f"return a number, a string or a vector of numbers as {name}"
        raise ArgumentError("function", must, f"a {type(value).__name__} of shape {array.shape}")
    return array.tolist()


def in_this_process(function: Function, points: Mapping[int, Point]) -> Results:
    """Compute one point after the other; give the index of each with its result, or with the error there."""
    for index, point in points.items():
        yield index, _attempt(function, point)


def _attempt(function: Function, point: Point) -> Result | Exception:
    try:
        return result_at(function, point)
    except Exception as error:
        return error


def on_workers(function: Function, points: Mapping[int, Point], workers: int | None, scheduler: str | None) -> Results:
    """Compute the points on worker processes, `workers` of this machine, or those of `scheduler`.

    Gives what `in_this_process` gives, in the order in which the workers are done.

    Raises:
        ArgumentError: without Dask, or if no scheduler answers.
    """
    with _client(min(workers or _cores(), len(points)), scheduler) as client:
        from distributed import as_completed

        futures = client.map(partial(result_at, function), list(points.values()), pure=False)
        index_of = {future.key: index for index, future in zip(points, futures, strict=True)}
        for future in as_completed(futures):
            error = future.exception()
            yield index_of[future.key], future.result() if error is None else error
            future.release()


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Client]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        remedy = 'be 0, for this process alone, or pip install "riccati-sgd[sweep]"'
        raise ArgumentError("workers", remedy, "without Dask") from None
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=_SECONDS)
        except (OSError, ValueError) as error:
            must = "be the address of a Dask scheduler that answers"
            raise ArgumentError("scheduler", must, f"{scheduler} ({error})") from None
        with client:
            yield client
        return
    single = _ONE_THREAD | {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {_ONE_THREAD['XLA_FLAGS']}".strip()}
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "spawn"}),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, env=single) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _cores() -> int:
    """As many as this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
