"""The deterministic predictions for a run: the trajectory of a flow, and the finite-step limit at the run's step size.

The flow starts from the run's own start, or from a random or typical one where the run logged none. `Theory` is
computed once for a run, and again only for changes of the run's keys that might explain it.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from ..flows import Coupled, FiniteStep, Flow, Quadratic, Riccati
from ..numerics import Outcome, is_outcome, message_of
from ..problem import SGD, AnyStart, Problem, Start, Teacher, TypicalStart, uncovered
from ..runs import Run, overlap_of, with_second_layer
from ..solver import best_flow, solve
from ..support import require
from ..trajectory import IncompleteTrajectory, Trajectory
from .observation import Observation

_MOST_TIMES = 4096  # at which theory is evaluated
_FILL_IN_SEED, _FILL_IN_NORM = 0, 1e-2  # of the start that is taken where none was logged
_MOST_COUPLED = 2**16  # N(M+N) up to which overlaps of another definition are integrated


@dataclass(frozen=True, eq=False)
class Theory:
    """The trajectories that theory predicts for a run.

    Attributes:
        trajectory: that of the flow.
        overlaps: (T, M), the run's overlaps where they are defined as the trajectory's `alignment`, else None.
        finite_step: the limit at the run's step, None where the step is unknown or no limit is known.
        unknown_step: why γ = ηd/B of the run is not known; empty where it is.
        notes: what ended early or is not known, a line each.
        assumed: what was assumed, a line each.
    """

    trajectory: Trajectory
    overlaps: Float[np.ndarray, "T M"] | None
    finite_step: Trajectory | None = None
    unknown_step: str = ""
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def teacher(self) -> Teacher:
        """The teacher of all trajectories."""
        return self.trajectory.teacher

    @property
    def start(self) -> AnyStart:
        """The start of all trajectories."""
        return self.trajectory.start

    @property
    def best(self) -> Trajectory:
        """The finite-step limit where there is one, else the trajectory of the flow."""
        return self.finite_step or self.trajectory

    @property
    def is_native(self) -> bool:
        """Whether the compared overlaps are defined as limit and law define them for this link."""
        return definition_of(self.trajectory) == overlap_of(self.teacher.link)

    @property
    def native_overlaps(self) -> Float[np.ndarray, "T M"] | None:
        """The run's overlaps where they are defined as in limit and law, else None."""
        return self.overlaps if self.is_native else None

    @property
    def flow_alone(self) -> Theory:
        """This theory without the finite-step limit, with the overlaps that are defined as in limit and law."""
        return Theory(self.trajectory, self.native_overlaps)

    def followed_again(self, changed: Observation) -> Theory:
        """The theory of a run with changed keys: its best trajectory alone, solved again."""
        flow = self.trajectory.flow if self.finite_step is None else _limit_of(changed)
        start = self.start if changed.run.start is None else changed.run.start
        overlaps = None if self.native_overlaps is None else changed.run.overlaps
        return Theory(followed(flow, changed.run.teacher, start, changed.run.times), overlaps)


def theory_of(observation: Observation, trajectory: Trajectory | None = None) -> Theory:
    """The predictions for a run: the trajectory of the flow chosen for it, or the given one, and the finite-step limit.

    Raises:
        ArgumentError: if the run lacks keys that the theory needs (all are named), or `trajectory` has another teacher
            width.
        KeyboardInterrupt: at an interrupt while a flow is solved; there is no comparison with half a trajectory.
    """
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    if trajectory is None:
        trajectory, notes, assumed = _by_chosen_flow(observation)
    else:
        require(isinstance(trajectory, Trajectory), "trajectory", "be a riccati.Trajectory", type(trajectory).__name__)
        logged = observation.run.directions
        agree = logged in (None, trajectory.teacher.width)
        require(agree, "trajectory", f"have {logged} directions", trajectory.teacher.width)
    overlaps, why = _comparable_overlaps(observation.run, trajectory)
    theory = Theory(trajectory, overlaps, unknown_step=observation.unknown_step(trajectory.start), assumed=assumed)
    limit, unknown = _finite_step(observation, theory)
    return replace(theory, finite_step=limit, notes=(*notes, *_outcome_notes(trajectory), *why, *unknown))


def followed(flow: Flow, teacher: Teacher, start: AnyStart, times: ArrayLike) -> Trajectory:
    """The trajectory of a flow, without a warning where it ends early.

    Raises:
        KeyboardInterrupt: if an interrupt ended the flow.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteTrajectory)  # said in the notes instead
        trajectory = solve(flow, teacher, start, times)
    if is_outcome(trajectory.outcome, Outcome.interrupted):
        raise KeyboardInterrupt
    return trajectory


def beyond_scope(consumer: str, teacher: Teacher, start: AnyStart, sgd: SGD) -> str:
    """What of a problem and an algorithm a limit or law does not cover, in words; empty where it covers them."""
    parts = [part.removesuffix(f", {teacher.link!r}") for part in uncovered(consumer, teacher, start, sgd)]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def definition_of(trajectory: Trajectory) -> str:
    """The definition of a trajectory's `alignment`, `subspace` or `neuron`."""
    flow = trajectory.flow
    chosen = flow.overlap if isinstance(flow, Coupled) else None
    return overlap_of(trajectory.teacher.link) if chosen is None else chosen


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


