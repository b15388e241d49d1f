"""Tables of steps, losses and overlaps, read from logs as they really are.

Delimited text, JSON lines, NPZ and Parquet; resumed, truncated and diverged. What is left out is noted.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..support import ArgumentError, require

if TYPE_CHECKING:
    import pandas as pd

_LOSSES = ("loss", "risk", "train_loss", "population_loss", "test_loss")
_TEXT, _LINES, _PARQUET = (".csv", ".tsv", ".txt", ".dat", ".log"), (".jsonl", ".ndjson"), (".parquet", ".pq")
_OVERLAP = re.compile(r"overlap_([0-9]+)")
_LAST_STEP = 2**53  # whole numbers beyond are not exact as floats
CLOCK = "canonical_time"  # not time, which in many logs is the wall's
TOLERANCE = 1e-6  # logs carry seven digits or more


def stem_and_suffix(path: Path) -> tuple[str, str]:
    """The name without its extensions, and the extension; .gz is none."""
    name = Path(path.name[:-3] if path.name.lower().endswith(".gz") else path.name)
    return name.stem, name.suffix.lower()


def read_bytes(path: Path) -> bytes:
    """The file's bytes, or an `ArgumentError` that says why not."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArgumentError("path", "be readable", f"{path} ({error.strerror})") from None


def _count(number: int, what: str = "row") -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _frame(path: Path, loss_column: str | None, notes: list[str]) -> pd.DataFrame:
    """The file's columns as they are, names stripped and in lower case."""
    raw, suffix = read_bytes(path), stem_and_suffix(path)[1]
    known = (*_TEXT, *_LINES, ".npz", *_PARQUET)
    require(suffix in known, "path", f"end in one of {', '.join(known)}, gzipped (.gz) or not", path)
    if raw.startswith(b"\x1f\x8b"):
        raw = _gunzipped(raw, path, notes)
    require(bool(raw.strip()), "path", "hold a run", f"{path}, which is empty")
    if suffix in _TEXT + _LINES:
        utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        lines = raw.decode("utf-16" if utf16 else "utf-8-sig", "replace").splitlines()
        frame = (_from_text if suffix in _TEXT else _from_json_lines)(lines, notes)
    else:
        frame = _from_npz(raw, path, loss_column) if suffix == ".npz" else _from_parquet(raw, path)
    return frame.set_axis([str(name).strip().lower() for name in frame.columns], axis=1)


def _gunzipped(raw: bytes, path: Path, notes: list[str]) -> bytes:
    text = b""
    while raw:  # a log appended to by a resumed job has a gzip member per job
        member = zlib.decompressobj(wbits=31)
        try:
            text += member.decompress(raw)
        except zlib.error as error:
            raise ArgumentError("path", "be sound gzip", f"{path} ({error})") from None
        if not member.eof:
            notes.append("the gzip stream stops early: read up to its last whole line")
            return text[: text.rfind(b"\n") + 1]
        raw = member.unused_data.lstrip(b"\0")
    return text


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return next(csv.reader([line], delimiter=delimiter)) if '"' in line else line.split(delimiter)


def _delimiter(header: str) -> str:
    return next((mark for mark in "\t;|," if mark in header), " ")


def _from_text(lines: list[str], notes: list[str]) -> pd.DataFrame:
    import pandas as pd

    bare = [re.split(r"(?:^|\s)#", line, maxsplit=1)[0] for line in lines]
    data = [i for i, line in enumerate(bare) if line.strip()]
    first = data[0] if data else len(lines)
    titles = [bare[first]] if data else []
    titles += [line.lstrip("# ") for line in lines[first - 1 : first]]  # as numpy.savetxt writes it
    named = [t for t in titles if "step" in (f.strip().lower() for f in _fields(t, _delimiter(t)))]
    title = (named or titles or [""])[0]
    if data and title is titles[0]:
        data = data[1:]
    delimiter = _delimiter(title)
    header, rows = _fields(title, delimiter), {i: _fields(bare[i], delimiter) for i in data}
    short = [i for i, row in rows.items() if len(row) < len(header)]
    if short:
        where = "the last, cut short" if short == data[-1:] else f"the first of them line {short[0] + 1}"
        notes.append(f"dropped {_count(len(short), 'line')} with fewer fields than the header ({where})")
    long = [i for i, row in rows.items() if len(row) > len(header)]
    if long:
        where = f"the first of them line {long[0] + 1}"
        notes.append(f"dropped {_count(len(long), 'line')} with more fields than the header ({where})")
    kept = [row for row in rows.values() if len(row) == len(header)]
    # as text: Python's float is exact, whichever pandas reads the file
    return pd.DataFrame(kept, columns=header, dtype=object)


