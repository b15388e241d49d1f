"""Checks of a run's conventions: its loss, overlaps and clock, compared with what its keys say.

A check measures a factor and compares it with those of the known causes (causes.py). A cause whose factor agrees is
named only if the run passes a test with it: the rank test where there is a verdict; else the flow, solved again with
the change, must have the run's clock and risk. Where several causes pass, all are named. Overlaps at step 0 are
compared with the start's, or where no start is known with their law: a random start has a subspace overlap of N/d on
average, and a neuron overlap of E max_i m_i², m_i² ~ Beta(½, (d-1)/2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float

from ..problem import Start, Teacher, alignments
from ..runs import OVERLAPS, Run, overlap_of
from ..trajectory import Trajectory
from .assessment import Assessment
from .causes import LOSS_OFF, Cause, agrees, causes_near, causes_of_loss, risk_of_start
from .clock import Clock, clock_by_flow
from .emergence import Emergence
from .observation import Observation
from .theory import Theory, risk_deviation

_NEAR = 0.05  # a clock this close to theory's is theirs
_SURE = 3.0  # errors from which a clock is off
_DRAWN = 0.15  # relative error of the clock of a run whose start is not known, by the spread of random starts
_UNKNOWN = 0.5  # relative error of a clock that tells nothing
_BETTER = 0.7  # of the rms log risk ratio: what theory with a cause must come down to
_OFF = 0.02  # relative, in a row of overlaps
_SIGMAS = 3.0  # of the mean over directions
_QUANTILES = (np.arange(2000) + 0.5) / 2000  # at which a mean over the law is taken
_SQUARES = "the overlap columns, to their squares"


@dataclass(frozen=True)
class Check:
    """The check of one convention of a run.

    Attributes:
        name: `loss`, `overlap` or `clock`.
        holds: whether the run agrees with what its keys say; None where the run does not determine it.
        message: the result in words, one line.
        key: the key to set, where a known convention explains the disagreement.
        factor: measured over expected, None where there is none.
        error: relative standard error of `factor`, None where it is not estimated.
    """

    name: str
    holds: bool | None
    message: str
    key: str | None = None
    factor: float | None = None
    error: float | None = None


def checks_of(
    observation: Observation, theory: Theory, emergence: tuple[Emergence, ...], assessment: Assessment
) -> tuple[Check, ...]:
    """Every check that the run allows."""
    run, best = observation.run, theory.best
    loss = _loss_check(observation, best)
    # a risk of another scale, or from another start, does not come nearer by a change of the clock
    by_risk = run.start is not None and (loss is None or loss.holds is True)
    clock = assessment.clock or clock_by_flow(observation, theory, emergence)
    checks = [loss, overlap_check(run, best)]
    checks.append(None if clock is None else _clock_check(observation, theory, clock, assessment, by_risk))
    return tuple(check for check in checks if check is not None)


def _remedy(causes: Sequence[Cause]) -> tuple[str, str | None]:
    """The end of a check's message for the proved causes, and the key to set, if there is one alone."""
    if not causes:
        return ": no known convention explains it", None
    ordered = sorted(causes, key=lambda cause: cause.practice)
    keys = [str(cause) for cause in ordered if not cause.practice] or [str(cause) for cause in ordered]
    if len(keys) == 1:
        return f": set {' or '.join(map(str, ordered))}", keys[0]
    return f": {' or '.join(map(str, ordered))} would explain it, and the factor does not tell which", None


def _loss_check(observation: Observation, theory: Trajectory) -> Check | None:
    """The risk at step 0 against that of the start."""
    run = observation.run
    if run.risk is None or run.steps[0] != 0 or not run.risk[0] > 0:
        return None
    teacher, start = theory.teacher, theory.start
    expected = float(np.asarray(theory.risk)[0]) if observation.on_stiefel else risk_of_start(teacher, start)
    if expected is None:
        return None
    factor = float(run.risk[0]) / expected
    said = f"risk at step 0 is {run.risk[0]:.4g} by the loss column, {expected:.4g} by the start"
    if abs(factor - 1) < LOSS_OFF:
        return Check("loss", True, said, factor=factor)
    causes = [] if observation.exact else list(causes_of_loss(run, teacher, start))
    causes = [cause for cause in causes if agrees(factor, 0.0, cause.loss)]
    causes += [] if (norm := _larger_norm(run, theory)) is None else [norm]
    because, key = _remedy(causes)
    return Check("loss", False, f"{said}, a factor of {factor:.3g}{because}", key, factor)


