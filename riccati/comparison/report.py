"""The result of a comparison of an SGD run with theory: its numbers, as a table, a picture, JSON and files."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from ..numerics import Outcome, is_outcome, name_of
from ..runs import Run
from ..support import require, require_integer, warn_renamed
from ..trajectory import Trajectory
from .checks import Check
from .draws import Draws
from .emergence import Emergence, known
from .picture import BAND, Picture, curve_of
from .theory import definition_of, risk_deviation
from .verdict import UNASKED, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OVERLAPS = {
    "subspace": "squared overlap with the student's span",
    "neuron": "largest squared cosine of a neuron",
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A run beside the trajectories that theory predicts for it; what `compare` returns.

    Attributes:
        run: the run.
        trajectory: the prediction; `trajectory.flow` is its flow.
        emergence: a row for each direction, with its emergence times in canonical time.
        notes: what was left out, ended early or cannot be compared, a line each.
        assumed: conventions that the run does not state and that were assumed, a line each.
        finite_step: the limit at the run's step size, None where the step is unknown or the limit does not apply.
        overlaps: (T, M), the run's overlaps where they are defined as theory's are, else None.
        checks: the checks of the run's conventions against what its keys say.
        verdict: whether the run is consistent with theory; `str(verdict)` is one sentence.
        draws: the draws of theory that the run was compared with; None where there are none.

    Example:
        >>> import riccati as rc
        >>> report = rc.compare(rc.Run.load("gaussian-rows"))
        >>> report.flow
        'Quadratic'
        >>> [row.ratio and round(row.ratio, 2) for row in report.emergence]
        [1.01, 0.99, 1.01, 0.98, None, 1.05, 0.99, None]
        >>> round(report.risk_rms_log10, 3)
        0.001
        >>> [(check.name, check.holds) for check in report.checks]
        [('loss', True), ('overlap', True), ('clock', True)]
    """

    run: Run
    trajectory: Trajectory
    emergence: tuple[Emergence, ...]
    notes: tuple[str, ...]
    assumed: tuple[str, ...] = ()
    finite_step: Trajectory | None = None
    overlaps: Float[np.ndarray, "T M"] | None = None
    checks: tuple[Check, ...] = ()
    verdict: Verdict = UNASKED
    draws: Draws | None = None

    @property
    def judgement(self) -> Comparison | None:
        """The old name of what `verdict` and `draws` hold."""
        warn_renamed("Comparison.judgement", "verdict and draws of the Comparison itself")
        return None if self.draws is None else self

    @cached_property
    def risk_rms_log10(self) -> float:
        """Root mean square of log10(predicted risk/measured risk) over the logged steps with a positive risk."""
        return risk_deviation(self.run, self.trajectory)

    @cached_property
    def finite_step_deviation(self) -> float:
        """`risk_rms_log10` of the finite-step limit, NaN without one."""
        return math.nan if self.finite_step is None else risk_deviation(self.run, self.finite_step)

    @property
    def nearest(self) -> tuple[Trajectory, float]:
        """The trajectory whose risk is nearest to the run's, and its rms log10 risk ratio."""
        if self.finite_step is not None and self.finite_step_deviation <= self.risk_rms_log10:
            return self.finite_step, self.finite_step_deviation
        return self.trajectory, self.risk_rms_log10

    @property
    def overlap(self) -> str:
        """The definition of the overlaps in words."""
        return _OVERLAPS[definition_of(self.trajectory)]

    @property
    def problem(self) -> str:
        """The problem and the step in one line: link, widths, dimension, batch, step size and γ = ηd/B."""
        teacher, config = self.trajectory.teacher, self.run.config
        said = {"M": teacher.width, "N": self.trajectory.start.student_width, "d": self.trajectory.start.dim}
        said |= {"B": config.get("batch_size"), "η": config.get("learning_rate"), "ε": config.get("riccati_step")}
        if self.run.clock is not None:
            said["η"] = None
        if self.finite_step is not None:
            said["γ"] = getattr(self.finite_step.flow, "gamma", None)
        numbers = [f"{name} = {value:.4g}" for name, value in said.items() if value is not None]
        return ", ".join([f"link {teacher.link.label}", *numbers])

    @property
    def flow(self) -> str:
        """The name of the flow that made the prediction."""
        return type(self.trajectory.flow).__name__

    @property
    def ratio_of(self) -> str:
        """The words for a row's `ratio`: which time is divided by which."""
        known_law = any(e.median is not None for e in self.emergence)
        return f"{'median' if known_law else 'predicted'} T / measured T"

    def table(self) -> str:
        """The verdict, the emergence times as an aligned text table, then the risk, checks, assumptions and notes."""
        columns = {"predicted T": lambda e: _cell(e.predicted)}
        if self.finite_step is not None:
            columns["finite-step T"] = lambda e: _cell(e.finite_step)
        if any(e.decoupled is not None for e in self.emergence):
            columns["decoupled T"] = lambda e: _cell(e.decoupled)
        if any(e.median is not None for e in self.emergence):
            columns["median T"] = lambda e: _cell(e.median)
            columns["quartiles of T"] = lambda e: f"{_cell(e.early)} to {_cell(e.late)}"
        columns |= {"measured T": lambda e: _cell(e.measured), self.ratio_of: lambda e: _cell(e.ratio, ".3f")}
        rows = [[str(e.direction), *(cell(e) for cell in columns.values())] for e in self.emergence]
        rows.insert(0, ["direction", *columns])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        verdict = [] if self.draws is None else [f"verdict: {self.verdict}"]
        return "\n".join([*verdict, *lines, *self._drawn_lines(), *self._risk_lines(), *self._remarks()])

    def _drawn_lines(self) -> list[str]:
        """The lines that explain the table's columns."""
        lines = [self.problem]
        lines.append(f"predicted T: {_described(self.trajectory)}; times are canonical, — is never or unknown")
        lines.append(f"T is when the {self.overlap} reaches ½")
        if self.draws is not None:
            lines.append(f"median and quartiles of T: {self.draws.source}")
        return lines

    def _risk_lines(self) -> list[str]:
        followed = [(self.trajectory, self.risk_rms_log10)]
        if self.finite_step is not None:
            followed.append((self.finite_step, self.finite_step_deviation))
        lines = [
            f"risk: rms of log10(predicted/measured) = {deviation:.3f}; {_described(trajectory)}"
            for trajectory, deviation in sorted(followed, key=lambda each: each[0] is not self.nearest[0])
        ]
        ends = [
            f"{float(np.asarray(trajectory.risk)[-1]):.4g} by {_described(trajectory)}{_ended(trajectory)}"
            for trajectory, _ in followed
        ]
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

    def to_json(self) -> dict[str, object]:
        """The contents of `comparison.json`; times are canonical, null where never, unknown or not applicable."""
        finite_step = None
        if self.finite_step is not None:
            finite_step = {
                "risk_rms_log10": known(self.finite_step_deviation),
                "final_risk": known(float(np.asarray(self.finite_step.risk)[-1])),
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
            "ratio": self.ratio_of,
            "nearest": {"flow_label": self.nearest[0].flow.label, "risk_rms_log10": known(self.nearest[1])},
            "problem": self.problem,
            "overlap": self.overlap,
            "draws": None if self.draws is None else self.draws.source,
            "verdict": asdict(self.verdict),
            "checks": [asdict(check) for check in self.checks],
            "assumed": list(self.assumed),
            "notes": list(self.notes),
            "run": {"source": self.run.source, "rows": len(self.run.steps)},
            "provenance": self.trajectory.provenance,
        }

    def plot(self, ax: Sequence[Axes] | None = None, directions: Sequence[int] | None = None) -> Figure:
        """Risk, overlaps and emergence times, theory as lines and SGD as points; on three axes of the user's or new.

        Args:
            ax: three axes to draw on; their figure is returned.
            directions: whose overlaps are drawn, from 1; without it six of those that emerge in theory or in the run.

        Raises:
            ArgumentError: a direction that the teacher does not have.
        """
        return _picture_of(self, directions).draw(ax)

    def save(self, directory: str | os.PathLike) -> None:
        """Write `comparison.png`, `comparison.pdf`, `comparison.json`, and every drawn curve in comparison_curves.csv.

        Each is written whole or not at all.

        Raises:
            ArgumentError: if `directory` cannot be written to, or a file would replace one that is not a comparison's,
                or would be taken for the JSON file of a run.
        """
        _picture_of(self, None).save(Path(directory), self.to_json())

    def __repr__(self) -> str:
        return self.table()


