"""Pages: panels side by side, a figure each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .panels import Band, Curve, EmergenceTimes, band_panel, emergence_panel, overlap_panel, risk_panel
from .style import style


def course_page(curve: Curve) -> Figure:
    """Risk on the left, the squared overlaps on the right, both against canonical time."""
    with style():
        figure = Figure(figsize=(8.4, 3.3))
        left, right = figure.subplots(1, 2)
        risk_panel(left, [curve], curve.label)
        overlap_panel(right, [curve])
    return figure


def band_page(band: Band, *curves: Curve) -> Figure:
    """A band of risk beside curves, against canonical time."""
    with style():
        figure = Figure(figsize=(4.4, 3.3))
        band_panel(figure.subplots(), band, curves)
    return figure


def comparison_page(theory: Sequence[Curve], run: Curve, found: EmergenceTimes, deviation: float) -> Figure:
    """Risk, overlaps and emergence times of a run (points) against theory (lines).

    `theory` begins with the prediction that the emergence times and `deviation`, the rms of the log10 risk ratio, are
    those of.
    """
    with style():
        figure = Figure(figsize=(11.4, 3.5))
        left, middle, right = figure.subplots(1, 3)
        risk_panel(left, [*theory, run], f"risk, rms log$_{{10}}$ ratio {deviation:.2g}")
        least = min(run.risk[run.risk > 0].min(initial=np.inf), float(theory[0].risk.min()))
        if np.isfinite(least) and least > 0:
            left.set_ylim(bottom=max(least / 3, 1e-16))  # what neither SGD nor gradient flow reaches is not looked at
        overlap_panel(middle, [*theory, run], "overlaps: theory (lines), SGD (points)")
        emergence_panel(right, found)
    return figure
