"""Conversion to doubles of lists and of arrays of any library: numpy, masked, jax, torch on any device."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from .checks import require
from .errors import ArgumentError

_WORDS = {"c": "complex numbers", "m": "durations", "M": "dates", "S": "strings", "U": "strings"}
_SCALARS: dict[str, tuple[type, ...]] = {
    "c": (complex, np.complexfloating), "m": (datetime.timedelta, np.timedelta64),
    "M": (datetime.date, datetime.time, np.datetime64), "U": (str, bytes),
}  # fmt: skip
_MISSING = ("NoneType", "NAType", "NaTType", "MaskedConstant")  # None, pandas.NA, pandas.NaT, numpy.ma.masked


def is_missing(cell: object) -> bool:
    """Whether a cell is a marker for a missing value, such as None or pandas.NA; NaN counts as a value."""
    return _is_of_missing(type(cell))


def _is_of_missing(kind: type) -> bool:
    return kind.__name__ in _MISSING


def kind_in_words(values: Any) -> str | None:
    """The kind of `values` in words where a cast to doubles would change their meaning (dates, text); else None."""
    if isinstance(values, np.ndarray):
        return _WORDS.get(values.dtype.kind)
    return next((_WORDS[kind] for kind, types in _SCALARS.items() if isinstance(values, types)), None)


def as_numbers(values: Any, name: str, must: str = "be numbers in an array or a list") -> np.ma.MaskedArray:
    """An array or a list, nested too, as doubles; masked where an entry is masked, None or a library's NA.

    A tensor of torch is taken off its graph and its device, and one in a precision that numpy does not have is
    widened; a list of such scalars likewise.

    Raises:
        ArgumentError: complex numbers, dates, durations or strings, or what is no array of numbers at all.
    """
    require(not isinstance(values, Mapping), name, must, type(values).__name__)
    try:
        array = _on_host(values)
        if array.dtype.kind == "O":
            return _from_objects(array, name, must)
        kind = kind_in_words(array)
        require(kind is None, name, f"{must}, real and without units", kind)
        return np.ma.masked_array(np.ma.getdata(array).astype(float), np.ma.getmaskarray(array))
    except ArgumentError:
        raise
    except Exception as error:  # every library raises kinds of its own on what it cannot convert
        raise ArgumentError(name, must, f"not ({error})") from None


def require_unmasked(values: Any, name: str) -> None:
    """Refuse a masked array with masked entries, where every entry is needed."""
    masked = int(np.ma.getmaskarray(values).sum()) if np.ma.isMaskedArray(values) else 0
    require(masked == 0, name, "have no masked entries", f"masked at {masked}")


def all_numbers(values: Any, name: str, must: str = "be numbers in an array or a list") -> np.ndarray:
    """An array or a list as a plain array of doubles, where every entry is needed.

    Raises:
        ArgumentError: as `as_numbers`, and a masked array with masked entries.
    """
    numbers = as_numbers(values, name, must)
    require_unmasked(numbers, name)
    return np.asarray(numbers)


def _on_host(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        try:
            return np.asarray(values)
        except TypeError:  # bfloat16 and its like
            return np.asarray(values.float())
    if isinstance(values, (list, tuple)) and (special := {kind for kind in map(type, values) if _is_special(kind)}):
        cells = [cell if type(cell) not in special else None if is_missing(cell) else _on_host(cell) for cell in values]
        if any(np.ma.isMaskedArray(cell) for cell in cells):
            return np.ma.stack([np.ma.asarray(cell) for cell in cells])
        return np.asarray([cell[()] if isinstance(cell, np.ndarray) else cell for cell in cells])
    return values if np.ma.isMaskedArray(values) else np.asarray(values)


def _is_special(kind: type) -> bool:
    """Whether cells of this type are no numbers that numpy reads as they are."""
    nested = issubclass(kind, (list, tuple, np.ma.MaskedArray))
    return nested or hasattr(kind, "detach") or _is_of_missing(kind)


def _from_objects(array: np.ndarray, name: str, must: str) -> np.ma.MaskedArray:
    numbers, mask = np.full(array.shape, np.nan), np.ma.getmaskarray(array).copy()
    for at, cell in np.ndenumerate(np.ma.getdata(array)):
        kind = kind_in_words(cell)
        require(kind is None, name, f"{must}, real and without units", kind)
        if is_missing(cell):
            mask[at] = True
        elif not mask[at]:
            numbers[at] = float(cell)
    return np.ma.masked_array(numbers, mask)
