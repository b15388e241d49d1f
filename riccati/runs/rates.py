"""Learning rates of a run: constant, or a schedule, given as a key or read from a column of the log.

A schedule is a list of pairs [step, η]: η holds from that step on, the first one from the beginning. n steps of it take
canonical time Σ_{j<n} η_j, times the clock's factor. The theory is of SGD: adaptive optimisers are refused by name.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from ..support import as_numbers, require, require_unmasked
from .columns import Chosen, optimiser_in
from .numbers import Column, count
from .steps import Steps, are_steps

OPTIMISER_KEYS = ("optimizer", "optimiser")
_ADAPTIVE = re.compile(
    r"ada(?!pt)[a-z]*|[a-z]*adam\w*|rms_?prop|r_?prop|lion|lamb|lars|muon|shampoo|soap|sophia|sign_?sgd|l?bfgs|yogi|"
    r"prodigy|novograd|signum"
)
# of SGD, with the value that follows as in SGD(momentum=0.9) or as torch prints its optimisers, momentum: 0.9
_BEYOND_PLAIN = re.compile(r"(momentum|nesterov|weight_?decay)['\"]?\s*[=:]\s*([\w.+-]+)")
_OFF = re.compile(r"false|none|[0.]+(e[+-]?\d+)?")
_SAME = 1e-3  # relative: rates that differ by less are one rate, written with three digits
_Pairs = list[list[float]]


class Rates(NamedTuple):
    """What a log says of the learning rate.

    Attributes:
        keys: keys of the run that follow from it.
        last: the step from which on the rate is 0; inf where there is none.
        notes: disagreements and what was left out, a line each.
        assumed: what was taken for granted, a line each.
    """

    keys: dict[str, Any]
    last: float = np.inf
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


def refuse_adaptive(config: dict[str, Any]) -> None:
    """Refuse a run whose keys name an optimiser that is not SGD.

    Raises:
        ArgumentError: under the key's name.
    """
    for key in [key for key in OPTIMISER_KEYS if key in config]:
        _require_sgd(str(config[key]), key)


def _require_sgd(optimiser: str, name: str) -> None:
    words = re.split(r"[^a-z0-9_]+", optimiser.lower())
    adaptive = any(_ADAPTIVE.fullmatch(word.strip("_0123456789")) for word in words)
    require(not adaptive, name, "be of SGD, which alone the theory is about", optimiser)
    plain = "be plain SGD, which alone is followed (with momentum μ its steps are as those at learning_rate/(1 - μ))"
    for _, value in _BEYOND_PLAIN.findall(optimiser.lower()):
        require(_OFF.fullmatch(value) is not None, name, plain, optimiser)


def check_schedule(config: dict[str, Any]) -> None:
    """Refuse a `schedule` that is no list of [step, η]; a dictionary is one that `riccati simulate` recorded.

    Raises:
        ArgumentError: under the key's name.
    """
    schedule = config.get("schedule")
    if schedule is None or (isinstance(schedule, dict) and "kind" in schedule):
        return
    must = "be a list of pairs [step, η], with steps whole and increasing from 0 on and η > 0"
    pairs = as_numbers(schedule, "schedule", must)
    require_unmasked(pairs, "schedule")
    require(pairs.ndim == 2 and pairs.shape[1:] == (2,), "schedule", must, f"of shape {pairs.shape}")
    steps, rates = np.asarray(pairs).T
    sound = are_steps(steps).all() and np.all(np.diff(steps) > 0) and np.all(np.isfinite(rates) & (rates > 0))
    require(len(steps) > 0 and bool(sound), "schedule", must, "not")


def listed(config: dict[str, Any]) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]] | None:
    """The steps and the rates of a schedule, the first step 0; None where the keys list none."""
    if not isinstance(config.get("schedule"), (list, tuple, np.ndarray)):
        return None
    steps, rates = np.array(config["schedule"], float).T
    steps[0] = 0.0
    return steps, rates


def mean_rates(
    steps: Int[np.ndarray, " T"], clock: Float[np.ndarray, " T"] | None, time_per_rate: float
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]] | None:
    """The mean rates between rows as a schedule, from a run's times; None where there are none to tell it."""
    if clock is None or len(steps) < 2:
        return None
    return steps[:-1], np.diff(clock) / np.diff(steps) / time_per_rate


def rates_at(schedule: tuple[np.ndarray, np.ndarray], steps: ArrayLike) -> Float[np.ndarray, " T"]:
    """η at each step."""
    begins, rates = schedule
    return rates[np.clip(np.searchsorted(begins, np.asarray(steps), side="right") - 1, 0, None)]


