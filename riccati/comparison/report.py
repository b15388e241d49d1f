"""A comparison of theory with an SGD run, as table, picture and JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ..numerics import name_of
from ..runs import Run, is_run_file
from ..support import require, whole_file
from ..trajectory import Trajectory
from .found import Check
from .verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..plot import Band, Curve
    from .judged import Judgement


_QUARTILES = 1.349  # standard deviations between the quartiles of a normal law
_SPREAD = 0.1
_BAND = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Emergence:
    """A direction and its emergence times, canonical, None where never or unknown.

    Attributes:
        direction: m, from 1.
        predicted: by the comparison's flow.
        measured: in the run.
        decoupled: for k > 2, the exact inverse of the decoupled equation.
        finite_step: in the finite-step limit.
        early, late: the quartiles of the law of T_m at the run's step; for k = 2 only with replicas.
    """

    direction: int
    predicted: float | None
    measured: float | None
    decoupled: float | None = None
    finite_step: float | None = None
    early: float | None = None
    late: float | None = None

    @property
    def spread(self) -> float:
        """The relative standard deviation of T_m: the law's, by its quartiles, or a tenth where it is not known."""
        if not self.early or self.late is None:
            return _SPREAD
        return math.log(self.late / self.early) / _QUARTILES

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
        run: the run.
        trajectory: the prediction; `trajectory.flow` says of what.
        emergence: a row for each direction.
        notes: what was left out, ended early or cannot be compared, a line each.
        assumed: what the run does not say and was taken for granted, a line each.
        finite_step: the limit at the run's step size, None where the step is unknown or the limit does not apply.
        overlaps: (T, M), the run's overlaps where they are defined as theory's are, else None.
        checks: the run's conventions, each held against what its keys say.
        judgement: the law that the run was held against, None where no replicas were asked for.
    """

    run: Run
    trajectory: Trajectory
    emergence: tuple[Emergence, ...]
    notes: tuple[str, ...]
    assumed: tuple[str, ...] = ()
    finite_step: Trajectory | None = None
    overlaps: Float[np.ndarray, "T M"] | None = None
    checks: tuple[Check, ...] = ()
    judgement: Judgement | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the run is one of those that theory draws, in one sentence."""
        if self.judgement is None:
            return Verdict(None, None, "no verdict: give replicas, the number of draws to hold the run against")
        return self.judgement.verdict

    @cached_property
    def risk_rms_log10(self) -> float:
        """Root mean square of log10(predicted risk/measured risk) over the logged steps with a positive risk."""
        return risk_deviation(self.run, self.trajectory)

    @cached_property
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
        first = [] if self.judgement is None else [f"verdict: {self.verdict}"]
        return "\n".join([*first, *lines, *self._risk_lines(), *self._remarks()])

    def _risk_lines(self) -> list[str]:
        followed = [(self.trajectory, self.risk_rms_log10)]
        if self.finite_step is not None:
            followed.append((self.finite_step, self.finite_step_deviation))
        lines = [
            f"risk: rms of log10(predicted/measured) = {deviation:.3f}; {_described(trajectory)}"
            for trajectory, deviation in followed
        ]
        ends = [f"{float(trajectory.risk[-1]):.4g} by {_described(trajectory)}" for trajectory, _ in followed]
        if self.run.risk is None:
            return [f"risk: not logged; at the end {', '.join(ends)}"]
        return [*lines, f"risk at the end: {self._last_risk:.4g} measured, {', '.join(ends)}"]

    @property
    def _last_risk(self) -> float:
        assert self.run.risk is not None
        return float(self.run.risk[np.isfinite(self.run.risk)][-1])

    def _remarks(self) -> list[str]:
        marks = {True: "check", False: "CHECK", None: "check, undecided"}
        checks = [f"{marks[check.holds]}: {check.message}" for check in self.checks]
        return [*checks, *(f"assumed: {line}" for line in self.assumed), *(f"note: {line}" for line in self.notes)]

    def to_json(self) -> dict[str, Any]:
        """What `comparison.json` holds; times canonical, null where never, unknown or not applicable."""
        finite_step = None
        if self.finite_step is not None:
            finite_step = {
                "risk_rms_log10": known(self.finite_step_deviation),
                "final_risk": known(float(self.finite_step.risk[-1])),
                "flow_label": self.finite_step.flow.label,
                "outcome": name_of(self.finite_step.outcome),
                **self.finite_step.flow.settings(),
            }
        return {
            "flow": self.flow,
            "flow_label": self.trajectory.flow.label,
            "outcome": name_of(self.trajectory.outcome),
            "risk_rms_log10": known(self.risk_rms_log10),
            "finite_step": finite_step,
            "emergence": [{**asdict(e), "ratio": e.ratio} for e in self.emergence],
            "verdict": asdict(self.verdict),
            "checks": [asdict(check) for check in self.checks],
            "assumed": list(self.assumed),
            "notes": list(self.notes),
            "run": {"source": self.run.source, "rows": len(self.run.steps)},
            "provenance": self.trajectory.provenance,
        }

    def plot(self, ax: Sequence[Axes] | None = None) -> Figure:
        """Risk, overlaps and emergence times, theory as lines and SGD as points; on three axes of the user's or new."""
        from ..plot import COLOURS, Curve, EmergenceTimes, comparison_page

        theory = [_curve(self.trajectory, "-", COLOURS[0])]
        if self.finite_step is not None:
            theory.append(_curve(self.finite_step, "--", COLOURS[1]))
        run = Curve("SGD", self.run.times, self.run.risk, self.overlaps, "o", COLOURS[2])
        both = [e for e in self.emergence if e.ratio is not None]
        columns = ([getattr(e, name) for e in both] for name in ("predicted", "measured", "early", "late"))
        found = EmergenceTimes(np.array([e.direction for e in both], int), *(np.array(c, float) for c in columns))
        return comparison_page(theory, run, found, self.risk_rms_log10, ax, self._band())

    def _band(self) -> Band | None:
        from ..plot import COLOURS, Band

        if self.judgement is None:
            return None
        law = self.judgement.band
        low, middle, high = (np.asarray(law.quantile(q)) for q in _BAND)
        return Band("90 % of runs, by the law", np.asarray(law.times), low, middle, high, COLOURS[5])

    def save(self, directory: str | os.PathLike) -> None:
        """Write `comparison.png` and `comparison.json` into `directory`, each whole or not at all.

        Raises:
            ArgumentError: a place that cannot be written to, or where one of the two would replace a file that is not
                a comparison, or stand as the JSON file of a run.
        """
        folder = Path(directory)
        _spare_the_users_files(folder)
        figure = self.plot()
        with whole_file(folder / "comparison.png", "directory") as temporary:
            figure.savefig(temporary)
        with whole_file(folder / "comparison.json", "directory") as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    def __repr__(self) -> str:
        return self.table()


