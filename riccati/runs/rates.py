"""Learning rates of a run: constant, or a schedule, given as a key or read from a column of the log.

A schedule is a list of pairs [step, η], each η from that step on and the first one from the beginning, or a name with
its numbers, such as {"name": "cosine", "T_max": 10000} beside `learning_rate`. n steps of it take canonical time
Σ_{j<n} η_j, times the factors of the loss and of the momentum. The theory is of SGD: adaptive optimisers are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from ..problem import SGD, Constant, Logged, Piecewise, Schedule, as_schedule, schedule_of_words
from ..support import as_numbers, require, require_unmasked
from .columns import Chosen, optimiser_in
from .config import RunConfig
from .conventions import algorithm_of, clock_factor, rate_key, sgd_of_keys, time_factor
from .numbers import Column, Remarks, are_steps, count
from .refusals import sgd_by_name
from .steps import Steps
from .values import is_recorded

_SAME = 1e-3  # relative: rates that differ by less are one rate, written with three digits


class Rates(NamedTuple):
    """The learning rate that a log gives.

    Attributes:
        keys: the keys of the run that follow from it.
        last: the first step after which the rate stays 0; inf where there is none.
        remarks: disagreements, what was left out, and what was assumed.
    """

    keys: RunConfig = RunConfig()
    last: float = np.inf
    remarks: Remarks = Remarks()


def schedule_of(config: RunConfig) -> Schedule | None:
    """The schedule that the keys give, listed or by its name; None without one, or where only the run's times tell it.

    Raises:
        ArgumentError: numbers that a name does not have or lacks, or a missing learning rate.
    """
    value = config.schedule
    if value is None or is_recorded(value):
        return None
    if isinstance(value, Mapping):
        rate = value["learning_rate"] if "learning_rate" in value else config.needed(RunConfig.learning_rate)
        return schedule_of_words(value, rate)
    return as_schedule(value)


def clock_of(config: RunConfig, steps: Int[np.ndarray, " T"]) -> Float[np.ndarray, " T"] | None:
    """Canonical times at these steps by the schedule that the keys give; None where they give none.

    Raises:
        ArgumentError: on `schedule`, where the learning rate is 0 between two rows.
    """
    schedule = schedule_of(config)
    if schedule is None:
        return None
    times = schedule.times_at(np.asarray(steps, float))
    still = np.flatnonzero(np.diff(times) <= 0)
    last = "" if not len(still) else f"0 from step {int(steps[still[0]])} on"
    require(not len(still), "schedule", "have η > 0 between rows; leave out rows at which nothing is learned", last)
    return time_factor(config) * times


def sgd_of_run(
    config: RunConfig, steps: Int[np.ndarray, " T"] | None = None, clock: Float[np.ndarray, " T"] | None = None
) -> SGD | None:
    """The algorithm with the rate or the schedule of the keys, or the mean rates of a clock; None where there is none.

    A clock that the keys do not tell is that of the run's own times.
    """
    if (schedule := schedule_of(config)) is not None:
        return replace(algorithm_of(config), learning_rate=schedule.scaled(clock_factor(config)))
    if clock is None or steps is None:
        return sgd_of_keys(config) if rate_key(config).name in config else None
    times = clock / algorithm_of(config).momentum_factor
    logged = Logged(tuple(int(n) for n in steps), tuple(float(t) for t in times))
    return replace(algorithm_of(config), learning_rate=logged)


def learning_rates(
    config: RunConfig, steps: Int[np.ndarray, " T"], clock: Float[np.ndarray, " T"] | None, at: ArrayLike
) -> Float[np.ndarray, " n"]:
    """η of a run's loop `at` some steps, by its schedule, the clock of its rows, or its learning rate.

    Raises:
        ArgumentError: if `at` is not an array of whole numbers ≥ 0, or the run does not give its learning rate.
    """
    numbers = as_numbers(at, "steps")
    require_unmasked(numbers, "steps")
    asked = np.asarray(numbers)
    require(bool(np.all(are_steps(asked))), "steps", "be whole numbers ≥ 0", "not in every entry")
    schedule = schedule_of(config)
    if schedule is None and clock is not None and len(steps) > 1:
        means = np.diff(clock) / np.diff(steps) / time_factor(config)
        schedule = Piecewise(np.stack([steps[:-1], means], axis=1))
    if schedule is None:
        schedule = Constant(config.needed(RunConfig.learning_rate))
    return schedule.rates_at(asked)


def rates_of(chosen: Chosen, columns: dict[str, Column], steps: Steps, config: RunConfig) -> Rates:
    """The learning rate by the columns of learning rates, from all rows of the run.

    Raises:
        ArgumentError: a column that names an adaptive optimiser, or a key `schedule` that is none.
    """
    for name in chosen.rates:
        if (optimiser := optimiser_in(name)) is not None:
            sgd_by_name(optimiser, name)
    logged = {name: _logged(columns[name], steps) for name in chosen.rates}
    logged = {name: pair for name, pair in logged.items() if len(pair[0])}
    if not logged:
        return Rates()
    name, (at, rates) = next(iter(logged.items()))
    notes = tuple(
        f"{other} disagrees with {name}, from which the learning rate is taken"
        for other, (its, theirs) in logged.items()
        if other != name and not _agree(np.interp(its, at, rates), theirs)
    )
    if not rates.any():
        return Rates(remarks=Remarks((*notes, f"{name} is 0 in every row: not read")))
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


def _constant(name: str, rate: float, config: RunConfig, notes: tuple[str, ...]) -> Rates:
    if "schedule" in config:
        return Rates(remarks=Remarks(notes))
    if (given := config.learning_rate) is None:
        line = f"learning_rate is not given: {rate:g}, as the column {name} has it"
        return Rates(RunConfig(learning_rate=rate), remarks=Remarks(notes, (line,)))
    if not _agree(np.array(rate), np.array(given)):
        notes += (f"the column {name} says {rate:g} where the key learning_rate is {given:g}: the key is taken",)
    return Rates(remarks=Remarks(notes))


def _changing(
    name: str, at: Float[np.ndarray, " K"], rates: Float[np.ndarray, " K"], config: RunConfig,
    notes: tuple[str, ...],
) -> Rates:  # fmt: skip
    """The schedule of a column; a rate of 0 before a positive one begins a warm-up, and is taken as half of it."""
    if (given := schedule_of(config)) is not None:
        if not _agree(given.rates_at(at), rates):
            notes += (f"the column {name} disagrees with the key schedule: the key is taken",)
        return Rates(remarks=Remarks(notes))
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
    return Rates(RunConfig(schedule=pairs), last, Remarks(notes, (line,)))
