"""First crossings of a level, read off values at output times; and log-odds, which nearly straighten an emergence."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

_LEAST, _MOST = 1e-300, 1 - 1e-15  # squared overlaps between which log-odds are finite


def log_odds(overlap: ArrayLike) -> Float[Array, ...]:
    """log y/(1 - y) of squared overlaps y, held finite at 0 and 1; NumPy's where y is, so that nothing compiles."""
    xp = jnp if isinstance(overlap, jax.Array) else np
    y = xp.clip(overlap, _LEAST, _MOST)
    return xp.log(y) - xp.log1p(-y)


def first_reached(reached: Bool[np.ndarray, "T M"]) -> Int[np.ndarray, " M"]:
    """The first row at which each column is true, T where it never is."""
    return np.where(reached.any(axis=0), np.argmax(reached, axis=0), len(reached))


def first_crossings(
    times: ArrayLike,
    values: ArrayLike,
    level: float,
    *,
    rates: ArrayLike | None = None,
    smooth: bool = False,
) -> Float[np.ndarray, " M"]:
    """When each column of `values` (T, M) first reaches `level`; times[0] where it is above at once, inf where never.

    Between two rows: cubic where the values' `rates` (T, M) are given, monotone cubic through the neighbours with
    `smooth`, straight otherwise. NaN counts as not logged.
    """
    t, y = np.asarray(times), np.asarray(values)
    slopes = None if rates is None else np.asarray(rates)
    found = np.full(y.shape[1], np.inf)
    with np.errstate(invalid="ignore"):
        ever = np.flatnonzero((y >= level).any(axis=0))
    for m in ever:
        known = np.isfinite(y[:, m])
        slope = None if slopes is None else slopes[known, m]
        found[m] = _crossing(t[known], y[known, m] - level, slope, smooth)
    return found


def _crossing(t: np.ndarray, y: np.ndarray, slope: np.ndarray | None, smooth: bool) -> float:
    """The first zero of y, which ends up ≥ 0."""
    from scipy.interpolate import CubicHermiteSpline, PchipInterpolator  # 0.1 s to import, needed where this runs

    g = int(np.argmax(y >= 0))
    if g == 0:
        return float(t[0])
    pair = slice(g - 1, g + 1)
    if slope is not None:
        roots = CubicHermiteSpline(t[pair], y[pair], slope[pair]).roots(extrapolate=False)
    elif smooth:
        near = slice(max(g - 3, 0), g + 2)
        roots = PchipInterpolator(t[near], y[near]).roots(extrapolate=False)
    else:
        return float(np.interp(0.0, y[pair], t[pair]))
    return float(min((r for r in roots if t[g - 1] <= r <= t[g]), default=t[g]))
