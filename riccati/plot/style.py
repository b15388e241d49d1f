"""The one style of every picture, and how many of many curves and points are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from cycler import cycler

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette without yellow, told apart in grey by its order of lightness
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLE: Any = {
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,  # inches
    "font.size": 9.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}
_SHOWN = len(COLOURS) - 1  # directions with a colour and a label of their own
_POINTS = 60  # points of a run drawn along a curve


@contextmanager
def style() -> Iterator[None]:
    """The one style of every picture."""
    with mpl.rc_context(_STYLE):
        yield


def spread_out(width: int) -> np.ndarray:
    """At most as many directions as there are colours, spread evenly in log m."""
    if width <= _SHOWN:
        return np.arange(width)
    return np.unique(np.round(np.geomspace(1, width, _SHOWN)).astype(int)) - 1


def thinned(times: np.ndarray) -> np.ndarray:
    """Indices of about sixty times, spread evenly in log t."""
    positive = np.flatnonzero(times > 0)
    if len(times) == 1:
        return np.arange(1)
    if len(positive) <= _POINTS:
        return positive
    wanted = np.geomspace(times[positive[0]], times[positive[-1]], _POINTS)
    return np.unique(np.searchsorted(times, wanted).clip(max=len(times) - 1))


def log_axes(axes: Axes, times: np.ndarray, both: bool = False) -> None:
    """Logarithmic time where it spans more than a decade, and logarithmic ordinate with `both`."""
    positive = times[times > 0]
    if len(positive) > 1 and positive[-1] > 10 * positive[0]:
        axes.set_xscale("log")
        axes.set_xlim(positive[0], positive[-1])
    if both:
        axes.set_yscale("log")
