"""Logs whose rows are JSON objects: JSON lines, and the trainer_state.json of a Hugging Face trainer."""

from __future__ import annotations

import json
from pathlib import Path

from ...support import ArgumentError, require
from ..columns import Names
from ..numbers import Log, count
from .frames import of_rows


def read_json_lines(raw: bytes, names: Names, notes: list[str]) -> Log:
    """The columns of a file with a JSON object on each line; `notes` grows by what was dropped."""
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


def read_trainer_state(raw: bytes, path: Path, names: Names) -> Log:
    """The log of a Hugging Face trainer, a list of rows under `log_history`."""
    must = "be a trainer_state.json, with a list log_history; the file of a run's keys stands beside its table"
    try:
        history = json.loads(raw.decode("utf-8-sig", "replace"))["log_history"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ArgumentError("path", must, path) from None
    sound = isinstance(history, list) and all(isinstance(row, dict) for row in history)
    require(sound, "path", must, f"{path}, where it is none of rows")
    return of_rows(history, names)
