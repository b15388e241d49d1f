"""A comparison of theory with an SGD run, as table, picture and JSON."""

from __future__ import annotations

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
from ..runs import Run
from ..trajectory import Trajectory
from .found import Check
from .picture import picture_of
from .saving import write_report
from .verdict import UNASKED, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .judged import Judgement


_QUARTILES = 1.349  # standard deviations between the quartiles of a normal law
_SPREAD = 0.1


@dataclass(frozen=True)
class Emergence:
    """A direction and its emergence times, canonical, None where never or unknown.

    Attributes:
        direction: m, from 1.
        predicted: by the comparison's flow.
        measured: in the run.
        expected: what the run is compared with: the median of T_m at its step where that is known, else `predicted`.
        decoupled: for k > 2, the exact inverse of the decoupled equation.
        finite_step: in the finite-step limit.
        early, median, late: the quartiles and the median of T_m over what theory draws at the run's step.
    """

    direction: int
    predicted: float | None
    measured: float | None
    expected: float | None
    decoupled: float | None = None
    finite_step: float | None = None
    early: float | None = None
    median: float | None = None
    late: float | None = None

    @property
    def spread(self) -> float:
        """The relative standard deviation of T_m: the law's, by its quartiles, or a tenth where it is not known."""
        if not self.early or self.late is None:
            return _SPREAD
        return math.log(self.late / self.early) / _QUARTILES

    @property
    def ratio(self) -> float | None:
        """expected/measured, None unless both are known and positive."""
        if self.expected is None or not self.measured:
            return None
        return self.expected / self.measured


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
        judgement: what theory draws for the run, and the verdict; None where there are no draws.
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
            return UNASKED
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

    @property
    def ratio_of(self) -> str:
        """What `ratio` of a row divides by what."""
        known_law = any(e.median is not None for e in self.emergence)
        return f"{'median' if known_law else 'predicted'} T / measured T"

    def table(self) -> str:
        """The emergence times as an aligned text table with named columns, the risk and what is to be said below."""
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
        verdict = [] if self.judgement is None else [f"verdict: {self.verdict}"]
        return "\n".join([*verdict, *lines, *self._drawn_lines(), *self._risk_lines(), *self._remarks()])

    def _drawn_lines(self) -> list[str]:
        """What the columns are of."""
        lines = [f"predicted T: {_described(self.trajectory)}; times are canonical, — is never or unknown"]
        if self.judgement is not None:
            lines.append(f"median and quartiles of T: {self.judgement.draws.source}")
        return lines

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
            "ratio": self.ratio_of,
            "draws": None if self.judgement is None else self.judgement.draws.source,
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
        return picture_of(self, directions).draw(ax)

    def save(self, directory: str | os.PathLike) -> None:
        """Write `comparison.png`, `comparison.pdf`, `comparison.json`, and every drawn curve in comparison_curves.csv.

        Each is written whole or not at all.

        Raises:
            ArgumentError: a place that cannot be written to, or where a file would replace one that is not a
                comparison's, or stand as the JSON file of a run.
        """
        write_report(Path(directory), self.to_json(), picture_of(self, None))

    def __repr__(self) -> str:
        return self.table()


def _described(trajectory: Trajectory) -> str:
    """The flow's name, and what it follows."""
    return f"{type(trajectory.flow).__name__} ({trajectory.flow.label})"


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
