"""Orderly stops: within a block, SIGINT and SIGTERM set a flag that its loop looks at.

A signal that arrives inside compiled code or one of its callbacks would be swallowed there; a flag is not.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopRequest:
    """Whether a stop was asked for.

    Attributes:
        signal_number: the signal that asked for it, None as long as none did.
    """

    signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None


@contextmanager
def orderly_stop() -> Iterator[StopRequest]:
    """A request that turns true at SIGINT or SIGTERM; a second signal raises KeyboardInterrupt at once.

    Outside the main thread, where Python allows no handlers, signals go on as before and the request stays false.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, _: FrameType | None) -> None:
        if request:
            raise KeyboardInterrupt
        request.signal_number = number

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
