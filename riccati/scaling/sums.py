"""Sums of powers, Σ_{m=first}^{last} m^{-s}, by the Hurwitz zeta function where it converges."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import zeta

from ..support import require


def power_sum(exponent: float, first: ArrayLike, last: ArrayLike = np.inf) -> np.ndarray:
    """Σ_{m=first}^{last} m^{-s}, 0 where last < first; ζ(s, first) - ζ(s, last + 1) for s > 1.

    Args:
        exponent: s.
        first: the first m, ≥ 1.
        last: the last m; infinite only for s > 1.

    Raises:
        ArgumentError: an infinite sum with s ≤ 1, which diverges.
    """
    first, last = np.broadcast_arrays(np.asarray(first, float), np.asarray(last, float))
    if exponent > 1:
        with np.errstate(invalid="ignore"):
            beyond = np.where(np.isinf(last), 0.0, zeta(exponent, np.where(np.isinf(last), 1.0, last + 1)))
        return np.maximum(zeta(exponent, first) - beyond, 0.0)
    require(bool(np.isfinite(last).all()), "last", "be finite for exponents ≤ 1, where the sum diverges", "infinite")
    longest = int(last.max(initial=0))
    partial = np.concatenate([[0.0], np.cumsum(np.arange(1.0, longest + 1) ** -exponent)])
    return np.maximum(partial[last.astype(int)] - partial[first.astype(int) - 1], 0.0)
