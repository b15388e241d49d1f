"""Names that have changed: the old one works for one more version, with one line that says the new one."""

from __future__ import annotations

import warnings


class RenamedArgument(FutureWarning):
    """An old name was used; the message says the new one."""


def warn_renamed(old: str, new: str) -> None:
    """Say once, at the caller of the public function, that `old` is written `new` from the next version on."""
    warnings.warn(f"{old} is now {new}; the old name goes in the next version", RenamedArgument, stacklevel=3)
