"""Pages: panels side by side, a figure each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from .panels import Band, Curve, EmergenceTimes, band_panel, emergence_panel, overlap_panel, risk_panel
from .style import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def course_page(curve: Curve, axes: Sequence[Axes] | None = None) -> Figure:
    """Risk on the left, the squared overlaps on the right, both against canonical time.

    Drawn on two `axes`, or on a new figure without them; their figure is returned.
    """
    with style():
        left, right = _panels(axes, 2, (8.4, 3.3))
        risk_panel(left, [curve], curve.label)
        overlap_panel(right, [curve])
    return _figure_of(left)


def risk_band_page(band: Band, curve: Curve, axes: Axes | None = None) -> Figure:
    """A band of risk beside a curve, against canonical time; on `axes`, or on a new figure without them."""
    assert curve.risk is not None
    with style():
        panel = Figure(figsize=(4.4, 3.3)).subplots() if axes is None else axes
        panel.plot(curve.times, curve.risk, curve.mark, color=curve.colour, label=curve.label)
        band_panel(panel, [band], "time $t$", "risk", "risk")
    return _figure_of(panel)


def comparison_page(
    theory: Sequence[Curve],
    run: Curve,
    found: EmergenceTimes,
    deviation: float,
    axes: Sequence[Axes] | None = None,
    band: Band | None = None,
) -> Figure:
    """Risk, overlaps and emergence times of a run (points) against theory (lines).

    `theory` begins with the prediction that the emergence times and `deviation`, the rms of the log10 risk ratio, are
    those of; `band` is that of the risk. Drawn on three `axes`, or on a new figure without them, which is returned.
    """
    with style():
        left, middle, right = _panels(axes, 3, (11.4, 3.8))
        title = "risk" if np.isnan(deviation) else f"risk, rms log$_{{10}}$ ratio {deviation:.2g}"
        if band is not None:
            left.fill_between(band.at, band.low, band.high, color=band.colour, alpha=0.4, lw=0, label=band.label)
        risk_panel(left, [*theory, run], title)
        _cut_below(left, theory[0], run)
        overlap_panel(middle, [*theory, run], "overlaps: theory (lines), SGD (points)")
        emergence_panel(right, found)
    return _figure_of(left)


def _panels(axes: Sequence[Axes] | None, count: int, size: tuple[float, float]) -> Sequence[Axes]:
    return Figure(figsize=size).subplots(1, count) if axes is None else axes


def _figure_of(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def _cut_below(axes: Axes, theory: Curve, run: Curve) -> None:
    """What neither SGD nor the prediction reaches is not looked at."""
    drawn = [curve.risk[curve.risk > 0] for curve in (theory, run) if curve.risk is not None]
    least = min((float(risk.min(initial=np.inf)) for risk in drawn), default=np.inf)
    if np.isfinite(least):
        axes.set_ylim(bottom=max(least / 3, 1e-16))


def band_page(risk: Band, emergence: Band) -> Figure:
    """Risk against canonical time on the left, emergence times against their direction on the right, as bands."""
    with style():
        figure = Figure(figsize=(8.4, 3.3))
        left, right = figure.subplots(1, 2)
        band_panel(left, [risk], "time $t$", "risk", "risk")
        band_panel(right, [emergence], "direction $m$", "$T_m$", "emergence times")
    return figure
