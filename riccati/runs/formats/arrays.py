"""Files of arrays, NPZ and Parquet: their columns as numbers."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ...support import ArgumentError, require
from ..columns import Names, choose, clean
from ..numbers import Column, Log
from .files import LARGEST
from .frames import read_frame


def read_npz(raw: bytes, path: Path, names: Names) -> Log:
    """The columns of an NPZ file, an array for each."""
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


def read_parquet(raw: bytes, path: Path, names: Names) -> Log:
    """The columns of a Parquet file."""
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(raw))
    except ImportError:
        remedy = 'be another format, or pip install "riccati-sgd[parquet]"'
        raise ArgumentError("path", remedy, path) from None
    except Exception as error:  # pyarrow and pandas raise kinds of their own on damaged data or metadata
        raise ArgumentError("path", "be a Parquet file", f"{path} ({error})") from None
    return read_frame(frame, names)
