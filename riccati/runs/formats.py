"""Files that are no plain text, JSON lines, NPZ and Parquet: their columns as numbers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support import ArgumentError, require
from .columns import Names, choose, clean
from .frames import of_rows, read_frame
from .numbers import Column, Log, count
from .source import LARGEST, LINES, NPZ, TEXT, TRAINER, run_bytes, stem_and_suffix
from .text import read_text

if TYPE_CHECKING:
    import pandas as pd


def read_columns(path: Path, names: Names, notes: list[str]) -> Log:
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
    return _from_npz(raw, path, names) if suffix == NPZ else read_frame(_parquet(raw, path), names)


def _from_json_lines(raw: bytes, names: Names, notes: list[str]) -> Log:
    utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    rows, bad = [], 0
    for line in filter(str.strip, raw.decode("utf-16" if utf16 else "utf-8-sig", "replace").splitlines()):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            bad += 1
    if bad:
        notes.append(f"dropped {count(bad, 'line')} that cannot be read as a JSON object")
    return of_rows(rows, names)


def _from_trainer(raw: bytes, path: Path, names: Names) -> Log:
    """The log of a Hugging Face trainer, a list of rows under `log_history`."""
    must = "be a trainer_state.json, with a list log_history; the file of a run's keys stands beside its table"
    try:
        history = json.loads(raw.decode("utf-8-sig", "replace"))["log_history"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ArgumentError("path", must, path) from None
    sound = isinstance(history, list) and all(isinstance(row, dict) for row in history)
    require(sound, "path", must, f"{path}, where it is none of rows")
    return of_rows(history, names)


def _from_npz(raw: bytes, path: Path, names: Names) -> Log:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        require(unpacked <= LARGEST, "path", f"unpack to at most {LARGEST >> 20} MiB", f"{path}, which is more")
        with np.load(io.BytesIO(raw), allow_pickle=False) as held:
            spelt = [clean(name) for name in held.files]
            chosen = choose(spelt, names)
            arrays = {name: _member(held, held.files[spelt.index(name)], name in chosen.needed) for name in chosen.all}
    except ArgumentError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise some ten kinds on a broken archive
        raise ArgumentError("path", "be an NPZ file of numbers", f"{path} ({error})") from None
    rows = np.shape(arrays[chosen.step])
    for name in chosen.needed:
        values = arrays[name]
        require(values.ndim == 1, name, "be a vector in the NPZ file", f"of shape {values.shape}")
        require(values.shape == rows, name, f"have as many entries as {chosen.step}, {rows}", values.shape)
        require(values.dtype.kind in "iufb", name, "hold numbers", values.dtype)
    other = [name for name in chosen.all if np.shape(arrays[name]) != rows or arrays[name].dtype.kind not in "iufb"]
    chosen = chosen.without(other)
    return Log(chosen, {name: Column.of_numbers(arrays[name].astype(float)) for name in chosen.all})


def _member(archive: Any, name: str, needed: bool) -> np.ndarray:
    """An array of the archive; an empty one in place of what could be left out and is none of numbers."""
    try:
        array: np.ndarray = archive[name]
    except ValueError:
        if needed:
            raise
        return np.empty((0, 0))
    return array


def _parquet(raw: bytes, path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(io.BytesIO(raw))
    except ImportError:
        remedy = 'be another format, or pip install "riccati-sgd[parquet]"'
        raise ArgumentError("path", remedy, path) from None
    except Exception as error:  # pyarrow and pandas raise kinds of their own on damaged data or metadata
        raise ArgumentError("path", "be a Parquet file", f"{path} ({error})") from None
