"""Who computes the points of a sweep: this process, worker processes of its own, or those of a Dask scheduler.

A worker that dies is started again and its point given to another; a point with which four have died has failed.
Workers compute with one thread each, so that sums are added in the same order wherever a point falls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..support import ArgumentError
from .grid import Result, result_at

if TYPE_CHECKING:
    from distributed import Client

_SECONDS = 10  # until a scheduler must have answered
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}

Function = Callable[..., Mapping[str, Any]]
Points = Mapping[int, Mapping[str, Any]]
Found = Generator[tuple[int, Result | BaseException], None, None]


def in_this_process(function: Function, points: Points) -> Found:
    """Index and result, or the error there, of one point after the other."""
    for index, point in points.items():
        yield index, _attempt(function, point)


def _attempt(function: Function, point: Mapping[str, Any]) -> Result | Exception:
    try:
        return result_at(function, point)
    except Exception as error:
        return error


def on_workers(function: Function, points: Points, workers: int | None, scheduler: str | None) -> Found:
    """The same in the order in which worker processes are done, `workers` of this machine, or those of `scheduler`.

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
