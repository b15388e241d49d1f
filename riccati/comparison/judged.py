"""What theory draws for a run, and for the problems that it might be of instead."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..emergence import Algorithm, EmergenceLaw, RiskLaw, emergence_law, risk_law
from ..numerics import first_crossings
from ..problem import Link, Start, Teacher
from ..runs import Run
from ..support import require, require_integer
from .clock import clock_from_risk, clock_from_times
from .statistics import Draws
from .step import RunStep
from .verdict import Alternative, Observed, Verdict, verdict_of

_SHIFTS = (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3)  # of β that are tried as explanations
_EXPONENTS = (2, 3, 4)  # and of the information exponent
_SEED = 0
_FEWEST = 128  # draws


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the law says of a run.

    Attributes:
        band: the law of the risk at the run's times.
        law: the law of the emergence times.
        verdict: whether the run is one of theirs.
        clock: the run's times over theory's, and the relative error of that; None where it cannot be told.
    """

    band: RiskLaw
    law: EmergenceLaw
    verdict: Verdict
    clock: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class _Setting:
    """What theory is sampled for: a problem, a step, and the times at which it is looked at."""

    teacher: Teacher
    start: Start
    step: RunStep
    times: Float[np.ndarray, " T"]
    replicas: int

    def laws(self) -> tuple[RiskLaw, EmergenceLaw]:
        """The law of the risk and that of the emergence times."""
        step = self.step
        algorithm: Algorithm = "stiefel" if step.on_stiefel else "homogeneous"
        band = risk_law(
            self.teacher, self.start, times=self.times, learning_rate=step.learning_rate, batch_size=step.batch_size,
            algorithm=algorithm, student_scale=step.student_scale, replicas=self.replicas, seed=_SEED,
        )  # fmt: skip
        if self.teacher.link.degree != 2:
            law = emergence_law(self.teacher, self.start, learning_rate=step.learning_rate, batch_size=step.batch_size)
            return band, law
        law = emergence_law(
            self.teacher, self.start, learning_rate=step.learning_rate, batch_size=step.batch_size,
            algorithm=algorithm, student_scale=step.student_scale, horizon=float(self.times[-1]),
            replicas=self.replicas, seed=_SEED,
        )  # fmt: skip
        return band, law

    def draws(self, band: RiskLaw, law: EmergenceLaw) -> Draws:
        """What the two draw, as seen by a run that ends at the last of the times."""
        emerged = np.asarray(law.sample(self.replicas, seed=_SEED + 1))
        seen = np.where(emerged <= self.times[-1], emerged, np.inf)
        return Draws(np.asarray(band.draws), seen, self.step.dim)


def judged(
    run: Run, teacher: Teacher, start: Start, step: RunStep, overlaps: Float[np.ndarray, "T M"] | None, replicas: int
) -> Judgement:
    """Hold a run against draws of its law: `replicas`, or 128 if that is more, as fewer cannot tell 5 %.

    Raises:
        ArgumentError: no whole number of replicas, or a problem whose law is not known (see `risk_law`).
    """
    require_integer(replicas, "replicas", 1)
    later = run.times > 0
    require(bool(later.any()), "run", "have logged a step beyond 0", "without one")
    emerged = None if overlaps is None else first_crossings(run.times, overlaps, 0.5)
    observed = Observed(run.times[later], None if run.risk is None else run.risk[later], emerged)
    setting = _Setting(teacher, start, step, observed.times, max(replicas, _FEWEST))
    band, law = setting.laws()
    clock = _clock(observed, band, law)
    verdict = verdict_of(observed, setting.draws(band, law), _alternatives(run, setting, observed, clock))
    return Judgement(band, law, verdict, clock)


def _clock(observed: Observed, band: RiskLaw, law: EmergenceLaw) -> tuple[float, float] | None:
    """The factor between the clocks of run and theory, from emergence times where there are any, else from the risk."""
    if observed.emerged is not None:
        early, middle, late = (np.asarray(law.quantile(q)) for q in (0.16, 0.5, 0.84))
        with np.errstate(invalid="ignore", divide="ignore"):
            found = clock_from_times(observed.emerged, middle, np.log(late / early) / 2)
        if found is not None:
            return found
    if observed.risk is None:
        return None
    return clock_from_risk(observed.times, observed.risk, observed.times, np.asarray(band.quantile(0.5)))


def _alternatives(
    run: Run, setting: _Setting, observed: Observed, clock: tuple[float, float] | None
) -> Iterator[Alternative]:
    """The problems that differ in one key, each sampled as it is asked for."""
    if clock is not None and abs(math.log(clock[0])) > 0.02:
        factor = clock[0]
        times = observed.times / factor
        emerged = None if observed.emerged is None else observed.emerged / factor
        step = replace(setting.step, learning_rate=setting.step.learning_rate / factor)
        reason = f"a clock whose times are {factor:.3g} times theory's (± {clock[1]:.1%})"
        yield _sampled(
            reason, replace(setting, step=step, times=times), replace(observed, times=times, emerged=emerged)
        )
    if "beta" in run.config:
        for shift in _SHIFTS:
            beta = float(run.config["beta"]) + shift
            if beta >= 0:
                other = Teacher.power_law(setting.teacher.width, beta, setting.teacher.link)
                yield _sampled(f"beta = {beta:.3g}", replace(setting, teacher=other), observed)
    degree = setting.teacher.link.degree
    for k in () if setting.step.on_stiefel else _EXPONENTS:
        if k != degree:
            other = Teacher(setting.teacher.a, Link.hermite(k))
            yield _sampled(f"information_exponent = {k}", replace(setting, teacher=other), observed)


def _sampled(reason: str, setting: _Setting, observed: Observed) -> Alternative:
    return Alternative(reason, setting.draws(*setting.laws()), observed)
