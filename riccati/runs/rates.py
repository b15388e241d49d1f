"""Learning rates of a run: constant, or a schedule, given as a key or read from a column of the log.

A schedule is a list of pairs [step, η]: η holds from that step on, the first one from the beginning. n steps of it take
canonical time Σ_{j<n} η_j, times the factors of the loss and of the momentum. The theory is of SGD: adaptive optimisers
are refused by name.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from ..support import as_numbers, require, require_unmasked
from .columns import Chosen, optimiser_in
from .config import RunConfig
from .conventions import time_factor
from .numbers import Column, Remarks, are_steps, count
from .refusals import sgd_by_name
from .steps import Steps

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


def listed(config: RunConfig) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]] | None:
    """The steps and the rates of a schedule, the first step 0; None where the keys list none."""
    if not isinstance(config.schedule, (list, tuple, np.ndarray)):
        return None
    steps, rates = np.array(config.schedule, float).T
    steps[0] = 0.0
    return steps, rates


def clock_of(config: RunConfig, steps: ArrayLike) -> Float[np.ndarray, " T"] | None:
    """Canonical times at these steps by the schedule that the keys list; None where they list none."""
    schedule = listed(config)
    return None if schedule is None else time_factor(config) * summed_rates(schedule, steps)


def mean_rates(
    steps: Int[np.ndarray, " T"], clock: Float[np.ndarray, " T"] | None, time_per_rate: float
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]] | None:
    """The mean rates between rows as a schedule, from a run's times; None where there are no times."""
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
    schedule = listed(config) or mean_rates(steps, clock, time_factor(config))
    if schedule is None:
        schedule = np.zeros(1), np.array([config.needed(RunConfig.learning_rate)])
    return rates_at(schedule, asked)


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
    if (given := listed(config)) is not None:
        if not _agree(rates_at(given, at), rates):
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
