"""Every ratio that the package claims, measured: one table.

    python -m tests.benchmarks                 # all of it, under ten minutes on one core
    python -m tests.benchmarks flow_k2 sgd     # the rows of some modules

From the root of a checkout. One core and one thread, which this module sees to. Each group of rows is measured in a
process of its own, whose peak memory stands beside its rows. Programs are compiled before the clock starts, unless the
row says otherwise.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from .table import HEADING, rows_of

# functions that return rows, by module
_GROUPS = {
    "flow_k2": ("subspace_and_weights", "wider", "small", "million"),
    "flow_k4": ("million", "ten_million", "velocity"),
    "sgd": ("chain", "dimensions", "replicas"),
    "law": ("seconds",),
    "scaling": ("intervals",),
    "cold": ("rows",),
}
_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def main(modules: list[str]) -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "XLA_FLAGS": _ONE_THREAD}
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    begun = time.monotonic()
    print(HEADING, flush=True)
    for module in modules or _GROUPS:
        for group in _GROUPS[module]:
            with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                rows, peak, failure = alone.submit(rows_of, f"{__package__}.{module}", group).result()
            for row in rows:
                print(row.line(peak), flush=True)
            if failure:
                print(f"{module}.{group}: {failure}", flush=True)
    print(f"{time.monotonic() - begun:.0f} s in all")


if __name__ == "__main__":
    main(sys.argv[1:])
