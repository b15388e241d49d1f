"""A comparison of theory with an SGD run, as table, picture and JSON."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runs import Run
from ..support import require, whole_file
from ..trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..plot import Curve


@dataclass(frozen=True)
class Emergence:
    """Direction m (from 1) and its emergence times, canonical, None where never or unknown.

    `predicted` is that of the comparison's flow and `finite_step` that of the finite-step limit. For k > 2 `decoupled`
    is the exact inverse of the decoupled equation, `early` and `late` the quartiles of the law of T at the run's step.
    """

    direction: int
    predicted: float | None
    measured: float | None
    decoupled: float | None = None
    finite_step: float | None = None
    early: float | None = None
    late: float | None = None

    @property
    def ratio(self) -> float | None:
        """predicted/measured, None unless both are known and positive."""
        if self.predicted is None or not self.measured:
            return None
        return self.predicted / self.measured


@dataclass(frozen=True)
class Comparison:
    """A run beside the trajectories that theory predicts for it.

    Attributes:
        trajectory: the prediction; `trajectory.flow` says of what.
        risk_rms_log10: root mean square of log10(predicted risk/measured risk) over the logged steps with a positive
            risk.
        emergence: a row for each direction.
        notes: what had to be assumed or left out, a line each.
        finite_step: the limit at the run's step size, None where the step is unknown or the limit does not apply.
    """

    run: Run
    trajectory: Trajectory
    risk_rms_log10: float
    emergence: tuple[Emergence, ...]
    notes: tuple[str, ...]
    finite_step: Trajectory | None = None

    @property
    def finite_step_deviation(self) -> float:
        """`risk_rms_log10` of the finite-step limit, NaN without one."""
        return math.nan if self.finite_step is None else risk_deviation(self.run, self.finite_step)

    @property
    def flow(self) -> str:
        """The name of the flow that made the prediction."""
        return type(self.trajectory.flow).__name__

    def table(self) -> str:
        """The emergence times as an aligned text table, with the deviations of the risk below."""
        columns = {"predicted T": lambda e: _cell(e.predicted), "measured T": lambda e: _cell(e.measured),
                   "ratio": lambda e: _cell(e.ratio, ".3f")}  # fmt: skip
        if self.finite_step is not None:
            columns["finite-step T"] = lambda e: _cell(e.finite_step)
        if any(e.decoupled is not None for e in self.emergence):
            columns["decoupled T"] = lambda e: _cell(e.decoupled)
        if any(e.early is not None for e in self.emergence):
            columns["quartiles of T"] = lambda e: f"{_cell(e.early)} to {_cell(e.late)}"
        rows = [[str(e.direction), *(cell(e) for cell in columns.values())] for e in self.emergence]
        rows.insert(0, ["direction", *columns])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        lines.append(f"risk: rms of log10(predicted/measured) = {self.risk_rms_log10:.3f}; flow: {self.flow}")
        if self.finite_step is not None:
            final = float(self.finite_step.risk[-1])
            lines.append(
                f"risk: rms of log10(predicted/measured) = {self.finite_step_deviation:.3f}; {self.finite_step.flow!r}"
            )
            lines.append(
                f"risk at the end: {self.run.risk[-1]:.4g} measured, {final:.4g} at finite step, "
                f"{self.trajectory.risk[-1]:.4g} by {self.flow}"
            )
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """What `comparison.json` holds; times canonical, null where never, unknown or not applicable."""
        finite_step = None
        if self.finite_step is not None:
            finite_step = {
                "risk_rms_log10": known(self.finite_step_deviation),
                "final_risk": known(float(self.finite_step.risk[-1])),
                **self.finite_step.flow.settings(),
            }
        return {
            "flow": self.flow,
            "risk_rms_log10": known(self.risk_rms_log10),
            "finite_step": finite_step,
            "emergence": [{**asdict(e), "ratio": e.ratio} for e in self.emergence],
            "notes": list(self.notes),
            "run": {"source": self.run.source, "rows": len(self.run.steps)},
            "provenance": self.trajectory.provenance,
        }

    def plot(self) -> Figure:
        """Risk, overlaps and emergence times, theory as lines and SGD as points."""
        from ..plot import COLOURS, Curve, EmergenceTimes, comparison_page

        theory = [_curve(self.trajectory, "-", COLOURS[0])]
        if self.finite_step is not None:
            theory.append(_curve(self.finite_step, "--", COLOURS[1]))
        run = Curve("SGD", self.run.times, self.run.risk, self.run.overlaps, "o", COLOURS[2])
        both = [e for e in self.emergence if e.ratio is not None]
        columns = ([getattr(e, name) for e in both] for name in ("predicted", "measured", "early", "late"))
        found = EmergenceTimes(np.array([e.direction for e in both], int), *(np.array(c, float) for c in columns))
        return comparison_page(theory, run, found, self.risk_rms_log10)

    def save(self, directory: str | os.PathLike) -> None:
        """Write `comparison.png` and `comparison.json` into `directory`, each whole or not at all."""
        folder, figure = Path(directory), self.plot()
        self._spare_the_runs_files(folder)
        with whole_file(folder / "comparison.png", "directory") as temporary:
            figure.savefig(temporary)
        with whole_file(folder / "comparison.json", "directory") as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=1) + "\n")

    def _spare_the_runs_files(self, folder: Path) -> None:
        """A run named comparison.csv has its own comparison.json beside it."""
        read = Path(self.run.source)
        own = read.is_file() and read.resolve().parent == folder.resolve() and read.name.startswith("comparison.")
        must = "be another folder than that of a run named comparison, whose files it would replace"
        require(not own, "directory", must, folder)

    def __repr__(self) -> str:
        return self.table()


def _curve(trajectory: Trajectory, mark: str, colour: str) -> Curve:
    from ..plot import Curve

    times, risk = np.asarray(trajectory.times), np.asarray(trajectory.risk)
    return Curve(trajectory.flow.label, times, risk, np.asarray(trajectory.alignment), mark, colour)


def risk_deviation(run: Run, trajectory: Trajectory) -> float:
    """Root mean square of log10(predicted/measured risk) over logged steps with a positive risk; NaN without any."""
    times, risk = np.asarray(trajectory.times), np.asarray(trajectory.risk)
    inside = (run.times >= times[0]) & (run.times <= times[-1]) & (run.risk > 0)
    if not inside.any():
        return math.nan
    predicted = np.interp(run.times[inside], times, np.log10(np.maximum(risk, np.finfo(float).tiny)))
    return float(np.sqrt(np.mean((predicted - np.log10(run.risk[inside])) ** 2)))


def known(value: float) -> float | None:
    """The value, None where it is not finite."""
    return value if math.isfinite(value) else None


def _cell(value: float | None, form: str = ".4g") -> str:
    return "—" if value is None else format(value, form)
