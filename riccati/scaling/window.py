"""The window of a fit, by a stated rule: after the first emergence, before the floor.

    from    the first x at which the curve, smoothed by a running median of five, is below half its first value
            (of a trajectory, whose emergence times are known: thrice the first of them)
    to      the last x; without a floor in the model and where the curve has flattened, the last x at which it is
            above three times its last level; of a trajectory, a third of the last emergence time

A curve has flattened if its slope in the last quarter of its logarithmic range is less than half the steepest slope
of a quarter.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter

from ..support import require

_HALF, _ABOVE_FLOOR, _FLATTENED, _APART = 0.5, 3.0, 0.5, 3.0
_MEDIAN = 5
FEWEST = 8  # rows of a fit

RULE = "after the first emergence, before the floor"


def rule_window(
    x: np.ndarray, y: np.ndarray, *, has_floor: bool, emergence: np.ndarray | None = None
) -> tuple[float, float]:
    """(lo, hi) by the rule of this file.

    Args:
        x: (n,), positive and increasing.
        y: (n,), positive.
        has_floor: whether the model has a floor.
        emergence: (M,), the emergence times where they are known.

    Raises:
        ArgumentError: if fewer than eight points lie within.
    """
    if emergence is not None and np.isfinite(emergence).sum() > 1:
        known = emergence[np.isfinite(emergence)]
        low, high = _APART * float(known.min()), float(known.max()) / _APART
    else:
        low, high = _by_shape(np.log(x), np.log(y), has_floor)
    inside = int(np.sum((x >= low) & (x <= high)))
    must = f"have {FEWEST} points or more {RULE}, or `window` be given"
    require(inside >= FEWEST, "x", must, f"{inside} from {low:.3g} to {high:.3g}")
    return low, high


def _by_shape(log_x: np.ndarray, log_y: np.ndarray, has_floor: bool) -> tuple[float, float]:
    smooth = median_filter(log_y, _MEDIAN, mode="nearest")
    low = int(np.argmax(smooth < smooth[0] + np.log(_HALF)))  # 0 where it never is
    high = len(log_x) - 1
    if not has_floor and _has_flattened(log_x[low:], smooth[low:]):
        high = int(np.flatnonzero(smooth > smooth[-1] + np.log(_ABOVE_FLOOR))[-1:].max(initial=low))
    return float(np.exp(log_x[low])) * (1 - 1e-12), float(np.exp(log_x[high])) * (1 + 1e-12)


def _has_flattened(log_x: np.ndarray, smooth: np.ndarray) -> bool:
    quarters = np.linspace(log_x[0], log_x[-1], 5)
    slopes = []
    for begin, end in pairwise(quarters):
        inside = (log_x >= begin) & (log_x <= end)
        if inside.sum() > 2:
            slopes.append(float(np.polyfit(log_x[inside], smooth[inside], 1)[0]))
    return len(slopes) > 1 and slopes[-1] > _FLATTENED * min(slopes)
