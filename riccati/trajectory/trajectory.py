"""A trajectory: the solution of a flow at the output times, with its emergence times, provenance, plot and files."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from ..flows import Flow, Solution
from ..numerics import Outcome, is_outcome, message_of
from ..problem import AnyStart, Problem, Start, Teacher, riccati_rate
from ..support import is_traced, require, require_open_unit, require_real
from .storage import provenance_of, read_trajectory, write_trajectory

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class IncompleteTrajectory(UserWarning):
    """The flow ended before the last output time; the trajectory's `outcome` says why and what to do."""


class PhantomEmergence(IncompleteTrajectory):
    """Tolerance error has raised the rank of G in the dense equation; the trajectory ends before that time."""


class Trajectory(eqx.Module):
    """The solution of a flow at T output times for M directions, with the flow and the problem.

    Attributes:
        times: (T,), canonical gradient-flow time of L = ½ E(f* - f)². Outside jit a flow that ended early has fewer
            than were asked for.
        solution: the observables, how the flow ended, and in how many steps.
        flow, problem: the flow and the problem it was solved for; `teacher` and `start` are the problem's.

    It is an Equinox module, and passes through jit, vmap and grad.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=2, beta=1.0, link=rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=2, dim=100, norm=0.1, seed=0)
        >>> trajectory = rc.solve(rc.Quadratic(), teacher, start, [1.0, 3.0, 9.0])
        >>> trajectory
        Trajectory
          flow     Quadratic()
          problem  2 directions, 2 neurons, Link(he2, information exponent 2)
          times    3 from 1 to 9 (canonical)
          risk     0.9914 to 3.848e-06
        >>> trajectory.risk.shape, trajectory.alignment.shape, trajectory.radius.shape
        ((3,), (3, 2), (3, 2))
        >>> [round(float(t), 3) for t in trajectory.emergence_times(level=0.5)]
        [1.197, 2.532]
    """

    times: Float[Array, " T"]
    solution: Solution
    flow: Flow
    problem: Problem
    provenance_json: str = eqx.field(static=True)

    @property
    def teacher(self) -> Teacher:
        """The problem's teacher."""
        return self.problem.teacher

    @property
    def start(self) -> AnyStart:
        """The problem's start."""
        return self.problem.start

    @property
    def risk(self) -> Float[Array, " T"]:
        """E(f* - f)²/E f*², (T,); 1 for f = 0."""
        return self.solution.observables.risk

    @property
    def alignment(self) -> Float[Array, "T M"]:
        """Squared overlap of each direction, (T, M), in [0, 1]; computed anew where it was too large to keep."""
        kept = self.solution.observables.alignment
        return self.flow.details(self.problem, self.times)[0] if kept is None else kept

    @property
    def radius(self) -> Float[Array, "T M"] | None:
        """Squared student norm along each direction, (T, M); None where the flow has no norms."""
        kept = self.solution.observables
        return self.flow.details(self.problem, self.times)[1] if kept.alignment is None else kept.radius

    @property
    def outcome(self) -> Outcome:
        """How the flow ended; `riccati.Outcome` lists the possibilities."""
        return self.solution.outcome

    @property
    def reached(self) -> Int[Array, ""] | int:
        """How many output times were reached soundly; under jit the others are inf or NaN."""
        reached = self.solution.reached
        return self.times.shape[0] if reached is None else reached

    @property
    def solver_steps(self) -> Int[Array, ""] | int | None:
        """How many steps the integrator took; None for an exact solution."""
        return self.solution.steps

    @property
    def provenance(self) -> dict[str, Any]:
        """The provenance: flow and settings, link, widths, dimension, seed, clock and package versions."""
        return json.loads(self.provenance_json)

    def emergence_times(self, level: float = 0.5) -> Float[Array, " M"]:
        """The canonical times at which each direction's alignment first reaches `level`, (M,); inf where it does not.

        Crossings are bracketed by the output times and refined on the flow's exact solution where it has one, so that
        their digits do not depend on the output times. Nothing after times[-1] counts.

        Raises:
            ArgumentError: if `level` is not in (0, 1).
        """
        require_open_unit(level, "level")
        return self.flow.emergence_times(self.problem, self.times, self.solution, level)

    def student_at(self, time: float | None = None) -> Start:
        """The student at a canonical time, as a start from which SGD or another flow goes on; None for the last time.

        The flow is integrated up to there once more, as a trajectory keeps observables alone.

        Raises:
            ArgumentError: a time < 0, or one that the flow does not reach, and flows that do not follow every neuron
                (Riccati, Decoupled).
        """
        if time is not None:
            require_real(time, "time", least=0)
        at = float(self.times[-1] if time is None else time)
        return self.flow.student_at(self.problem, at) if at > 0 else self.problem.full_start

    def times_in(
        self, clock: Literal["canonical", "riccati", "steps"], learning_rate: float | None = None
    ) -> Float[Array, " T"]:
        """The output times on another clock, (T,).

        "riccati" is τ = 2 c_2² t, the clock of dG/dτ = AG + GA - 2GAG. "steps" is t/η, the number of steps of online
        SGD with learning rate η on ½(f* - f)²; for the loss (f* - f)² give twice the learning rate.

        Raises:
            ArgumentError: an unknown clock, "riccati" for a link other than c h_2, "steps" without a learning rate > 0,
                or a learning rate for another clock.
        """
        require(clock in ("canonical", "riccati", "steps"), "clock", "be canonical, riccati or steps", repr(clock))
        if clock == "steps":
            require_real(learning_rate, "learning_rate", above=0)
            return self.times / float(learning_rate or 0)
        require(learning_rate is None, "learning_rate", 'be left out unless clock="steps"', learning_rate)
        if clock == "canonical":
            return self.times
        require(self.teacher.link.degree == 2, "clock", "be canonical or steps for this link", "riccati")
        return self.times * riccati_rate(self.teacher)

    def to_frame(self) -> pd.DataFrame:
        """A pandas table with a row per time: time, risk, alignment_1 …, and radius_1 … where there are radii."""
        import pandas as pd

        columns = {"time": np.asarray(self.times), "risk": np.asarray(self.risk)}
        for name in ("alignment", "radius"):
            values = getattr(self, name)
            if values is not None:
                columns |= {f"{name}_{m + 1}": v for m, v in enumerate(np.asarray(values).T)}
        return pd.DataFrame(columns)

    def plot(self, ax: Sequence[Axes] | None = None) -> Figure:
        """Draw risk and alignments against canonical time, on two given axes or on a new figure, which is returned."""
        from ..plot import Curve, risk_and_overlap_page

        curve = Curve(self.flow.label, np.asarray(self.times), np.asarray(self.risk), np.asarray(self.alignment))
        return risk_and_overlap_page(curve, ax)

    def save(self, path: str | os.PathLike) -> None:
        """Write the trajectory and its provenance to one NPZ file, whole or not at all."""
        write_trajectory(path, self.times, self.solution, self.problem, self.provenance_json)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Trajectory:
        """The trajectory that `save` wrote to `path`; its emergence times are those of the saved one.

        Raises:
            ArgumentError: if the file cannot be read or is not a trajectory.
        """
        return cls(*read_trajectory(path))

    def __repr__(self) -> str:
        start, teacher = self.start, self.teacher
        rows = {
            "flow": repr(self.flow),
            "problem": f"{teacher.width} directions, {start.student_width} neurons, {teacher.link!r}",
        }
        if eqx.is_array(self.times) and self.times.ndim == 1:
            rows["times"] = f"{len(self.times)} from {self.times[0]:.4g} to {self.times[-1]:.4g} (canonical)"
            rows["risk"] = f"{self.risk[0]:.4g} to {self.risk[-1]:.4g}"
            if not is_outcome(self.outcome, Outcome.complete):
                rows["outcome"] = message_of(self.outcome)
        return "Trajectory\n" + "\n".join(f"  {name:<8} {value}" for name, value in rows.items())


