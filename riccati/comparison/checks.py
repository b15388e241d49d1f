"""Checks that catch a wrong convention: the loss, the overlaps and the clock of a run against what its keys say.

Each holds a fitted factor against those of the known causes (causes.py). A cause whose factor agrees is told only if
the run passes with it: where there is a verdict, by the test that gave it; else by the flow, followed again with the
change, whose clock and risk must then be the run's. Where several causes pass, all are named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..runs import Run
from ..trajectory import Trajectory
from .assessment import Judgement
from .causes import LOSS_OFF, Cause, agrees, causes_near, causes_of_loss, risk_of_start
from .clock import Clock
from .compared import risk_deviation
from .definition import overlap_check
from .found import Check
from .observation import evidence_of

_NEAR = 0.05  # a clock this close to theory's is theirs
_SURE = 3.0  # errors from which a clock is off
_DRAWN = 0.15  # relative error of the clock of a run whose start is not known, by the spread of random starts
_COARSE = 0.2  # relative error of a clock that does not tell a factor from 1 well
_UNKNOWN = 0.5  # relative error of a clock that tells nothing
_BETTER = 0.7  # of the rms log risk ratio: what theory with a cause must come down to

Follow = Callable[[Run], tuple[Trajectory, Clock | None]]  # theory of a run, and the run's clock against it


def checks_of(
    run: Run, theory: Trajectory, clock: Clock | None, judgement: Judgement | None, follow: Follow
) -> tuple[Check, ...]:
    """Every check that the run allows.

    `theory` is the best prediction, `clock` the fitted factor and its error, `follow` makes both of a changed run.
    """
    loss = _loss_check(run, theory)
    # a risk of another scale, or from another start, does not come nearer by a change of the clock
    by_risk = run.start is not None and (loss is None or loss.holds is True)
    found = [loss, overlap_check(run, theory), _clock_check(run, theory, clock, judgement, follow, by_risk)]
    return tuple(check for check in found if check is not None)


def _told(causes: Sequence[Cause]) -> tuple[str, str | None]:
    """What a message adds for causes that are proved, and the keys to set."""
    if not causes:
        return ": no known convention explains it", None
    ordered = sorted(causes, key=lambda cause: cause.practice)
    keys = [str(cause) for cause in ordered if not cause.practice]
    return f": set {' or '.join(map(str, ordered))}", " or ".join(keys or map(str, ordered))


def _loss_check(run: Run, theory: Trajectory) -> Check | None:
    """The risk at step 0 against that of the start."""
    if run.risk is None or run.steps[0] != 0 or not run.risk[0] > 0:
        return None
    on_stiefel, teacher, start = run.kind == "stiefel_quadratic", theory.teacher, theory.start
    expected = float(theory.risk[0]) if on_stiefel else risk_of_start(teacher, start)
    if expected is None:
        return None
    factor = float(run.risk[0]) / expected
    said = f"risk at step 0 is {run.risk[0]:.4g} by the loss column, {expected:.4g} by the start"
    if abs(factor - 1) < LOSS_OFF:
        return Check("loss", True, said, factor=factor)
    causes = [] if evidence_of(run).exact else list(causes_of_loss(run, teacher, start))
    causes = [cause for cause in causes if agrees(factor, 0.0, cause.loss)]
    causes += [] if (norm := _larger_norm(run, theory)) is None else [norm]
    because, key = _told(causes)
    return Check("loss", False, f"{said}, a factor of {factor:.3g}{because}", key, factor)


def _larger_norm(run: Run, theory: Trajectory) -> Cause | None:
    """The norm at which neurons that do not overlap have the risk at step 0, for a run that does not give it."""
    if "init_norm" in run.config or run.risk is None or not theory.teacher.link.is_centred or run.risk[0] <= 1:
        return None
    neurons, own = theory.start.student_width, float(theory.teacher.link.dual(1.0))
    norm = ((run.risk[0] - 1) * float(theory.teacher.second_moment) / (neurons * own)) ** 0.25
    return Cause(f"init_norm = {norm:.3g}", "it is not given", keys={"init_norm": norm})


def _clock_check(
    run: Run, theory: Trajectory, clock: Clock | None, judgement: Judgement | None, follow: Follow, by_risk: bool
) -> Check | None:
    if clock is None:
        return None
    stands_in = run.start is None
    if stands_in:  # whose own times are others
        clock = clock._replace(error=max(clock.error, _DRAWN))
    factor, error = clock
    said = f"the run's times are {factor:.3g} (± {error:.1%}{', as a start stands in' * stands_in}) times theory's"
    verdict = None if judgement is None else judgement.verdict.consistent
    proved = () if judgement is None else tuple(cause for cause in judgement.causes if cause.clock != 1)
    if proved:
        because, key = _told(proved)
        return Check("clock", False, f"{said}{because}", key, factor, error)
    if error > _UNKNOWN:
        return Check("clock", None, f"{said}, which is too uncertain to tell", factor=factor, error=error)
    if not _is_off(clock):
        if verdict is not True and error > _COARSE and abs(math.log(factor)) > error:
            return Check("clock", None, f"{said}, which is not enough to tell", factor=factor, error=error)
        return Check("clock", True, said, factor=factor, error=error)
    if verdict is True:
        unsure = f"{said}, which is unusual and not enough to tell: the run as a whole is consistent with theory"
        return Check("clock", None, unsure, factor=factor, error=error)
    told = judgement is not None and judgement.explained
    causes = () if told else _followed_causes(run, theory, clock, follow, by_risk)
    because, key = _told(causes)
    return Check("clock", False, f"{said}{because}", key, factor, error)


def _is_off(clock: Clock) -> bool:
    return abs(math.log(clock.factor)) >= max(_SURE * clock.error, _NEAR)


def _followed_causes(run: Run, theory: Trajectory, clock: Clock, follow: Follow, by_risk: bool) -> tuple[Cause, ...]:
    """The causes with which theory, followed again, has the run's clock, and `by_risk` comes nearer to its risk."""
    before, passed = risk_deviation(run, theory), []
    for cause in causes_near(run, clock, evidence_of(run).exact):
        changed = cause.changed(run)
        again, found = follow(changed)
        nearer = not by_risk or math.isnan(before) or risk_deviation(changed, again) < _BETTER * before
        if nearer and (found is None or not _is_off(found)):
            passed.append(cause)
    return tuple(passed)
