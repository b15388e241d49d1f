"""A schedule from what a user gives for a learning rate: a number, a function, a list of pairs, or a name with numbers.

A dictionary has `name`, one of `NAMES`, and the numbers of that schedule under torch's names:

    {"name": "cosine", "T_max": 10000, "eta_min": 0.0}
    {"name": "linear", "start_factor": 1.0, "end_factor": 0.1, "total_iters": 10000}
    {"name": "step", "step_size": 1000, "gamma": 0.5}
    {"name": "power_law", "exponent": 0.5, "scale": 100}
    {"name": "constant"}

each with `warmup`, steps of a linear warm-up before it, and `warmup_start_factor`. Their formulas are in annealing.py
and schedule.py. η is the key `learning_rate`, beside the dictionary or in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from numbers import Real
from typing import Any

import numpy as np

from ..support import is_traced, require, require_real
from .annealing import Cosine, Linear, Piecewise, StepDecay, WarmUp
from .schedule import Constant, Function, PerDirection, PowerLaw, Schedule

_CLASSES: Mapping[str, type[Any]] = {
    "constant": Constant, "cosine": Cosine, "linear": Linear, "step": StepDecay, "power_law": PowerLaw,
    "direction": PerDirection,
}  # fmt: skip
NAMES = tuple(_CLASSES)
_ALSO = {"power": "power_law", "cosineannealinglr": "cosine", "linearlr": "linear", "steplr": "step"}
_WARMUP = ("warmup", "warmup_start_factor")


def as_schedule(learning_rate: object) -> Schedule:
    """A schedule from a number, a function of the step, pairs [step, η], a dictionary with a name, or a schedule.

    Raises:
        ArgumentError: something else, a number that is not positive, or numbers that do not belong to the name.
    """
    if isinstance(learning_rate, Schedule):
        return learning_rate
    if callable(learning_rate):
        schedule = Function(learning_rate)
        schedule.rates(0, 1)
        return schedule
    if isinstance(learning_rate, Mapping):
        rate = learning_rate.get("learning_rate")
        require(rate is not None, "learning_rate", "be given in the dictionary, as learning_rate", learning_rate)
        return schedule_of_words(learning_rate, rate)
    traced = is_traced(learning_rate)
    if not traced and isinstance(learning_rate, (list, tuple, np.ndarray)) and np.ndim(learning_rate) > 0:
        return Piecewise(learning_rate)
    scalar = isinstance(learning_rate, Real) or (hasattr(learning_rate, "dtype") and np.ndim(learning_rate) == 0)  # type: ignore[arg-type]
    must = "be a number > 0, a function of the step, or a schedule of riccati.sgd or its words"
    require(scalar and not isinstance(learning_rate, bool) and not traced, "learning_rate", must, repr(learning_rate))
    require_real(learning_rate, "learning_rate", above=0)
    return Constant(float(learning_rate))  # type: ignore[arg-type]


def schedule_of_words(words: Mapping[str, Any], rate: Any) -> Schedule:
    """The schedule of a dictionary with `name` and its numbers, at the learning rate η.

    Raises:
        ArgumentError: no name, an unknown one, or numbers that it does not have or lacks.
    """
    must = f"have a name, one of {', '.join(NAMES)}, and its numbers"
    require("name" in words, "schedule", must, dict(words))
    return schedule_named(words["name"], rate, **{k: v for k, v in words.items() if k not in ("name", "learning_rate")})


def schedule_named(name: str, rate: float, **numbers: Any) -> Schedule:
    """The schedule of that name with its numbers, those that are None left out.

    Raises:
        ArgumentError: an unknown name, or numbers that it does not have or lacks.
    """
    word = str(name).lower()
    kind = _CLASSES.get(_ALSO.get(word, word))
    must = f"be one of {', '.join(NAMES)}, or a list of pairs [step, η]"
    require(kind is not None, "schedule", must, repr(name))
    assert kind is not None
    given = {key: value for key, value in numbers.items() if value is not None}
    own = [each for each in fields(kind) if each.name != "rate"]
    for key, value in given.items():
        known = key in _WARMUP or key in [each.name for each in own]
        require(known, key, f"be left out for {name}", value)
    for each in own:
        needed = each.default is MISSING and each.name not in given
        require(not needed, each.name, f"be given for {name}", "missing")
    schedule = kind(rate, **{each.name: given[each.name] for each in own if each.name in given})
    if "warmup" in given:
        return WarmUp(schedule, given["warmup"], given.get("warmup_start_factor"))
    require("warmup_start_factor" not in given, "warmup_start_factor", "be given with warmup", "given without")
    return schedule
