"""Files that are either whole or absent, have one writer at a time, and say with which versions they were made."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .errors import ArgumentError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_RECORDED = ("riccati-sgd", "jax", "diffrax", "equinox", "numpy", "scipy")


@contextmanager
def whole_file(path: str | os.PathLike, argument: str = "path") -> Iterator[Path]:
    """A temporary path beside `path`, moved onto it when the block ends without an error, else removed.

    Raises:
        ArgumentError: naming `argument`, if nothing can be written there.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix)
    except (OSError, ValueError) as error:
        raise unwritable(argument, target, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, target)
    except OSError as error:
        raise unwritable(argument, target, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def require_folder(path: str | os.PathLike, argument: str) -> None:
    """Refuse a folder that could not be made or written to, before any work is done for it; makes nothing.

    Raises:
        ArgumentError: naming `argument`.
    """
    target = Path(path)
    try:
        there = next(part for part in (target, *target.absolute().parents) if part.exists() or part.is_symlink())
        sound = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    except (OSError, ValueError) as error:  # a name too long, or with a NUL
        raise ArgumentError(argument, "be a folder", f"{target} ({error})") from None
    why = "may not be written to" if there.is_dir() else "is no folder"
    if not sound:
        raise ArgumentError(argument, "be a folder that can be made and written to", f"{target}: {there} {why}")


def unwritable(argument: str, target: Path, error: OSError | ValueError) -> ArgumentError:
    """The error for a `target` that the operating system does not let us write to."""
    why = getattr(error, "strerror", None) or error
    return ArgumentError(argument, "be a place that can be written to", f"{target} ({why})")


@contextmanager
def sole_writer(path: str | os.PathLike, argument: str = "path") -> Iterator[None]:
    """Hold a lock on `path` within the block: no other caller of `sole_writer`, in any process, may have it meanwhile.

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


@cache
def package_versions() -> dict[str, str]:
    """The versions of this package and of what it computes with; looked up once a process."""
    versions = {}
    for name in _RECORDED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was never installed
            versions[name] = "not installed"
    return versions


def sealed(head: bytes, body: bytes) -> bytes:
    """The content of a file that says what it is and can be told from one that was cut short or changed."""
    return head + hashlib.sha256(body).digest() + body


def unsealed(head: bytes, content: bytes) -> bytes | None:
    """The body of what `sealed` gave with this head; None where the content is anything else."""
    begin = len(head) + hashlib.sha256().digest_size
    digest, body = content[len(head) : begin], content[begin:]
    return body if content.startswith(head) and hashlib.sha256(body).digest() == digest else None
