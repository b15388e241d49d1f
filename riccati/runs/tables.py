"""From the columns of a log to steps, loss, overlaps and clock: sorted, merged, and what is dropped is noted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..support import require
from .columns import Chosen
from .numbers import Column, count
from .steps import are_steps, overlaps_of

TOLERANCE = 1e-6  # logs carry seven digits or more


class Table(NamedTuple):
    """A log by increasing step.

    Attributes:
        steps: (T,).
        loss: (T,), NaN where only overlaps were logged; None without a loss column.
        overlaps: (T, M), NaN where unknown; None if there are none.
        clock: (T,), canonical times; None if there are none.
        loss_name: the column that `loss` is.
    """

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"] | None
    overlaps: Float[np.ndarray, "T M"] | None
    clock: Float[np.ndarray, " T"] | None
    loss_name: str | None

    def at(self, rows: np.ndarray) -> Table:
        """Some of its rows."""
        loss, overlaps, clock = (
            None if values is None else values[rows] for values in (self.loss, self.overlaps, self.clock)
        )
        return Table(self.steps[rows], loss, overlaps, clock, self.loss_name)


def table_of(chosen: Chosen, columns: dict[str, Column], steps: Float[np.ndarray, " R"], notes: list[str]) -> Table:
    """The log, of whose rows `steps` are given; `notes` grows by what is dropped.

    A step that occurs in several rows, as in sparse logs and after a resumed job, takes from each kind of column the
    last row that has it.

    Raises:
        ArgumentError: if no row has a step and a finite loss or an overlap.
    """
    overlaps = overlaps_of(chosen, columns)
    loss = (
        columns[chosen.loss]
        if chosen.loss is not None
        else Column(np.full(len(steps), np.nan), np.zeros(len(steps), bool))
    )
    counted = are_steps(steps)
    if not counted.all():
        notes.append(f"dropped {count(int((~counted).sum()))} whose step is no whole number ≥ 0")
    seen = np.zeros(len(steps), bool) if overlaps is None else np.isfinite(overlaps).any(axis=1)
    lossy = counted & loss.known
    _note_unread(chosen, steps, counted & ~lossy, seen, notes)
    rows = np.flatnonzero(counted & (lossy | seen))
    if np.any(np.diff(steps[rows]) < 0):
        notes.append("steps were not in order: sorted")
    kept, of_loss, of_overlaps = _merged(steps, rows, lossy, seen, notes)
    values = np.where(of_loss >= 0, loss.values[of_loss], np.nan)
    sound = _sound(kept, values, of_loss >= 0, of_overlaps >= 0, chosen.loss, notes)
    why = f": {'; '.join(notes)}" if notes else ""
    require(bool(sound.any()), "path", "hold a row with a step and a finite loss", f"without one{why}")
    kept, values, of_loss, of_overlaps = (array[sound] for array in (kept, values, of_loss, of_overlaps))
    clock = _clock(chosen, columns, np.maximum(of_loss, of_overlaps), notes)
    if overlaps is not None:
        overlaps = np.where((of_overlaps >= 0)[:, None], overlaps[of_overlaps], np.nan)
    checked = _checked(overlaps, (of_overlaps >= 0) | (of_loss >= 0), notes)
    table = Table(kept.astype(np.int64), None if chosen.loss is None else values, checked, clock, chosen.loss)
    filled = np.isfinite(values) | (False if checked is None else np.isfinite(checked).any(axis=1))
    require(
        bool(np.any(filled)), "path", "hold a row with a step and a finite loss", f"without one: {'; '.join(notes)}"
    )
    return table.at(filled)  # without rows kept for overlaps that are none


def without_gaps(chosen: Chosen, columns: dict[str, Column], nan_is_all: bool) -> dict[str, Column]:
    """The columns of a log that writes NaN for what was not logged, with these cells of the loss unknown.

    A diverged run has NaN as well, from some row on. Between finite values NaN says that nothing was logged where that
    is the rule: where no two rows in a row have a value, or no more rows than not. After the last value it says so
    where another loss goes on, or where no more rows are left than twice the longest gap, and no other loss that was
    logged in every row breaks off there too. A single value and then NaN is a run that diverged.

    Args:
        chosen: the names of the columns.
        columns: of the rows that are read.
        nan_is_all: whether NaN is all that an empty cell can be, as in arrays; beside a finite overlap it is one then.
    """
    if chosen.loss is None:
        return columns
    values, known = columns[chosen.loss]
    gaps = _gaps(values, known, [columns[name].values for name in chosen.other_losses])
    if nan_is_all:
        seen = np.any([np.isfinite(columns[name].values) for name in chosen.overlaps] or [False], axis=0)
        gaps = gaps | (np.isnan(values) & seen)
    return columns | {chosen.loss: Column(values, known & ~gaps)}


def _gaps(
    values: Float[np.ndarray, " R"], known: Bool[np.ndarray, " R"], others: list[Float[np.ndarray, " R"]]
) -> Bool[np.ndarray, " R"]:
    """Where NaN says that nothing was logged; see `without_gaps`."""
    nan, at = known & np.isnan(values), np.flatnonzero(np.isfinite(values))
    if not nan.any() or not known.all() or not len(at):
        return np.zeros(len(values), bool)
    rows, last = np.arange(len(values)), int(at[-1])
    goes_on = any(np.isfinite(other[last + 1 :]).any() for other in others)
    breaks_off = any(np.isfinite(other[: last + 1]).all() for other in others) and not goes_on
    between = np.diff(at) - 1
    sparse = len(between) > 0 and (between.min() > 0 or between.sum() >= len(at))
    end = next(iter(np.flatnonzero(np.isinf(values) & (rows > last))), len(values))
    due = sparse and end - 1 - last > 2 * between.max()
    left_out = goes_on or (sparse and not due and not breaks_off)
    return nan & (((rows < last) & sparse) | ((rows > last) & (rows < end) & left_out))


def _note_unread(chosen: Chosen, steps: np.ndarray, unread: np.ndarray, seen: np.ndarray, notes: list[str]) -> None:
    if chosen.loss is None:
        return
    for rows, what in ((unread & ~seen, "dropped {} with"), (unread & seen, "kept for their overlaps: {} with")):
        if rows.any():
            first = f"the first at step {int(steps[rows][0])}"
            notes.append(f"{what.format(count(int(rows.sum())))} an empty or unreadable {chosen.loss} ({first})")


def _merged(
    steps: Float[np.ndarray, " R"],
    rows: Int[np.ndarray, " n"],
    lossy: Bool[np.ndarray, " R"],
    seen: Bool[np.ndarray, " R"],
    notes: list[str],
) -> tuple[Float[np.ndarray, " T"], Int[np.ndarray, " T"], Int[np.ndarray, " T"]]:
    """The steps, and for each the row of its loss and the row of its overlaps, -1 where there is none."""
    if np.all(np.diff(steps[rows]) > 0):
        return steps[rows], np.where(lossy[rows], rows, -1), np.where(seen[rows], rows, -1)
    kept = np.unique(steps[rows])
    found, repeated = [], 0
    for has in (lossy, seen):
        with_it = rows[has[rows]][::-1]  # the last of each repeated step is the first of the reversed rows
        at, first = np.unique(steps[with_it], return_index=True)
        row = np.full(len(kept), -1)
        row[np.searchsorted(kept, at)] = with_it[first]
        found.append(row)
        repeated = max(repeated, len(with_it) - len(at))
    if repeated:
        notes.append(f"dropped {count(repeated)} of repeated steps, the later row of each is kept")
    return kept, found[0], found[1]


def _sound(
    steps: np.ndarray, loss: np.ndarray, lossy: np.ndarray, seen: np.ndarray, name: str | None, notes: list[str]
) -> Bool[np.ndarray, " T"]:
    """The rows with a finite loss, or with overlaps alone before the run diverged."""
    finite = np.isfinite(loss)
    logged = np.flatnonzero(lossy)
    last = np.flatnonzero(finite)[-1] if finite.any() else -1
    tail = logged[logged > last]
    diverged = np.inf
    if len(tail):
        diverged = float(steps[tail[0]])
        notes.append(f"diverged from step {int(diverged)} on: dropped {count(len(tail))} with NaN or inf {name}")
    if (inside := int((lossy & ~finite).sum()) - len(tail)) > 0:
        notes.append(f"dropped {count(inside)} with NaN or inf {name}")
    return finite | (~lossy & seen & (steps < diverged))


def _clock(
    chosen: Chosen, columns: dict[str, Column], rows: Int[np.ndarray, " T"], notes: list[str]
) -> Float[np.ndarray, " T"] | None:
    """The kept rows' canonical times, None if there are none that increase."""
    if chosen.clock is None:
        return None
    clock = columns[chosen.clock].values[rows]
    if np.isfinite(clock).all() and np.all(np.diff(clock) > 0) and clock[0] >= 0:
        return clock
    notes.append(f"{chosen.clock} has gaps or does not increase: times taken from the steps")
    return None


def _checked(overlaps: np.ndarray | None, wanted: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Rounding past 0 and 1 clipped, rows that are no squared overlaps NaN."""
    if overlaps is None:
        return None
    outside = ((overlaps < -TOLERANCE) | (overlaps > 1 + TOLERANCE)).any(axis=1)
    if gaps := int((np.isnan(overlaps).any(axis=1) & ~outside & wanted).sum()):
        notes.append(f"overlaps are missing or unreadable in {count(gaps)}")
    if outside.any():
        notes.append(f"overlaps outside [0, 1] in {count(int(outside.sum()))}: taken as unknown there")
        overlaps[outside] = np.nan
    return None if np.isnan(overlaps).all() else np.clip(overlaps, 0.0, 1.0)
