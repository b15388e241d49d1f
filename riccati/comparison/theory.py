"""The gradient flow that fits a run, from its own start or from one that stands in."""

from __future__ import annotations

import warnings

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from ..flows import Coupled, Flow, Riccati
from ..numerics import Outcome, message_of
from ..problem import AnyStart, Problem, Start, Teacher, TypicalStart, uncovered
from ..runs import Run, overlap_of, with_second_layer
from ..solver import best_flow, solve
from ..trajectory import IncompleteTrajectory, Trajectory

_MOST_TIMES = 4096  # at which theory is evaluated
_FILL_IN_SEED, _FILL_IN_NORM = 0, 1e-2  # of a start that stands in for one that was not logged
_MOST_COUPLED = 2**16  # N(M+N) up to which overlaps of another definition are integrated


def theory_of(run: Run, notes: list[str], assumed: list[str]) -> Trajectory:
    """The flow through the run's times; `notes` and `assumed` grow by what is to be said of it.

    Raises:
        ArgumentError: if the run lacks what the theory needs, all of it named.
        KeyboardInterrupt: an interrupt while the flow is followed; there is no comparison with half a trajectory.
    """
    run.require_keys()
    teacher = run.teacher
    start, taken = (run.start, []) if run.start is not None else _stand_in(run, teacher)
    assumed += taken
    times = _times_for(run, notes)
    return followed(_flow_for(run, teacher, start), teacher, start, times, notes)


def _times_for(run: Run, notes: list[str]) -> Float[np.ndarray, " T"]:
    """The run's times, or of very many enough to interpolate between: as many evenly in t as in log t."""
    logged = len(run.times)
    if logged <= _MOST_TIMES:
        return run.times
    half = _MOST_TIMES // 2
    rows = np.unique(np.r_[0, np.geomspace(1, logged - 1, half), np.linspace(0, logged - 1, half)].astype(int))
    notes.append(f"theory is evaluated at {len(rows)} of the {logged} logged times, and interpolated between them")
    return run.times[rows]


def followed(flow: Flow, teacher: Teacher, start: AnyStart, times: ArrayLike, notes: list[str]) -> Trajectory:
    """The trajectory; `notes` grows by how it ended, if before the last time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteTrajectory)  # said in the notes instead
        trajectory = solve(flow, teacher, start, times)
    if bool(trajectory.outcome == Outcome.interrupted):
        raise KeyboardInterrupt
    notes += outcome_notes(trajectory)
    return trajectory


def outcome_notes(trajectory: Trajectory) -> list[str]:
    """A line on a trajectory that ended early, with the remedy; none for a complete one."""
    if bool(trajectory.outcome == Outcome.complete):
        return []
    reached = int(trajectory.reached)
    last = f"after t = {float(trajectory.times[reached - 1]):.4g}" if reached else "at once"
    return [f"{trajectory.flow.label} ends {last}: {message_of(trajectory.outcome)}"]


def _flow_for(run: Run, teacher: Teacher, start: AnyStart) -> Flow:
    if run.kind == "stiefel_quadratic":
        return Riccati()
    if isinstance(start, TypicalStart):
        return best_flow(Problem(teacher, start))
    rate = float(run.config.get("second_layer_rate", 1.0))
    if run.overlaps is not None and run.overlap != overlap_of(teacher.link):
        neurons = start.student_width
        if neurons * (neurons + teacher.width) <= _MOST_COUPLED:
            return Coupled(overlap=run.overlap, second_layer_rate=rate)
    if teacher.link.degree == 2:
        return best_flow(Problem(teacher, start))
    return Coupled(second_layer_rate=rate)


def _stand_in(run: Run, teacher: Teacher) -> tuple[AnyStart, list[str]]:
    """A start for a run that logged none, and what was assumed."""
    config, assumed = run.config, []
    width, dim = int(config["student_width"]), int(config["dim"])
    norm = run.init_norm
    if norm is None:
        norm = _FILL_IN_NORM
        if run.kind != "stiefel_quadratic":
            assumed.append(f"no init_norm: {_FILL_IN_NORM:g} taken")
    if not uncovered("Decoupled", teacher):
        assumed.append("no initial_overlaps: the typical start stands in")
        return Start.typical(teacher, width, dim, norm), assumed
    assumed.append(f"no initial_overlaps: a random start drawn in law (seed {_FILL_IN_SEED}) stands in")
    start = Start.random(teacher, width, dim, norm, _FILL_IN_SEED)
    return with_second_layer(start, config), assumed


def definition_of(trajectory: Trajectory) -> str:
    """What `alignment` of a trajectory is, `subspace` or `neuron`."""
    flow = trajectory.flow
    chosen = flow.overlap if isinstance(flow, Coupled) else None
    return overlap_of(trajectory.teacher.link) if chosen is None else chosen
