"""The picture of a comparison and its files: PNG, PDF, the numbers drawn, and JSON; no file of the user is replaced."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from ..runs import is_run_file
from ..support import require, whole_file
from ..trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..plot import Band, Curve, EmergenceTimes

_CURVES = "comparison_curves.csv"
_HEADER = "panel,curve,direction,x,y,low,high"
BAND = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class Picture:
    """The parts of the picture.

    Attributes:
        theory: trajectories; the first is the prediction.
        run: SGD.
        emergence: times, of directions that emerged in both or in one.
        band: of the risk over theory's draws, or None.
        directions: indices of those whose overlaps are drawn.
        deviation: the rms of log10(predicted/measured) risk of the theory that is nearest to the run.
        nearest: the label of that theory.
        expected: what the run's emergence times are compared with.
        problem: the problem and the step, a line.
        overlap: what the overlaps are, in words.
    """

    theory: Sequence[Curve]
    run: Curve
    emergence: EmergenceTimes
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
        return comparison_page(
            self.theory, self.run, self.emergence, self.deviation, words, ax, self.band, self.directions
        )

    def rows(self) -> Iterator[str]:
        """The numbers that are drawn, as rows of panel, curve, direction, x, y, low, high; cells may be empty."""
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
        times = self.emergence
        for row in zip(times.direction, times.predicted, times.measured, times.early, times.late, strict=True):
            yield _line("emergence times", self.expected, int(row[0]), *row[1:])

    def save(self, folder: Path, held: dict[str, object]) -> None:
        """Write the four files, each whole or not at all, with `held` as the JSON; see `Comparison.save`."""
        _spare_the_users_files(folder)
        figure = self.draw()
        for name in ("comparison.png", "comparison.pdf"):
            with whole_file(folder / name, "directory") as temporary:
                figure.savefig(temporary, format=name[-3:])
        with whole_file(folder / "comparison.json", "directory") as temporary:
            temporary.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
        with whole_file(folder / _CURVES, "directory") as temporary:
            temporary.write_text("\n".join([_HEADER, *self.rows()]) + "\n", encoding="utf-8")


def _lines(panel: str, curve: str, direction: int | None, *columns: np.ndarray) -> Iterator[str]:
    return (_line(panel, curve, direction, *row) for row in zip(*(c.tolist() for c in columns), strict=True))


def _line(panel: str, curve: str, direction: int | None, *numbers: float) -> str:
    label = curve.replace('"', "'")
    cells = ["" if not math.isfinite(x) else repr(float(x)) for x in numbers]
    cells += [""] * (4 - len(cells))
    return ",".join([panel, f'"{label}"', "" if direction is None else str(direction), *cells])


def curve_of(trajectory: Trajectory, mark: str, colour: str, overlaps: bool = True) -> Curve:
    """The curves of a trajectory, the risk alone without `overlaps`."""
    from ..plot import Curve

    times, risk = np.asarray(trajectory.times), np.asarray(trajectory.risk)
    alignment = np.asarray(trajectory.alignment) if overlaps else None
    return Curve(trajectory.flow.label, times, risk, alignment, mark, colour)


def _spare_the_users_files(folder: Path) -> None:
    """A run named comparison.csv has, or would then have, comparison.json as its own JSON file."""
    target = folder / "comparison.json"
    runs = [path.name for path in folder.glob("comparison.*") if is_run_file(path)] if folder.is_dir() else []
    spare = "be another folder: comparison.json there would be the JSON file of a run named comparison"
    require(not runs, "directory", spare, f"{folder}, with {', '.join(sorted(runs))}")
    own = "be another folder: comparison.json there was not written by Comparison.save"
    require(not os.path.lexists(target) or _is_a_comparison(target), "directory", own, folder)
    curves = folder / _CURVES
    ours = f"be another folder: {_CURVES} there was not written by Comparison.save"
    require(not os.path.lexists(curves) or _are_curves(curves), "directory", ours, folder)


def _is_a_comparison(path: Path) -> bool:
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(held, dict) and {"flow", "risk_rms_log10", "emergence"} <= held.keys()


def _are_curves(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().strip() == _HEADER
    except (OSError, ValueError):
        return False
