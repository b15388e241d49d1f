"""Theory against an SGD run: the flow, the limit at the run's step, and what theory draws for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from ..flows import Decoupled
from ..numerics import first_crossings
from ..problem import uncovered
from ..runs import Run, overlap_of
from ..support import require, require_integer
from ..trajectory import Trajectory
from .assessment import Judgement, judged
from .checks import checks_of
from .clock import Clock, clock_from_risk, clock_from_times, falls
from .compared import Emergence, known
from .draws import FEWEST, Setting
from .explanations import rows_held
from .report import Comparison
from .step import RunStep, step_of
from .theory import definition_of, followed, outcome_notes, theory_of

_LONGER, _FURTHER = 100.0, 200  # times, and output times, of theory where nothing happens in it


class _Beyond(NamedTuple):
    """What is known beyond gradient flow.

    Attributes:
        finite_step: the limit at the run's step, None without one.
        judgement: what theory draws for the run, None where nothing.
        times: median and quartiles of the emergence times, by their names in a report; empty where unknown.
    """

    finite_step: Trajectory | None = None
    judgement: Judgement | None = None
    times: Mapping[str, ArrayLike] = {}


def compare(run: Run, trajectory: Trajectory | None = None, *, replicas: int | None = None) -> Comparison:
    """Lay theory over a run.

    Without `trajectory` the flow is chosen for the run: `Riccati` for Stiefel SGD, whose risk is that after the
    optimal radial fit; `Quadratic` for the link h_2; else `Coupled` from the run's initial overlaps, with the
    decoupled emergence times beside it for k > 2. A run that logged its overlaps by the other definition than the one
    that theory is about gets the `Coupled` flow with that. Where no overlaps were logged a start stands in: drawn in
    law, or for k > 2 the typical one in the `Decoupled` flow. Where the run says its step, `FiniteStep` is laid over
    it too, and the run is held against 128 replicas of SGD, or draws of the law where replicas would take more than
    seconds. Limit and law are known for the standard problem at a constant step alone; of signed, correlated or mixed
    teachers, anisotropic input, two-layer students and schedules the notes name what they are not known for.

    Args:
        run: the run.
        trajectory: theory to lay over it, instead of the flow chosen for it.
        replicas: how many replicas of SGD, at the run's own start, d, step (or schedule) and batch, the run is held
            against, whatever they cost; 128 are taken if that is more, as fewer cannot tell 5 %. They come in blocks
            of 64 and end once 10 are as far from the others as the run is (Besag & Clifford 1991); the verdict says
            how many there were. How long they will take is said on stderr if it is long, and SIGINT keeps the finished
            blocks. Without `replicas` no explanation is looked for where the run is not consistent.

    Raises:
        ArgumentError: if the run lacks what the theory needs, all of it named, `trajectory` is of another teacher
            width, or `replicas` are asked for of a run that has no start of its own, in a problem of no known law.
        KeyboardInterrupt: an interrupt while a flow is followed, as there is no comparison with half a trajectory, or
            before the first replicas are finished.
    """
    require(isinstance(run, Run), "run", "be a riccati.Run", type(run).__name__)
    if replicas is not None:
        require_integer(replicas, "replicas", 1)
    notes, assumed = list(run.notes), list(run.assumed)
    if "constraint" in run.config:
        notes.append("constraint = sphere is not followed: the theory laid over the run is that of free norms")
    if trajectory is None:
        run.require_keys(*([] if replicas is None else ["batch_size"]))
        trajectory = theory_of(run, notes, assumed)
    else:
        require(isinstance(trajectory, Trajectory), "trajectory", "be a riccati.Trajectory", type(trajectory).__name__)
        logged = run.directions
        agree = logged in (None, trajectory.teacher.width)
        require(agree, "trajectory", f"have {logged} directions", trajectory.teacher.width)
        notes += outcome_notes(trajectory)
    overlaps = _comparable_overlaps(run, trajectory, notes)
    beyond = _beyond(run, trajectory, overlaps, replicas, notes)
    emergence = _emergences(run, overlaps, trajectory, beyond)
    best, judgement = beyond.finite_step or trajectory, beyond.judgement
    clock = None if judgement is None else judgement.clock
    follow = partial(_followed_again, trajectory=trajectory, overlaps=overlaps is not None)
    checks = checks_of(run, best, clock or _clock(run, best, emergence), judgement, follow)
    return Comparison(
        run, trajectory, emergence, tuple(notes), tuple(assumed), beyond.finite_step, overlaps, checks, judgement
    )


def _followed_again(run: Run, trajectory: Trajectory, overlaps: bool) -> tuple[Trajectory, Clock | None]:
    """The best theory of a run with a key changed, and the run's clock against that."""
    teacher = run.teacher
    start = trajectory.start if run.start is None else run.start
    step, _ = step_of(run, teacher, start)
    limited = step is not None and not uncovered(step.flow.consumer(teacher.link), teacher, start)
    flow = step.flow if step is not None and limited else trajectory.flow
    theory = followed(flow, teacher, start, run.times, [])
    emergence = _emergences(run, run.overlaps if overlaps else None, theory, _Beyond())
    return theory, _clock(run, theory, emergence)


