"""JSON lines, NPZ, Parquet and pandas frames: their columns as numbers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..support import ArgumentError, require
from .columns import Chosen, Names, choose, clean
from .numbers import Column, count, numbers_of
from .source import LARGEST, LINES, NPZ, TEXT, TRAINER, run_bytes, stem_and_suffix
from .text import read_text

if TYPE_CHECKING:
    import pandas as pd

Columns = tuple[Chosen, dict[str, Column]]


def read_columns(path: Path, names: Names, notes: list[str]) -> Columns:
    """The columns of a run's file that are read; `notes` grows by what was dropped.

    Raises:
        ArgumentError: a file that cannot be read, or a column that is missing.
    """
    raw, suffix = run_bytes(path, notes), stem_and_suffix(path)[1]
    if suffix in TEXT:
        return read_text(raw, names, notes)
    if suffix in LINES:
        return _from_json_lines(raw, names, notes)
    if suffix == TRAINER:
        return _from_trainer(raw, path, names)
    return _from_npz(raw, path, names) if suffix == NPZ else from_frame(_parquet(raw, path), names)


def from_frame(frame: pd.DataFrame, names: Names) -> Columns:
    """The columns of a frame that are read; a named index counts as one."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    columns = [clean(name) for name in frame.columns]
    chosen = choose(columns, names)
    return chosen, without_gaps(chosen, {name: _series(frame.iloc[:, columns.index(name)]) for name in chosen.all})


def without_gaps(chosen: Chosen, columns: dict[str, Column]) -> dict[str, Column]:
    """Columns of arrays, which have NaN for an empty cell: beside a finite overlap a loss of NaN says no more."""
    if chosen.loss is None:
        return columns
    values, known = columns[chosen.loss]
    seen = np.any([np.isfinite(columns[name].values) for name in chosen.overlaps] or [False], axis=0)
    return columns | {chosen.loss: Column(values, known & ~(np.isnan(values) & seen))}


def _series(column: pd.Series) -> Column:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return numbers_of(column.to_numpy())
    return numbers_of(column.tolist())


def _from_json_lines(raw: bytes, names: Names, notes: list[str]) -> Columns:
    utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    rows, bad = [], 0
    for line in filter(str.strip, raw.decode("utf-16" if utf16 else "utf-8-sig", "replace").splitlines()):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append({clean(name): value for name, value in row.items()})
        else:
            bad += 1
    if bad:
        notes.append(f"dropped {count(bad, 'line')} that cannot be read as a JSON object")
    return _of_rows(rows, names)


def _from_trainer(raw: bytes, path: Path, names: Names) -> Columns:
    """The log of a Hugging Face trainer, a list of rows under `log_history`."""
    must = "be a trainer_state.json, with a list log_history; the file of a run's keys stands beside its table"
    try:
        history = json.loads(raw.decode("utf-8-sig", "replace"))["log_history"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ArgumentError("path", must, path) from None
    sound = isinstance(history, list) and all(isinstance(row, dict) for row in history)
    require(sound, "path", must, f"{path}, where it is none of rows")
    return _of_rows([{clean(name): value for name, value in row.items()} for row in history], names)


def _of_rows(rows: list[dict[str, object]], names: Names) -> Columns:
    chosen = choose(list(dict.fromkeys(name for row in rows for name in row)), names)
    return chosen, {name: numbers_of([row.get(name) for row in rows]) for name in chosen.all}


def _from_npz(raw: bytes, path: Path, names: Names) -> Columns:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        require(unpacked <= LARGEST, "path", f"unpack to at most {LARGEST >> 20} MiB", f"{path}, which is more")
        with np.load(io.BytesIO(raw), allow_pickle=False) as held:
            spelt = [clean(name) for name in held.files]
            chosen = choose(spelt, names)
            arrays = {name: held[held.files[spelt.index(name)]] for name in chosen.all}
    except ArgumentError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise some ten kinds on a broken archive
        raise ArgumentError("path", "be an NPZ file of numbers", f"{path} ({error})") from None
    rows = arrays[chosen.step].shape
    for name, values in arrays.items():
        require(values.ndim == 1, name, "be a vector in the NPZ file", f"of shape {values.shape}")
        require(values.shape == rows, name, f"have as many entries as {chosen.step}, {rows}", values.shape)
        require(values.dtype.kind in "iufb", name, "hold numbers", values.dtype)
    return chosen, {name: numbers_of(values.astype(float)) for name, values in arrays.items()}


def _parquet(raw: bytes, path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(io.BytesIO(raw))
    except ImportError:
        remedy = 'be another format, or pip install "riccati-sgd[parquet]"'
        raise ArgumentError("path", remedy, path) from None
    except Exception as error:  # pyarrow and pandas raise kinds of their own on damaged data or metadata
        raise ArgumentError("path", "be a Parquet file", f"{path} ({error})") from None
