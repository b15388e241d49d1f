"""SGD runs and flows as arrays: what several figures compute in the same way."""

from __future__ import annotations

from typing import Any

import numpy as np

import riccati as rc

from ._figure import Arrays


def sgd(
    teacher: rc.Teacher, start: rc.Start, rate: Any, steps: int, batch: int, runs: int,
    engine: str = "in_law", rows: int = 80,
) -> Arrays:  # fmt: skip
    """An ensemble of online SGD: steps (T,), times (S, T), risk (S, T), overlaps (S, T, M), emergence (S, M)."""
    found = rc.sgd.Experiment(
        teacher=teacher, start=start, learning_rate=rate, steps=steps, batch_size=batch, engine=engine, rows=rows
    ).ensemble(range(runs))
    return {
        "steps": found.steps,
        "times": found.times,
        "risk": found.risk,
        "overlaps": found.overlaps,
        "emergence": found.emergence_times(),
    }


def flow(of: rc.Flow, teacher: rc.Teacher, start: Any, times: np.ndarray) -> Arrays:
    """A flow: times (T,), risk (T,), alignment (T, M), emergence (M,)."""
    found = rc.solve(of, teacher, start, times)
    return {
        "times": np.asarray(found.times),
        "risk": np.asarray(found.risk),
        "alignment": np.asarray(found.alignment),
        "emergence": np.asarray(found.emergence_times()),
    }


def fitted_slope(x: np.ndarray, y: np.ndarray) -> float:
    """The least-squares slope of log y against log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
