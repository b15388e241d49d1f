"""The columns of structured files as numbers: JSON lines, trainer_state.json, NPZ and Parquet."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ...support import ArgumentError, require
from ..columns import Names, choose, clean
from ..numbers import Column, Log, Remarks, count
from .files import LARGEST
from .frames import of_rows, read_frame


def read_json_lines(raw: bytes, names: Names) -> Log:
    """The columns of a file with a JSON object on each line."""
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
    dropped = (f"dropped {count(bad, 'line')} that cannot be read as a JSON object",) if bad else ()
    log = of_rows(rows, names)
    return log._replace(remarks=Remarks(dropped) + log.remarks)


def read_trainer_state(raw: bytes, names: Names, path: Path) -> Log:
    """The log of a Hugging Face trainer, a list of rows under `log_history`.

    Raises:
        ArgumentError: a file without such a list of rows.
    """
    must = "be a trainer_state.json, with a list log_history; the file of a run's keys stands beside its table"
    try:
        history = json.loads(raw.decode("utf-8-sig", "replace"))["log_history"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ArgumentError("path", must, path) from None
    sound = isinstance(history, list) and all(isinstance(row, dict) for row in history)
    require(sound, "path", must, f"{path}, where it is none of rows")
    return of_rows(history, names)


def read_npz(raw: bytes, names: Names, path: Path) -> Log:
    """The columns of an NPZ file, an array for each.

    Raises:
        ArgumentError: a file that is no NPZ file of numbers or too large, or columns of different lengths.
    """
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
    """An array of the archive; an empty one for a column that is not needed and does not hold numbers."""
    try:
        array: np.ndarray = archive[name]
    except ValueError:
        if needed:
            raise
        return np.empty((0, 0))
    return array


def read_parquet(raw: bytes, names: Names, path: Path) -> Log:
    """The columns of a Parquet file.

    Raises:
        ArgumentError: a file that is no Parquet file, or no pyarrow to read it with.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(raw))
    except ImportError:
        remedy = 'be another format, or pip install "riccati-sgd[parquet]"'
        raise ArgumentError("path", remedy, path) from None
    except Exception as error:  # pyarrow and pandas raise kinds of their own on damaged data or metadata
        raise ArgumentError("path", "be a Parquet file", f"{path} ({error})") from None
    return read_frame(frame, names)
