"""The number format of a table: a point or a comma before the decimals, and separators between thousands.

1,000 and 1.000 may be one or a thousand. The other cells decide: 0,5 has a decimal comma, 0.5 a decimal point,
1.000.000 no decimals; steps are whole and increase along a log, which decides a column of 0, 500, 1.000, 1.500. Where
nothing decides, the column is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..support import ArgumentError

_DECIMAL = {mark: re.compile(rf"(?=.*\d)[+-]?\d*{re.escape(mark)}\d*(?:[eE][+-]?\d+)?") for mark in ".,"}
_ONE_GROUP = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}") for mark in ".,"}
_GROUPS = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+") for mark in ".,"}
_GROUPS_THEN = {  # thousands, then decimals after the other mark
    mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+{re.escape(other)}\d*")
    for mark, other in (".,", ",.")
}
# a blank or an apostrophe parts thousands and nothing else: 1 000, 1'000
_BLANKS = re.compile(r"([+-]?[1-9]\d{0,2})((?:[ '’\u00a0\u202f]\d{3})+)((?:[.,]\d*)?)")
_BLANK = re.compile(r"[ '’\u00a0\u202f]")


def may_part_thousands(cell: str) -> bool:
    """Whether the points of a cell could separate thousands, as in 1.000."""
    return "." in cell and _GROUPS["."].fullmatch(cell) is not None


@dataclass(frozen=True)
class Marks:
    """The decimal mark and the thousands separators of a table.

    Attributes:
        decimal: the mark before the decimals.
        commas: whether there are commas between thousands.
        grouped: the columns with a point between thousands, even if it is the decimal mark elsewhere in the table.
    """

    decimal: str = "."
    commas: bool = False
    grouped: frozenset[str] = frozenset()

    @property
    def said(self) -> tuple[str, ...]:
        """What is assumed about the marks, a line each; none for numbers as Python writes them."""
        lines = ["numbers have a comma before their decimals"] if self.decimal == "," else []
        lines += ["a comma parts thousands"] if self.commas else []
        return (*lines, *(f"a point parts thousands in {name}" for name in sorted(self.grouped)))

    def plain(self, cell: str, column: str) -> str:
        """A cell as Python reads numbers; one in other marks is left as no number."""
        cell = cell.strip()
        if (parts := _BLANKS.fullmatch(cell)) is not None:
            cell = parts[1] + _BLANK.sub("", parts[2]) + parts[3]
        if column in self.grouped and _GROUPS["."].fullmatch(cell):
            return cell.replace(".", "")
        if self.decimal == ".":
            grouped = _GROUPS[","].fullmatch(cell) or _GROUPS_THEN[","].fullmatch(cell)
            return cell.replace(",", "") if grouped else cell
        if _GROUPS["."].fullmatch(cell) or _GROUPS_THEN["."].fullmatch(cell):
            cell = cell.replace(".", "")
        return "a point" if "." in cell else cell.replace(",", ".")


def marks_of(columns: Mapping[str, Sequence[object]], whole: Collection[str]) -> Marks | None:
    """The marks of a table's cells, where the columns `whole` hold whole numbers; None if no cell decides.

    Raises:
        ArgumentError: a column that can be read in two ways.
    """
    texts = {name: [cell.strip() for cell in cells if isinstance(cell, str)] for name, cells in columns.items()}
    commas = {name: [cell for cell in cells if "," in cell] for name, cells in texts.items()}
    groups = [name for name in whole if any(map(may_part_thousands, texts.get(name, ())))]
    if not groups and not any(commas.values()):
        return None
    cells = [cell for column in texts.values() for cell in column]
    has_comma, has_point = _is_decimal(",", ".", cells), _is_decimal(".", ",", cells)
    if has_comma and not has_point:
        return Marks(",")
    if not has_point:
        for name, marked in commas.items():
            doubtful = next((cell for cell in marked if _ONE_GROUP[","].fullmatch(cell)), None)
            if doubtful is not None and name not in whole:
                raise _ambiguous(name, doubtful, "numbers")
    in_groups = any(_GROUPS[","].fullmatch(cell) or _GROUPS_THEN[","].fullmatch(cell) for cell in cells if "," in cell)
    return Marks(".", in_groups, frozenset(name for name in groups if _has_grouped_steps(name, texts[name], cells)))


def _is_decimal(mark: str, other: str, cells: list[str]) -> bool:
    """Whether a cell has this mark before its decimals, and no reading as thousands."""
    return any(
        (mark in cell and _DECIMAL[mark].fullmatch(cell) and not _ONE_GROUP[mark].fullmatch(cell))
        or (other in cell and (_GROUPS_THEN[other].fullmatch(cell) or _two_groups(cell, other)))
        for cell in cells
    )


def _two_groups(cell: str, mark: str) -> bool:
    return cell.count(mark) > 1 and _GROUPS[mark].fullmatch(cell) is not None


def _has_grouped_steps(name: str, steps: list[str], cells: list[str]) -> bool:
    """Whether the points of a column of steps part thousands.

    Raises:
        ArgumentError: if they may as well stand before decimals.
    """
    if any(_two_groups(cell, ".") for cell in steps):
        return True
    pointed = [cell for cell in steps if "." in cell]
    if any(not _ONE_GROUP["."].fullmatch(cell) for cell in pointed):
        return False
    decimals = {len(cell.partition(".")[2]) for cell in cells if _DECIMAL["."].fullmatch(cell) and cell not in steps}
    if len(pointed) == len(steps) and decimals == {3}:  # every number was written with three decimals
        return False
    as_thousands, as_decimals = (
        _oddities(np.array([float(cell.replace(".", mark)) for cell in steps if _is_plain(cell)])) for mark in ("", ".")
    )
    if as_thousands == as_decimals:
        raise _ambiguous(name, pointed[0], "whole numbers")
    return as_thousands < as_decimals


def _is_plain(cell: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", cell) is not None


def _oddities(steps: np.ndarray) -> int:
    """How often a column is not what steps are: whole, and rising but where a job is resumed."""
    return int(np.sum(steps != np.floor(steps)) + np.sum(np.diff(steps) < 0))


def _ambiguous(name: str, cell: str, what: str) -> ArgumentError:
    must = f"hold {what} without a mark between thousands, as {re.sub('[.,]', '', cell)}"
    return ArgumentError(name, must, f"{cell} in a row, which may be {cell.replace(',', '.')} or a thousand times that")
