"""Progress bars for what takes more than two seconds, and how long something takes, in words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

_DELAY = 2.0  # seconds before a bar shows


@contextmanager
def progress(total: int | None, label: str, unit: str = "it") -> Iterator[tqdm]:
    """A bar that appears after two seconds and leaves nothing behind; none where stderr is not a terminal."""
    with tqdm(total=total, desc=label, unit=unit, delay=_DELAY, leave=False, disable=None) as bar:
        yield bar


def announce(line: str) -> None:
    """A line on stderr, before something that takes long."""
    tqdm.write(line, file=sys.stderr)


def duration(seconds: float) -> str:
    """A time to one or two digits: less than 1 s, 7 s, 40 s, 4 min, 90 min, 3 h."""
    if seconds < 1:
        return "less than 1 s"
    unit, name = (1.0, "s") if seconds < 100 else (60.0, "min") if seconds < 6000 else (3600.0, "h")
    digits = 2 if seconds / unit >= 10 else 1
    return f"{float(f'{seconds / unit:.{digits}g}'):.0f} {name}"
