"""Pictures of trajectories and comparisons. Theory is lines, SGD is points; matplotlib is imported here only."""

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

    from .comparison import Comparison
    from .runs import Run
    from .trajectory import Trajectory

# Okabe and Ito's palette without yellow, told apart in grey by its order of lightness
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLE: Any = {
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.size": 9.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}
_SHOWN = len(COLOURS) - 1  # directions with a colour and a label of their own
_POINTS = 60  # points of a run drawn along a curve
_FLOOR = 1e-16


@contextmanager
def style() -> Iterator[None]:
    """The one style of every picture."""
    with mpl.rc_context(_STYLE):
        yield


def plot_trajectory(trajectory: Trajectory) -> Figure:
    """Risk on the left, the alignment of each direction on the right, both against canonical time; lines."""
    times, risk = np.asarray(trajectory.times), np.asarray(trajectory.risk)
    return _risk_and_overlaps(times, risk, np.asarray(trajectory.alignment), type(trajectory.flow).__name__, "-")


def plot_run(run: Run) -> Figure:
    """Risk and squared overlaps of an SGD run against canonical time; points."""
    some = _thinned(run.times) if len(run.times) > 1 else np.arange(1)
    overlaps = np.empty((len(some), 0)) if run.overlaps is None else run.overlaps[some]
    return _risk_and_overlaps(run.times[some], run.risk[some], overlaps, "SGD", "o")


def _risk_and_overlaps(times: np.ndarray, risk: np.ndarray, aligned: np.ndarray, title: str, mark: str) -> Figure:
    with style():
        figure = Figure(figsize=(8.4, 3.3))
        left, right = figure.subplots(1, 2)
        left.plot(times, np.maximum(risk, _FLOOR), mark, ms=3, color=COLOURS[0])
        _log_axes(left, times, both=True)
        left.set(xlabel="time $t$", ylabel="risk", title=title)
        for colour, m in zip(COLOURS[1:], _spread_out(aligned.shape[1]), strict=False):
            right.plot(times, aligned[:, m], mark, ms=3, color=colour, label=f"$m={m + 1}$")
        _log_axes(right, times)
        right.set(xlabel="time $t$", ylabel="squared overlap", ylim=(-0.03, 1.03), title="emergence")
        if aligned.shape[1]:
            right.legend(loc="upper left")
    return figure


def plot_comparison(comparison: Comparison) -> Figure:
    """Risk, overlaps and emergence times of a run (points) against theory (lines)."""
    run, trajectory = comparison.run, comparison.trajectory
    with style():
        figure = Figure(figsize=(11.4, 3.5))
        left, middle, right = figure.subplots(1, 3)
        theory, logged = np.asarray(trajectory.times), run.times
        some = _thinned(logged)
        left.plot(logged[some], run.risk[some], "o", ms=3, color=COLOURS[2], label="SGD")
        left.plot(theory, np.maximum(trajectory.risk, _FLOOR), color=COLOURS[0], label="gradient flow")
        finite_step = comparison.finite_step
        if finite_step is not None:
            limit = np.asarray(finite_step.risk)
            left.plot(theory, np.where(np.isfinite(limit), limit, np.nan), "--", color=COLOURS[1], label="finite step")
        _log_axes(left, theory, both=True)
        least = min(run.risk[run.risk > 0].min(initial=np.inf), float(trajectory.risk.min()))
        left.set_ylim(bottom=max(least / 3, _FLOOR))  # what neither SGD nor gradient flow reaches is not looked at
        left.set(
            xlabel="time $t$",
            ylabel="risk",
            title=f"risk, rms log$_{{10}}$ ratio {comparison.risk_rms_log10:.2g}",
        )
        left.legend(loc="lower left")

        aligned = np.asarray(trajectory.alignment)
        at_step = None if finite_step is None else np.asarray(finite_step.alignment)
        for colour, m in zip(COLOURS[1:], _spread_out(aligned.shape[1]), strict=False):
            middle.plot(theory, aligned[:, m], color=colour, label=f"$m={m + 1}$")
            if at_step is not None:
                middle.plot(theory, at_step[:, m], "--", lw=1, color=colour)
            if run.overlaps is not None:
                middle.plot(logged[some], run.overlaps[some, m], "o", ms=3, color=colour)
        _log_axes(middle, theory)
        middle.set(
            xlabel="time $t$",
            ylabel="squared overlap",
            ylim=(-0.03, 1.03),
            title="overlaps: theory (dashed: finite step), SGD",
        )
        middle.legend(loc="upper left")

        _emergence_panel(right, comparison)
    return figure


def _emergence_panel(axes: Axes, comparison: Comparison) -> None:
    pairs = [(e.direction, e.predicted, e.measured) for e in comparison.emergence if e.ratio is not None]
    if not pairs:
        axes.text(0.5, 0.5, "no direction emerged\nin both", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    direction, predicted, measured = np.array(pairs, float).T
    ends = np.array([min(predicted.min(), measured.min()) / 1.3, max(predicted.max(), measured.max()) * 1.3])
    axes.plot(ends, ends, color=COLOURS[0], lw=1, label="equal")
    axes.fill_between(ends, ends / 1.25, ends * 1.25, color="0.88", lw=0, label="within 25 %")
    axes.plot(predicted, measured, "o", ms=4, color=COLOURS[2])
    laws = [(e.measured, e.early, e.late) for e in comparison.emergence if e.ratio is not None and e.late is not None]
    if laws:
        axes.hlines(*np.array(laws, float).T, color=COLOURS[1], lw=1, label="quartiles of $T_m$")
    for m, x, y in zip(direction, predicted, measured, strict=True):
        axes.annotate(f"{m:.0f}", (x, y), textcoords="offset points", xytext=(4, -8), fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel="predicted $T_m$", ylabel="measured $T_m$", title="emergence times")
    for axis in (axes.xaxis, axes.yaxis):  # less than a decade is common: plain numbers at 1, 2 and 5
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    axes.legend(loc="upper left")


def _spread_out(width: int) -> np.ndarray:
    """At most as many directions as there are colours, spread evenly in log m."""
    if width <= _SHOWN:
        return np.arange(width)
    return np.unique(np.round(np.geomspace(1, width, _SHOWN)).astype(int)) - 1


def _thinned(times: np.ndarray) -> np.ndarray:
    """Indices of about `_POINTS` times, spread evenly in log t."""
    positive = np.flatnonzero(times > 0)
    if len(positive) <= _POINTS:
        return positive
    wanted = np.geomspace(times[positive[0]], times[positive[-1]], _POINTS)
    return np.unique(np.searchsorted(times, wanted).clip(max=len(times) - 1))


def _log_axes(axes: Axes, times: np.ndarray, both: bool = False) -> None:
    """Logarithmic time where it spans more than a decade, and logarithmic ordinate with `both`."""
    positive = times[times > 0]
    if len(positive) > 1 and positive[-1] > 10 * positive[0]:
        axes.set_xscale("log")
        axes.set_xlim(positive[0], positive[-1])
    if both:
        axes.set_yscale("log")
