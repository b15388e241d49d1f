"""Files that are either whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .checks import require
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
    except OSError as error:
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


def require_writable(path: str | os.PathLike, argument: str = "path") -> None:
    """Refuse, before any work is done, a place where `whole_file` could not write."""
    target = Path(path)
    require(not target.is_dir(), argument, "leave room for a file", f"{target}, a folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise unwritable(argument, target, error) from None


def unwritable(argument: str, target: Path, error: OSError) -> ArgumentError:
    """The refusal of a place where the system lets nothing be written."""
    return ArgumentError(argument, "be a place that can be written to", f"{target} ({error.strerror or error})")
