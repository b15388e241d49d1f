"""Theory against an SGD run: the flow, the limit at the run's step and the law of emergence times that fit it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from ..flows import Coupled, Decoupled, Flow, Riccati
from ..numerics import Outcome, first_crossings, message_of
from ..problem import AnyStart, Problem, Start, Teacher, TypicalStart
from ..runs import Run, overlap_of
from ..solver import best_flow, solve
from ..support import require
from ..trajectory import IncompleteTrajectory, Trajectory
from .checks import checks_of
from .clock import clock_from_risk, clock_from_times, falls
from .judged import judged
from .report import Comparison, Emergence, known
from .step import step_of

if TYPE_CHECKING:
    from ..emergence import EmergenceLaw

_MOST_TIMES = 4096  # at which theory is evaluated
_LONGER, _FURTHER = 100.0, 200  # times, and output times, of theory where nothing happens in it
_FILL_IN_SEED, _FILL_IN_NORM = 0, 1e-2  # of a start that stands in for one that was not logged


def compare(run: Run, trajectory: Trajectory | None = None, *, replicas: int | None = None) -> Comparison:
    """Lay theory over a run.

    Without `trajectory` the flow is chosen for the run: `Riccati` for Stiefel SGD, whose risk is that after the
    optimal radial fit; `Quadratic` for the link h_2; else `Coupled` from the run's initial overlaps, with the
    decoupled emergence times beside it for k > 2. Where no overlaps were logged a start stands in: drawn in law, or
    for k > 2 the typical one in the `Decoupled` flow. Where the run says its step size, `FiniteStep` is laid over it
    too, and for k > 2 the law of the emergence times.

    Args:
        run: the run.
        trajectory: theory to lay over it, instead of the flow chosen for it.
        replicas: how many draws of the law of risk and emergence times the run is held against; 128 are taken if that
            is more, as fewer cannot tell 5 %. They make the band and the verdict. Without it there is no verdict, as
            for k = 2 draws take seconds.

    Raises:
        ArgumentError: if the run lacks what the theory needs, all of it named, `trajectory` is of another teacher
            width, or `replicas` are asked for where no law is known.
        KeyboardInterrupt: an interrupt while a flow is followed; there is no comparison with half a trajectory.
    """
    require(isinstance(run, Run), "run", "be a riccati.Run", type(run).__name__)
    notes, assumed = list(run.notes), list(run.assumed)
    if trajectory is None:
        run.require_keys()
        teacher = run.teacher
        start, taken = (run.start, []) if run.start is not None else _stand_in(run, teacher)
        assumed += taken
        times = _times_for(run, notes)
        trajectory = _followed(_flow_for(run, teacher, start), teacher, start, times, notes)
    else:
        require(isinstance(trajectory, Trajectory), "trajectory", "be a riccati.Trajectory", type(trajectory).__name__)
        logged = run.directions
        agree = logged in (None, trajectory.teacher.width)
        require(agree, "trajectory", f"have {logged} directions", trajectory.teacher.width)
        notes += outcome_notes(trajectory)
    step, missing = step_of(run, trajectory.teacher, trajectory.start)
    finite_step, law = None, None
    if step is None:
        notes.append(f"no finite-step limit: {missing}")
    else:
        finite_step = _followed(step.flow, trajectory.teacher, trajectory.start, trajectory.times, notes)
        law = step.law(trajectory)
    overlaps, why = _comparable_overlaps(run, trajectory)
    if overlaps is None:
        notes.append(why)
    judgement = None
    if replicas is not None:
        require(step is not None, "run", "tell its step for a verdict", f"without: {missing}")
        assert step is not None
        start = Problem(trajectory.teacher, trajectory.start).full_start
        judgement = judged(run, trajectory.teacher, start, step, overlaps, replicas)
        law = judgement.law
    emergence = _emergences(run, overlaps, trajectory, finite_step, law)
    best = trajectory if finite_step is None else finite_step
    checks = checks_of(run, best, _clock(run, best, emergence) if judgement is None else judgement.clock)
    return Comparison(
        run, trajectory, emergence, tuple(notes), tuple(assumed), finite_step, overlaps, checks, judgement
    )


def _clock(run: Run, theory: Trajectory, emergence: tuple[Emergence, ...]) -> tuple[float, float] | None:
    """The run's times over theory's, from directions that emerged in both, else from the risk.

    Where something happens in the run and nothing in theory by then, theory is followed for `_LONGER` times that.
    """
    spread = np.array([e.spread for e in emergence])
    measured = np.array([np.nan if e.measured is None else e.measured for e in emergence])
    predicted = np.array([e.finite_step or e.predicted or np.nan for e in emergence])
    last, happened = float(theory.times[-1]), np.isfinite(measured).any() or (run.risk is not None and falls(run.risk))
    if happened and last > 0 and not falls(np.asarray(theory.risk)):
        further = np.unique(np.r_[np.asarray(theory.times), np.geomspace(last, _LONGER * last, _FURTHER)])
        theory = _followed(theory.flow, theory.teacher, theory.start, further, [])
        predicted = np.asarray(theory.emergence_times())
    found = clock_from_times(measured, predicted, spread)
    if found is not None or run.risk is None:
        return found
    return clock_from_risk(run.times, run.risk, np.asarray(theory.times), np.asarray(theory.risk))


def _times_for(run: Run, notes: list[str]) -> Float[np.ndarray, " T"]:
    """The run's times, or of very many enough to interpolate between: as many evenly in t as in log t."""
    logged = len(run.times)
    if logged <= _MOST_TIMES:
        return run.times
    half = _MOST_TIMES // 2
    rows = np.unique(np.r_[0, np.geomspace(1, logged - 1, half), np.linspace(0, logged - 1, half)].astype(int))
    notes.append(f"theory is evaluated at {len(rows)} of the {logged} logged times, and interpolated between them")
    return run.times[rows]


