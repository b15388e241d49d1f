"""The problems that a run might be of instead: known causes whose factors are the run's, then others that might fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from ..numerics import first_crossings
from ..problem import Link, Teacher
from ..runs import Run, overlap_of
from ..support import ArgumentError
from .causes import Cause, agrees, causes_near, causes_of_loss, loss_factor
from .clock import Clock, clock_from_draws
from .draws import Draws, Setting
from .observation import Evidence, evidence_of
from .rank_test import Observed
from .step import step_of
from .verdict import Alternative

_SHIFTS = (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3)  # of β that are tried as explanations
_SURE = 3.0  # errors beyond which a cause leaves the clock off
_EXPONENTS = (2, 3, 4)  # and of the information exponent
_MOST_ROWS = 200  # of a run that are held against draws, evenly in log t


@dataclass(frozen=True, eq=False)
class Case:
    """A run, the problem that its keys make of it, and what of it is held against draws of that.

    Attributes:
        run: the run.
        setting: the problem, and the steps at which it is looked at.
        observed: the run at these steps.
    """

    run: Run
    setting: Setting
    observed: Observed

    @cached_property
    def draws(self) -> Draws:
        """What theory draws for it: replicas of SGD however long they take, where no law is known."""
        return drawn_for(self.setting)

    def with_cause(self, cause: Cause) -> Case | None:
        """The case if that is so; None where the run then has no problem that can be drawn."""
        try:
            run = cause.changed(self.run)
            start = run.start
            if start is None:
                return None
            step, _ = step_of(run, run.teacher, start)
        except ArgumentError:
            return None
        rows = rows_held(run)
        if step is None or not len(rows):
            return None
        setting = Setting(run.teacher, start, step, run.steps[rows], self.setting.replicas)
        comparable = None if self.observed.emerged is None else run.overlaps
        seen = observed_of(run, comparable, rows)
        exact = seen.exact and not cause.approximate
        return Case(run, setting, replace(seen, noise=self.observed.noise, exact=exact))


def drawn_for(setting: Setting) -> Draws:
    """What theory draws for a run's own problem, replicas of SGD however long they take where no law is known."""
    try:
        return setting.drawn()
    except ArgumentError:
        return setting.of_sgd()


def rows_held(run: Run) -> np.ndarray:
    """Indices of the rows beyond step 0 that are held against draws."""
    later = np.flatnonzero(run.steps > 0)
    if len(later) <= _MOST_ROWS:
        return later
    wanted = np.geomspace(run.steps[later[0]], run.steps[later[-1]], _MOST_ROWS)
    return np.unique(np.searchsorted(run.steps, wanted).clip(later[0], later[-1]))


def observed_of(run: Run, overlaps: Float[np.ndarray, "T M"] | None, rows: np.ndarray) -> Observed:
    """The run at these rows."""
    times, emerged = run.times[rows], None
    if overlaps is not None:
        # on the rows of the draws where they have overlaps: noise crosses a level the earlier, the closer one looks
        seen = rows if np.isfinite(overlaps[rows]).all() else np.arange(len(run.times))
        emerged = first_crossings(run.times[seen], overlaps[seen], 0.5)
    return Observed(times, None if run.risk is None else run.risk[rows], emerged, exact=evidence_of(run).exact)


def alternatives_of(case: Case, evidence: Evidence, clock: Clock | None) -> Iterator[Alternative]:
    """The problems that might explain the run, known causes first, each drawn as it is asked for, until an
    interrupt.

    Left out are other problems of no known law where replicas would take long, problems that would contradict what the
    run shows, and causes with which the run's clock is off still. Neurons whose norms never change are on the sphere,
    which none of these problems is about.
    """
    if evidence.norms_fixed:
        return
    for cause, other in _with_causes(case, evidence, clock):
        again = clock_from_draws(other.observed, other.draws)
        if again is None or not again.is_beyond(_SURE):
            yield Alternative(str(cause), other.draws, other.observed, cause)
        if other.draws.stopped:
            return
    for reason, setting, seen in _others(case, evidence, clock):
        try:
            draws = drawn_for(setting) if setting.teacher is case.setting.teacher else setting.drawn()
        except ArgumentError:
            continue
        yield Alternative(reason, draws, seen)
        if draws.stopped:
            return


def _with_causes(case: Case, evidence: Evidence, clock: Clock | None) -> Iterator[tuple[Cause, Case]]:
    """Known causes that may make the run's factors: of the loss at step 0, and then of the clock besides; or of it."""
    teacher, start = case.setting.teacher, case.setting.start
    factor = None if evidence.exact else loss_factor(case.run, teacher, start)
    if factor is None:
        if clock is not None and clock.is_off:  # one whose interval contains 1 explains nothing
            yield from _with_clock_causes(case, evidence, clock)
        return
    for cause in causes_of_loss(case.run, teacher, start):
        if not agrees(factor, 0.0, cause.loss) or (mended := case.with_cause(cause)) is None:
            continue
        yield cause, mended
        again = clock_from_draws(mended.observed, mended.draws)
        if again is not None and again.is_off:
            for second, both in _with_clock_causes(mended, evidence, again):
                yield replace(second, key=f"{cause} and {second.key}", keys=cause.keys | second.keys), both


def _with_clock_causes(case: Case, evidence: Evidence, clock: Clock) -> Iterator[tuple[Cause, Case]]:
    """Causes that make one and the same step share its draws."""
    drawn: dict[tuple, Case] = {}
    for cause in causes_near(case.run, clock, evidence.exact):
        other = case.with_cause(cause)
        if other is None:
            continue
        same = (round(other.setting.step.learning_rate / case.setting.step.learning_rate, 9), cause.divided)
        yield cause, drawn.setdefault(same, other)


def _others(case: Case, evidence: Evidence, clock: Clock | None) -> Iterator[tuple[str, Setting, Observed]]:
    """A clock that is off by no known factor, and the problems that differ in β or in the information exponent."""
    setting, observed = case.setting, case.observed
    if clock is not None and clock.is_off:
        yield _with_clock(setting, observed, *clock)
    link, width = setting.teacher.link, setting.teacher.width
    if "beta" in case.run.config and "second_layer" not in case.run.config:
        for shift in _SHIFTS:
            beta = float(case.run.config["beta"]) + shift
            if beta >= 0:
                other = Teacher.power_law(width, beta, link)
                yield f"beta = {beta:.3g}", replace(setting, teacher=other), observed
    if setting.step.on_stiefel or evidence.exact:
        return
    for k in _EXPONENTS:
        if k != link.degree:
            teacher = Teacher(setting.teacher.a, Link.hermite(k))
            comparable = case.run.overlap == overlap_of(teacher.link)
            seen = observed if comparable else replace(observed, emerged=None)
            yield f"information_exponent = {k}", replace(setting, teacher=teacher), seen


def _with_clock(setting: Setting, observed: Observed, factor: float, error: float) -> tuple[str, Setting, Observed]:
    """The problem with a step that is so many times shorter, and the run on its clock."""
    step = setting.step.faster(1 / factor)
    emerged = None if observed.emerged is None else observed.emerged / factor
    seen = replace(observed, times=observed.times / factor, emerged=emerged, clock_error=error)
    reason = f"a clock whose times are {factor:.3g} times theory's (± {error:.1%})"
    return reason, replace(setting, step=step), seen
