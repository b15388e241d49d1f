"""The style of all pictures, and the choice of which of many curves and points are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Okabe and Ito's palette without yellow, distinguishable in grey by its order of lightness
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLE: Any = {
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,  # inches
    "axes.titlesize": 8.0,
    "axes.titley": 1.0,  # else all ticks are laid out once more, to see whether any is in a title's way
    "font.size": 8.0,
    "legend.fontsize": 7.0,
    "legend.handlelength": 1.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}
COLUMN, PAGE = 8.5 / 2.54, 17.8 / 2.54  # widths of a column and of a page in inches
_HEIGHT = 5.8 / 2.54  # of one panel
# of a page, in inches: its margins, and from one panel to the next
_LEFT, _RIGHT, _BELOW, _TITLE, _BETWEEN = 0.65, 0.15, 0.45, 0.25, 0.7
_SHOWN = len(COLOURS) - 1  # directions with a colour and a label of their own
_BEYOND = 1e300  # finite, so that quantiles may lie between it and others
_POINTS = 60  # points of a run drawn along a curve


@contextmanager
def style() -> Iterator[None]:
    """A context in which matplotlib draws in the style of all pictures."""
    with mpl.rc_context(_STYLE):
        yield


def sheet(width: float, panels: int, height: float = 1.0) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side on a page, or one above the other in a column; `height` times the usual one."""
    beside = width > (COLUMN + PAGE) / 2
    rows, columns = (1, panels) if beside else (panels, 1)
    figure = Figure(figsize=(width, height * _HEIGHT * rows))
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def page(panels: int, width: float, height: float, heading: float = 0.0) -> list[Axes]:
    """Panels side by side on a new figure, `heading` of whose height is free above their titles, all in inches.

    Margins are fixed and have room for the labels of any ticks: to fit them, as `sheet` does, takes as long as to draw.
    """
    inner = (width - _LEFT - _RIGHT - (panels - 1) * _BETWEEN) / panels
    places = {
        "left": _LEFT / width, "right": 1 - _RIGHT / width, "bottom": _BELOW / height,
        "top": 1 - (_TITLE + heading) / height, "wspace": _BETWEEN / inner,
    }  # fmt: skip
    with mpl.rc_context({"figure.constrained_layout.use": False}):  # an engine that does nothing draws all twice too
        figure = Figure(figsize=(width, height))
    return list(figure.subplots(1, panels, squeeze=False, gridspec_kw=places)[0])


def plain_ticks(*axes: Axis) -> None:
    """Plain numbers at 1, 2 and 5 on logarithmic axes that span little more than a decade."""
    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")


def shades(count: int) -> list[Any]:
    """Colours of an ordered family of curves, from dark to light, distinguishable in grey."""
    return [mpl.colormaps["viridis"](x) for x in np.linspace(0.0, 0.82, max(count, 2))[:count]]


def reference_slope(
    axes: Axes, start: tuple[float, float], end: float, slope: float, formula: str, below: bool = False
) -> None:
    """Draw the power law from `start` to the abscissa `end`, dashed, its formula above its middle or `below` it."""
    left = below == (slope <= 0)  # the side to which the line leaves room
    x, y = start
    axes.plot([x, end], [y, y * (end / x) ** slope], "--", color="0.35", lw=0.9)
    middle = np.sqrt(x * end)
    axes.annotate(
        formula, (middle, y * (middle / x) ** slope), textcoords="offset points", fontsize=7, color="0.2",
        xytext=(-4 if left else 4, -4 if below else 4), ha="right" if left else "left",
        va="top" if below else "baseline",
    )  # fmt: skip


def points_with_spread(
    axes: Axes, x: np.ndarray, values: np.ndarray, colour: Any = COLOURS[0], label: str | None = None, mark: str = "o"
) -> None:
    """Draw medians of `values` (S, n) over S seeds as points at x (n,), with bars from the first to the ninth decile.

    Values that are not finite count as larger than all others. A median that is not finite is left out, and a bar ends
    at the largest finite value.
    """
    finite = np.isfinite(values)
    deciles = np.quantile(np.where(finite, values, _BEYOND), [0.1, 0.5, 0.9], axis=0)
    largest = np.max(values, axis=0, where=finite, initial=-np.inf)
    shown = deciles[1] <= largest
    low, middle, high = np.minimum(deciles, largest)[:, shown]
    axes.errorbar(
        x[shown], middle, [middle - low, high - middle], fmt=mark, ms=3, mfc="white", mew=0.9,
        lw=0, elinewidth=0.8, color=colour, label=label, zorder=3,
    )  # fmt: skip


def curve_with_spread(
    axes: Axes, x: np.ndarray, values: np.ndarray, colour: Any = COLOURS[0], label: str | None = None, mark: str = "o",
    *, first: float, count: int = 14,
) -> None:  # fmt: skip
    """Draw `points_with_spread` of curves (S, T) at about `count` of their x (T,) from `first` on, evenly in log x."""
    logged = _evenly(x, np.flatnonzero(x >= first), count)
    points_with_spread(axes, x[logged], values[:, logged], colour, label, mark)


def _evenly(x: np.ndarray, usable: np.ndarray, count: int) -> np.ndarray:
    """About `count` of the indices from the first to the last of `usable`, spread evenly in log x."""
    wanted = np.geomspace(x[usable[0]], x[usable[-1]], count)
    return np.unique(np.searchsorted(x, wanted).clip(max=len(x) - 1))


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
    return _evenly(times, positive, _POINTS)


def log_axes(axes: Axes, times: np.ndarray, both: bool = False, begin: float = 0.0) -> None:
    """Logarithmic time where it spans more than a decade from `begin` on, and logarithmic ordinate with `both`."""
    positive = times[times > 0]
    if len(positive) > 1:
        first = max(positive[0], begin)
        if positive[-1] > 10 * first:
            axes.set_xscale("log")
            axes.set_xlim(first, positive[-1])
    if both:
        axes.set_yscale("log")
