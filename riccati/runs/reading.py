"""Making runs: from a file and the JSON file beside it, from a frame, from arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from ..support import ArgumentError, as_numbers, require
from .columns import CLOCK, RISKS, VALUE, Chosen, Names
from .config import RISK, STIEFEL, kind_of, missing_keys, with_conventions
from .formats import read_columns
from .frames import read_frame
from .keys import refuse_unknown, sorted_out
from .numbers import Column, Log, count
from .rates import rates_of
from .source import PARQUET, TRAINER, found, read_sidecar, sidecar_path, stem_and_suffix
from .steps import steps_of
from .tables import table_of, without_gaps

# what an override stands in the place of; kept, it would win unseen, or contradict
_REPLACES = {
    "beta": "second_layer", "information_exponent": "link", "link": "information_exponent", "learning_rate": "schedule",
    "kind": "parametrisation",
}  # fmt: skip


class Fields(NamedTuple):
    """The fields of a run, in their order; see `Run`."""

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"] | None
    overlaps: Float[np.ndarray, "T M"] | None
    config: dict[str, Any]
    notes: tuple[str, ...]
    source: str
    clock: Float[np.ndarray, " T"] | None
    assumed_of_log: tuple[str, ...]


def load_run(
    path: str | os.PathLike, step: str | None, loss: str | None, overlaps: str | None,
    overrides: dict[str, Any],
) -> Fields:  # fmt: skip
    """See `Run.load`."""
    file, source = found(Path(path))
    given = _given(overrides)
    own = stem_and_suffix(file)[1] == TRAINER  # which has the name that a file of keys would have
    config = {} if own else read_sidecar(sidecar_path(file))
    notes, assumed = _earlier(config, "notes"), _earlier(config, "assumed")
    replaced = {_REPLACES[key] for key in given if key in _REPLACES}
    config = {key: value for key, value in config.items() if value is not None and key not in replaced}
    config = with_conventions(sorted_out(config, sidecar_path(file).name, notes) | given)
    names = Names(step, loss, overlaps)
    log, is_parquet = read_columns(file, names, notes), stem_and_suffix(file)[1] in PARQUET
    return _made(log, names, config, notes, source, assumed, argument="path", nan_is_all=is_parquet)


def _earlier(config: dict[str, Any], key: str) -> list[str]:
    """The lines that a saved run carries under a key, taken out of the config."""
    lines = config.get(key)
    return [str(line) for line in config.pop(key)] if isinstance(lines, list) else []


def run_from_frame(
    frame: Any, step: str | None, loss: str | None, overlaps: str | None,
    config: dict[str, Any],
) -> Fields:  # fmt: skip
    """See `Run.from_frame`."""
    config, names = _given(config), Names(step, loss, overlaps)
    return _made(read_frame(frame, names), names, config, [], "a frame", [], argument="frame")


def run_from_arrays(
    steps: ArrayLike, risk: ArrayLike | None, overlaps: ArrayLike | None, config: dict[str, Any]
) -> Fields:
    """See `Run.from_arrays`."""
    config = _given(config)
    if risk is not None:
        config.setdefault("loss", RISK)
    require(risk is not None or overlaps is not None, "risk", "be given, or overlaps", "missing, as they are")
    columns = {"step": _vector(steps, "steps")}
    rows = len(columns["step"].values)
    if risk is not None:
        columns["risk"] = _vector(risk, "risk")
        require(len(columns["risk"].values) == rows, "risk", f"have {rows} entries", len(columns["risk"].values))
    numbered: tuple[str, ...] = ()
    if overlaps is not None:
        table = as_numbers(overlaps, "overlaps")
        require(table.ndim == 2 and len(table) == rows, "overlaps", f"be of shape ({rows}, M)", table.shape)
        numbered = tuple(f"overlap_{m + 1}" for m in range(table.shape[1]))
        columns |= {name: Column.of_masked(values) for name, values in zip(numbered, table.T, strict=True)}
    chosen = Chosen("step", None if risk is None else "risk", numbered, None)
    return _made(
        Log(chosen, columns), Names(), config, [], "arrays", [], argument="risk" if risk is not None else "overlaps"
    )


def _made(
    log: Log, names: Names, config: dict[str, Any], notes: list[str], source: str,
    assumed: list[str], *, argument: str, nan_is_all: bool = True,
) -> Fields:  # fmt: skip
    """The fields of a run from the columns of a log, which the argument holds; see `without_gaps` for `nan_is_all`."""
    chosen, columns, assumed_of_cells = log
    try:
        stands = steps_of(chosen, columns, names.step, config)
    except ArgumentError as error:  # of a key without which there are no steps: what theory asks for later is said now
        has_clock = chosen.clock is not None or bool(chosen.rates) or "schedule" in config
        others = missing_keys(config, kind_of(config), has_clock)
        also = f"; theory needs {', '.join(others)} as well" if others and error.value == "missing" else ""
        raise ArgumentError(error.argument, f"{error.must}{also}", error.value) from None
    columns = without_gaps(chosen, {name: column.at(stands.rows) for name, column in columns.items()}, nan_is_all)
    notes += stands.notes
    table = table_of(chosen, columns, stands.values, argument, notes)
    set_by_rates = table.clock is None and kind_of(config) != STIEFEL
    rates = rates_of(chosen if set_by_rates else chosen._replace(rates=()), columns, stands, config)
    notes += rates.notes
    if (still := table.steps > rates.last).any():
        notes.append(f"the learning rate is 0 from step {int(rates.last)} on: dropped {count(int(still.sum()))}")
        table = table.at(~still)
    config, (steps, loss, overlaps, clock, column) = config | rates.keys, table
    if column in RISKS:
        config.setdefault("loss", RISK)
    if column == VALUE:
        notes.append("the column value, the one scalar of a TensorBoard export, is taken for the loss")
    if table.clock is not None and "learning_rate" in config and "schedule" not in config:
        assumed = [*assumed, f"{CLOCK} sets the clock: learning_rate, {config['learning_rate']}, is not used"]
    lines = tuple(dict.fromkeys((*assumed, *assumed_of_cells, *stands.assumed, *rates.assumed)))
    return Fields(steps, loss, overlaps, config, tuple(dict.fromkeys(notes)), source, clock, lines)


def _given(config: dict[str, Any]) -> dict[str, Any]:
    refuse_unknown(config)
    return with_conventions({key: value for key, value in config.items() if value is not None})


def _vector(values: ArrayLike, name: str) -> Column:
    array = as_numbers(values, name)
    require(array.ndim == 1 and array.size > 0, name, "be a vector with one entry or more", f"of shape {array.shape}")
    return Column.of_masked(array)
