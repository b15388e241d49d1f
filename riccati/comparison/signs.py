"""Descriptions of an inconsistent run: where it leaves the draws, and signs of how it was trained.

A sign is a property of the run that hints at a way of training for which there is no key, such as weight decay; it is
no proof of it.
"""

from __future__ import annotations

import math

import numpy as np

from ..runs import Run
from .clock import against_scatter, falls
from .draws import LEAST_RISK, Draws
from .observation import Observation, Readings
from .rank_test import LEVEL

_OUTSIDE = 0.01  # of the draws on either side, beyond which a point of the risk is outside theory's band
_ENDS_OFF = 0.05  # relative: a final risk closer to theory's median is not mentioned
_ABOVE = 1.1  # times theory's median: a final risk beyond that, and beyond the draws, is a plateau of its own
_INSIDE = (0.005, 0.995)  # quantiles of the draws, between which a curve agrees
_MOSTLY = 0.95  # of the early rows must agree
_LATE, _FEWEST = 0.5, 5  # the last part of a run, and the rows there and early on that can tell
_FLAT, _FLUCTUATES = 0.5, 0.05  # change of log risk over the last part, and from row to row, of a plateau of noise
_CONSTANT, _STEADY, _FAR = 0.05, 0.03, 10.0  # the same, and the ratio to theory, of another teacher's
SHRUNK, HARDLY = 0.6, 0.2  # shares of the risk that smaller norms make: nearly all of it, and next to nothing
_ROUGH = 0.005  # of the draws on either side, beyond which a run is smoother or rougher than they are
_LEVELS = np.linspace(0.9, 0.3, 5)  # of the fall of log risk, at which a clock may drift
_ABOVE_END = 1.0  # of log risk: levels nearer to where a run ends tell of its plateau
_DRIFT, _DRIFT_ERRORS = 0.15, 4.0  # of log time, and in errors: a drift beyond both is one


def anomalies_of(readings: Readings, draws: Draws) -> tuple[str, ...]:
    """Phrases on where the risk leaves theory's band, where it ends, and on the most unusual emergence time.

    Only what is unusual gets a phrase.
    """
    said = () if readings.risk is None else _of_risk(readings.times, readings.risk, draws)
    return said if readings.emerged is None else (*said, *_of_times(readings.emerged, draws))


def _of_risk(times: np.ndarray, risk: np.ndarray, draws: Draws) -> tuple[str, ...]:
    low, middle, high = (draws.risk_quantile(q) for q in (_OUTSIDE, 0.5, 1 - _OUTSIDE))
    known = np.isfinite(risk) & np.isfinite(middle) & (middle > 0)
    outside = np.flatnonzero(known & ((risk < low) | (risk > high)))
    if not len(outside):
        return ()
    first, last = int(outside[0]), int(np.flatnonzero(known)[-1])
    said = [f"from t = {times[first]:.3g} on its risk leaves the band, {_times_of(risk[first] / middle[first])} there"]
    if last != first and outside[-1] == last and abs(risk[last] / middle[last] - 1) > _ENDS_OFF:
        said.append(f"it ends at {risk[last]:.3g}, {_times_of(risk[last] / middle[last])}")
    return tuple(said)


def _times_of(ratio: float) -> str:
    """A ratio to theory's median, in words that do not round it to 1."""
    if abs(ratio - 1) < 0.1:
        return f"{100 * abs(ratio - 1):.2g} % {'above' if ratio > 1 else 'below'} the median"
    return f"{ratio:.3g} times the median"


def _of_times(emerged: np.ndarray, draws: Draws) -> tuple[str, ...]:
    """A phrase on the emergence time that is earlier or later than most draws', if one is unusual."""
    earlier, later = np.mean(draws.emerged_by_end < emerged, axis=0), np.mean(draws.emerged_by_end > emerged, axis=0)
    m = int(np.argmax(np.maximum(earlier, later)))
    if max(earlier[m], later[m]) < 1 - LEVEL:
        return ()
    time = f"{emerged[m]:.3g}" if np.isfinite(emerged[m]) else "never"
    word, share = ("later", earlier[m]) if earlier[m] > later[m] else ("earlier", later[m])
    return (f"T_{m + 1} is {time}, {word} than {share:.0%} of theory's",)


