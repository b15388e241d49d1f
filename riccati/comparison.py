"""Theory against an SGD run: the risk curve, the overlaps and the emergence times of both."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike

from ._checks import require
from ._files import whole_file
from .crossings import first_crossings
from .flows import Coupled, Decoupled, Flow, Riccati
from .flows.base import AnyStart
from .law import EmergenceLaw
from .run_step import step_of
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
        trajectory: gradient flow.
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
        return math.nan if self.finite_step is None else _risk_deviation(self.run, self.finite_step)

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
                f"{self.trajectory.risk[-1]:.4g} in gradient flow"
            )
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """What `comparison.json` holds; times canonical, null where never, unknown or not applicable."""
        finite_step = None
        if self.finite_step is not None:
            finite_step = {
                "risk_rms_log10": _known(self.finite_step_deviation),
                "final_risk": _known(float(self.finite_step.risk[-1])),
                **self.finite_step.flow.settings(),
            }
        return {
            "flow": self.flow,
            "risk_rms_log10": _known(self.risk_rms_log10),
            "finite_step": finite_step,
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
    for k > 2 the typical one in the `Decoupled` flow. Where the run says its step size, `FiniteStep` is laid over it
    too, and for k > 2 the law of the emergence times.

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
    step, missing = step_of(run, trajectory.teacher, trajectory.start)
    finite_step, law = None, None
    if step is None:
        notes.append(f"no finite-step limit: {missing}")
    else:
        finite_step, warned = step.limit(trajectory)
        notes += warned
        law = step.law(trajectory)
    emergence = _emergences(run, trajectory, finite_step, law)
    return Comparison(run, trajectory, _risk_deviation(run, trajectory), emergence, tuple(notes), finite_step)


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


def _emergences(
    run: Run, trajectory: Trajectory, finite_step: Trajectory | None, law: EmergenceLaw | None
) -> tuple[Emergence, ...]:
    teacher = trajectory.teacher
    columns: dict[str, ArrayLike] = {"predicted": trajectory.emergence_times()}
    if run.overlaps is not None:
        columns["measured"] = first_crossings(run.times, run.overlaps)
    if teacher.link.information_exponent > 2:
        columns["decoupled"] = Decoupled().emergence_times_of(teacher, trajectory.start)
    if finite_step is not None:
        columns["finite_step"] = finite_step.emergence_times()
    if law is not None:
        columns |= {"early": law.quantile(0.25), "late": law.quantile(0.75)}
    known = {name: [_known(float(time)) for time in np.asarray(column)] for name, column in columns.items()}
    known.setdefault("measured", [None] * teacher.width)
    rows = zip(*known.values(), strict=True)
    return tuple(Emergence(m + 1, **dict(zip(known, row, strict=True))) for m, row in enumerate(rows))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cell(value: float | None, form: str = ".4g") -> str:
    return "—" if value is None else format(value, form)
