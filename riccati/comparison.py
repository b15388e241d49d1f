"""Theory against an SGD run: the risk curve, the overlaps and the emergence times of both."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import require
from ._files import whole_file
from .flows import Coupled, Decoupled, Flow, Riccati
from .flows.base import AnyStart
from .runs import Run
from .solver import best_flow, solve
from .start import Start
from .teacher import Teacher
from .trajectory import Trajectory
from .typical import TypicalStart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FILL_IN_SEED, _FILL_IN_NORM = 0, 1e-2  # of a start that stands in for one that was not logged


@dataclass(frozen=True)
class Emergence:
    """Direction m (from 1) and its emergence times, canonical, None where never.

    `predicted` is that of the comparison's flow, `decoupled` the exact inverse of the decoupled equation (k > 2).
    """

    direction: int
    predicted: float | None
    measured: float | None
    decoupled: float | None = None

    @property
    def ratio(self) -> float | None:
        """predicted/measured, None unless both are known and positive."""
        if self.predicted is None or not self.measured:
            return None
        return self.predicted / self.measured


@dataclass(frozen=True)
class Comparison:
    """A run beside the trajectory that theory predicts for it.

    `risk_rms_log10` is the root mean square of log10(predicted risk/measured risk) over the logged steps with a
    positive risk. `notes` says what had to be assumed.
    """

    run: Run
    trajectory: Trajectory
    risk_rms_log10: float
    emergence: tuple[Emergence, ...]
    notes: tuple[str, ...]

    @property
    def flow(self) -> str:
        """The name of the flow that made the prediction."""
        return type(self.trajectory.flow).__name__

    def table(self) -> str:
        """The emergence times as an aligned text table, with the risk's deviation below."""
        with_decoupled = any(e.decoupled is not None for e in self.emergence)
        lines = [f"{'direction':>9} {'predicted T':>12} {'measured T':>12} {'ratio':>7}"]
        lines[0] += f" {'decoupled T':>12}" if with_decoupled else ""
        for e in self.emergence:
            cells = [_cell(e.predicted, 12), _cell(e.measured, 12), _cell(e.ratio, 7, ".3f")]
            cells += [_cell(e.decoupled, 12)] if with_decoupled else []
            lines.append(f"{e.direction:>9} " + " ".join(cells))
        lines.append(f"risk: rms of log10(predicted/measured) = {self.risk_rms_log10:.3f}; flow: {self.flow}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """What `comparison.json` holds; times canonical, null where never or unknown."""
        return {
            "flow": self.flow,
            "risk_rms_log10": self.risk_rms_log10 if math.isfinite(self.risk_rms_log10) else None,
            "emergence": [{**asdict(e), "ratio": e.ratio} for e in self.emergence],
            "notes": list(self.notes),
            "run": {"source": self.run.source, "rows": len(self.run.steps)},
            "provenance": self.trajectory.provenance,
        }

    def plot(self) -> Figure:
        """Risk, overlaps and emergence times, theory as lines and SGD as points."""
        from .plot import plot_comparison

        return plot_comparison(self)

    def save(self, directory: str | os.PathLike) -> None:
        """Write `comparison.png` and `comparison.json` into `directory`, each whole or not at all."""
        folder, figure = Path(directory), self.plot()
        with whole_file(folder / "comparison.png") as temporary:
            figure.savefig(temporary)
        with whole_file(folder / "comparison.json") as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=1) + "\n")

    def __repr__(self) -> str:
        return self.table()


def compare(run: Run, trajectory: Trajectory | None = None) -> Comparison:
    """Lay theory over a run.

    Without `trajectory` the flow is chosen for the run: `Riccati` for Stiefel SGD, whose risk is that after the
    optimal radial fit; `Quadratic` for the link h_2; else `Coupled` from the run's initial overlaps, with the
    decoupled emergence times beside it for k > 2. Where no overlaps were logged a start stands in: drawn in law, or
    for k > 2 the typical one in the `Decoupled` flow.

    Raises:
        ArgumentError: if the run lacks what the theory needs, or `trajectory` is of another teacher width.
    """
    require(isinstance(run, Run), "run", "be a riccati.Run", type(run).__name__)
    notes = list(run.notes)
    if trajectory is None:
        teacher = run.teacher
        start: AnyStart
        if run.start is not None:
            start = run.start
        else:
            start, note = _stand_in(run, teacher)
            notes.append(note)
        trajectory = solve(_flow_for(run, teacher, start), teacher, start, run.times)
    elif run.overlaps is not None:
        logged = run.overlaps.shape[1]
        require(trajectory.teacher.width == logged, "trajectory", f"have {logged} directions", trajectory.teacher.width)
    if run.overlaps is None:
        notes.append("the run logged no overlaps: measured emergence times are unknown")
    return Comparison(run, trajectory, _risk_deviation(run, trajectory), _emergences(run, trajectory), tuple(notes))


def _flow_for(run: Run, teacher: Teacher, start: AnyStart) -> Flow:
    if run.kind == "stiefel_quadratic":
        return Riccati()
    if teacher.link.degree == 2 or isinstance(start, TypicalStart):
        return best_flow(teacher)
    return Coupled()


def _stand_in(run: Run, teacher: Teacher) -> tuple[AnyStart, str]:
    config = run.config
    for key in ("student_width", "dim"):
        require(config.get(key) is not None, key, "be given, as the run has no initial_overlaps", "missing")
    norm = float(np.mean(config.get("init_norm", _FILL_IN_NORM)))
    width, dim = config["student_width"], config["dim"]
    if teacher.link.information_exponent > 2:
        typical = Start.typical(teacher, width, dim, norm)
        return typical, "no initial_overlaps in the run: the typical start stands in"
    start = Start.random(teacher, width, dim, norm, _FILL_IN_SEED)
    return start, f"no initial_overlaps in the run: a random start drawn in law (seed {_FILL_IN_SEED}) stands in"


def _risk_deviation(run: Run, trajectory: Trajectory) -> float:
    times, risk = np.asarray(trajectory.times), np.asarray(trajectory.risk)
    inside = (run.times >= times[0]) & (run.times <= times[-1]) & (run.risk > 0)
    if not inside.any():
        return math.nan
    predicted = np.interp(run.times[inside], times, np.log10(np.maximum(risk, np.finfo(float).tiny)))
    return float(np.sqrt(np.mean((predicted - np.log10(run.risk[inside])) ** 2)))


def measured_emergence(times: np.ndarray, overlaps: np.ndarray, level: float = 0.5) -> np.ndarray:
    """First crossing of `level` by each logged squared overlap, straight between logged times; inf where never."""
    found = np.full(overlaps.shape[1], np.inf)
    for m, overlap in enumerate(overlaps.T):
        known = np.isfinite(overlap)
        t, y = times[known], overlap[known]
        above = np.flatnonzero(y >= level)
        if len(above):
            g = above[0]
            found[m] = t[g] if g == 0 else np.interp(level, y[g - 1 : g + 1], t[g - 1 : g + 1])
    return found


def _emergences(run: Run, trajectory: Trajectory) -> tuple[Emergence, ...]:
    teacher = trajectory.teacher
    predicted = np.asarray(trajectory.emergence_times())
    measured = np.full(len(predicted), np.inf)
    if run.overlaps is not None:
        measured = measured_emergence(run.times, run.overlaps)
    decoupled = np.full(len(predicted), np.inf)
    if teacher.link.information_exponent > 2:
        decoupled = np.asarray(Decoupled().emergence_times_of(teacher, trajectory.start))
    columns = zip(predicted, measured, decoupled, strict=True)
    return tuple(Emergence(m + 1, *(_known(time) for time in times)) for m, times in enumerate(columns))


def _known(time: float) -> float | None:
    return float(time) if math.isfinite(time) else None


def _cell(value: float | None, width: int, form: str = ".4g") -> str:
    return f"{'—' if value is None else format(value, form):>{width}}"