def _by_chosen_flow(observation: Observation) -> tuple[Trajectory, tuple[str, ...], tuple[str, ...]]:
    """The trajectory of the flow chosen for a run, notes on it, and what was assumed for it."""
    run = observation.run
    run.require_keys()
    teacher = run.teacher
    start, assumed = (run.start, ()) if run.start is not None else _stand_in(run, teacher)
    times, notes = _times_for(run)
    return followed(_flow_for(observation, teacher, start), teacher, start, times), notes, assumed


def _times_for(run: Run) -> tuple[Float[np.ndarray, " T"], tuple[str, ...]]:
    """The run's times; of very many only some, as many evenly spaced in t as in log t, to interpolate between."""
    logged = len(run.times)
    if logged <= _MOST_TIMES:
        return run.times, ()
    half = _MOST_TIMES // 2
    rows = np.unique(np.r_[0, np.geomspace(1, logged - 1, half), np.linspace(0, logged - 1, half)].astype(int))
    note = f"theory is evaluated at {len(rows)} of the {logged} logged times, and interpolated between them"
    return run.times[rows], (note,)


def _flow_for(observation: Observation, teacher: Teacher, start: AnyStart) -> Flow:
    """The flow that fits a run: see `compare`."""
    run = observation.run
    if observation.on_stiefel:
        return Riccati()
    if isinstance(start, TypicalStart):
        return best_flow(Problem(teacher, start))
    algorithm = run.algorithm
    if run.overlaps is not None and run.overlap != overlap_of(teacher.link):
        neurons = start.student_width
        if neurons * (neurons + teacher.width) <= _MOST_COUPLED:
            return Coupled.of(algorithm, overlap=run.overlap)
    if teacher.link.is_quadratic and not uncovered("Quadratic", teacher, start, algorithm):
        return Quadratic.of(algorithm)
    return Coupled.of(algorithm)


def _stand_in(run: Run, teacher: Teacher) -> tuple[AnyStart, tuple[str, ...]]:
    """A start for a run that logged none, and what was assumed."""
    config = run.config
    assumed: tuple[str, ...] = ()
    width, dim = int(config["student_width"]), int(config["dim"])
    norm = run.init_norm
    if norm is None:
        norm = _FILL_IN_NORM
        if run.kind != "stiefel_quadratic":
            assumed = (f"no init_norm: {_FILL_IN_NORM:g} taken",)
    if not uncovered("Decoupled", teacher, None, run.algorithm):
        typical = "no initial_overlaps: the typical start is taken"
        return Start.typical(teacher, width, dim, norm), (*assumed, typical)
    drawn = f"no initial_overlaps: a random start (seed {_FILL_IN_SEED}) is taken"
    start = Start.random(teacher, width, dim, norm, _FILL_IN_SEED)
    return with_second_layer(start, config), (*assumed, drawn)


def _outcome_notes(trajectory: Trajectory) -> tuple[str, ...]:
    """A line on a trajectory that ended early, with the remedy; none for a complete one."""
    if is_outcome(trajectory.outcome, Outcome.complete):
        return ()
    reached = int(trajectory.reached)
    last = f"after t = {float(trajectory.times[reached - 1]):.4g}" if reached else "at once"
    return (f"{trajectory.flow.label} ends {last}: {message_of(trajectory.outcome)}",)


def _comparable_overlaps(run: Run, trajectory: Trajectory) -> tuple[Float[np.ndarray, "T M"] | None, tuple[str, ...]]:
    """The run's overlaps where they are defined as the trajectory's `alignment`, else None; and the reason."""
    if run.overlaps is None:
        return None, ("the run logged no overlaps: measured emergence times are unknown",)
    defined = definition_of(trajectory)
    if run.overlap == defined:
        return run.overlaps, ()
    why = f"the run logged its overlaps as {run.overlap}, {trajectory.flow.label} gives them as {defined}"
    return None, (f"{why}: they are not compared",)


def _finite_step(observation: Observation, theory: Theory) -> tuple[Trajectory | None, tuple[str, ...]]:
    """The finite-step limit at the run's step, or None; and notes on it."""
    if theory.unknown_step:
        return None, (f"no finite-step limit: {theory.unknown_step}",)
    sgd = observation.run.sgd
    assert sgd is not None
    lines, limit = [], None
    if not sgd.is_constant:
        lines.append("no finite-step limit: the learning rate is not constant")
    else:
        flow, problem = _limit_of(observation), Problem(theory.teacher, theory.start)
        if beyond := beyond_scope(flow.consumer(problem), theory.teacher, theory.start, sgd):
            lines.append(f"no finite-step limit: none is known for {beyond}")
        else:
            limit = followed(flow, theory.teacher, theory.start, theory.trajectory.times)
            lines += _outcome_notes(limit)
    if not theory.is_native and theory.overlaps is not None:
        lines.append("limit and law define overlaps otherwise than the run: emergence times are not compared with them")
    return limit, tuple(lines)


def _limit_of(observation: Observation) -> FiniteStep:
    """The limit at γ = ηd/B of a run that gives its step."""
    sgd, dim = observation.run.sgd, observation.run.config.dim
    assert sgd is not None
    assert dim is not None
    return FiniteStep.of(sgd, dim, observation.student_scale)
