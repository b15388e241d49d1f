"""Tables in memory: frames of pandas, polars, pyarrow and others, xarray, dicts of lists, lists of dicts, Keras.

Frames are read through narwhals; of a lazy frame only the needed columns are collected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...support import ArgumentError, as_numbers, kind_in_words, require
from ..columns import Chosen, Names, choose, clean
from ..numbers import Column, Log, Remarks, numbers_of

_KNOWN = (
    "be a frame (pandas, polars, pyarrow, …), an xarray Dataset, a dict of lists, a list of dicts or a History of Keras"
)
_OF_TIME = ("Date", "Datetime", "Duration", "Time")  # dtypes of narwhals
_OF_ALL_DIRECTIONS = re.compile(r".*(overlap|align|cos)[a-z0-9]*")


def read_frame(frame: Any, names: Names) -> Log:
    """The columns of a table in memory that are read.

    Raises:
        ArgumentError: what is no table, or a column that is missing or holds no numbers.
    """
    if hasattr(frame, "history") and hasattr(frame, "epoch"):  # what model.fit of Keras returns
        require(isinstance(frame.history, dict), "frame", _KNOWN, type(frame).__name__)
        frame = {"epoch": frame.epoch, **frame.history}
    elif hasattr(frame, "data_vars") and hasattr(frame, "coords"):
        frame = {name: frame[name].values for name in (*frame.coords, *frame.data_vars)}
    elif isinstance(frame, np.ndarray) and frame.dtype.names is not None:
        frame = {name: frame[name] for name in frame.dtype.names}
    if isinstance(frame, Iterator):
        frame = list(frame)
    if isinstance(frame, Mapping):
        return _of_lists(frame, names)
    if isinstance(frame, (list, tuple)):
        sound = len(frame) > 0 and all(isinstance(row, Mapping) for row in frame)
        require(sound, "frame", _KNOWN, f"a {type(frame).__name__} of other things" if len(frame) else "empty")
        return of_rows(frame, names)
    return _of_narwhals(frame, names)


def of_rows(rows: Sequence[Mapping[str, Any]], names: Names) -> Log:
    """The columns of a list of dicts, one for each row; a name that a row lacks was not logged in it."""
    spelt = [{clean(name): value for name, value in row.items()} for row in rows]
    chosen = choose(list(dict.fromkeys(name for row in spelt for name in row)), names)
    cells = {name: [row.get(name) for row in spelt] for name in chosen.all}
    _refuse_other_kinds(chosen, cells)
    columns, marks = numbers_of(chosen, cells)
    return Log(chosen, columns, Remarks(assumed=marks.said if marks is not None else ()))


def _of_lists(frame: Mapping[str, Any], names: Names) -> Log:
    """The columns of a dict of lists or arrays; overlaps may be an array with a column for each direction."""
    spelt = [(clean(name), values) for name, values in frame.items()]
    columns: list[tuple[str, Any]] = []
    for name, values in spelt:
        if _OF_ALL_DIRECTIONS.fullmatch(name) and (table := _matrix(values)) is not None:
            columns += [(f"{name}_{m + 1}", column) for m, column in enumerate(table.T)]
        else:
            columns.append((name, values))
    chosen = choose([name for name, _ in columns], names)
    held = dict(columns)
    cells = {name: _cells(held[name], name) for name in chosen.needed}
    shape = _shape(cells[chosen.step])
    for name, held_there in cells.items():
        agree = len(shape) == 1 and _shape(held_there) == shape
        require(agree, name, f"have as many entries as {chosen.step}, {shape}", _shape(held_there))
    for name in [name for name in chosen.all if name not in cells]:
        try:
            cells[name] = list(held[name]) if name == chosen.run else _cells(held[name], name)
        except (ArgumentError, TypeError):  # nothing that has to be read
            continue
    chosen = chosen.without([name for name in chosen.all if name not in cells or _shape(cells[name]) != shape])
    numbers = {name: Column.of_masked(array) for name in chosen.all if isinstance(array := cells[name], np.ndarray)}
    texts, marks = numbers_of(chosen, {name: cells[name] for name in chosen.all if name not in numbers})
    return Log(chosen, numbers | texts, Remarks(assumed=marks.said if marks is not None else ()))


def _matrix(values: Any) -> np.ndarray | None:
    """Values with two axes as numbers; None for all others."""
    try:
        numbers = as_numbers(values, "overlaps")
    except ArgumentError:
        return None
    return numbers if numbers.ndim == 2 else None


def _cells(values: Any, name: str) -> list[Any] | np.ndarray:
    """Numbers as a masked array; a list if there is text among them, which is then read like the cells of a file."""
    return list(values) if _holds_text(values) else as_numbers(values, name)


def _shape(cells: list[Any] | np.ndarray) -> tuple[int, ...]:
    return cells.shape if isinstance(cells, np.ndarray) else (len(cells),)


def _holds_text(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "US"
    return isinstance(values, (list, tuple)) and any(isinstance(cell, str) for cell in values)


def _refuse_other_kinds(chosen: Chosen, cells: Mapping[str, Sequence[Any]]) -> None:
    for name in [name for name in chosen.needed if name in cells]:
        kinds = (kind_in_words(cell) for cell in cells[name] if not isinstance(cell, str))
        kind = next((kind for kind in kinds if kind is not None), None)
        require(kind is None, name, "hold real numbers without units", kind)


def _of_narwhals(frame: Any, names: Names) -> Log:
    import narwhals as nw  # slow to import

    titles = None
    if hasattr(frame, "reset_index") and hasattr(frame, "columns"):  # of pandas: named indices count as columns
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()
        titles = [clean(name) for name in frame.columns]
        frame = frame.set_axis([str(i) for i in range(len(titles))], axis=1)  # what narwhals reads are unique strings
    try:
        table = nw.from_native(frame)
    except (TypeError, ValueError) as error:
        why = f" ({error})" if isinstance(error, ValueError) else ""
        raise ArgumentError("frame", _KNOWN, f"{type(frame).__name__}{why}") from None
    own = table.collect_schema().names()
    titles = [clean(name) for name in own] if titles is None else titles
    chosen = choose(titles, names)
    table = table.select([own[titles.index(name)] for name in chosen.all])
    eager = table.collect() if isinstance(table, nw.LazyFrame) else table
    series = {name: eager[own[titles.index(name)]] for name in chosen.all}
    for name in chosen.needed:
        dtype = str(series[name].dtype)
        complex_ = "complex" in str(getattr(series[name].to_native(), "dtype", ""))
        must = "hold real numbers without units"
        require(not dtype.startswith(_OF_TIME) and not complex_, name, must, "complex numbers" if complex_ else dtype)
    chosen = chosen.without([name for name, held in series.items() if str(held.dtype).startswith(_OF_TIME)])
    words = [name for name in chosen.all if name == chosen.run or not series[name].dtype.is_numeric()]
    cells = {name: series[name].to_list() for name in words}
    _refuse_other_kinds(chosen, cells)
    numbers = {name: _of_series(series[name]) for name in chosen.all if name not in cells}
    columns, marks = numbers_of(chosen, cells)
    return Log(chosen, numbers | columns, Remarks(assumed=marks.said if marks is not None else ()))


def _of_series(series: Any) -> Column:
    """A column of numbers; where a library distinguishes null from NaN, null is an empty cell and NaN a value."""
    values = np.asarray(series.to_numpy())
    if values.dtype.kind == "O":
        return Column.of_masked(as_numbers(values, series.name))
    numpys = isinstance(getattr(series.to_native(), "dtype", None), np.dtype)  # of pandas, where NaN is all there is
    null = np.zeros(len(values), bool) if numpys else np.asarray(series.is_null().to_numpy(), bool)
    return Column(np.where(null, np.nan, values.astype(float)), ~null)
