"""A run held against what theory draws for it, and for the problems that it might be of instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..runs import Run
from ..support import ArgumentError
from .causes import Cause
from .clock import Clock, clock_from_draws
from .draws import Draws, Setting
from .explanations import Case, alternatives_of, drawn_for, observed_of, rows_held
from .observation import Evidence, evidence_of
from .power import remark_on_power
from .rank_test import Observed, noise_of
from .signs import signs_of
from .verdict import (
    ASK,
    LEVEL,
    NO_START,
    NOT_COMPARABLE,
    Verdict,
    consistent,
    explanations_of,
    inconsistent,
    probability_of,
    unexplained,
)

_ROUGH = 0.005  # relative error of the logged risk from which it is told
_AS_FAR = 10  # draws as far out as the run, after which no more are drawn (Besag & Clifford's h)
_TRUSTED = 0.05  # rms of log10(median of the law/median of SGD) up to which the law is trusted
_COARSE = 0.2  # relative error of a clock that is not told by the draws


@dataclass(frozen=True, eq=False)
class Judgement:
    """What theory's draws say of a run.

    Attributes:
        draws: what it was held against, or what its band is of.
        verdict: whether the run is one of theirs.
        clock: the run's times over theory's, and the relative error of that; None where it cannot be told.
        notes: what should be known of the draws, a line each.
        causes: those that are proved: the run is consistent with what theory draws with them.
        explained: whether an explanation was looked for, if the run needs one.
    """

    draws: Draws
    verdict: Verdict
    clock: Clock | None
    notes: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    explained: bool = False


def judged(
    run: Run,
    setting: Setting,
    overlaps: Float[np.ndarray, "T M"] | None,
    asked: bool,
    coarse: Callable[[], Clock | None],
) -> tuple[Judgement | None, str]:
    """What theory draws, and the verdict; None and why where no draws are to be had.

    Replicas of SGD where `asked`, or where they take seconds; else draws of the law where those do. `coarse` gives the
    factor between the clocks by the flow, where the draws do not tell it.

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
    observed = replace(observed, noise=noise_of(observed, draws))
    clock = clock_from_draws(observed, draws)
    notes = (*_cautions(draws, law), *_remarks(setting, observed, draws, offers=own_start and not asked))
    if not own_start:
        return Judgement(draws, NO_START, clock, notes), ""
    explain = asked and not draws.stopped
    verdict, causes = _verdict(Case(run, setting, observed), draws, clock, coarse, explain)
    return Judgement(draws, verdict, clock, notes, causes, explain), ""


def _without_start(setting: Setting) -> Draws:
    """Draws for a band, from a start that stands in."""
    try:
        return setting.drawn()
    except ArgumentError as error:
        law = f"as no law is known here, for which {error.argument} would have to {error.must}"
        must = f"give its start for a verdict (initial_overlaps, initial_student_gram, init_norm), {law}"
        raise ArgumentError("run", must, "without") from None


def _clearly_consistent(observed: Observed, draws: Draws) -> bool:
    """Whether `_AS_FAR` draws are as far out as the run: then more of them would hardly change the verdict."""
    with_noise = replace(observed, noise=noise_of(observed, draws))
    probability = probability_of(with_noise, draws)
    sound = int(np.count_nonzero(~draws.diverged))
    return probability is not None and bool(probability * (1 + sound) >= 1 + _AS_FAR)


def _remarks(setting: Setting, observed: Observed, draws: Draws, offers: bool) -> Iterator[str]:
    """What is to be said of how a run was held against draws."""
    if draws.stopped:
        yield f"stopped by an interrupt: the verdict is by the {len(draws.risk)} replicas finished by then"
    if observed.noise > _ROUGH:
        rough = f"{observed.noise:.1%}, as one estimated on samples"
        yield f"the logged risk is rough by {rough}: the verdict allows for it"
    if offers and draws.slack and setting.offer:
        yield f"the verdict is by draws of the law; {setting.offer}"


def _verdict(
    case: Case, draws: Draws, clock: Clock | None, coarse: Callable[[], Clock | None], explain: bool
) -> tuple[Verdict, tuple[Cause, ...]]:
    """The verdict, and with `explain` the causes that are proved."""
    observed, evidence = case.observed, evidence_of(case.run)
    if evidence.diverged:
        by_then = _drawn_until_divergence(case, draws)
        return _of_divergence(by_then, evidence) or _both_diverged(by_then), ()
    apart = _of_divergence(draws, evidence)
    probability = probability_of(observed, draws) if apart is None else apart.probability
    if probability is None:
        return NOT_COMPARABLE, ()
    if apart is None and probability >= LEVEL:
        return consistent(probability, draws, remark_on_power(observed, draws)), ()
    if not explain:
        return unexplained(probability, observed, draws) if apart is None else apart.explained((), ASK), ()
    alternatives = alternatives_of(case, evidence, clock or _rough(coarse()))
    explanations = explanations_of(observed, draws, alternatives)
    causes = tuple(one.alternative.cause for one in explanations if one.alternative.cause is not None)
    if apart is not None:
        return apart.explained(explanations), causes
    signs = () if explanations else signs_of(case.run, observed, draws, evidence)
    return inconsistent(probability, observed, draws, explanations, signs, clock), causes


def _rough(clock: Clock | None) -> Clock | None:
    return None if clock is None else Clock(clock.factor, max(clock.error, _COARSE))


def _of_divergence(draws: Draws, evidence: Evidence) -> Verdict | None:
    """The verdict where the run diverged and theory's draws do not, or the reverse; None where they agree.

    The probability is the share of the draws that do as the run did, the run itself counted among them.
    """
    alike = int(np.count_nonzero(draws.diverged == evidence.diverged))
    probability = (1 + alike) / (1 + len(draws.diverged))
    if probability >= LEVEL:
        return None
    count = f"{np.count_nonzero(draws.diverged)} of {draws.source} do"
    said = f"SGD at the told step explodes ({count}), this run did not"
    if evidence.diverged:
        said = f"this run diverged, SGD at the told step seldom does ({count})"
    return Verdict(False, probability, f"not consistent with theory (probability {probability:.2g}): {said}")


def _drawn_until_divergence(case: Case, draws: Draws) -> Draws:
    """What theory draws up to the step at which the run diverged, where that is later than its last row."""
    last = case.run.config.get("diverged_at_step", 0)
    if last <= case.setting.logged[-1]:
        return draws
    return drawn_for(replace(case.setting, logged=np.r_[case.setting.logged, last]))


def _both_diverged(draws: Draws) -> Verdict:
    """The verdict on a run that diverged, as draws do; where it then got to is nobody's."""
    said = f"consistent with theory: this run diverged, as {np.count_nonzero(draws.diverged)} of {draws.source} do"
    return Verdict(True, draws.exploded, said)


def _cautions(draws: Draws, law: Draws | None) -> tuple[str, ...]:
    """What is to be known of the draws, and of the law beside replicas of SGD."""
    found = [f"the law may be off: {held.caution}" for held in (draws, law) if held is not None and held.caution]
    if law is None or law is draws:
        return tuple(found)
    theirs, ours = law.risk_quantile(0.5), draws.risk_quantile(0.5)
    known = np.isfinite(theirs) & np.isfinite(ours) & (theirs > 0) & (ours > 0)
    off = float(np.sqrt(np.mean(np.log10(theirs[known] / ours[known]) ** 2))) if known.any() else np.inf
    if not off <= _TRUSTED and known.any():
        found.append(
            f"the law is not to be trusted at this d and step: its median risk is off from that of {draws.source} by "
            f"an rms log10 ratio of {off:.2g}"
        )
    return tuple(found)
