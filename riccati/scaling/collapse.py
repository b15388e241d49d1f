"""Distances of risk curves at finite d and M from their limit, and from each other after rescaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..support import require, require_integer
from ..trajectory import Trajectory
from .limits import SharpLimit, sharp_limit

_GRID = 400  # points, spaced evenly in log t, at which rescaled curves are compared


@dataclass(frozen=True)
class Distance:
    """The distances of a risk curve from its sharp limit, over the curve's times.

    Attributes:
        staircase: sup |risk - Σ_{m: T_m > t} a_m²|; about half a step's height where steps are high.
        many_directions: sup |risk - limit M → ∞|, None where a_m is not a power law.
        mean: the mean of |risk - staircase| over log t.
    """

    staircase: float
    many_directions: float | None
    mean: float


@dataclass(frozen=True, eq=False)
class Collapse:
    """Risk curves in the time of their own limits, on a common grid x = t/(unit · scale), and their distances.

    Attributes:
        x: (G,).
        risk: (n, G).
        distance: (n, n), sup over x of the difference of two curves.
    """

    x: Float[np.ndarray, " G"]
    risk: Float[np.ndarray, "n G"]
    distance: Float[np.ndarray, "n n"]

    @property
    def spread(self) -> float:
        """The largest distance of two curves."""
        return float(self.distance.max())


def limit_of(trajectory: Trajectory) -> tuple[SharpLimit, float]:
    """Return the sharp limit of a trajectory's problem, and the canonical time of one unit of it.

    Raises:
        ArgumentError: if the trajectory's start does not know its dimension.
    """
    require(isinstance(trajectory, Trajectory), "trajectory", "be a Trajectory", type(trajectory).__name__)
    start = trajectory.start
    require(start.dim is not None, "trajectory", "have a start with `dim`", "without")
    assert start.dim is not None
    require_integer(start.dim, "dim", 2)
    limit = sharp_limit(trajectory.teacher, start.student_width)
    return limit, limit.unit(start.dim)


def distance(trajectory: Trajectory) -> Distance:
    """Measure how far the risk of a trajectory at finite d is from its sharp limit.

    Raises:
        ArgumentError: as `sharp_limit`, and if the start does not know its dimension.
    """
    limit, unit = limit_of(trajectory)
    times, risk = np.asarray(trajectory.times) / unit, np.asarray(trajectory.risk)
    apart = np.abs(risk - limit.risk(times))
    far = None if limit.beta is None else float(np.abs(risk - limit.many_directions(times / limit.scale)).max())
    positive = times > 0
    stretch = np.log(times[positive])
    even = float(np.trapezoid(apart[positive], stretch) / np.ptp(stretch)) if len(stretch) > 1 else float(apart.max())
    return Distance(float(apart.max()), far, even)


def collapse(trajectories: Sequence[Trajectory]) -> Collapse:
    """Rescale risk curves of several d and M to the time of their own limits, t/(unit · scale), and compare them.

    Raises:
        ArgumentError: fewer than two trajectories, or rescaled times without a common range.
    """
    require(len(trajectories) >= 2, "trajectories", "be two or more", len(trajectories))
    rescaled = []
    for trajectory in trajectories:
        limit, unit = limit_of(trajectory)
        times = np.asarray(trajectory.times) / (unit * limit.scale)
        rescaled.append((times[times > 0], np.asarray(trajectory.risk)[times > 0]))
    low, high = max(x[0] for x, _ in rescaled), min(x[-1] for x, _ in rescaled)
    require(low < high, "trajectories", "share a range of rescaled times", f"{low:.3g} to {high:.3g}")
    grid = np.geomspace(low, high, _GRID)
    risk = np.stack([np.interp(np.log(grid), np.log(x), y) for x, y in rescaled])
    return Collapse(grid, risk, np.abs(risk[:, None] - risk[None]).max(-1))
