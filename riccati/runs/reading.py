"""Making runs: from a file and the JSON file beside it, from a frame, from arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from ..support import ArgumentError, require, require_integer
from .columns import EPOCH, RISKS, VALUE, Chosen, Names
from .config import RISK
from .formats import from_frame, read_columns, without_gaps
from .keys import refuse_unknown, sorted_out
from .numbers import Column
from .source import TRAINER, found, read_sidecar, sidecar_path, stem_and_suffix
from .tables import table_of

if TYPE_CHECKING:
    import pandas as pd

_REPLACES = {"beta": "second_layer", "information_exponent": "link"}  # the latter, if kept, would win unseen


class Fields(NamedTuple):
    """The fields of a run, in their order; see `Run`."""

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"] | None
    overlaps: Float[np.ndarray, "T M"] | None
    config: dict[str, Any]
    notes: tuple[str, ...]
    source: str
    clock: Float[np.ndarray, " T"] | None


def load_run(
    path: str | os.PathLike, step: str | None, loss: str | None, overlaps: str | None,
    overrides: dict[str, Any],
) -> Fields:  # fmt: skip
    """See `Run.load`."""
    file, source = found(Path(path))
    given = _given(overrides)
    notes: list[str] = []
    own = stem_and_suffix(file)[1] == TRAINER  # which has the name that a file of keys would have
    config = {} if own else read_sidecar(sidecar_path(file))
    if isinstance(earlier := config.get("notes"), list):
        notes += [str(note) for note in earlier]
        del config["notes"]
    replaced = {_REPLACES[key] for key in given if key in _REPLACES}
    config = {key: value for key, value in config.items() if value is not None and key not in replaced}
    config = sorted_out(config, sidecar_path(file).name, notes) | given
    chosen, columns = read_columns(file, Names(step, loss, overlaps), notes)
    return _made((chosen, _in_steps(chosen, columns, step, config, notes)), config, notes, source)


def run_from_frame(
    frame: pd.DataFrame, step: str | None, loss: str | None, overlaps: str | None,
    config: dict[str, Any],
) -> Fields:  # fmt: skip
    """See `Run.from_frame`."""
    require(hasattr(frame, "columns"), "frame", "be a pandas DataFrame", type(frame).__name__)
    config = _given(config)
    notes: list[str] = []
    chosen, columns = from_frame(frame, Names(step, loss, overlaps))
    return _made((chosen, _in_steps(chosen, columns, step, config, notes)), config, notes, "a frame")


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
        table = _array(overlaps, "overlaps")
        require(table.ndim == 2 and len(table) == rows, "overlaps", f"be of shape ({rows}, M)", table.shape)
        numbered = tuple(f"overlap_{m + 1}" for m in range(table.shape[1]))
        columns |= {name: Column.of_numbers(values) for name, values in zip(numbered, table.T, strict=True)}
    chosen = Chosen("step", None if risk is None else "risk", numbered, None)
    return _made((chosen, without_gaps(chosen, columns)), config, [], "arrays")


def _in_steps(
    chosen: Chosen, columns: dict[str, Column], named: str | None, config: dict[str, Any], notes: list[str]
) -> dict[str, Column]:
    """The columns, with epochs as steps: epoch e is logged at its end, after (e + 1) steps_per_epoch steps."""
    if chosen.step != EPOCH:
        return columns
    count = config.get("steps_per_epoch")
    if count is None:
        must = "be given, as the log counts epochs, or step_column name the column of the steps"
        require(named is not None, "steps_per_epoch", must, "missing")
        return columns
    require_integer(count, "steps_per_epoch", 1)
    notes.append(f"epoch e is logged at its end: taken as step (e + 1) x {count}")
    values, known = columns[EPOCH]
    return columns | {EPOCH: Column((values + 1) * count, known)}


def _made(columns: tuple[Chosen, dict[str, Column]], config: dict[str, Any], notes: list[str], source: str) -> Fields:
    steps, loss, overlaps, clock, column = table_of(*columns, notes)
    if column in RISKS:
        config.setdefault("loss", RISK)
    if column == VALUE:
        notes.append("the column value, the one scalar of a TensorBoard export, is taken for the loss")
    return Fields(steps, loss, overlaps, config, tuple(dict.fromkeys(notes)), source, clock)


def _given(config: dict[str, Any]) -> dict[str, Any]:
    refuse_unknown(config)
    return {key: value for key, value in config.items() if value is not None}


def _vector(values: ArrayLike, name: str) -> Column:
    array = _array(values, name)
    require(array.ndim == 1 and array.size > 0, name, "be a vector with one entry or more", f"of shape {array.shape}")
    return Column.of_numbers(array)


def _array(values: Any, name: str) -> np.ndarray:
    """Numbers as doubles; a torch tensor that is part of a graph or on a device is taken off it."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(name, "be numbers in an array or a list", f"not ({error})") from None
