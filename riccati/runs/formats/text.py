"""Logs as delimited text: any delimiter, comments, a repeated header after a resumed job, lines that are cut short.

A file is read in pieces of some megabytes: by numpy's reader if every field of a piece is a number, else line by line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...support import ArgumentError
from ..columns import Chosen, Names, choose, clean, is_step
from ..marks import may_part_thousands
from ..numbers import Column, Log, Remarks, count, joined, numbers_of

_PIECE = 2**23  # bytes read at a time
_MARKS = "\t;|,"


@dataclass(frozen=True)
class Header:
    """A line of column names.

    Attributes:
        names: the names in lower case and stripped, in the file's order.
        delimiter: the character between them; a space stands for any white space.
    """

    names: list[str]
    delimiter: str

    def fields(self, line: str) -> list[str]:
        """A line's fields."""
        return _fields(line, self.delimiter)


@dataclass(frozen=True)
class Dropped:
    """The lines that do not have the header's number of fields; those of several parts of a file can be added.

    Attributes:
        short, long: line numbers, from 1.
        last: the number of the last line with data.
    """

    short: tuple[int, ...] = ()
    long: tuple[int, ...] = ()
    last: int = 0

    def __add__(self, later: Dropped) -> Dropped:
        return Dropped(self.short + later.short, self.long + later.long, later.last or self.last)

    @property
    def notes(self) -> tuple[str, ...]:
        """A line on each kind."""
        kinds = [(lines, kind) for lines, kind in ((self.short, "fewer"), (self.long, "more")) if lines]
        return tuple(
            f"dropped {count(len(lines), 'line')} with {kind} fields than the header ({self._place(lines, kind)})"
            for lines, kind in kinds
        )

    def _place(self, lines: tuple[int, ...], kind: str) -> str:
        cut = lines == (self.last,) and kind == "fewer"
        return "the last, cut short" if cut else f"the first of them line {lines[0]}"


def read_text(raw: bytes, names: Names) -> Log:
    """The columns of a log that are read, and their numbers."""
    body, notes = _whole_lines(raw)
    header, first, number = _header(body, names)
    chosen = choose(header.names, names)
    dropped, parts, marks = Dropped(), [], None
    for piece in _pieces(body[first:]):
        part = None if marks is not None and marks.grouped else _numeric(piece, header, chosen)
        if part is None:
            cells, header, lost = _by_line(piece, header, chosen, number)
            dropped += lost
            part, marks = numbers_of(chosen, cells, marks)
        elif lines := piece.count(b"\n"):
            dropped += Dropped(last=number + lines)
        number += piece.count(b"\n")
        parts.append(part)
    remarks = Remarks(notes + dropped.notes, marks.said if marks is not None else ())
    return Log(chosen, joined(chosen.all, parts), remarks)


