"""One writer at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ArgumentError
from .files import unwritable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def sole_writer(path: str | os.PathLike, argument: str = "path") -> Iterator[None]:
    """Within the block nobody else who asks may write `path`, in this process or in another.

    The operating system holds the lock, on a hidden file beside `path`, and drops it with the process that has it,
    however that ends; so no lock is ever stale. Windows has no such locks: there nobody is refused.

    Raises:
        ArgumentError: naming `argument`, where another has the lock or there can be none.
    """
    target = Path(path)
    lock = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = _locked(lock)
    except BlockingIOError:
        raise ArgumentError(argument, "have one writer at a time", f"{target}, which another run is writing") from None
    except OSError as error:
        raise unwritable(argument, target, error) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _locked(lock: Path) -> int:
    while True:
        handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o644)
        if fcntl is None:
            return handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # who had the lock before may have removed the file between these two lines
            if os.path.samestat(os.fstat(handle), os.stat(lock)):
                return handle
        except FileNotFoundError:
            pass
        except OSError:
            os.close(handle)
            raise
        os.close(handle)
