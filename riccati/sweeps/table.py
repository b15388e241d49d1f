"""One Parquet file: a row for each point, what it was and what came of it, and how the table came about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support import ArgumentError, require, whole_file
from .grid import Result
from .journal import require_same

if TYPE_CHECKING:
    import pandas as pd

_KEY = b"riccati"


def require_parquet(path: Path) -> None:
    """Refuse, before anything is computed, a name that is no Parquet file's, or a table that could not be written."""
    require(path.suffix == ".parquet", "path", "end in .parquet", path)
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ArgumentError("path", 'be left out, or pip install "riccati-sgd[sweep]"', path) from None


def columns_of(points: list[dict[str, Any]], results: list[Result]) -> dict[str, list[Any]]:
    """The rows' values by name."""
    rows = [point | result for point, result in zip(points, results, strict=True)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def frame_of(columns: dict[str, list[Any]], provenance: dict[str, Any]) -> pd.DataFrame:
    """The table of a sweep that was kept nowhere."""
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


def write_table(path: Path, columns: dict[str, list[Any]], provenance: dict[str, Any]) -> None:
    """The file, whole or not at all; the same bytes for the same results."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(provenance).encode()})
    with whole_file(path) as temporary:
        parquet.write_table(table, temporary)


def read_table(path: Path, provenance: dict[str, Any]) -> pd.DataFrame:
    """What `write_table` wrote for the same sweep.

    Raises:
        ArgumentError: a file that is no table of this sweep.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ArgumentError("path", "be a Parquet file, or not be there", f"{path} ({error})") from None
    held = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    require_same(held, provenance, path)
    return _with_provenance(table.to_pandas(), provenance)


def _with_provenance(frame: pd.DataFrame, provenance: dict[str, Any]) -> pd.DataFrame:
    frame.attrs["provenance"] = provenance
    return frame
