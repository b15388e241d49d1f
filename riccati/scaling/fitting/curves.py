"""The curve that a power law is fitted to, made of arrays, a trajectory, a run or an ensemble, with all its seeds."""

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
class MeasuredCurve:
    """A curve at n points for each of S seeds.

    Attributes:
        x: (n,), positive, strictly increasing.
        y: (S, n), what is there; `require_positive` says whether it can be fitted.
        emergence: (M,), emergence times where the theory knows them, else None.
        names: of x and y.
        argument: the name of the argument that y came from, for messages.
        notes: what was left out, a line each.
    """

    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, "S n"]
    emergence: Float[np.ndarray, " M"] | None = None
    names: tuple[str, str] = ("x", "y")
    argument: str = "y"
    notes: tuple[str, ...] = ()

    def within(self, window: tuple[float, float]) -> MeasuredCurve:
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
                value = f"{self.y[seed, row]:g} at {self.names[0]} = {self.x[row]:.4g}"
                raise ArgumentError(self.argument, f"{be} {must}", value)


def measured_curve(x: Any, y: ArrayLike | None) -> MeasuredCurve:
    """The curve of `x` and `y`, or of a Trajectory, Run or Ensemble `x`.

    Rows with x = 0 are left out, and seeds that diverged; the notes say so.

    Raises:
        ArgumentError: arrays that do not fit, x that is not finite or sorted, seeds on different clocks.
    """
    risk_in_time = ("canonical time t", "risk")
    if isinstance(x, (Trajectory, Run, Ensemble)):
        require(y is None, "y", f"be left out for a {type(x).__name__}, which has its risk", "given")
        if isinstance(x, Ensemble):
            return _of_ensemble(x, risk_in_time)
        emergence = np.asarray(x.emergence_times()) if isinstance(x, Trajectory) else None
        values, times = np.atleast_2d(np.asarray(x.risk, float)), np.asarray(x.times, float)
        return _at_positive(MeasuredCurve(times, values, emergence, risk_in_time, "x"))
    require(y is not None, "y", "be given with an array x", "left out")
    xs, ys = np.asarray(x, float), np.atleast_2d(np.asarray(y, float))
    require(xs.ndim == 1, "x", "be a vector, a Trajectory, a Run or an Ensemble", f"of shape {xs.shape}")
    fits = ys.ndim == 2 and ys.shape[-1] == len(xs)
    require(fits, "y", f"be of shape ({len(xs)},) or (seeds, {len(xs)})", ys.shape)
    return _at_positive(MeasuredCurve(xs, ys))


def _of_ensemble(ensemble: Ensemble, names: tuple[str, str]) -> MeasuredCurve:
    """Risk in time of the seeds that did not diverge."""
    sound = np.isfinite(ensemble.risk).all(1)
    require(bool(sound.any()), "x", "have a run that did not diverge", "an ensemble of diverged runs")
    notes = () if sound.all() else (f"{int((~sound).sum())} of {len(sound)} seeds diverged and are left out",)
    clocks = ensemble.times[sound]
    must = "have one clock for all seeds (fit its runs one by one otherwise)"
    require(bool(np.allclose(clocks, clocks[0], rtol=1e-9)), "x", must, "an ensemble with state-dependent steps")
    return _at_positive(MeasuredCurve(clocks[0], ensemble.risk[sound], None, names, "x", notes))


def _at_positive(curve: MeasuredCurve) -> MeasuredCurve:
    """The rows with x > 0 of a curve whose x increases."""
    x = curve.x
    require_finite(x, "x")
    require(bool((np.diff(x) > 0).all()), "x", "increase strictly", "not sorted or repeats")
    require(len(x) > 0 and bool(x[-1] > 0), "x", "be positive", "not")
    kept = x > 0
    if kept.all():
        return curve
    note = f"{int((~kept).sum())} rows at {curve.names[0]} ≤ 0 left out"
    return replace(curve, x=x[kept], y=curve.y[:, kept], notes=(*curve.notes, note))