def _whole_lines(raw: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The text in UTF-8 with plain line ends, without an incomplete last line; and notes on what was dropped."""
    notes: tuple[str, ...] = ()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raw = raw.decode("utf-16", "replace").encode()
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if raw.endswith(b"\0"):
        notes += ("dropped the NUL bytes at the end",)
        raw = raw.rstrip(b"\0")
    end = raw.rfind(b"\n") + 1
    if end < len(raw) and raw[:end].count(b"\n") > 1:
        return raw[:end], (*notes, "dropped the last line, which has no end: its last number may be cut")
    return raw if raw.endswith(b"\n") else raw + b"\n", notes


def _pieces(body: bytes) -> Iterator[bytes]:
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", min(begin + _PIECE, len(body)) - 1) + 1 or len(body)
        yield body[begin:end]
        begin = end


def _bare(line: str) -> str:
    """A line without its comment."""
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0] if "#" in line else line


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return next(csv.reader([line], delimiter=delimiter)) if '"' in line else line.split(delimiter)


def _header(body: bytes, names: Names) -> tuple[Header, int, int]:
    """The header, where the data begin, and the number of lines before that."""
    titles: list[str] = []
    begin, number, comment = 0, 0, ""
    while begin < len(body):
        end = body.find(b"\n", begin) + 1
        line = body[begin:end].decode("utf-8", "replace")
        if _bare(line).strip():
            titles.append(_bare(line))
            break
        begin, number = end, number + 1
        comment = line.strip().lstrip("# ") or comment
    following = body[begin:].split(b"\n", 2)[1:2]
    sample = following[0].decode("utf-8", "replace") if following else ""
    if comment:  # as numpy.savetxt writes it; the data begin at once
        as_comment = _split_title(comment, titles[0] if titles else "", names)
        if _has_step(as_comment, names) and not (titles and _has_step(_split_title(titles[0], sample, names), names)):
            return as_comment, begin, number
    if not titles:
        return Header([clean(comment)] if comment else ["none"], ","), len(body), number
    return _split_title(titles[0], sample, names), body.find(b"\n", begin) + 1, number + 1


def _has_step(header: Header, names: Names) -> bool:
    return any(is_step(name) or name == clean(names.step or "") for name in header.names)


def _split_title(title: str, sample: str, names: Names) -> Header:
    """The header by the delimiter that finds the steps in it, and as many names as the next line has fields."""
    marks = [mark for mark in _MARKS if mark in title] + [" "]
    headers = [Header([clean(field) for field in _fields(title.rstrip("\n"), mark)], mark) for mark in marks]
    fits = [h for h in headers if _has_step(h, names) and len(_fields(sample, h.delimiter)) == len(h.names)]
    return next(iter(fits or [h for h in headers if _has_step(h, names)] or headers))


def _numeric(piece: bytes, header: Header, chosen: Chosen) -> dict[str, Column] | None:
    """The columns of a piece in which every line has its fields and every field is a number, else None.

    A point in a column of steps may separate thousands, which only the text of the whole column shows.
    """
    if not piece.strip() or any(mark in piece for mark in (b"#", b'"', b"\0")):
        return None
    delimiter = None if header.delimiter == " " else header.delimiter
    try:
        table = np.loadtxt(io.BytesIO(piece), delimiter=delimiter, comments=None, ndmin=2, encoding="utf-8")
    except (ValueError, OverflowError):
        return None
    if table.shape[1] != len(header.names):
        return None
    lines = piece.split(b"\n", 1)[0], piece.rstrip(b"\n").rsplit(b"\n", 1)[-1]
    ends = [header.fields(line.decode("utf-8", "replace")) for line in lines]
    for name in (chosen.step, *chosen.counters):
        at = header.names.index(name)
        steps = table[:, at]
        uneven = np.any(steps != np.floor(steps)) or np.any(steps[1:] < steps[:-1])
        if uneven or any(may_part_thousands(fields[at].strip()) for fields in ends):
            return None
    return {name: Column.of_numbers(table[:, header.names.index(name)].copy()) for name in chosen.all}


def _by_line(piece: bytes, header: Header, chosen: Chosen, before: int) -> tuple[dict[str, list[str]], Header, Dropped]:
    """The cells of a piece read line by line, `before` lines into the file, its last header, and what was dropped."""
    short: list[int] = []
    long: list[int] = []
    last = 0
    cells: dict[str, list[str]] = {name: [] for name in chosen.all}
    at = _places(header, chosen, before)
    for number, line in enumerate(piece.decode("utf-8", "replace").splitlines(), before + 1):
        bare = _bare(line)
        if not bare.strip():
            continue
        last = number
        row = header.fields(bare)
        if chosen.step in (clean(field) for field in row):
            header = Header([clean(field) for field in row], header.delimiter)
            at = _places(header, chosen, number)
        elif len(row) != len(header.names):
            (short if len(row) < len(header.names) else long).append(number)
        else:
            for name, column in cells.items():
                column.append(row[at[name]] if name in at else "")
    return cells, header, Dropped(tuple(short), tuple(long), last)


def _places(header: Header, chosen: Chosen, number: int) -> dict[str, int]:
    """Where the columns are by a header that stands among the rows, as a resumed job writes it."""
    for name in chosen.needed:
        if header.names.count(name) != 1:
            raise ArgumentError("path", f"have {name} in every header", f"without it, or with two, at line {number}")
    return {name: header.names.index(name) for name in chosen.all if header.names.count(name) == 1}
