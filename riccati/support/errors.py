"""The package's refusals."""

from __future__ import annotations

from collections.abc import Mapping


class ArgumentError(ValueError):
    """An argument that cannot be used; its message is one line with the argument's name and the remedy.

    Attributes:
        argument: the argument's name.
        must: what it has to do or be.
        found: what it is instead.
    """

    def __init__(self, argument: str, must: str, found: object):
        self.argument, self.must, self.found = argument, must, found
        super().__init__(" ".join(f"Argument `{argument}` must {must}, but is {found}.".split()))

    def __reduce__(self) -> tuple:
        return type(self), (self.argument, self.must, self.found)

    def renamed(self, names: Mapping[str, str]) -> ArgumentError:
        """The same refusal in the words of a caller whose arguments have other names."""

        def ours(text: object) -> str:
            words = str(text)
            for theirs, name in names.items():
                words = words.replace(theirs, name)
            return words

        return ArgumentError(names.get(self.argument, self.argument), ours(self.must), ours(self.found))
