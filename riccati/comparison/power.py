"""Whether a run that is consistent with theory could have been told from another: the power of the test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .draws import Draws
from .rank_test import Observed
from .verdict import LEVEL, probability_of

_SLOWER = 2.0  # the other clock: that of a loss with its half for one without
_TRIED = 16  # draws that are held out, one by one
_LEAST = 0.5  # power below which it is told


def power_against_slower(observed: Observed, draws: Draws) -> float | None:
    """The share of theory's own draws that the test would refuse at half their rate; None where that is not known."""
    sound = np.flatnonzero(np.isfinite(draws.risk).all(axis=1) & (draws.risk > 0).all(axis=1))[:_TRIED]
    at = np.log(draws.times)
    refused = []
    for i in sound:
        risk = None
        if observed.risk is not None:
            risk = np.exp(np.interp(at - np.log(_SLOWER), at, np.log(draws.risk[i])))
        emerged = None if observed.emerged is None else _SLOWER * draws.emerged[i]
        if emerged is not None:
            emerged = np.where(emerged <= draws.times[-1], emerged, np.inf)
        others = np.arange(len(draws.risk)) != i
        rest = replace(draws, risk=draws.risk[others], emerged=draws.emerged[others])
        probability = probability_of(replace(observed, risk=risk, emerged=emerged), rest)
        if probability is not None:
            refused.append(probability < LEVEL)
    return float(np.mean(refused)) if refused else None


def remark_on_power(observed: Observed, draws: Draws) -> str:
    """What a verdict of consistent adds where the test would hardly have said otherwise."""
    power = power_against_slower(observed, draws)
    if power is None or power >= _LEAST:
        return ""
    return f"; too short to tell: {1 - power:.0%} of runs at half the rate would be called consistent too"