def _comparable_overlaps(run: Run, trajectory: Trajectory, notes: list[str]) -> Float[np.ndarray, "T M"] | None:
    """The run's overlaps where they are what `alignment` of the trajectory is, else None, and `notes` says why not."""
    if run.overlaps is None:
        notes.append("the run logged no overlaps: measured emergence times are unknown")
        return None
    defined = definition_of(trajectory)
    if run.overlap == defined:
        return run.overlaps
    why = f"the run logged its overlaps as {run.overlap}, {trajectory.flow.label} gives them as {defined}"
    notes.append(f"{why}: they are not compared")
    return None


def _beyond(
    run: Run,
    trajectory: Trajectory,
    overlaps: Float[np.ndarray, "T M"] | None,
    replicas: int | None,
    notes: list[str],
) -> _Beyond:
    """The finite-step limit, the draws and the verdict; `notes` grows by what cannot be had."""
    teacher, start = trajectory.teacher, trajectory.start
    step, missing = step_of(run, teacher, start)
    if step is None:
        require(replicas is None, "run", "tell its step for a verdict", f"without: {missing}")
        notes.append(f"no finite-step limit: {missing}")
        return _Beyond()
    beyond = uncovered(step.flow.consumer(teacher.link), teacher, start)
    if beyond:
        notes.append(f"no finite-step limit: none is known for {' and '.join(beyond)}")
    if step.schedule is not None:
        notes.append("no finite-step limit: the learning rate is not constant")
    unknown = bool(beyond) or step.schedule is not None
    finite_step = None if unknown else followed(step.flow, teacher, start, trajectory.times, notes)
    native = definition_of(trajectory) == overlap_of(teacher.link)
    if not native and overlaps is not None:
        notes.append("the finite-step limit and the law are about the other overlaps: emergence times are not theirs")
    rows = rows_held(run)
    require(replicas is None or len(rows) > 0, "run", "have logged a step beyond 0", "without one")
    if not len(rows):
        return _Beyond(finite_step)
    setting = Setting(teacher, start, step, run.steps[rows], max(replicas or 0, FEWEST))
    native_overlaps = overlaps if native else None

    def coarse() -> Clock | None:
        return _clock(run, trajectory, _emergences(run, native_overlaps, trajectory, _Beyond()))

    judgement, why = judged(run, setting, native_overlaps, asked=replicas is not None, coarse=coarse)
    if judgement is None:
        notes.append(f"no band: {why}")
        return _Beyond(finite_step, None, _times_by_law(step, trajectory) if native else {})
    notes += judgement.notes
    quantiles = {"early": 0.25, "median": 0.5, "late": 0.75}
    times = {name: judgement.draws.emergence_quantile(q) for name, q in quantiles.items()}
    return _Beyond(finite_step, judgement, times if native else {})


def _times_by_law(step: RunStep, trajectory: Trajectory) -> dict[str, ArrayLike]:
    """The law of the emergence times where it is known without draws, for k > 2."""
    law = step.law(trajectory)
    if law is None:
        return {}
    return {"early": law.quantile(0.25), "median": law.quantile(0.5), "late": law.quantile(0.75)}


def _clock(run: Run, theory: Trajectory, emergence: tuple[Emergence, ...]) -> Clock | None:
    """The run's times over theory's, from directions that emerged in both, else from the risk.

    Where something happens in the run and nothing in theory by then, theory is followed for `_LONGER` times that.
    """
    spread = np.array([e.spread for e in emergence])
    measured = np.array([np.nan if e.measured is None else e.measured for e in emergence])
    predicted = np.array([e.finite_step or e.predicted or np.nan for e in emergence])
    last, happened = float(theory.times[-1]), np.isfinite(measured).any() or (run.risk is not None and falls(run.risk))
    if happened and last > 0 and not falls(np.asarray(theory.risk)):
        further = np.unique(np.r_[np.asarray(theory.times), np.geomspace(last, _LONGER * last, _FURTHER)])
        theory = followed(theory.flow, theory.teacher, theory.start, further, [])
        predicted = np.asarray(theory.emergence_times())
    found = clock_from_times(measured, predicted, spread)
    if found is not None or run.risk is None:
        return found
    rows = rows_held(run)
    return clock_from_risk(run.times[rows], run.risk[rows], np.asarray(theory.times), np.asarray(theory.risk))


def _emergences(
    run: Run, overlaps: Float[np.ndarray, "T M"] | None, trajectory: Trajectory, beyond: _Beyond
) -> tuple[Emergence, ...]:
    teacher = trajectory.teacher
    columns: dict[str, ArrayLike] = {"predicted": trajectory.emergence_times()}
    if overlaps is not None:
        columns["measured"] = first_crossings(run.times, overlaps, 0.5)
    if not uncovered("Decoupled", teacher, trajectory.start):
        columns["decoupled"] = Decoupled().emergence_times_of(teacher, trajectory.start)
    if beyond.finite_step is not None and definition_of(trajectory) == overlap_of(teacher.link):
        columns["finite_step"] = beyond.finite_step.emergence_times()
    columns |= beyond.times
    cells = {name: [known(float(time)) for time in np.asarray(column)] for name, column in columns.items()}
    cells.setdefault("measured", [None] * teacher.width)
    cells["expected"] = cells.get("median", cells["predicted"])
    rows = zip(*cells.values(), strict=True)
    return tuple(Emergence(m + 1, **dict(zip(cells, row, strict=True))) for m, row in enumerate(rows))
