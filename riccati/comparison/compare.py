"""Theory against an SGD run: the flow, the limit at the run's step and the law of emergence times that belong to it."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from ..emergence import EmergenceLaw
from ..flows import Coupled, Decoupled, Flow, Riccati
from ..numerics import Outcome, first_crossings
from ..problem import AnyStart, Problem, Start, Teacher, TypicalStart
from ..runs import Run
from ..solver import best_flow, solve
from ..support import require
from ..trajectory import Trajectory
from .report import Comparison, Emergence, known, risk_deviation
from .step import step_of

_FILL_IN_SEED, _FILL_IN_NORM = 0, 1e-2  # of a start that stands in for one that was not logged


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
        if bool(trajectory.outcome == Outcome.interrupted):
            raise KeyboardInterrupt
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
    return Comparison(run, trajectory, risk_deviation(run, trajectory), emergence, tuple(notes), finite_step)


def _flow_for(run: Run, teacher: Teacher, start: AnyStart) -> Flow:
    if run.kind == "stiefel_quadratic":
        return Riccati()
    if teacher.link.degree == 2 or isinstance(start, TypicalStart):
        return best_flow(Problem(teacher, start))
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


def _emergences(
    run: Run, trajectory: Trajectory, finite_step: Trajectory | None, law: EmergenceLaw | None
) -> tuple[Emergence, ...]:
    teacher = trajectory.teacher
    columns: dict[str, ArrayLike] = {"predicted": trajectory.emergence_times()}
    if run.overlaps is not None:
        columns["measured"] = first_crossings(run.times, run.overlaps, 0.5)
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
