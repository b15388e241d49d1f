"""A run held against what theory draws for it, and for the problems that it might be of instead."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..numerics import first_crossings
from ..problem import Link, Teacher
from ..runs import Run, overlap_of
from ..support import ArgumentError
from .clock import clock_from_risk, clock_from_times
from .draws import Draws, Setting
from .statistics import Observed, noise_of
from .verdict import NO_START, UNASKED, Alternative, Verdict, verdict_of

_SHIFTS = (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3)  # of β that are tried as explanations
_EXPONENTS = (2, 3, 4)  # and of the information exponent
_MOST_ROWS = 200  # of a run that are held against draws, evenly in log t
_ROUGH = 0.005  # relative error of the logged risk from which it is told
_OFF = 0.02  # of log time: a clock closer than that explains nothing
_AS_FAR = 10  # draws as far out as the run, after which no more are drawn (Besag & Clifford's h)
_TRUSTED = 0.05  # rms of log10(median of the law/median of SGD) up to which the law is trusted


@dataclass(frozen=True, eq=False)
class Judgement:
    """What theory's draws say of a run.

    Attributes:
        draws: what it was held against, or what its band is of.
        verdict: whether the run is one of theirs.
        clock: the run's times over theory's, and the relative error of that; None where it cannot be told.
        notes: what should be known of the draws, a line each.
    """

    draws: Draws
    verdict: Verdict
    clock: tuple[float, float] | None
    notes: tuple[str, ...] = ()


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
    return Observed(times, None if run.risk is None else run.risk[rows], emerged)


def judged(
    run: Run, setting: Setting, overlaps: Float[np.ndarray, "T M"] | None, asked: bool
) -> tuple[Judgement | None, str]:
    """What theory draws, and the verdict; None and why where no draws are to be had.

    Replicas of SGD where `asked`, or where they take seconds; else draws of the law where those do.

    Raises:
        ArgumentError: `asked`, of a start that is not the run's own and a problem whose law is not known.
        Stopped: a KeyboardInterrupt before there is anything to judge by.
    """
    observed, own_start = observed_of(run, overlaps, rows_held(run)), run.start is not None
    law, why = None, ""
    if setting.has_replicas and own_start and (asked or setting.affordable):
        draws = setting.of_sgd(lambda held: _clearly_consistent(observed, held))
        if asked and setting.affordable:
            law = setting.quick_law()[0]
    elif asked:
        draws = _without_start(setting)
    else:
        quick, why = setting.quick_law()
        if quick is None:
            offer = f"; {setting.offer}" if own_start and setting.offer else ""
            return None, why + offer
        draws = quick
    clock = _clock(observed, draws)
    observed = replace(observed, noise=noise_of(observed.risk, draws))
    if not own_start:
        verdict = NO_START if asked else UNASKED
    else:
        explain = asked and not draws.stopped
        verdict = verdict_of(observed, draws, _alternatives(run, setting, observed, clock) if explain else None)
    return Judgement(draws, verdict, clock, (*_cautions(draws, law), *_remarks(setting, observed, draws, asked))), ""


def _without_start(setting: Setting) -> Draws:
    """Draws for a band, from a start that stands in."""
    try:
        return setting.drawn()
    except ArgumentError as error:
        must = "give initial_overlaps (or initial_weights) for a verdict, and no law is known here without one"
        raise ArgumentError("run", must, f"without ({error})") from None


def _clearly_consistent(observed: Observed, draws: Draws) -> bool:
    """Whether `_AS_FAR` draws are as far out as the run: then more of them would hardly change the verdict."""
    with_noise = replace(observed, noise=noise_of(observed.risk, draws))
    probability = verdict_of(with_noise, draws, None).probability
    sound = int(np.count_nonzero(~draws.diverged))
    return probability is not None and bool(probability * (1 + sound) >= 1 + _AS_FAR)


def _remarks(setting: Setting, observed: Observed, draws: Draws, asked: bool) -> Iterator[str]:
    """What is to be said of how a run was held against draws."""
    if draws.stopped:
        yield f"stopped by an interrupt: the verdict is by the {len(draws.risk)} replicas finished by then"
    if observed.noise > _ROUGH:
        rough = f"{observed.noise:.1%}, as one estimated on samples"
        yield f"the logged risk is rough by {rough}: the verdict allows for it"
    if not asked and draws.slack and setting.offer:
        yield f"the verdict is by draws of the law; {setting.offer}"


def _cautions(draws: Draws, law: Draws | None) -> tuple[str, ...]:
    """What is to be known of the draws, and of the law beside replicas of SGD."""
    found = [f"the law may be off: {held.caution}" for held in (draws, law) if held is not None and held.caution]
    if law is None or law is draws:
        return tuple(found)
    with np.errstate(invalid="ignore"):
        ratio = np.log10(law.risk_quantile(0.5) / draws.risk_quantile(0.5))
    off = float(np.sqrt(np.mean(ratio**2)))
    if not off <= _TRUSTED:
        found.append(
            f"the law is not to be trusted at this d and step: its median risk is off from that of {draws.source} by "
            f"an rms log10 ratio of {off:.2g}"
        )
    return tuple(found)


def _clock(observed: Observed, draws: Draws) -> tuple[float, float] | None:
    """The factor between the clocks of run and theory, from emergence times where there are any, else from the risk."""
    if observed.emerged is not None:
        early, middle, late = (draws.emergence_quantile(q) for q in (0.16, 0.5, 0.84))
        with np.errstate(invalid="ignore", divide="ignore"):
            found = clock_from_times(observed.emerged, middle, np.log(late / early) / 2)
        if found is not None:
            return found
    if observed.risk is None:
        return None
    return clock_from_risk(observed.times, observed.risk, draws.times, draws.risk_quantile(0.5))


def _alternatives(
    run: Run, setting: Setting, observed: Observed, clock: tuple[float, float] | None
) -> Iterator[Alternative]:
    """The problems that differ in one key, each sampled as it is asked for, until an interrupt.

    Those of no known law are left out where replicas would take long; the run's own on another clock never is.
    """
    for reason, other, seen in _others(run, setting, observed, clock):
        try:
            draws = other.drawn()
        except ArgumentError:
            if other.teacher is not setting.teacher:
                continue
            draws = other.of_sgd()
        yield Alternative(reason, draws, seen)
        if draws.stopped:
            return


def _others(
    run: Run, setting: Setting, observed: Observed, clock: tuple[float, float] | None
) -> Iterator[tuple[str, Setting, Observed]]:
    if clock is not None and abs(math.log(clock[0])) > _OFF:
        yield _with_clock(setting, observed, *clock)
    link, width = setting.teacher.link, setting.teacher.width
    if "beta" in run.config:
        for shift in _SHIFTS:
            beta = float(run.config["beta"]) + shift
            if beta >= 0:
                other = Teacher.power_law(width, beta, link)
                yield f"beta = {beta:.3g}", replace(setting, teacher=other), observed
    for k in () if setting.step.on_stiefel else _EXPONENTS:
        if k != link.degree:
            teacher = Teacher(setting.teacher.a, Link.hermite(k))
            comparable = run.overlap == overlap_of(teacher.link)
            seen = observed if comparable else replace(observed, emerged=None)
            yield f"information_exponent = {k}", replace(setting, teacher=teacher), seen


def _with_clock(setting: Setting, observed: Observed, factor: float, error: float) -> tuple[str, Setting, Observed]:
    """The problem with a step that is so many times shorter, and the run on its clock."""
    step = setting.step.faster(1 / factor)
    emerged = None if observed.emerged is None else observed.emerged / factor
    reason = f"a clock whose times are {factor:.3g} times theory's (± {error:.1%})"
    return reason, replace(setting, step=step), replace(observed, times=observed.times / factor, emerged=emerged)
