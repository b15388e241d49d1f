"""Files that are either whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ArgumentError


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
    """The refusal of a place where the system lets nothing be written."""
    why = getattr(error, "strerror", None) or error
    return ArgumentError(argument, "be a place that can be written to", f"{target} ({why})")
