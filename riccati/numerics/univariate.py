"""Functions of one variable: log-odds, the first crossing of a level, and Gauss-Legendre quadrature.

An overlap that emerges is nearly a straight line in its log-odds, so crossings are best interpolated in these.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from ..support import namespace_of

_LEAST, _MOST = 1e-300, 1 - 1e-15  # squared overlaps between which log-odds are finite


def log_odds(overlap: ArrayLike) -> Float[Array, ...]:
    """log y/(1 - y) of squared overlaps y, kept finite at 0 and 1; NumPy arrays compile nothing."""
    xp = jnp if isinstance(overlap, jax.Array) else np
    y = xp.clip(overlap, _LEAST, _MOST)
    return xp.log(y) - xp.log1p(-y)


def first_reached(reached: Bool[np.ndarray, "T M"]) -> Int[np.ndarray, " M"]:
    """The first row at which each column is true, (M,); T where a column never is."""
    return np.where(reached.any(axis=0), np.argmax(reached, axis=0), len(reached))


def first_crossings(
    times: ArrayLike,
    values: ArrayLike,
    level: float,
    *,
    rates: ArrayLike | None = None,
    smooth: bool = False,
) -> Float[np.ndarray, " M"]:
    """The time at which each column of `values` (T, M) first reaches `level`, (M,).

    It is times[0] where a column starts above the level, and inf where it never reaches it. Between two rows the
    interpolation is cubic where the time derivatives `rates` (T, M) are given, monotone cubic through the neighbours
    with `smooth`, else linear. A NaN counts as a value that was not logged.
    """
    t, y = np.asarray(times), np.asarray(values)
    slopes = None if rates is None else np.asarray(rates)
    first = np.full(y.shape[1], np.inf)
    with np.errstate(invalid="ignore"):
        ever = np.flatnonzero((y >= level).any(axis=0))
    for m in ever:
        known = np.isfinite(y[:, m])
        slope = None if slopes is None else slopes[known, m]
        first[m] = _crossing(t[known], y[known, m] - level, slope, smooth)
    return first


def _crossing(t: np.ndarray, y: np.ndarray, slope: np.ndarray | None, smooth: bool) -> float:
    """The first time at which y, which is ≥ 0 somewhere, reaches 0."""
    g = int(np.argmax(y >= 0))
    if g == 0:
        return float(t[0])
    pair = slice(g - 1, g + 1)
    if slope is not None:
        roots = scipy.interpolate.CubicHermiteSpline(t[pair], y[pair], slope[pair]).roots(extrapolate=False)
    elif smooth:
        near = slice(max(g - 3, 0), g + 2)
        roots = scipy.interpolate.PchipInterpolator(t[near], y[near]).roots(extrapolate=False)
    else:
        return float(np.interp(0.0, y[pair], t[pair]))
    return float(min((r for r in roots if t[g - 1] <= r <= t[g]), default=t[g]))


@cache
def unit_nodes(count: int) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, " count"]]:
    """Nodes in (0, 1) and weights that sum to 1 of the rule exact for polynomials of degree 2·count - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def panel_nodes(
    low: ArrayLike, high: ArrayLike, panels: int, count: int
) -> tuple[Float[Array, "... panels count"], Float[Array, "... panels count"]]:
    """Nodes and weights of ∫_low^high on `panels` panels of equal width with `count` nodes each."""
    nodes, weights = unit_nodes(count)
    xp: Any = namespace_of(low, high)
    first, last = xp.broadcast_arrays(xp.asarray(low), xp.asarray(high))
    width = (last - first) / panels
    edges = first[..., None] + width[..., None] * np.arange(panels)
    return edges[..., None] + width[..., None, None] * nodes, xp.broadcast_to(
        width[..., None, None] * weights, (*edges.shape, count)
    )
