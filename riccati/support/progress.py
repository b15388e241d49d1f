"""Work that takes long: progress bars, durations in words, and orderly stops.

Within a block of `orderly_stop`, SIGINT and SIGTERM set a flag that its loop looks at. A signal that arrives inside
compiled code or one of its callbacks would be swallowed there; a flag is not.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from tqdm import tqdm

_DELAY = 2.0  # seconds before a bar shows
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """Work that ended early because a signal asked for it; the message says how far it got.

    Attributes:
        signal_number: the signal.
    """

    def __init__(self, signal_number: int, message: str):
        self.signal_number = signal_number
        super().__init__(f"Stopped by {signal.Signals(signal_number).name} {message}")


@dataclass
class StopRequest:
    """Whether a stop was asked for.

    Attributes:
        signal_number: the signal that asked for it, None as long as none did.
    """

    signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None


_outer: list[StopRequest] = []


@contextmanager
def orderly_stop() -> Iterator[StopRequest]:
    """Yield a `StopRequest` that turns true at SIGINT or SIGTERM; a second signal raises KeyboardInterrupt at once.

    A nested block shares the request of the outer one. Outside the main thread, where Python allows no handlers,
    signals act as before and the request stays false.
    """
    if threading.current_thread() is not threading.main_thread():
        yield StopRequest()
        return
    if _outer:
        yield _outer[-1]
        return
    request = StopRequest()

    def ask(number: int, _: FrameType | None) -> None:
        if request:
            raise KeyboardInterrupt
        request.signal_number = number

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    _outer.append(request)
    try:
        yield request
    finally:
        _outer.remove(request)
        for number, handler in before.items():
            signal.signal(number, handler)


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