def summed_rates(schedule: tuple[np.ndarray, np.ndarray], steps: ArrayLike) -> Float[np.ndarray, " T"]:
    """Σ_{j<n} η_j at each step n."""
    begins, rates = schedule
    before = np.concatenate([[0.0], np.cumsum(rates[:-1] * np.diff(begins))])
    at = np.clip(np.searchsorted(begins, np.asarray(steps), side="right") - 1, 0, None)
    return before[at] + rates[at] * (np.asarray(steps, float) - begins[at])


def checked_steps(steps: ArrayLike) -> Float[np.ndarray, " T"]:
    """Steps at which rates are asked for.

    Raises:
        ArgumentError: what is no array of whole numbers from 0 on.
    """
    numbers = as_numbers(steps, "steps")
    require_unmasked(numbers, "steps")
    values = np.asarray(numbers)
    require(bool(np.all(are_steps(values))), "steps", "be whole numbers ≥ 0", "not in every entry")
    return values


def rates_of(chosen: Chosen, columns: dict[str, Column], steps: Steps, config: dict[str, Any]) -> Rates:
    """What the columns of learning rates say, all rows of the run at hand.

    Raises:
        ArgumentError: a column that names an adaptive optimiser, or a key `schedule` that is none.
    """
    check_schedule(config)
    for name in chosen.rates:
        if (optimiser := optimiser_in(name)) is not None:
            _require_sgd(optimiser, name)
    logged = {name: _logged(columns[name], steps) for name in chosen.rates}
    logged = {name: pair for name, pair in logged.items() if len(pair[0])}
    if not logged:
        return Rates({})
    name, (at, rates) = next(iter(logged.items()))
    notes = tuple(
        f"{other} disagrees with {name}, from which the learning rate is taken"
        for other, (its, theirs) in logged.items()
        if other != name and not _agree(np.interp(its, at, rates), theirs)
    )
    if not rates.any():
        return Rates({}, notes=(*notes, f"{name} is 0 in every row: not read"))
    if _agree(rates, np.full_like(rates, rates[0])):
        return _constant(name, float(rates[0]), config, notes)
    return _changing(name, at, rates, config, notes)


def _logged(column: Column, steps: Steps) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """The steps from which on the rates of a column held, in order, and the rates; the later row of a step wins."""
    sound = np.flatnonzero(are_steps(steps.values) & np.isfinite(column.values) & (column.values >= 0))[::-1]
    begins = np.maximum(steps.values[sound] - steps.held_before, 0)
    at, first = np.unique(begins, return_index=True)
    return at, column.values[sound][first]


def _agree(mine: np.ndarray, its: np.ndarray) -> bool:
    return bool(np.all(np.abs(mine - its) <= _SAME * np.maximum(np.abs(mine), np.abs(its))))


def _constant(name: str, rate: float, config: dict[str, Any], notes: tuple[str, ...]) -> Rates:
    if "schedule" in config:
        return Rates({}, notes=notes)
    if "learning_rate" not in config:
        line = f"learning_rate is not given: {rate:g}, as the column {name} has it"
        return Rates({"learning_rate": rate}, notes=notes, assumed=(line,))
    if isinstance(given := config["learning_rate"], (int, float)) and not _agree(np.array(rate), np.array(given)):
        notes += (f"the column {name} says {rate:g} where the key learning_rate is {given:g}: the key is taken",)
    return Rates({}, notes=notes)


def _changing(
    name: str, at: Float[np.ndarray, " K"], rates: Float[np.ndarray, " K"], config: dict[str, Any],
    notes: tuple[str, ...],
) -> Rates:  # fmt: skip
    """The schedule of a column; a rate of 0 before a positive one is the foot of a ramp, taken as half of that."""
    if (given := listed(config)) is not None:
        if not _agree(rates_at(given, at), rates):
            notes += (f"the column {name} disagrees with the key schedule: the key is taken",)
        return Rates({}, notes=notes)
    positive = np.flatnonzero(rates > 0)
    last = float(at[positive[-1] + 1]) if positive[-1] + 1 < len(at) else np.inf
    at, rates = at[: positive[-1] + 1], rates[: positive[-1] + 1].copy()
    for i in np.flatnonzero(rates == 0):
        rates[i] = rates[positive[positive > i][0]] / 2
    changes = np.r_[True, np.diff(rates) != 0]
    pairs = [[int(step), float(rate)] for step, rate in zip(at[changes], rates[changes], strict=True)]
    line = (
        f"the learning rate is that of the column {name}, {count(len(pairs), 'value')} from {pairs[0][1]:g} to "
        f"{pairs[-1][1]:g}, each taken as constant up to the next"
    )
    return Rates({"schedule": pairs}, last, notes, (line,))
