"""The versions that a result depends on."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

_RECORDED = ("riccati-sgd", "jax", "diffrax", "equinox", "numpy", "scipy")


@cache
def package_versions() -> dict[str, str]:
    """The versions of this package and of what it computes with; looked up once a process."""
    found = {}
    for name in _RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was never installed
            found[name] = "not installed"
    return found
