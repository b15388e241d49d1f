"""Errors and warnings about arguments: `ArgumentError` for those that cannot be used, and warnings about old names."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping

_INSIDE = ("riccati", "equinox")  # whose frames are not those of who used an old name
_LONGEST_MESSAGE = 600


class ArgumentError(ValueError):
    """Raised for an argument that cannot be used; its message is one line with the argument's name and the remedy.

    Attributes:
        argument: the argument's name.
        must: what it has to do or be.
        value: what it is instead.

    Example:
        >>> import riccati as rc
        >>> try:
        ...     rc.Teacher.power_law(width=8, beta=-1.0, link=rc.Link.hermite(2))
        ... except rc.ArgumentError as error:
        ...     print(error)
        Argument `beta` must be ≥ 0, but is -1.0.
    """

    def __init__(self, argument: str, must: str, value: object):
        self.argument, self.must, self.value = argument, must, value
        super().__init__(_one_line(f"Argument `{argument}` must {must}, but is {value}."))

    def __reduce__(self) -> tuple:
        return type(self), (self.argument, self.must, self.value)

    @property
    def found(self) -> object:
        """The old name of `value`."""
        warn_renamed("ArgumentError.found", "ArgumentError.value")
        return self.value

    def renamed(self, names: Mapping[str, str]) -> ArgumentError:
        """The same error under other argument names, those of a caller whose arguments are named differently."""

        def ours(text: object) -> str:
            words = str(text)
            for theirs, name in names.items():
                words = words.replace(theirs, name)
            return words

        return ArgumentError(names.get(self.argument, self.argument), ours(self.must), ours(self.value))


class RenamedArgument(FutureWarning):
    """An old name was used; the message says the new one."""


def warn_renamed(old: str, new: str) -> None:
    """Warn, at the line outside this package that used it, that `old` is written `new` from the next version on."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    message = f"{old} is now {new}; the old name will be removed in the next version"
    warnings.warn(message, RenamedArgument, stacklevel=level)


def _one_line(text: str) -> str:
    """The text on one line of bounded length; what a terminal would act on or cannot show becomes �."""
    line = " ".join(text.split())
    line = "".join(mark if mark.isprintable() else "�" for mark in line)
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 2]}…."
