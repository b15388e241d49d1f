"""Columns as numbers: values, and where there is a number at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Column(NamedTuple):
    """A column of a log.

    Attributes:
        values: as doubles, NaN where there is no number.
        known: where there is a number; NaN and inf are numbers, an empty cell is none.
    """

    values: Float[np.ndarray, " T"]
    known: Bool[np.ndarray, " T"]

    @classmethod
    def of_numbers(cls, values: np.ndarray) -> Column:
        """A column without empty cells."""
        return cls(values, np.ones(len(values), bool))


def count(number: int, what: str = "row") -> str:
    """A number of things in words."""
    return f"{number} {what}" + "s" * (number != 1)


def numbers_of(cells: Any) -> Column:
    """The numbers of a list of cells or of an array; a cell that is no number is unknown."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        return Column.of_numbers(cells.astype(float))
    values, known = np.full(len(cells), np.nan), np.zeros(len(cells), bool)
    for i, cell in enumerate(cells):
        number = _number(cell)
        if number is not None:
            values[i], known[i] = number, True
    return Column(values, known)


def joined(names: Iterable[str], parts: Sequence[dict[str, Column]]) -> dict[str, Column]:
    """Columns that were read in parts."""
    if not parts:
        return {name: Column.of_numbers(np.empty(0)) for name in names}
    return {name: Column(*(np.concatenate(of) for of in zip(*(p[name] for p in parts), strict=True))) for name in names}


def _number(cell: object) -> float | None:
    if isinstance(cell, (bool, np.bool_)) or (isinstance(cell, str) and ("_" in cell or not cell.isascii())):
        return None  # Python reads 1_0 and digits of every script
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
