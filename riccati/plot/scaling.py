"""Panels of scaling laws: a fitted power law over its curve, and a frontier over its curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from .style import COLOURS, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ON_A_LINE = 200


def _axes(axes: Axes | None) -> Axes:
    """The axes given, or those of a new figure."""
    if axes is not None:
        return axes
    with style():
        return Figure(figsize=(4.2, 3.3)).subplots()


def power_law_panel(
    axes: Axes | None, x: np.ndarray, y: np.ndarray, window: tuple[float, float],
    law: Callable[[np.ndarray], np.ndarray], label: str, names: tuple[str, str],
) -> Axes:  # fmt: skip
    """The whole curve of every seed, (S, n), the window shaded, the law within it solid and beyond it dashed."""
    axes = _axes(axes)
    axes.loglog(x, y.T, color="0.6", lw=1)
    axes.axvspan(*window, color="0.93", lw=0, zorder=0)
    whole, within = np.geomspace(x[0], x[-1], _ON_A_LINE), np.geomspace(*window, _ON_A_LINE)
    bottom, top = axes.get_ylim()
    axes.plot(whole, law(whole), "--", color=COLOURS[2], lw=1)
    axes.plot(within, law(within), color=COLOURS[2], label=label)
    axes.set(xlabel=names[0], ylabel=names[1], ylim=(bottom, top))
    axes.legend(loc="lower left")
    return axes


def frontier_panel(
    axes: Axes | None, curves: Sequence[tuple[np.ndarray, np.ndarray]], compute: np.ndarray, risk: np.ndarray,
    label: str,
) -> Axes:  # fmt: skip
    """Risk against compute, a thin line for each width's curve, and the envelope."""
    axes = _axes(axes)
    for spent, left in curves:
        axes.loglog(spent, left, color="0.75", lw=0.8)
    axes.loglog(compute, risk, color=COLOURS[2], label=label)
    axes.set(xlabel="compute $C = Nt$", ylabel="risk")
    axes.legend(loc="lower left")
    return axes
