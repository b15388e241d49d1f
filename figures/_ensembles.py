"""SGD runs and flows as arrays: what several figures compute in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

import riccati as rc
from riccati.numerics import Outcome, integrate, message_of

from ._figure import Arrays

_REPLICAS = 256  # of the law of the risk


def random_problem(p: Any, degree: int, norm: float) -> tuple[rc.Teacher, rc.Start]:
    """The power-law teacher of a figure's parameters with the link h_k, and a random start of its student."""
    teacher = rc.Teacher.power_law(p.teacher_width, p.beta, rc.Link.hermite(degree))
    return teacher, rc.Start.random(teacher, p.student_width, p.dim, norm, seed=p.seed)


def ensemble(
    teacher: rc.Teacher, start: rc.Start, sgd: rc.SGD, steps: int, runs: int,
    coordinates: str = "reduced", rows: int = 80,
) -> Arrays:  # fmt: skip
    """An ensemble of online SGD: steps (T,), times (S, T), risk (S, T), overlaps (S, T, M), emergence (S, M)."""
    drawn = rc.sgd.Experiment(teacher, start, sgd, steps=steps, coordinates=coordinates, rows=rows).ensemble(
        range(runs)
    )
    return {
        "steps": drawn.steps,
        "times": drawn.times,
        "risk": drawn.risk,
        "overlaps": drawn.overlaps,
        "emergence": drawn.emergence_times(),
    }


def flow(of: rc.Flow, teacher: rc.Teacher, start: Any, times: np.ndarray) -> Arrays:
    """A flow: times (T,), risk (T,), alignment (T, M), emergence (M,)."""
    trajectory = rc.solve(of, teacher, start, times)
    return {
        "times": np.asarray(trajectory.times),
        "risk": np.asarray(trajectory.risk),
        "alignment": np.asarray(trajectory.alignment),
        "emergence": np.asarray(trajectory.emergence_times()),
    }


def risk_band(teacher: rc.Teacher, start: rc.Start, sgd: rc.SGD, times: np.ndarray) -> Arrays:
    """The first and the ninth decile of the law of SGD's risk at `times`, (T,) each."""
    law = rc.risk_law(teacher, start, sgd, times=times, replicas=_REPLICAS)
    return {"low": np.asarray(law.quantile(0.1)), "high": np.asarray(law.quantile(0.9))}


def integrated(
    velocity: Callable, state: Any, args: Any, times: np.ndarray, rtol: float, atol: float, **settings: Any
) -> Any:
    """The states of `integrate` at `times`, all of them.

    Raises:
        IncompleteTrajectory: it did not reach the last time, with the reason and the remedy.
    """
    out = integrate(velocity, state, args, jnp.asarray(times), rtol, atol, **settings)
    if bool(out.outcome != Outcome.complete):
        last = f"output time {int(out.reached)} of {len(times)}"
        raise rc.IncompleteTrajectory(f"The flow ends at {last}: {message_of(out.outcome)}.")
    return out.states


def fitted_slope(x: np.ndarray, y: np.ndarray) -> float:
    """The least-squares slope of log y against log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
