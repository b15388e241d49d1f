"""Progress bars for what takes more than two seconds, also from inside compiled loops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

_DELAY = 2.0  # seconds before a bar shows
_bars: list[tqdm] = []


@contextmanager
def progress(total: int | None, label: str, unit: str = "it") -> Iterator[tqdm]:
    """A bar that appears after two seconds and leaves nothing behind; none where stderr is not a terminal."""
    with tqdm(total=total, desc=label, unit=unit, delay=_DELAY, leave=False, disable=None) as bar:
        _bars.append(bar)
        try:
            yield bar
        finally:
            _bars.remove(bar)


def tick() -> None:
    """Advance the innermost bar by one; a callback for compiled loops."""
    if _bars:
        _bars[-1].update()