def late_rows(readings: Readings) -> np.ndarray | None:
    """Which rows are late in a run and have a risk, (T,); None where too few do to tell a plateau."""
    if readings.risk is None:
        return None
    late = (readings.times > (1 - _LATE) * readings.times[-1]) & np.isfinite(readings.risk) & (readings.risk > 0)
    return late if np.count_nonzero(late) >= _FEWEST else None


def is_as_rough(readings: Readings, draws: Draws) -> bool:
    """Whether the run's late risk changes from row to row by as much as the draws' do; True where that is unknown.

    A risk that has an error of its own may be rougher.
    """
    low, own, high = _roughness(readings, draws)
    return low / _ABOVE <= own and (own <= _ABOVE * high or not readings.exact)


def is_smoother(readings: Readings, draws: Draws) -> bool:
    """Whether the run's late risk changes less from row to row than that of any draw; False where that is unknown."""
    low, own, _ = _roughness(readings, draws)
    return own < low / _ABOVE


def _roughness(readings: Readings, draws: Draws) -> tuple[float, float, float]:
    """The run's late roughness, between a low and a high quantile of the draws'; all alike where it is unknown."""
    late = late_rows(readings)
    if late is None:
        return 1.0, 1.0, 1.0
    assert readings.risk is not None
    sound = draws.risk[(np.isfinite(draws.risk) & (draws.risk > 0)).all(axis=1)]
    if len(sound) < _FEWEST:
        return 1.0, 1.0, 1.0
    own, theirs = (np.std(np.diff(np.log(risk[..., late])), axis=-1) for risk in (readings.risk, sound))
    return float(np.quantile(theirs, _ROUGH)), float(own), float(np.quantile(theirs, 1 - _ROUGH))


def signs_of(observation: Observation, readings: Readings, draws: Draws) -> tuple[str, ...]:
    """Phrases on signs of how the run was trained, one for each sign."""
    return _plateau(observation.run, readings, draws) or _drift(readings, draws)


def _drift(readings: Readings, draws: Draws) -> tuple[str, ...]:
    """A phrase on a clock that differs between the early and the late part of the fall of the risk."""
    drift = drift_of(readings, draws)
    if drift is None:
        return ()
    times = f"its times are {drift[0]:.2g} times theory's early in the fall of the risk and {drift[1]:.2g} late"
    return (f"{times}, as with a learning rate that changes (a warm-up or a schedule)",)


def _plateau(run: Run, readings: Readings, draws: Draws) -> tuple[str, ...]:
    """A phrase on a risk that agrees early and stays above theory's later, with what may keep it there."""
    risk, times = readings.risk, readings.times
    if risk is None or not (np.isfinite(risk) & (risk > 0)).all():
        return ()
    low, middle, high = (draws.risk_quantile(q) for q in (_INSIDE[0], 0.5, _INSIDE[1]))
    late = times > (1 - _LATE) * times[-1]
    above = bool(np.isfinite(high).all()) and risk[-1] > max(high[-1], _ABOVE * middle[-1])
    if not above or np.count_nonzero(late) < _FEWEST:
        return ()
    curve = np.log(risk[late])
    # early is what lies above the middle between the start and the plateau, in log risk
    early = np.log(np.maximum(middle, LEAST_RISK)) > (np.log(middle[0]) + curve.mean()) / 2
    agree = ((risk >= low / _ABOVE) & (risk <= high * _ABOVE))[early]
    if len(agree) < _FEWEST or agree.mean() < _MOSTLY:
        return ()
    slope = float(np.polyfit(times[late], curve, 1)[0])
    trend, rough = abs(slope) * (times[-1] - times[late][0]), float(np.std(np.diff(curve - slope * times[late])))
    ratio, shrunk = risk[-1] / middle[-1], share_of_shrinking(run)
    said = f"it stays at {ratio:.3g} times theory's risk while its early part agrees"
    if trend < _FLAT and shrunk is not None and shrunk > SHRUNK:
        return (f"{said}, and its neurons are smaller than what they have learned, as with weight decay",)
    if trend < _FLAT and rough > _FLUCTUATES:
        hardly = shrunk is not None and shrunk < HARDLY
        return (f"{said}, and fluctuates there, as with label noise" + ("" if hardly else " or weight decay"),)
    if trend < _CONSTANT and rough < _STEADY and ratio > _FAR:
        other = "as if SGD learned another teacher than its keys say (beta, second_layer, teacher_width, directions)"
        return (f"{said}, and does not change there, {other}",)
    return ()


