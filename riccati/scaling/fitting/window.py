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
import scipy

from ...support import require

_HALF, _ABOVE_FLOOR, _FLATTENED, _APART = 0.5, 3.0, 0.5, 3.0
_MEDIAN = 5
FEWEST = 8  # rows of a fit

RULE = "after the first emergence, before the floor"
WHOLE = "before the floor, if there is one; the curve never falls to half its first value"


def rule_window(
    x: np.ndarray, y: np.ndarray, *, has_floor: bool, emergence: np.ndarray | None = None
) -> tuple[tuple[float, float], str]:
    """The window (lo, hi) by the rule of this file, and the rule in words.

    Args:
        x: (n,), positive and increasing.
        y: (n,), positive; where two emergence times or more are known it is not looked at.
        has_floor: whether the model has a floor.
        emergence: (M,), the emergence times where they are known.

    Raises:
        ArgumentError: a curve that is too short: fewer than eight points lie within, or nothing has emerged.
    """
    known = None if emergence is None else emergence[np.isfinite(emergence)]
    if known is not None:
        _require_long(len(known) > 0, f"nothing has emerged by {x[-1]:.3g}, where it ends")
    if known is not None and len(known) > 1:
        first, last = float(known.min()), float(known.max())
        low, high, rule = _APART * first, last / _APART, RULE
        _require_long(x[-1] >= low, f"it ends at {x[-1]:.3g}, before thrice the first emergence time {first:.3g}")
        times = f"its emergence times, {first:.3g} to {last:.3g}"
        _require_long(high >= low, f"{times}, span less than a factor of {_APART**2:g}")
    else:
        low, high, rule = _by_shape(np.log(x), np.log(y), has_floor)
    inside = int(np.sum((x >= low) & (x <= high)))
    _require_long(inside >= FEWEST, f"{inside} of its {len(x)} points lie there, from {low:.3g} to {high:.3g}")
    return (low, high), rule


def _require_long(enough: bool, length: str) -> None:
    must = f"be a curve with {FEWEST} points or more {RULE}, or `window` be given"
    require(enough, "x", must, f"too short: {length}")


def needs_values(emergence: np.ndarray | None) -> bool:
    """Whether the rule looks at y."""
    return emergence is None or int(np.isfinite(emergence).sum()) < 2


def _by_shape(log_x: np.ndarray, log_y: np.ndarray, has_floor: bool) -> tuple[float, float, str]:
    smooth = scipy.ndimage.median_filter(log_y, _MEDIAN, mode="nearest")
    fallen = smooth < smooth[0] + np.log(_HALF)
    low, high = int(np.argmax(fallen)), len(log_x) - 1  # from the first row where it never is
    if not has_floor and _has_flattened(log_x[low:], smooth[low:]):
        high = int(np.flatnonzero(smooth > smooth[-1] + np.log(_ABOVE_FLOOR))[-1:].max(initial=low))
    ends = float(np.exp(log_x[low])) * (1 - 1e-12), float(np.exp(log_x[high])) * (1 + 1e-12)
    return *ends, RULE if fallen.any() else WHOLE


def _has_flattened(log_x: np.ndarray, smooth: np.ndarray) -> bool:
    quarters = np.linspace(log_x[0], log_x[-1], 5)
    slopes = []
    for begin, end in pairwise(quarters):
        inside = (log_x >= begin) & (log_x <= end)
        if inside.sum() > 2:
            slopes.append(float(np.polyfit(log_x[inside], smooth[inside], 1)[0]))
    return len(slopes) > 1 and slopes[-1] > _FLATTENED * min(slopes)
