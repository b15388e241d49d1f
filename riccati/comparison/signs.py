"""What a run that no key explains shows of how it was trained: ways that theory has no key for, told by their marks.

A mark is what can be read off the run; it names a way to train and does not prove it.
"""

from __future__ import annotations

import numpy as np

from ..runs import Run
from .clock import drift_of
from .draws import Draws
from .observation import Evidence
from .rank_test import Observed

_ABOVE = 1.1  # times theory's median: a final risk beyond that, and beyond the draws, is a plateau of its own
_INSIDE = (0.005, 0.995)  # quantiles of the draws, between which a course agrees
_MOSTLY = 0.95  # of the early rows must agree
_LATE, _FEWEST = 0.5, 5  # the last part of a run, and the rows there and early on that can tell
_FLAT, _FLUCTUATES = 0.5, 0.05  # change of log risk over the last part, and from row to row, of a plateau of noise
_CONSTANT, _STEADY, _FAR = 0.05, 0.03, 10.0  # the same, and the ratio to theory, of another teacher's
_SHRUNK, _HARDLY = 0.6, 0.2  # shares of the risk that smaller norms make: nearly all of it, and next to nothing


def signs_of(run: Run, observed: Observed, draws: Draws, evidence: Evidence) -> tuple[str, ...]:
    """The marks that the run bears, a phrase each."""
    if evidence.norms_fixed:
        return ("its neurons' norms never change, as where they are renormalised at every step (the sphere)",)
    return _plateau(run, observed, draws) or _drift(observed, draws)


def _drift(observed: Observed, draws: Draws) -> tuple[str, ...]:
    """A clock that is another late in the fall of the risk than early."""
    drift = drift_of(observed, draws)
    if drift is None:
        return ()
    times = f"its times are {drift[0]:.2g} times theory's early in the fall of the risk and {drift[1]:.2g} late"
    return (f"{times}, as with a learning rate that changes (a warm-up or a schedule)",)


def _plateau(run: Run, observed: Observed, draws: Draws) -> tuple[str, ...]:
    """A risk that agrees early and stays above theory's, by what keeps it there."""
    risk, times = observed.risk, observed.times
    if risk is None or not (np.isfinite(risk) & (risk > 0)).all():
        return ()
    low, middle, high = (draws.risk_quantile(q) for q in (_INSIDE[0], 0.5, _INSIDE[1]))
    late = times > (1 - _LATE) * times[-1]
    above = bool(np.isfinite(high).all()) and risk[-1] > max(high[-1], _ABOVE * middle[-1])
    if not above or np.count_nonzero(late) < _FEWEST:
        return ()
    course = np.log(risk[late])
    # early is what lies above the middle between the start and the plateau, in log risk
    early = np.log(np.maximum(middle, 1e-12)) > (np.log(middle[0]) + course.mean()) / 2
    agree = ((risk >= low / _ABOVE) & (risk <= high * _ABOVE))[early]
    if len(agree) < _FEWEST or agree.mean() < _MOSTLY:
        return ()
    slope = float(np.polyfit(times[late], course, 1)[0])
    trend, rough = abs(slope) * (times[-1] - times[late][0]), float(np.std(np.diff(course - slope * times[late])))
    ratio, shrunk = risk[-1] / middle[-1], _share_of_shrinking(run)
    said = f"it stays at {ratio:.3g} times theory's risk while its early course agrees"
    if trend < _FLAT and shrunk is not None and shrunk > _SHRUNK:
        return (f"{said}, and its neurons are smaller than what they have learned, as with weight decay",)
    if trend < _FLAT and rough > _FLUCTUATES:
        hardly = shrunk is not None and shrunk < _HARDLY
        return (f"{said}, and fluctuates there, as with label noise" + ("" if hardly else " or weight decay"),)
    if trend < _CONSTANT and rough < _STEADY and ratio > _FAR:
        other = "as where SGD learns another teacher than is told (beta or second_layer, teacher_width, the directions)"
        return (f"{said}, and does not change there, {other}",)
    return ()


def _share_of_shrinking(run: Run) -> float | None:
    """The share of the last risk that neurons make which weight decay holds below what they have learned.

    Decay takes the same δ off every learned s_m, which leaves g(1) M δ²/E f*²: another teacher's norms, and those that
    fluctuate, leave more for the same Σ (a_m - s_m). None where the run did not log its last norms or has not learned
    every direction.
    """
    norms, a = run.config.get("final_norms"), run.config.get("second_layer")
    if norms is None or a is None or run.overlaps is None or not bool((run.overlaps[-1] > 0.5).all()):
        return None
    short, teacher = max(float(np.sum(a) - np.sum(np.square(norms))), 0.0), run.teacher
    assert run.risk is not None
    return float(teacher.link.dual(1.0)) * short**2 / len(a) / float(teacher.second_moment) / float(run.risk[-1])
