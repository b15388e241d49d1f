"""What a power law is fitted to: arrays, a trajectory, a run or an ensemble, as one curve with its seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ...runs import Run
from ...sgd import Ensemble
from ...support import ArgumentError, require, require_finite
from ...trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Measured:
    """A curve at n points for S seeds.

    Attributes:
        x: (n,), positive, strictly increasing.
        y: (S, n), what is there; `require_positive` says whether it can be fitted.
        emergence: (M,), emergence times where the theory knows them, else None.
        names: of x and y.
        argument: that y came with.
        notes: what was left out, a line each.
    """

    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, "S n"]
    emergence: Float[np.ndarray, " M"] | None = None
    names: tuple[str, str] = ("x", "y")
    argument: str = "y"
    notes: tuple[str, ...] = ()

    def within(self, window: tuple[float, float]) -> Measured:
        """The rows with x in the window."""
        kept = (self.x >= window[0]) & (self.x <= window[1])
        return replace(self, x=self.x[kept], y=self.y[:, kept])

    def require_positive(self, remedy: str) -> None:
        """Refuse rows whose logarithm cannot be fitted, naming the first of them and what to do.

        Raises:
            ArgumentError: a value that is not finite, or not above 0.
        """
        be = "be" if self.argument == "y" else f"have a {self.names[1]} that is"
        for sound, must in (
            (np.isfinite(self.y), f"finite ({remedy})"),
            (self.y > 0, f"> 0, as the fit is of its logarithm ({remedy})"),
        ):
            bad = np.argwhere(~sound)
            if len(bad):
                seed, row = bad[bad[:, 1].argmin()]
                found = f"{self.y[seed, row]:g} at {self.names[0]} = {self.x[row]:.4g}"
                raise ArgumentError(self.argument, f"{be} {must}", found)


def measured(x: Any, y: ArrayLike | None) -> Measured:
    """The curve of `x` and `y`, or of a Trajectory, Run or Ensemble `x`.

    Rows with x = 0 are left out, and seeds that diverged; the notes say so.

    Raises:
        ArgumentError: arrays that do not fit, x that is not finite or sorted, seeds on different clocks.
    """
    notes: list[str] = []
    risk_in_time = ("canonical time t", "risk")
    if isinstance(x, (Trajectory, Run, Ensemble)):
        require(y is None, "y", f"be left out for a {type(x).__name__}, which has its risk", "given")
        emergence = np.asarray(x.emergence_times()) if isinstance(x, Trajectory) else None
        values, times = np.atleast_2d(np.asarray(x.risk, float)), np.asarray(x.times, float)
        if isinstance(x, Ensemble):
            values, times = _sound(x, notes)
        return _sorted(times, values, emergence, risk_in_time, "x", notes)
    require(y is not None, "y", "be given with an array x", "left out")
    xs, ys = np.asarray(x, float), np.atleast_2d(np.asarray(y, float))
    require(xs.ndim == 1, "x", "be a vector, a Trajectory, a Run or an Ensemble", f"of shape {xs.shape}")
    fits = ys.ndim == 2 and ys.shape[-1] == len(xs)
    require(fits, "y", f"be of shape ({len(xs)},) or (seeds, {len(xs)})", ys.shape)
    return _sorted(xs, ys, None, ("x", "y"), "y", notes)


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


def _sorted(
    x: np.ndarray,
    y: np.ndarray,
    emergence: np.ndarray | None,
    names: tuple[str, str],
    argument: str,
    notes: list[str],
) -> Measured:
    require_finite(x, "x")
    require(bool((np.diff(x) > 0).all()), "x", "increase strictly", "not sorted or repeats")
    require(len(x) > 0 and bool(x[-1] > 0), "x", "be positive", "not")
    kept = x > 0
    if not kept.all():
        notes.append(f"{int((~kept).sum())} rows at {names[0]} ≤ 0 left out")
    return Measured(x[kept], y[:, kept], emergence, names, argument, tuple(notes))
