"""A run on disk: a CSV that holds it to the last bit, and the JSON file beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..support import require, whole_file
from .source import sidecar_path


def write_run(
    path: str | os.PathLike, source: str, columns: Mapping[str, np.ndarray | None], config: Mapping[str, Any]
) -> None:
    """Write the columns that are not None, and the keys; `source` is where the run came from.

    Raises:
        ArgumentError: if `path` does not end in .csv, or would replace the files of `source`.
    """
    path, read = Path(path), Path(source)
    require(path.suffix == ".csv", "path", "end in .csv", path)
    own = read.is_file() and sidecar_path(read).resolve() == sidecar_path(path).resolve()
    require(not own, "path", "have another name than the run's own file", path)
    there = {name: values.tolist() for name, values in columns.items() if values is not None}
    # Python's numbers, whose repr is exact; an empty field where there is none
    body = zip(*there.values(), strict=True)
    rows = [list(there), *(["" if number != number else repr(number) for number in row] for row in body)]
    text = json.dumps(config, indent=1, default=lambda value: value.tolist())
    with whole_file(path) as table, whole_file(path.with_suffix(".json")) as sidecar:
        table.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
        sidecar.write_text(text + "\n", encoding="utf-8")
