"""Progress bars for what takes more than two seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

_DELAY = 2.0  # seconds before a bar shows


@contextmanager
def progress(total: int | None, label: str, unit: str = "it") -> Iterator[tqdm]:
    """A bar that appears after two seconds and leaves nothing behind; none where stderr is not a terminal."""
    with tqdm(total=total, desc=label, unit=unit, delay=_DELAY, leave=False, disable=None) as bar:
        yield bar
