"""The journal of a sweep: every result on disk as soon as it is there, a line each.

The first line says which sweep it is. Lines are JSON, whose numbers are exact to the bit; a last line that was cut
short, by whatever ended its writer, is dropped and its point computed again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..support import ArgumentError, require
from .grid import Result


@dataclass(frozen=True)
class Journal:
    """Results by the index of their point.

    Attributes:
        done: what is there.
        file: where more of it is written, None where nothing is kept.
    """

    done: dict[int, Result]
    file: BinaryIO | None = None

    def add(self, index: int, result: Result) -> None:
        """One more result.

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
def journal_at(path: Path, provenance: dict[str, Any]) -> Iterator[Journal]:
    """The journal at `path`, gone on with where there is one of the same sweep.

    Raises:
        ArgumentError: a file of another sweep, or a line that cannot be read.
    """
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        lines = content.split(b"\n")[:-1]
        if lines:
            require_same(_parsed(path, lines[0]), provenance, path)
        else:
            _append(file, provenance)
        yield Journal({int(index): result for index, result in (_parsed(path, line) for line in lines[1:])}, file)


def require_same(theirs: Any, mine: dict[str, Any], path: Path) -> None:
    """Refuse a file of another sweep; what differs first is named."""
    theirs = theirs if isinstance(theirs, dict) else {}
    for name in mine:
        must = "be of this sweep (name another file, or remove it)"
        require(theirs.get(name) == mine[name], "path", must, f"{path}, of one with another {name}")


def _append(file: BinaryIO, value: Any) -> None:
    file.write(json.dumps(value).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _parsed(path: Path, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise ArgumentError("path", "have a whole journal (remove it to begin anew)", path) from None
