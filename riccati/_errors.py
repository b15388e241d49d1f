"""The package's refusals, importable without JAX."""


class ArgumentError(ValueError):
    """An argument that cannot be used; its message is one line with the argument's name and the remedy."""
