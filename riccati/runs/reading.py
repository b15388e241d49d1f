"""Making runs: from a file and the JSON file beside it, from a frame, from arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from ..support import ArgumentError, as_numbers, require
from .columns import CLOCK, RISKS, VALUE, Chosen, Names
from .config import RunConfig
from .conventions import kind_of, missing_keys
from .formats import (
    LINES,
    PARQUET,
    TEXT,
    TRAINER,
    located,
    read_frame,
    read_json_lines,
    read_npz,
    read_parquet,
    read_sidecar,
    read_text,
    read_trainer_state,
    run_bytes,
    sidecar_path,
    stem_and_suffix,
)  # fmt: skip
from .keys import refuse_unknown, remarks_on_keys
from .numbers import Column, Log, Remarks, count
from .rates import rates_of
from .steps import steps_of
from .tables import table_of, without_gaps
from .values import RISK, STIEFEL

# what an override stands in the place of; kept, it would win without a word, or contradict
_REPLACES = {
    "beta": "second_layer", "information_exponent": "link", "link": "information_exponent", "learning_rate": "schedule",
    "kind": "parametrisation",
}  # fmt: skip


class Fields(NamedTuple):
    """The fields of a run, in their order; see `Run`."""

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"] | None
    overlaps: Float[np.ndarray, "T M"] | None
    config: RunConfig
    notes: tuple[str, ...]
    source: str
    clock: Float[np.ndarray, " T"] | None
    assumed_of_log: tuple[str, ...]


def load_run(path: str | os.PathLike, names: Names, overrides: Mapping[str, Any]) -> Fields:
    """See `Run.load`."""
    file, source = located(Path(path))
    given = _given(overrides)
    sidecar, suffix = sidecar_path(file), stem_and_suffix(file)[1]
    own = suffix == TRAINER  # which has the name that a file of keys would have
    config, earlier = _without_lines(RunConfig() if own else read_sidecar(sidecar))
    replaced = {_REPLACES[key] for key in given if key in _REPLACES}
    kept = RunConfig({key: value for key, value in config.items() if value is not None and key not in replaced})
    earlier += Remarks(remarks_on_keys(kept, sidecar.name))
    log = read_columns(file, names)
    log = log._replace(remarks=earlier + log.remarks)
    return _made(log, names, (kept | given).with_conventions(), source, argument="path", nan_is_all=suffix in PARQUET)


def run_from_frame(frame: Any, names: Names, config: Mapping[str, Any]) -> Fields:
    """See `Run.from_frame`."""
    given = _given(config)
    return _made(read_frame(frame, names), names, given, "a frame", argument="frame")


def run_from_arrays(
    steps: ArrayLike, risk: ArrayLike | None, overlaps: ArrayLike | None, config: Mapping[str, Any]
) -> Fields:
    """See `Run.from_arrays`."""
    given = _given(config)
    if risk is not None and "loss" not in given:
        given |= {"loss": RISK}
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
    log = Log(Chosen("step", None if risk is None else "risk", numbered, None), columns)
    return _made(log, Names(), given, "arrays", argument="risk" if risk is not None else "overlaps")


def read_columns(path: Path, names: Names) -> Log:
    """The columns of a run's file that are read.

    Raises:
        ArgumentError: a file that cannot be read, or a column that is missing.
    """
    (raw, remarks), suffix = run_bytes(path), stem_and_suffix(path)[1]
    if suffix in TEXT:
        log = read_text(raw, names)
    elif suffix in LINES:
        log = read_json_lines(raw, names)
    elif suffix == TRAINER:
        log = read_trainer_state(raw, names, path)
    else:
        log = (read_parquet if suffix in PARQUET else read_npz)(raw, names, path)
    return log._replace(remarks=remarks + log.remarks)


def _without_lines(config: RunConfig) -> tuple[RunConfig, Remarks]:
    """The keys of a file without the lines that a saved run carries, and these."""
    lines = {key: config[key] for key in ("notes", "assumed") if isinstance(config.get(key), list)}
    kept = RunConfig({key: value for key, value in config.items() if key not in lines})
    return kept, Remarks(*(tuple(map(str, lines.get(key, ()))) for key in ("notes", "assumed")))


def _made(
    log: Log, names: Names, config: RunConfig, source: str, *, argument: str, nan_is_all: bool = True
) -> Fields:  # fmt: skip
    """The fields of a run from the columns of a log, which the argument holds; see `without_gaps` for `nan_is_all`."""
    chosen, columns, remarks = log
    try:
        rows = steps_of(chosen, columns, names.step, config)
    except ArgumentError as error:  # of a key without which there are no steps: what theory asks for later is said now
        has_clock = chosen.clock is not None or bool(chosen.rates) or "schedule" in config
        others = missing_keys(config, has_clock)
        also = f"; theory needs {', '.join(others)} as well" if others and error.value == "missing" else ""
        raise ArgumentError(error.argument, f"{error.must}{also}", error.value) from None
    columns = without_gaps(chosen, {name: column.at(rows.rows) for name, column in columns.items()}, nan_is_all)
    remarks += rows.remarks
    table = table_of(chosen, columns, rows.values, argument, remarks)
    set_by_rates = table.clock is None and kind_of(config) != STIEFEL
    rates = rates_of(chosen if set_by_rates else chosen._replace(rates=()), columns, rows, config)
    remarks += table.remarks + rates.remarks
    if (still := table.steps > rates.last).any():
        remarks += Remarks(
            (f"the learning rate is 0 from step {int(rates.last)} on: dropped {count(int(still.sum()))}",)
        )
        table = table.at(~still)
    config = config | rates.keys
    if table.loss_name in RISKS and "loss" not in config:
        config |= {"loss": RISK}
    if table.loss_name == VALUE:
        remarks += Remarks(("the column value, the one scalar of a TensorBoard export, is taken for the loss",))
    if table.clock is not None and "learning_rate" in config and "schedule" not in config:
        line = f"{CLOCK} sets the clock: learning_rate, {config['learning_rate']}, is not used"
        remarks += Remarks(assumed=(line,))
    notes, assumed = (tuple(dict.fromkeys(lines)) for lines in (remarks.notes, remarks.assumed))
    return Fields(table.steps, table.loss, table.overlaps, config, notes, source, table.clock, assumed)


def _given(config: Mapping[str, Any]) -> RunConfig:
    refuse_unknown(config)
    return RunConfig({key: value for key, value in config.items() if value is not None}).with_conventions()


def _vector(values: ArrayLike, name: str) -> Column:
    array = as_numbers(values, name)
    require(array.ndim == 1 and array.size > 0, name, "be a vector with one entry or more", f"of shape {array.shape}")
    return Column.of_masked(array)