def _from_json_lines(lines: list[str], notes: list[str]) -> pd.DataFrame:
    import pandas as pd

    rows, bad = [], 0
    for line in filter(str.strip, lines):
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            bad += 1
    if bad:
        notes.append(f"dropped {_count(bad, 'line')} that cannot be read as a JSON object")
    names = dict.fromkeys(name for row in rows for name in row)
    # as objects, so that a missing value stays apart from a NaN
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})


def _from_npz(raw: bytes, path: Path, loss_column: str | None) -> pd.DataFrame:
    import pandas as pd

    arrays: dict[str, np.ndarray] = {}
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as held:
            for name in held.files:
                clean = name.strip().lower()
                if clean in ("step", CLOCK, *_losses(loss_column)) or _OVERLAP.fullmatch(clean):
                    arrays[clean] = held[name]
    except Exception as error:  # zipfile, zlib and numpy raise some ten kinds on a broken archive
        raise ArgumentError("path", "be an NPZ file of numbers", f"{path} ({error})") from None
    rows = arrays["step"].shape if "step" in arrays else None
    for name, values in arrays.items():
        require(values.ndim == 1, name, "be a vector in the NPZ file", f"of shape {values.shape}")
        require(rows in (None, values.shape), name, f"have as many entries as step, {rows}", values.shape)
    return pd.DataFrame(arrays)


def _from_parquet(raw: bytes, path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(raw))
    except ImportError:
        remedy = 'be another format, or pip install "riccati-sgd[parquet]"'
        raise ArgumentError("path", remedy, path) from None
    except (ValueError, OSError) as error:
        raise ArgumentError("path", "be a Parquet file", f"{path} ({error})") from None
    return frame.reset_index() if frame.index.name is not None else frame


def _losses(loss_column: str | None) -> tuple[str, ...]:
    return _LOSSES if loss_column is None else (loss_column.strip().lower(),)


def _numbers(frame: pd.DataFrame, name: str) -> tuple[Float[np.ndarray, " T"], Bool[np.ndarray, " T"]]:
    """A column as floats, and where it holds a number at all (NaN and inf are numbers, an empty cell is none)."""
    same = [i for i, column in enumerate(frame.columns) if column == name]
    require(len(same) == 1, name, "be the name of one column", f"that of {len(same)}")
    column = frame.iloc[:, same[0]]
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return column.to_numpy(float), np.ones(len(column), bool)
    values = np.full(len(column), np.nan)
    known = np.zeros(len(column), bool)
    for i, cell in enumerate(column):
        try:
            values[i] = float(cell)
        except (TypeError, ValueError, OverflowError):
            continue
        known[i] = True
    return values, known


class Table(NamedTuple):
    """The columns of a log, and the name of the one that `loss` is."""

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"]
    overlaps: Float[np.ndarray, "T M"] | None
    clock: Float[np.ndarray, " T"] | None
    loss_name: str


