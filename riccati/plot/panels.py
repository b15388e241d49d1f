"""Panels: risk, overlaps, emergence times, fitted power laws and frontiers, each drawn on axes from arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from .style import COLOURS, log_axes, page, plain_ticks, spread_out, style, thinned

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_FLOOR = 1e-16  # the least risk that is drawn
_ON_A_LINE = 200  # points of a fitted power law


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve to draw: risk and overlaps against time.

    Attributes:
        label: its name in the legend.
        times: (T,), canonical.
        risk: (T,), or None; values that are not finite are left out.
        overlaps: (T, M), or None.
        mark: matplotlib's format of its lines or points; points are thinned.
        colour: of its risk.
    """

    label: str
    times: Float[np.ndarray, " T"]
    risk: Float[np.ndarray, " T"] | None
    overlaps: Float[np.ndarray, "T M"] | None = None
    mark: str = "-"
    colour: str = COLOURS[0]

    @property
    def drawn(self) -> Int[np.ndarray, " n"]:
        """Indices of the times that are drawn."""
        return thinned(self.times) if self.mark == "o" else np.arange(len(self.times))


@dataclass(frozen=True, eq=False)
class EmergenceTimes:
    """Measured and predicted emergence times to draw, canonical.

    Attributes:
        direction: (n,), m from 1.
        predicted, measured: (n,), NaN where the direction emerged in the other alone.
        early, late: (n,), quartiles of the law, NaN where unknown.
    """

    direction: Int[np.ndarray, " n"]
    predicted: Float[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    early: Float[np.ndarray, " n"]
    late: Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Band:
    """A band of quantiles to draw, of many runs or of a law.

    Attributes:
        label: its name in the legend.
        at: (T,), abscissae.
        low: (T,), lower quantile.
        middle: (T,), median.
        high: (T,), upper quantile; what is not finite is left out, as in the others.
        colour: of the band and its median.
    """

    label: str
    at: Float[np.ndarray, " T"]
    low: Float[np.ndarray, " T"]
    middle: Float[np.ndarray, " T"]
    high: Float[np.ndarray, " T"]
    colour: str = COLOURS[1]


def band_panel(axes: Axes, bands: Sequence[Band], xlabel: str, ylabel: str, title: str) -> list[Artist]:
    """Draw bands with their medians, both axes logarithmic; a band that is open above reaches the top."""
    shown = np.concatenate([part for band in bands for part in (band.low, band.middle, band.high)])
    shown = np.maximum(shown[np.isfinite(shown)], _FLOOR)
    bottom, top = (shown.min() / 1.3, shown.max() * 1.3) if shown.size else (1.0, 10.0)
    artists: list[Artist] = []
    for band in bands:
        known = np.isfinite(band.low)
        high = np.where(np.isfinite(band.high), np.maximum(band.high, _FLOOR), 10 * top)
        low, middle = (np.where(np.isfinite(y), np.maximum(y, _FLOOR), np.nan) for y in (band.low, band.middle))
        artists.append(axes.fill_between(band.at[known], low[known], high[known], color=band.colour, alpha=0.25, lw=0))
        artists += axes.plot(band.at, middle, "-", color=band.colour, label=band.label)
    log_axes(axes, bands[0].at, both=True)
    axes.set_ylim(bottom, top)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.legend(loc="best")
    return artists


def risk_panel(
    axes: Axes, curves: Sequence[Curve], title: str = "risk", band: Band | None = None, begin: float = 0.0
) -> list[Artist]:
    """Draw risk against canonical time from `begin` on, both logarithmic, with a band behind it."""
    artists: list[Artist] = []
    if band is not None:
        edges = (band.at, band.low, np.where(np.isfinite(band.high), band.high, 1 / _FLOOR))
        artists.append(axes.fill_between(*edges, color=band.colour, alpha=0.4, lw=0, label=band.label))
    for curve in curves:
        if curve.risk is None:
            continue
        shown = np.where(np.isfinite(curve.risk), np.maximum(curve.risk, _FLOOR), np.nan)[curve.drawn]
        artists += axes.plot(curve.times[curve.drawn], shown, curve.mark, ms=3, color=curve.colour, label=curve.label)
    log_axes(axes, _all_times(curves), both=True, begin=begin)
    axes.set(xlabel="time $t$", ylabel="risk", title=title)
    if len(curves) > 1:
        axes.legend(loc="lower left")
    return artists


def _all_times(curves: Sequence[Curve]) -> Float[np.ndarray, " n"]:
    """The times of the first curve up to the last of any: theory may end before the run."""
    last = max(float(curve.times[-1]) for curve in curves)
    times = np.asarray(curves[0].times)
    return times if times[-1] >= last else np.append(times, last)


def overlap_panel(
    axes: Axes,
    curves: Sequence[Curve],
    title: str = "emergence",
    directions: Int[np.ndarray, " n"] | None = None,
    begin: float = 0.0,
) -> list[Artist]:
    """Draw squared overlaps of some directions against canonical time; those of the first curve have labels."""
    artists: list[Artist] = []
    for n, curve in enumerate(curves):
        if curve.overlaps is None:
            continue
        shown = spread_out(curve.overlaps.shape[1]) if directions is None else directions
        for colour, m in zip(cycle(COLOURS[1:]), shown, strict=False):
            label = f"$m={m + 1}$" if n == 0 else None
            artists += axes.plot(
                curve.times[curve.drawn], curve.overlaps[curve.drawn, m], curve.mark, ms=3,
                lw=1.4 if n == 0 else 1.0, color=colour, label=label,
            )  # fmt: skip
    log_axes(axes, _all_times(curves), begin=begin)
    axes.set(xlabel="time $t$", ylabel="squared overlap", ylim=(-0.03, 1.03), title=title)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left")
    return artists


def emergence_panel(
    axes: Axes, emergence: EmergenceTimes, expected: str = "predicted", nothing: str = "no direction emerged"
) -> list[Artist]:
    """Draw measured against expected emergence times on equal axes, at the edges those that emerged in one alone.

    `nothing` is the text that is written where there are none.
    """
    known = np.r_[emergence.predicted, emergence.measured]
    known = known[np.isfinite(known) & (known > 0)]
    if not len(known):
        artist = axes.text(0.5, 0.5, nothing, ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return [artist]
    ends = np.array([known.min() / 1.3, known.max() * 1.3])
    artists: list[Artist] = [axes.fill_between(ends, ends / 1.25, ends * 1.25, color="0.88", lw=0, label="within 25 %")]
    artists += axes.plot(ends, ends, color=COLOURS[0], lw=1, label="equal")
    x, y = (np.where(np.isfinite(t), t, ends[1]) for t in (emergence.predicted, emergence.measured))
    both = np.isfinite(emergence.predicted) & np.isfinite(emergence.measured)
    artists += axes.plot(x[both], y[both], "o", ms=4, color=COLOURS[2])
    never = {
        "never in SGD": (~np.isfinite(emergence.measured), "^"),
        "never in theory": (~np.isfinite(emergence.predicted), ">"),
    }
    for label, (alone, mark) in never.items():
        if alone.any():
            artists += axes.plot(
                x[alone], y[alone], mark, ms=5, mfc="white", color=COLOURS[2], label=label, clip_on=False
            )
    law = both & np.isfinite(emergence.early) & np.isfinite(emergence.late)
    if law.any():
        ranges = (emergence.measured[law], emergence.early[law], emergence.late[law])
        artists.append(axes.hlines(*ranges, color=COLOURS[1], lw=1, label="quartiles of $T_m$"))
    for m, at in zip(emergence.direction, zip(x, y, strict=True), strict=True):
        axes.annotate(f"{m:.0f}", at, textcoords="offset points", xytext=(4, -8), fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel=f"{expected} $T_m$", ylabel="measured $T_m$", title="emergence times")
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    plain_ticks(axes.xaxis, axes.yaxis)  # less than a decade is common
    axes.legend(loc="upper left")
    return artists


def _axes(axes: Axes | None) -> Axes:
    """The axes given, or those of a new figure."""
    if axes is not None:
        return axes
    with style():
        return page(1, 4.2, 3.3)[0]


def power_law_panel(
    axes: Axes | None, x: np.ndarray, y: np.ndarray, window: tuple[float, float],
    law: Callable[[np.ndarray], np.ndarray], label: str, names: tuple[str, str],
) -> Axes:  # fmt: skip
    """Draw the curves of all seeds (S, n) and a power law, solid within its shaded window and dashed beyond it."""
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
    """Draw risk against compute, a thin line for each width and a thick one for the frontier."""
    axes = _axes(axes)
    for spent, left in curves:
        axes.loglog(spent, left, color="0.75", lw=0.8)
    axes.loglog(compute, risk, color=COLOURS[2], label=label)
    axes.set(xlabel="compute $C = Nt$", ylabel="risk")
    axes.legend(loc="lower left")
    return axes
