"""Columns of a log as numbers, with remarks on how they were read."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ..support import is_missing, kind_in_words
from .columns import Chosen
from .marks import Marks, marks_of

LAST_STEP = 2**53  # whole numbers beyond are not exact as floats


class Column(NamedTuple):
    """A column of a log.

    Attributes:
        values: the cells as doubles, NaN where there is no number.
        known: whether a cell holds a number; NaN and inf are numbers, an empty cell is not.
    """

    values: Float[np.ndarray, " T"]
    known: Bool[np.ndarray, " T"]

    @classmethod
    def of_numbers(cls, values: np.ndarray) -> Column:
        """A column without empty cells."""
        return cls(values, np.ones(len(values), bool))

    @classmethod
    def of_masked(cls, values: np.ndarray) -> Column:
        """A column with empty cells where an array is masked."""
        masked = np.ma.getmaskarray(values)
        return cls(np.where(masked, np.nan, np.ma.getdata(values).astype(float)), ~masked)

    def at(self, rows: np.ndarray) -> Column:
        """Some of its rows."""
        return Column(self.values[rows], self.known[rows])


@dataclass(frozen=True)
class Remarks:
    """Remarks on how a log was read; those on several parts can be added.

    Attributes:
        notes: what was left out, a line each.
        assumed: what was assumed, a line each.
    """

    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    def __add__(self, others: Remarks) -> Remarks:
        return Remarks(self.notes + others.notes, self.assumed + others.assumed)


class Log(NamedTuple):
    """The columns of a log that are read.

    Attributes:
        chosen: their names, by what they hold.
        columns: their numbers, by name.
        remarks: what was dropped, and what was assumed where the log is ambiguous.
    """

    chosen: Chosen
    columns: dict[str, Column]
    remarks: Remarks = Remarks()


def are_steps(values: Float[np.ndarray, " R"]) -> Bool[np.ndarray, " R"]:
    """Where numbers can be steps: whole, ≥ 0 and exact as doubles; NaN and inf are not."""
    finite = np.where(np.isfinite(values), values, -1.0)
    return (finite >= 0) & (finite < LAST_STEP) & (finite == np.floor(finite))


def count(number: int, what: str = "row") -> str:
    """A number of things in words."""
    return f"{number} {what}" + "s" * (number != 1)


def numbers_of(
    chosen: Chosen, cells: Mapping[str, Any], marks: Marks | None = None
) -> tuple[dict[str, Column], Marks | None]:
    """The numbers of lists of cells or of arrays, and the marks in which they are written, if these are known.

    A cell that is no number is unknown; one of a column that tells runs apart becomes a number of its own.

    Args:
        chosen: the columns, of which steps, samples and epochs are whole.
        cells: what they hold, by name.
        marks: of an earlier part of the same table.

    Raises:
        ArgumentError: numbers that can be read in two ways.
    """
    whole = (chosen.step, *chosen.counters, *(name for name in (chosen.samples, chosen.epoch) if name is not None))
    if marks is None:
        texts = {name: held for name, held in cells.items() if name != chosen.run and not isinstance(held, np.ndarray)}
        marks = marks_of(texts, whole)
    spelt = Marks() if marks is None else marks
    return {
        name: _names(held) if name == chosen.run else _column(held, name, spelt) for name, held in cells.items()
    }, marks


def _column(cells: Any, name: str, marks: Marks) -> Column:
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        return Column.of_numbers(cells.astype(float))
    values, known = np.full(len(cells), np.nan), np.zeros(len(cells), bool)
    rewritten = marks.decimal != "." or name in marks.grouped  # else only what Python does not read as it is
    for i, cell in enumerate(cells):
        number = None if rewritten and isinstance(cell, str) else _number(cell)
        if number is None and isinstance(cell, str):
            number = _number(marks.plain(cell, name))
        if number is not None:
            values[i], known[i] = number, True
    return Column(values, known)


def _names(cells: Any) -> Column:
    """A number for each name; names that are numbers stay, so that parts of a file agree."""
    values = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if not is_missing(cell) and str(cell).strip() not in ("", "nan"):
            number = _number(cell)
            values[i] = -1.0 - zlib.crc32(str(cell).strip().encode()) if number is None else number
    return Column(values, np.isfinite(values))


def joined(names: Iterable[str], parts: Sequence[dict[str, Column]]) -> dict[str, Column]:
    """Columns that were read in parts."""
    if not parts:
        return {name: Column.of_numbers(np.empty(0)) for name in names}
    return {name: Column(*(np.concatenate(of) for of in zip(*(p[name] for p in parts), strict=True))) for name in names}


def _number(cell: object) -> float | None:
    if isinstance(cell, str):
        if "_" in cell or not cell.isascii():  # Python reads 1_0 and digits of every script
            return None
    elif isinstance(cell, (bool, np.bool_)) or is_missing(cell) or kind_in_words(cell) is not None:
        return None
    elif hasattr(cell, "detach"):  # a torch scalar that is part of a graph
        cell = cell.detach().cpu()
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
