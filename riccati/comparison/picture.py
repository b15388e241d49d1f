"""What a comparison draws: curves, bands and emergence times, and the same as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from ..support import require, require_integer
from ..trajectory import Trajectory
from .compared import Compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..plot import Band, Curve, EmergenceTimes

_BAND = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class Picture:
    """The parts of the picture.

    Attributes:
        theory: trajectories; the first is the prediction.
        run: SGD.
        found: emergence times, of directions that emerged in both or in one.
        band: of the risk over theory's draws, or None.
        directions: indices of those whose overlaps are drawn.
        deviation: the rms of log10(predicted/measured) risk of the theory that is nearest.
        nearest: the label of that theory.
        expected: what the run's emergence times are compared with.
        problem: the problem and the step, a line.
        overlap: what the overlaps are, in words.
    """

    theory: Sequence[Curve]
    run: Curve
    found: EmergenceTimes
    band: Band | None
    directions: Int[np.ndarray, " n"]
    deviation: float
    nearest: str
    expected: str
    problem: str
    overlap: str

    def draw(self, ax: Sequence[Axes] | None = None) -> Figure:
        """The three panels, on axes of the user's or a new figure."""
        from ..plot import ComparisonText, comparison_page

        words = ComparisonText(self.problem, self.nearest, self.overlap, self.expected)
        return comparison_page(self.theory, self.run, self.found, self.deviation, words, ax, self.band, self.directions)

    def rows(self) -> Iterator[str]:
        """Lines of panel, curve, direction, x, y, low, high: what is drawn, empty where there is nothing."""
        for curve in (*self.theory, self.run):
            shown = curve.drawn
            if curve.risk is not None:
                yield from _lines("risk", curve.label, None, curve.times[shown], curve.risk[shown])
            if curve.overlaps is not None:
                for m in self.directions:
                    overlaps = curve.overlaps[shown, m]
                    yield from _lines("overlap", curve.label, int(m) + 1, curve.times[shown], overlaps)
        if (band := self.band) is not None:
            yield from _lines("risk", band.label, None, band.at, band.middle, band.low, band.high)
        found = self.found
        for row in zip(found.direction, found.predicted, found.measured, found.early, found.late, strict=True):
            yield _line("emergence times", self.expected, int(row[0]), *row[1:])


def _lines(panel: str, curve: str, direction: int | None, *columns: np.ndarray) -> Iterator[str]:
    return (_line(panel, curve, direction, *row) for row in zip(*(c.tolist() for c in columns), strict=True))


def _line(panel: str, curve: str, direction: int | None, *numbers: float) -> str:
    label = curve.replace('"', "'")
    cells = ["" if not math.isfinite(x) else repr(float(x)) for x in numbers]
    cells += [""] * (4 - len(cells))
    return ",".join([panel, f'"{label}"', "" if direction is None else str(direction), *cells])


def picture_of(report: Compared, directions: Sequence[int] | None) -> Picture:
    """The picture of a comparison; `directions` from 1, or those that matter.

    Raises:
        ArgumentError: a direction that the teacher does not have.
    """
    from ..plot import COLOURS, Band, Curve, EmergenceTimes

    theory = [_curve(report.trajectory, "-", COLOURS[0])]
    if report.finite_step is not None:
        alike = report.emergence and any(e.finite_step is not None for e in report.emergence)
        theory.append(_curve(report.finite_step, "--", COLOURS[1], bool(alike)))
    run = Curve("SGD", report.run.times, report.run.risk, report.overlaps, "o", COLOURS[2])
    either = [e for e in report.emergence if report.overlaps is not None and (e.expected or e.measured)]
    columns = ([getattr(e, name) for e in either] for name in ("expected", "measured", "early", "late"))
    found = EmergenceTimes(np.array([e.direction for e in either], int), *(np.array(c, float) for c in columns))
    band = None
    if report.judgement is not None:
        draws = report.judgement.draws
        low, middle, high = (draws.risk_quantile(q) for q in _BAND)
        band = Band(f"90 % of {draws.words}", draws.times, low, middle, high, COLOURS[5])
    nearest, deviation = report.nearest
    expected = report.ratio_of.split(" T")[0]
    return Picture(
        theory, run, found, band, _shown(report, directions), deviation, nearest.flow.label, expected,
        report.problem, report.overlap,
    )  # fmt: skip


def _shown(report: Compared, directions: Sequence[int] | None) -> Int[np.ndarray, " n"]:
    """Indices of the directions to draw: the user's, or some of those that emerge in theory or in the run."""
    from ..plot import spread_out

    width = report.trajectory.teacher.width
    if directions is not None:
        for m in directions:
            require_integer(m, "directions", 1)
            require(m <= width, "directions", f"be ≤ {width}, the teacher's width", m)
        return np.array(directions, int) - 1
    emerged = np.array([e.direction - 1 for e in report.emergence if e.predicted or e.measured], int)
    among = emerged if len(emerged) else np.arange(width)
    return among[spread_out(len(among))]


def _curve(trajectory: Trajectory, mark: str, colour: str, overlaps: bool = True) -> Curve:
    from ..plot import Curve

    times, risk = np.asarray(trajectory.times), np.asarray(trajectory.risk)
    alignment = np.asarray(trajectory.alignment) if overlaps else None
    return Curve(trajectory.flow.label, times, risk, alignment, mark, colour)
