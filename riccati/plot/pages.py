"""Pages: panels side by side, a figure each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from .panels import Band, Curve, EmergenceTimes, band_panel, emergence_panel, overlap_panel, risk_panel
from .style import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STILL = 0.02  # change of risk or overlap that is not seen


class ComparisonText(NamedTuple):
    """What a comparison's page says.

    Attributes:
        problem: the problem and the step, a line.
        nearest: the theory that the risk's deviation is from.
        overlap: what the overlaps are.
        expected: what the emergence times are compared with.
    """

    problem: str
    nearest: str
    overlap: str
    expected: str


def risk_and_overlap_page(curve: Curve, axes: Sequence[Axes] | None = None) -> Figure:
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
    words: ComparisonText,
    axes: Sequence[Axes] | None = None,
    band: Band | None = None,
    directions: np.ndarray | None = None,
) -> Figure:
    """Risk, overlaps and emergence times of a run (points) against theory (lines).

    `theory` begins with the prediction; `deviation` is the rms of the log10 risk ratio of the nearest of them, `words`
    what the page says; `band` is that of the risk; `directions` are the indices of those whose overlaps are drawn.
    Drawn on three `axes`, or on a new figure without them, under the problem in a line; it is returned.
    """
    with style():
        left, middle, right = _panels(axes, 3, (11.4, 3.8))
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
        emergence_panel(right, found, words.expected, nothing)
        if 0 < len(found.direction) < drawn:
            right.set_title(f"emergence times: {len(found.direction)} of {drawn} directions have one")
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


def band_page(risk: Band, emergence: Band, axes: Sequence[Axes] | None = None) -> Figure:
    """Risk against canonical time on the left, emergence times against their direction on the right, as bands.

    Drawn on two `axes`, or on a new figure without them; their figure is returned.
    """
    with style():
        left, right = _panels(axes, 2, (8.4, 3.3))
        band_panel(left, [risk], "time $t$", "risk", "risk")
        band_panel(right, [emergence], "direction $m$", "$T_m$", "emergence times")
    return _figure_of(left)
