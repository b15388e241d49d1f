"""A row of the table of benchmarks, its layout, and the clock that all rows use."""

from __future__ import annotations

import resource
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import jax

_COLUMNS = f"{'measured':>10} {'goal':>9} {'met':>4} {'seconds':>10} {'peak':>8}"
_WHAT = 66
HEADING = f"{'what':<{_WHAT}} {_COLUMNS}\n{'-' * (_WHAT + 1 + len(_COLUMNS))}"


class Row(NamedTuple):
    """What was measured, and what it is meant to be.

    Attributes:
        what: the numerator and the denominator.
        measured: their ratio, or another number in `unit`.
        seconds: of one call of what the row is about.
        least: the goal where large is good; None where there is none.
        most: the goal where small is good; None where there is none.
        unit: "x" for a ratio, "s" for seconds.
    """

    what: str
    measured: float
    seconds: float
    least: float | None = None
    most: float | None = None
    unit: str = "x"

    def line(self, peak: float) -> str:
        """The row as it is printed, `peak` the gigabytes that the process of its group came to hold."""
        if self.least is not None:
            goal, met = f"≥ {self.least:g} {self.unit}", self.measured >= self.least
        elif self.most is not None:
            goal, met = f"≤ {self.most:g} {self.unit}", self.measured <= self.most
        else:
            goal, met = "", None
        said = {True: "yes", False: "NO", None: ""}[met]
        measured, seconds = f"{self.measured:.3g} {self.unit}", _duration(self.seconds)
        return f"{self.what:<{_WHAT}} {measured:>10} {goal:>9} {said:>4} {seconds:>10} {peak:5.2f} GB"


def _duration(seconds: float) -> str:
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def rows_of(module: str, group: str) -> tuple[list[Row], float, str]:
    """The rows that a function returns, the gigabytes of this process at its peak, and why there are none."""
    try:
        rows, failure = list(getattr(import_module(module), group)()), ""
    except Exception:
        rows, failure = [], traceback.format_exc(limit=1).strip().splitlines()[-1]
    return rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, failure


def fastest(*runs: Callable[[], object], repeats: int = 5) -> list[float]:
    """The least seconds that each of these took, in turn, after a first call of each."""
    for run in runs:
        jax.block_until_ready(run())
    least = [float("inf")] * len(runs)
    for _ in range(repeats):
        for n, run in enumerate(runs):
            least[n] = min(least[n], once(run))
    return least


def once(run: Callable[[], object]) -> float:
    """The seconds of one call."""
    begin = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - begin