def read_table(path: Path, loss_column: str | None, notes: list[str]) -> Table:
    """Steps, loss, overlaps and canonical times by increasing step; `notes` grows by what is dropped.

    Raises:
        ArgumentError: a file that cannot be read, or columns that are missing or hold no numbers.
    """
    frame = _frame(path, loss_column, notes)
    columns = list(frame.columns)
    there = f"missing: the columns are {', '.join(columns)}"
    require("step" in columns, "step", "be a column", there)
    name = next((name for name in _losses(loss_column) if name in columns), None)
    if loss_column is not None:
        require(
            name is not None,
            "loss_column",
            "be a column",
            f"{loss_column}: the columns are {', '.join(columns)}",
        )
    require(
        name is not None,
        "loss",
        f"be a column, or {', '.join(_LOSSES[1:])}, or one named by loss_column",
        there,
    )
    assert name is not None
    (steps, _), (loss, known), overlaps = _numbers(frame, "step"), _numbers(frame, name), _overlaps(frame)

    # inf and NaN fail the comparisons
    counted = (steps >= 0) & (steps < _LAST_STEP) & (steps == np.floor(np.where(np.isfinite(steps), steps, 0)))
    if not counted.all():
        notes.append(f"dropped {_count(int((~counted).sum()))} whose step is no whole number ≥ 0")
    unread = counted & ~known
    if unread.any():
        first = f"the first at step {int(steps[unread][0])}"
        notes.append(f"dropped {_count(int(unread.sum()))} with an empty or unreadable {name} ({first})")
    rows = np.flatnonzero(counted & known)
    if np.any(np.diff(steps[rows]) < 0):
        notes.append("steps were not in order: sorted")
    # the last of each repeated step is the first of the reversed rows
    kept = rows[::-1][np.unique(steps[rows][::-1], return_index=True)[1]]
    if len(kept) < len(rows):
        notes.append(f"dropped {_count(len(rows) - len(kept))} of repeated steps, the later row of each is kept")
    finite = np.isfinite(loss[kept])
    tail = len(kept) if not finite.any() else len(kept) - int(np.flatnonzero(finite)[-1]) - 1
    if tail:
        start = int(steps[kept][len(kept) - tail])
        notes.append(f"diverged from step {start} on: dropped {_count(tail)} with NaN or inf {name}")
    if (inside := int((~finite).sum()) - tail) > 0:
        notes.append(f"dropped {_count(inside)} with NaN or inf {name}")
    kept = kept[finite]
    why = f": {'; '.join(notes)}" if notes else ""
    require(len(kept) > 0, "path", "hold a row with a step and a finite loss", f"without one{why}")
    clock = _clock(frame, kept, notes)
    return Table(steps[kept].astype(np.int64), loss[kept], _checked(overlaps, kept, notes), clock, name)


def _clock(frame: pd.DataFrame, kept: np.ndarray, notes: list[str]) -> Float[np.ndarray, " T"] | None:
    """The kept rows' canonical times, None if there are none that increase."""
    if CLOCK not in frame.columns:
        return None
    clock = _numbers(frame, CLOCK)[0][kept]
    if np.isfinite(clock).all() and np.all(np.diff(clock) > 0) and clock[0] >= 0:
        return clock
    notes.append(f"{CLOCK} has gaps or does not increase: times taken from the steps")
    return None


def _overlaps(frame: pd.DataFrame) -> Float[np.ndarray, "T M"] | None:
    names = {int(found[1]): name for name in frame.columns if (found := _OVERLAP.fullmatch(name))}
    if not names:
        return None
    for m in range(1, max(names) + 1):
        require(m in names, f"overlap_{m}", f"be a column, as {names[max(names)]} is", "missing")
    require(0 not in names, "overlap_0", "be no column, as overlaps count from 1", "one")
    return np.column_stack([_numbers(frame, names[m])[0] for m in sorted(names)])


def _checked(overlaps: np.ndarray | None, kept: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """The kept rows, rounding past 0 and 1 clipped, rows that are no squared overlaps NaN."""
    if overlaps is None:
        return None
    overlaps = overlaps[kept]
    outside = ((overlaps < -TOLERANCE) | (overlaps > 1 + TOLERANCE)).any(axis=1)
    if gaps := int((np.isnan(overlaps).any(axis=1) & ~outside).sum()):
        notes.append(f"overlaps are missing or unreadable in {_count(gaps)}")
    if outside.any():
        notes.append(f"overlaps outside [0, 1] in {_count(int(outside.sum()))}: taken as unknown there")
    overlaps[outside] = np.nan
    return None if np.isnan(overlaps).all() else np.clip(overlaps, 0.0, 1.0)