def _larger_norm(run: Run, theory: Trajectory) -> Cause | None:
    """The cause of a larger norm, for a run that gives none: orthogonal neurons of it have the risk at step 0."""
    if "init_norm" in run.config or run.risk is None or not theory.teacher.link.is_centred or run.risk[0] <= 1:
        return None
    neurons, own = theory.start.student_width, float(theory.teacher.link.dual(1.0))
    norm = ((run.risk[0] - 1) * float(theory.teacher.second_moment) / (neurons * own)) ** 0.25
    return Cause(f"init_norm = {norm:.3g}", "it is not given", keys={"init_norm": norm})


def _clock_check(
    observation: Observation, theory: Theory, clock: Clock, assessment: Assessment, by_risk: bool
) -> Check:
    """The run's clock against theory's, with the causes that the verdict has proved, else those proved by the flow."""
    stands_in = not observation.has_start
    if stands_in:  # whose own times are others
        clock = clock._replace(error=max(clock.error, _DRAWN))
    factor, error = clock
    said = f"the run's times are {factor:.3g} (± {error:.1%}{', as the start is not known' * stands_in}) times theory's"
    consistent = assessment.verdict.consistent
    proved = tuple(cause for cause in assessment.causes if cause.clock != 1)
    if proved:
        because, key = _remedy_of_clock(clock, proved)
        return Check("clock", False, f"{said}{because}", key, factor, error)
    if error > _UNKNOWN:
        return Check("clock", None, f"{said}, which is too uncertain to tell", factor=factor, error=error)
    if not _is_off(clock):
        if consistent is not True and not clock.is_telling and abs(math.log(factor)) > error:
            return Check("clock", None, f"{said}, which is not enough to tell", factor=factor, error=error)
        return Check("clock", True, said, factor=factor, error=error)
    if consistent is True:
        unsure = f"{said}, which is unusual and not enough to tell: the run as a whole is consistent with theory"
        return Check("clock", None, unsure, factor=factor, error=error)
    causes = () if assessment.explained else _followed_causes(observation, theory, clock, by_risk)
    because, key = _remedy_of_clock(clock, causes)
    return Check("clock", False, f"{said}{because}", key, factor, error)


def _remedy_of_clock(clock: Clock, causes: Sequence[Cause]) -> tuple[str, str | None]:
    """The remedy by the causes whose factor the clock has within its error; others explain more than a clock."""
    within = [cause for cause in causes if agrees(*clock, cause.clock, near=0.0)]
    if causes and not within:
        names = " or ".join(str(cause) for cause in causes)
        return f": {names} would explain the run, not by this factor alone", None
    return _remedy(within)


def _is_off(clock: Clock) -> bool:
    return abs(math.log(clock.factor)) >= max(_SURE * clock.error, _NEAR)


def _followed_causes(observation: Observation, theory: Theory, clock: Clock, by_risk: bool) -> tuple[Cause, ...]:
    """The causes with which the flow, solved again, has the run's clock and, with `by_risk`, is nearer to its risk.

    Causes that give the same step have the same flow, which is solved once.
    """
    before, passed = risk_deviation(observation.run, theory.best), []
    theories: dict[tuple[float, int, bool], Theory] = {}
    for cause in causes_near(observation.run, clock, observation.exact):
        changed = Observation(cause.changed(observation.run))
        if cause.same_theory not in theories:
            theories[cause.same_theory] = theory.followed_again(changed)
        again = theories[cause.same_theory]
        if not by_risk or math.isnan(before) or risk_deviation(changed.run, again.best) < _BETTER * before:
            own = clock_by_flow(changed, again)
            if own is None or not _is_off(own):
                passed.append(cause)
    return tuple(passed)


@dataclass(frozen=True)
class _OverlapLaw:
    """The mean of a random start's overlaps, over directions.

    Attributes:
        mean: of one overlap, and so of their mean.
        spread: standard deviation of the mean over M directions.
    """

    mean: float
    spread: float


def overlap_check(run: Run, theory: Trajectory) -> Check | None:
    """The overlaps logged at step 0 against those of the start, by either definition, squared or not."""
    if run.overlaps is None or run.steps[0] != 0 or not np.isfinite(run.overlaps[0]).all():
        return None
    if run.start is None:
        return _against_law(run, theory)
    return _against_start(run, run.start, theory)


