"""The files of a sweep: a journal with a line for each result while it runs, and one Parquet table at the end.

Each result is written to the journal as soon as it is computed; the first line identifies the sweep. Lines are JSON
with numbers exact to the bit; an incomplete last line is dropped and its point computed again. The table has a row for
each point, with its arguments and results, and the provenance of the sweep.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict

import numpy as np

from ..support import ArgumentError, require, whole_file
from .points import Axes, Entry, Point, Result, Value

if TYPE_CHECKING:
    import pandas as pd

_KEY = b"riccati"

Columns = dict[str, list[Value | Entry]]


class Provenance(TypedDict):
    """The identity of a sweep: two sweeps are the same if all of this agrees."""

    function: str
    source_sha256: str
    grid: Axes
    versions: dict[str, str]


@dataclass(frozen=True)
class Journal:
    """The results so far, by the index of their point.

    Attributes:
        done: the results.
        file: the open file that further results are written to, None where nothing is kept on disk.
    """

    done: dict[int, Result]
    file: BinaryIO | None = None

    def add(self, index: int, result: Result) -> None:
        """Keep one more result.

        Raises:
            ArgumentError: names that are not those of the results before.
        """
        names = list(next(iter(self.done.values()), result))
        must = f"return the same names at every point, {', '.join(names)}"
        require(names == list(result), "function", must, ", ".join(result))
        if self.file is not None:
            _append(self.file, [index, result])
        self.done[index] = result


@contextmanager
def journal_at(path: Path, provenance: Provenance) -> Iterator[Journal]:
    """Open the journal at `path`, and continue it if it is there and of the same sweep.

    Raises:
        ArgumentError: a file of another sweep, or a line that cannot be read.
    """
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        lines = content.split(b"\n")[:-1]
        if lines:
            _require_same(_parsed(path, lines[0]), provenance, path)
        else:
            _append(file, provenance)
        yield Journal({int(index): result for index, result in (_parsed(path, line) for line in lines[1:])}, file)


def _require_same(theirs: Any, mine: Provenance, path: Path) -> None:
    """Refuse a file of another sweep; what differs first is named."""
    theirs = theirs if isinstance(theirs, dict) else {}
    for name, value in mine.items():
        must = "be of this sweep (name another file, or remove it)"
        require(theirs.get(name) == value, "path", must, f"{path}, of one with another {name}")


def _append(file: BinaryIO, value: Any) -> None:
    file.write(json.dumps(value).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _parsed(path: Path, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise ArgumentError("path", "have a whole journal (remove it to begin anew)", path) from None


def require_parquet(path: Path) -> None:
    """Refuse, before anything is computed, a name that is no Parquet file's, or a table that could not be written."""
    require(path.suffix == ".parquet", "path", "end in .parquet", path)
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ArgumentError("path", 'be left out, or pip install "riccati-sgd[sweep]"', path) from None


def columns_of(points: list[Point], results: list[Result]) -> Columns:
    """Return the values of all rows, by name: first those of the point, then those of its result."""
    rows = [{**point, **result} for point, result in zip(points, results, strict=True)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def frame_of(columns: Columns, provenance: Provenance) -> pd.DataFrame:
    """Return the table of a sweep that is kept in no file."""
    import pandas as pd

    return _with_provenance(
        pd.DataFrame(
            {
                name: [np.array(value) if isinstance(value, list) else value for value in values]
                for name, values in columns.items()
            }
        ),
        provenance,
    )


def write_table(path: Path, columns: Columns, provenance: Provenance) -> None:
    """Write the table to a Parquet file, whole or not at all; the same results give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(provenance).encode()})
    with whole_file(path) as temporary:
        parquet.write_table(table, temporary)


def read_table(path: Path, provenance: Provenance) -> pd.DataFrame:
    """Read what `write_table` wrote for the same sweep.

    Raises:
        ArgumentError: a file that is no table of this sweep.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ArgumentError("path", "be a Parquet file, or not be there", f"{path} ({error})") from None
    theirs = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    _require_same(theirs, provenance, path)
    return _with_provenance(table.to_pandas(), provenance)


def _with_provenance(frame: pd.DataFrame, provenance: Provenance) -> pd.DataFrame:
    frame.attrs["provenance"] = provenance
    return frame