def trajectory_of(flow: Flow, problem: Problem, times: Float[Array, " T"], solution: Solution) -> Trajectory:
    """The trajectory of `solution`, cut where it ended early, which a warning announces."""
    reached = times.shape[0] if solution.reached is None else solution.reached
    observables = solution.observables
    if not is_traced(observables.risk, reached):
        reached = int(reached)
        if not is_outcome(solution.outcome, Outcome.complete):
            _announce(solution.outcome, reached, times)
        cut = reached < times.shape[0]  # slices compile, even those of everything
        if cut and not is_outcome(solution.outcome, Outcome.exploded):  # whose infinite risk is an answer
            times = times[:reached]
            observables = jax.tree.map(lambda kept: kept[:reached], observables)
    solution = solution._replace(observables=observables, reached=reached)
    return Trajectory(times, solution, flow, problem, provenance_of(flow, problem))


def _announce(ended: Outcome, reached: int, times: Array) -> None:
    why = message_of(ended)
    require(reached > 0, "times", "start before the flow ends", f"{float(times[0]):g}, but {why}")
    kind = PhantomEmergence if is_outcome(ended, Outcome.rank_lost) else IncompleteTrajectory
    last = f"t = {float(times[reached - 1]):.4g}, output time {reached} of {times.shape[0]}"
    warnings.warn(f"The flow ends at {last}: {why}.", kind, stacklevel=4)
