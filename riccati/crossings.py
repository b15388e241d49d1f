"""Emergence times read off logged overlaps."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def first_crossings(
    times: Float[np.ndarray, " T"], overlaps: Float[np.ndarray, "T M"], level: float = 0.5
) -> Float[np.ndarray, " M"]:
    """First crossing of `level` by each squared overlap, straight between logged times; inf where never.

    NaN counts as not logged.
    """
    found = np.full(overlaps.shape[1], np.inf)
    for m, overlap in enumerate(overlaps.T):
        known = np.isfinite(overlap)
        t, y = times[known], overlap[known]
        above = np.flatnonzero(y >= level)
        if len(above):
            g = above[0]
            found[m] = t[g] if g == 0 else np.interp(level, y[g - 1 : g + 1], t[g - 1 : g + 1])
    return found
