"""What a power law is fitted to: arrays, a trajectory, a run or an ensemble, as one curve with its seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ..runs import Run
from ..sgd import Ensemble
from ..support import require, require_finite
from ..trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Measured:
    """A curve at n points for S seeds.

    Attributes:
        x: (n,), positive, strictly increasing.
        y: (S, n), positive.
        emergence: (M,), emergence times where the theory knows them, else None.
        names: of x and y.
        notes: what was left out, a line each.
    """

    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, "S n"]
    emergence: Float[np.ndarray, " M"] | None = None
    names: tuple[str, str] = ("x", "y")
    notes: tuple[str, ...] = ()


def measured(x: Any, y: ArrayLike | None) -> Measured:
    """The curve of `x` and `y`, or of a Trajectory, Run or Ensemble `x`.

    Rows with x = 0 are left out, and seeds that diverged; the notes say so.

    Raises:
        ArgumentError: arrays that do not fit, values that are not positive or finite, seeds on different clocks.
    """
    notes: list[str] = []
    risk_in_time = ("canonical time t", "risk")
    if isinstance(x, (Trajectory, Run, Ensemble)):
        require(y is None, "y", f"be left out for a {type(x).__name__}, which has its risk", "given")
        emergence = np.asarray(x.emergence_times()) if isinstance(x, Trajectory) else None
        values, times = np.atleast_2d(np.asarray(x.risk, float)), np.asarray(x.times, float)
        if isinstance(x, Ensemble):
            values, times = _sound(x, notes)
        return _positive(times, values, emergence, risk_in_time, notes)
    require(y is not None, "y", "be given with an array x", "left out")
    xs, ys = np.asarray(x, float), np.atleast_2d(np.asarray(y, float))
    require(xs.ndim == 1, "x", "be a vector, a Trajectory, a Run or an Ensemble", f"of shape {xs.shape}")
    fits = ys.ndim == 2 and ys.shape[-1] == len(xs)
    require(fits, "y", f"be of shape ({len(xs)},) or (seeds, {len(xs)})", ys.shape)
    return _positive(xs, ys, None, ("x", "y"), notes)


def _sound(ensemble: Ensemble, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Risk and times of the seeds that did not diverge."""
    sound = np.isfinite(ensemble.risk).all(1)
    require(bool(sound.any()), "x", "have a run that did not diverge", "an ensemble of diverged runs")
    if not sound.all():
        notes.append(f"{int((~sound).sum())} of {len(sound)} seeds diverged and are left out")
    clocks = ensemble.times[sound]
    must = "have one clock for all seeds (fit its runs one by one otherwise)"
    require(bool(np.allclose(clocks, clocks[0], rtol=1e-9)), "x", must, "an ensemble with state-dependent steps")
    return ensemble.risk[sound], clocks[0]


def _positive(
    x: np.ndarray, y: np.ndarray, emergence: np.ndarray | None, names: tuple[str, str], notes: list[str]
) -> Measured:
    require_finite(x, "x")
    require_finite(y, "y")
    require(bool((np.diff(x) > 0).all()), "x", "increase strictly", "not sorted or repeats")
    require(len(x) > 0 and bool(x[-1] > 0), "x", "be positive", "not")
    kept = x > 0
    if not kept.all():
        notes.append(f"{int((~kept).sum())} rows at {names[0]} ≤ 0 left out")
    x, y = x[kept], y[:, kept]
    must = "be > 0, as the fit is of its logarithm (or give a window without such rows)"
    require(bool((y > 0).all()), "y", must, f"{y.min():g} at its least")
    return Measured(x, y, emergence, names, tuple(notes))