def share_of_shrinking(run: Run) -> float | None:
    """The share of the last risk that weight decay explains, by holding the s_m below the learned a_m.

    Decay takes the same δ off every learned s_m, which leaves a risk of g(1) M δ²/E f*². Norms of another teacher, or
    norms that fluctuate, leave more for the same Σ (a_m - s_m). None where the run did not log its last norms or has
    not learned every direction.
    """
    norms, a = run.config.get("final_norms"), run.config.get("second_layer")
    if norms is None or a is None or run.overlaps is None or not bool((run.overlaps[-1] > 0.5).all()):
        return None
    short, teacher = max(float(np.sum(a) - np.sum(np.square(norms))), 0.0), run.teacher
    assert run.risk is not None
    return float(teacher.link.dual(1.0)) * short**2 / len(a) / float(teacher.second_moment) / float(run.risk[-1])


def drift_of(readings: Readings, draws: Draws) -> tuple[float, float] | None:
    """The run's times over theory's early and late in the fall of the risk, where they differ by more than draws' do.

    A constant learning rate has one factor throughout. One that is warmed up or lowered, from the value in the keys,
    makes the run slower, never faster. None where there is no drift, the run is faster than theory, or the fall is
    too short.
    """
    median = draws.risk_quantile(0.5)
    if readings.risk is None or not np.isfinite(median).all() or not falls(median):
        return None
    first, last = math.log(median[0]), math.log(max(float(median.min()), LEAST_RISK))
    levels = last + _LEVELS * (first - last)
    times = np.array([_first_below(readings.times, risk, levels) for risk in (*draws.risk, readings.risk, median)])
    logs = np.log(times[:-1] / times[-1])
    apart = levels > math.log(max(float(np.nanmin(readings.risk)), LEAST_RISK)) + _ABOVE_END
    reached = np.flatnonzero(apart & np.isfinite(logs[-1]) & (np.isfinite(logs).mean(axis=0) > 0.5))
    if len(reached) < 3:
        return None
    early, late = logs[:, reached[0]], logs[:, reached[-1]]
    with np.errstate(invalid="ignore"):
        change = late - early
    scatter = against_scatter(change)
    if scatter is None or abs(math.log(scatter.factor)) < max(_DRIFT, _DRIFT_ERRORS * scatter.error):
        return None
    if min(early[-1], late[-1]) < -_DRIFT:
        return None
    return math.exp(early[-1]), math.exp(late[-1])


def _first_below(times: np.ndarray, risk: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The times at which a risk first falls to each level of its logarithm, interpolated; inf where it does not."""
    with np.errstate(invalid="ignore"):
        logs = np.log(np.maximum(risk, LEAST_RISK))
        least = np.minimum.accumulate(np.where(np.isfinite(logs), logs, np.inf))
    reached = np.interp(-levels, -least, times) if np.isfinite(least).all() else np.full(len(levels), np.inf)
    return np.where(least[-1] <= levels, reached, np.inf)