def _described(trajectory: Trajectory) -> str:
    """The flow's name, and what it follows."""
    return f"{type(trajectory.flow).__name__} ({trajectory.flow.label})"


def _spare_the_users_files(folder: Path) -> None:
    """A run named comparison.csv has, or would then have, comparison.json as its own JSON file."""
    target = folder / "comparison.json"
    runs = [path.name for path in folder.glob("comparison.*") if is_run_file(path)] if folder.is_dir() else []
    spare = "be another folder: comparison.json there would be the JSON file of a run named comparison"
    require(not runs, "directory", spare, f"{folder}, with {', '.join(sorted(runs))}")
    own = "be another folder: comparison.json there was not written by Comparison.save"
    require(not os.path.lexists(target) or _is_a_comparison(target), "directory", own, folder)


def _is_a_comparison(path: Path) -> bool:
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(held, dict) and {"flow", "risk_rms_log10", "emergence"} <= held.keys()


def _curve(trajectory: Trajectory, mark: str, colour: str) -> Curve:
    from ..plot import Curve

    times, risk = np.asarray(trajectory.times), np.asarray(trajectory.risk)
    return Curve(trajectory.flow.label, times, risk, np.asarray(trajectory.alignment), mark, colour)


def risk_deviation(run: Run, trajectory: Trajectory) -> float:
    """Root mean square of log10(predicted/measured risk) over logged steps with a positive risk; NaN without any."""
    if run.risk is None:
        return math.nan
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
