"""The points of a grid, and what a function may give at one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from ..support import ArgumentError, require

Axes = dict[str, list[Any]]
Result = dict[str, Any]


def axes_of(grid: Mapping[str, Sequence[Any]]) -> Axes:
    """The grid's values as Python's own.

    Raises:
        ArgumentError: an axis that is empty, or holds anything but finite numbers, truth values, strings and None.
    """
    require(len(grid) > 0, "grid", "have one axis or more", "empty")
    axes: Axes = {}
    for name, values in grid.items():
        single = isinstance(values, str) or not hasattr(values, "__len__")
        require(not single and len(values) > 0, "grid", f"give {name} a list of values", values)
        axes[name] = [_value(name, value) for value in values]
    return axes


def _value(name: str, value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else str(value) if isinstance(value, str) else value
    sound = value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and np.isfinite(value))
    require(sound, "grid", f"give {name} finite numbers, truth values, strings or None", repr(value))
    return value


def points_of(axes: Axes) -> list[dict[str, Any]]:
    """All combinations; the last axis changes fastest."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def result_at(function: Callable[..., Mapping[str, Any]], point: Mapping[str, Any]) -> Result:
    """What the function gives at a point, as Python's own numbers, strings and lists.

    Raises:
        ArgumentError: anything else, or a name that the grid has too.
    """
    found = function(**point)
    require(isinstance(found, Mapping), "function", "return a mapping of names to values", type(found).__name__)
    both = next((name for name in found if name in point), None)
    require(both is None, "function", "return names that the grid has not", both)
    return {str(name): _plain(str(name), value) for name, value in found.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    array = np.asarray(value)
    if array.ndim > 1 or array.dtype.kind not in "biuf":
        must = f"return a number, a string or a vector of numbers as {name}"
        raise ArgumentError("function", must, f"a {type(value).__name__} of shape {array.shape}")
    return array.tolist()