def _followed(flow: Flow, teacher: Teacher, start: AnyStart, times: ArrayLike, notes: list[str]) -> Trajectory:
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


def _comparable_overlaps(run: Run, trajectory: Trajectory) -> tuple[Float[np.ndarray, "T M"] | None, str]:
    """The run's overlaps where they are what `alignment` of the trajectory is, else None and why not."""
    if run.overlaps is None:
        return None, "the run logged no overlaps: measured emergence times are unknown"
    defined = overlap_of(trajectory.teacher.link)
    if run.overlap == defined:
        return run.overlaps, ""
    why = f"the run logged its overlaps as {run.overlap}, {trajectory.flow.label} gives them as {defined}"
    return None, f"{why}: they are not compared"


def _flow_for(run: Run, teacher: Teacher, start: AnyStart) -> Flow:
    if run.kind == "stiefel_quadratic":
        return Riccati()
    if teacher.link.degree == 2 or isinstance(start, TypicalStart):
        return best_flow(Problem(teacher, start))
    return Coupled()


def _stand_in(run: Run, teacher: Teacher) -> tuple[AnyStart, list[str]]:
    """A start for a run that logged none, and what was assumed."""
    config, assumed = run.config, []
    width, dim = int(config["student_width"]), int(config["dim"])
    norm = run.init_norm
    if norm is None:
        norm = _FILL_IN_NORM
        if run.kind == "two_homogeneous":
            assumed.append(f"no init_norm: {_FILL_IN_NORM:g} taken")
    if teacher.link.information_exponent > 2:
        assumed.append("no initial_overlaps: the typical start stands in")
        return Start.typical(teacher, width, dim, norm), assumed
    assumed.append(f"no initial_overlaps: a random start drawn in law (seed {_FILL_IN_SEED}) stands in")
    return Start.random(teacher, width, dim, norm, _FILL_IN_SEED), assumed


def _emergences(
    run: Run,
    overlaps: Float[np.ndarray, "T M"] | None,
    trajectory: Trajectory,
    finite_step: Trajectory | None,
    law: EmergenceLaw | None,
) -> tuple[Emergence, ...]:
    teacher = trajectory.teacher
    columns: dict[str, ArrayLike] = {"predicted": trajectory.emergence_times()}
    if overlaps is not None:
        columns["measured"] = first_crossings(run.times, overlaps, 0.5)
    if teacher.link.information_exponent > 2:
        columns["decoupled"] = Decoupled().emergence_times_of(teacher, trajectory.start)
    if finite_step is not None:
        columns["finite_step"] = finite_step.emergence_times()
    if law is not None:
        columns |= {"early": law.quantile(0.25), "late": law.quantile(0.75)}
    cells = {name: [known(float(time)) for time in np.asarray(column)] for name, column in columns.items()}
    cells.setdefault("measured", [None] * teacher.width)
    rows = zip(*cells.values(), strict=True)
    return tuple(Emergence(m + 1, **dict(zip(cells, row, strict=True))) for m, row in enumerate(rows))
