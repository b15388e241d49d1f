"""Pages: figures of panels side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from .panels import Band, Curve, EmergenceTimes, band_panel, emergence_panel, overlap_panel, risk_panel
from .style import page, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STILL = 0.02  # change of risk or overlap that is invisible in a picture


class ComparisonText(NamedTuple):
    """The texts on the page of a comparison.

    Attributes:
        problem: the problem and the step size, in one line.
        nearest: the name of the theory that the risk is compared with.
        overlap: which overlaps are drawn.
        expected: which emergence times the measured ones are compared with.
    """

    problem: str
    nearest: str
    overlap: str
    expected: str


def risk_and_overlap_page(curve: Curve, axes: Sequence[Axes] | None = None) -> Figure:
    """Draw risk on the left and squared overlaps on the right, both against canonical time, and return the figure.

    They are drawn on two `axes`, or on a new figure where none are given.
    """
    with style():
        left, right = page(2, 8.4, 3.3) if axes is None else axes
        risk_panel(left, [curve], curve.label)
        overlap_panel(right, [curve])
    return _figure_of(left)


def risk_band_page(band: Band, curve: Curve, axes: Axes | None = None) -> Figure:
    """Draw a curve and a band of risk against canonical time, on `axes` or on a new figure, which is returned."""
    assert curve.risk is not None
    with style():
        panel = page(1, 4.4, 3.3)[0] if axes is None else axes
        panel.plot(curve.times, curve.risk, curve.mark, color=curve.colour, label=curve.label)
        band_panel(panel, [band], "time $t$", "risk", "risk")
    return _figure_of(panel)


def comparison_page(
    theory: Sequence[Curve],
    run: Curve,
    emergence: EmergenceTimes,
    deviation: float,
    words: ComparisonText,
    axes: Sequence[Axes] | None = None,
    band: Band | None = None,
    directions: np.ndarray | None = None,
) -> Figure:
    """Draw risk, overlaps and emergence times of a run (points) against theory (lines), and return the figure.

    `theory` begins with the prediction; `deviation` is the rms of the log10 risk ratio to the nearest theory; `band` is
    the band of the risk; `directions` are the indices of the directions whose overlaps are drawn. The panels are drawn
    on three `axes`, or on a new figure under a line about the problem where none are given.
    """
    with style():
        left, middle, right = page(3, 11.4, 3.8, heading=0.2) if axes is None else axes
        begin = _begin([theory[0], run])
        title = "risk"
        if not np.isnan(deviation):
            title = f"risk: rms log$_{{10}}$ ratio {deviation:.2g} to {words.nearest}"
        risk_panel(left, [*theory, run], title, band, begin)
        _cut_below(left, theory[0], run)
        drawn = next((curve.overlaps.shape[1] for curve in (*theory, run) if curve.overlaps is not None), 0)
        some = "" if directions is None or len(directions) == drawn else f" of {len(directions)} of {drawn} directions"
        logged = run.overlaps is not None
        what = "lines theory, points SGD" if logged else "theory's alone, the run logged none"
        overlap_panel(middle, [*theory, run], f"overlaps{some}: {what}", directions, begin)
        middle.set_ylabel(words.overlap)
        nothing = "no direction emerged" if logged else "the run logged no overlaps:\nits emergence times are unknown"
        emergence_panel(right, emergence, words.expected, nothing)
        if 0 < len(emergence.direction) < drawn:
            right.set_title(f"emergence times: {len(emergence.direction)} of {drawn} directions have one")
        if axes is None:
            _figure_of(left).suptitle(words.problem, fontsize=8)
    return _figure_of(left)


def _begin(curves: Sequence[Curve]) -> float:
    """The time before which no curve moves: half of the first at which a risk or an overlap has changed."""
    moved = []
    for curve in curves:
        for values in (curve.risk, curve.overlaps):
            if values is not None:
                shown = values[curve.drawn]
                with np.errstate(invalid="ignore"):
                    off = np.abs(shown - values[0]).reshape(len(shown), -1).max(axis=1) > _STILL
                moved += [curve.times[curve.drawn][off][0]] if off.any() else []
    return min(moved, default=0.0) / 2


def _figure_of(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def _cut_below(axes: Axes, theory: Curve, run: Curve) -> None:
    """Cut the risk's axis below what SGD and the prediction reach."""
    drawn = [curve.risk[curve.risk > 0] for curve in (theory, run) if curve.risk is not None]
    least = min((float(risk.min(initial=np.inf)) for risk in drawn), default=np.inf)
    if np.isfinite(least):
        axes.set_ylim(bottom=max(least / 3, 1e-16))


def band_page(risk: Band, emergence: Band, axes: Sequence[Axes] | None = None) -> Figure:
    """Draw bands of risk against time on the left and of emergence times against direction on the right.

    They are drawn on two `axes`, or on a new figure where none are given; the figure is returned.
    """
    with style():
        left, right = page(2, 8.4, 3.3) if axes is None else axes
        band_panel(left, [risk], "time $t$", "risk", "risk")
        band_panel(right, [emergence], "direction $m$", "$T_m$", "emergence times")
    return _figure_of(left)