def _ended(trajectory: Trajectory) -> str:
    """Words on where a trajectory ended, for one that did not reach the run's end; empty for others."""
    if is_outcome(trajectory.outcome, Outcome.complete) or not np.isfinite(float(trajectory.risk[-1])):
        return ""
    return f", which ends at t = {float(trajectory.times[-1]):.4g}"


def _described(trajectory: Trajectory) -> str:
    """The flow's name, and what it follows."""
    return f"{type(trajectory.flow).__name__} ({trajectory.flow.label})"


def _cell(value: float | None, form: str = ".4g") -> str:
    return "—" if value is None else format(value, form)


def _picture_of(report: Comparison, directions: Sequence[int] | None) -> Picture:
    """The picture of a comparison; `directions` from 1, or those that matter.

    Raises:
        ArgumentError: a direction that the teacher does not have.
    """
    from ..plot import COLOURS, Band, Curve, EmergenceTimes

    theory = [curve_of(report.trajectory, "-", COLOURS[0])]
    if report.finite_step is not None:
        alike = report.emergence and any(e.finite_step is not None for e in report.emergence)
        theory.append(curve_of(report.finite_step, "--", COLOURS[1], bool(alike)))
    run = Curve("SGD", report.run.times, report.run.risk, report.overlaps, "o", COLOURS[2])
    either = [e for e in report.emergence if report.overlaps is not None and (e.expected or e.measured)]
    columns = ([getattr(e, name) for e in either] for name in ("expected", "measured", "early", "late"))
    emergence = EmergenceTimes(np.array([e.direction for e in either], int), *(np.array(c, float) for c in columns))
    band = None
    if (draws := report.draws) is not None:
        low, middle, high = (draws.risk_quantile(q) - draws.on_top for q in BAND)
        band = Band(f"90 % of {draws.words}", draws.times, low, middle, high, COLOURS[5])
    nearest, deviation = report.nearest
    expected = report.ratio_of.split(" T")[0]
    return Picture(
        theory, run, emergence, band, _shown(report, directions), deviation, nearest.flow.label, expected,
        report.problem, report.overlap,
    )  # fmt: skip


def _shown(report: Comparison, directions: Sequence[int] | None) -> Int[np.ndarray, " n"]:
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