def _against_start(run: Run, start: Start, theory: Trajectory) -> Check:
    assert run.overlaps is not None
    logged, own = run.overlaps[0], _start_overlaps(theory.teacher, start)
    tried = own | {f"unsquared {name}": np.sqrt(values) for name, values in own.items()}
    off = {name: float(np.max(np.abs(logged / values - 1))) for name, values in tried.items()}
    if off[run.overlap] < _OFF:
        return Check("overlap", True, f"overlaps at step 0 are the start's {run.overlap} overlaps")
    nearest = min(off, key=lambda name: off[name])
    if off[nearest] < _OFF:
        said = f"overlaps at step 0 are the start's {nearest} overlaps, not its {run.overlap} ones"
        return _of_another_definition(nearest, said, theory)
    said = f"overlaps at step 0 differ from the start's by {off[nearest]:.0%}"
    if run.overlap == "subspace" and "initial_student_gram" not in run.config:
        remedy = "set initial_student_gram (neurons that overlap outside the teacher's span have another span)"
        return Check("overlap", False, f"{said}: {remedy}", "initial_student_gram")
    return Check("overlap", False, f"{said}: the file and initial_overlaps disagree", "initial_overlaps")


def _of_another_definition(nearest: str, said: str, theory: Trajectory) -> Check:
    """The failed check of overlaps that follow another definition than the run's keys say."""
    if nearest not in OVERLAPS:
        return Check("overlap", False, f"{said}: set {_SQUARES}", _SQUARES)
    defined = overlap_of(theory.teacher.link)
    remedy = "" if nearest == defined else f"; theory of this link is about {defined} overlaps"
    return Check("overlap", False, f'{said}: set overlap = "{nearest}"{remedy}', f'overlap = "{nearest}"')


def _start_overlaps(teacher: Teacher, start: Start) -> dict[str, Float[np.ndarray, " M"]]:
    least = np.finfo(float).tiny  # which a ratio can be taken with
    return {name: np.maximum(values, least) for name, values in zip(OVERLAPS, alignments(teacher, start), strict=True)}


def _against_law(run: Run, theory: Trajectory) -> Check | None:
    """The mean overlap against its law over random starts, where no start is given."""
    assert run.overlaps is not None
    dim = theory.start.dim
    if dim is None or theory.teacher.covariance is not None:
        return None
    directions, neurons = run.overlaps.shape[1], theory.start.student_width
    laws = _laws(neurons, dim, directions)
    plain, squared = float(np.mean(run.overlaps[0])), float(np.mean(run.overlaps[0] ** 2))
    off = {name: abs(plain - law.mean) / law.spread for name, law in laws.items()}
    off |= {f"unsquared {name}": abs(squared - law.mean) / law.spread for name, law in laws.items()}
    expected = laws[run.overlap].mean
    said = f"overlaps at step 0 are {plain:.3g} on average, {expected:.3g} expected of {run.overlap} ones at random"
    near = [name for name, sigmas in off.items() if sigmas < _SIGMAS]
    if run.overlap in near:
        others = [name for name in near if name != run.overlap]
        unsure = f" (they may as well be {' or '.join(others)} ones)" if others else ""
        return Check("overlap", None if others else True, said + unsure, factor=plain / expected)
    if near:
        nearest = min(near, key=lambda name: off[name])
        return _of_another_definition(nearest, f"{said}, as {nearest} ones are", theory)
    return Check("overlap", False, f"{said}: set initial_overlaps", "initial_overlaps", plain / expected)


def _laws(neurons: int, dim: int, directions: int) -> dict[str, _OverlapLaw]:
    """The law of the mean overlap of a random start, by definition of the overlap; directions count as independent."""
    mean = neurons / dim
    largest = scipy.special.betaincinv(0.5, (dim - 1) / 2, _QUANTILES ** (1 / neurons))
    spread = np.sqrt(2 * mean * (1 - mean) / (dim + 2))  # of Beta(N/2, (d-N)/2)
    root = np.sqrt(directions)
    return {
        "subspace": _OverlapLaw(mean, max(float(spread) / root, 1e-300)),
        "neuron": _OverlapLaw(float(largest.mean()), float(largest.std()) / root),
    }
