"""Steps, loss, overlaps and clock from the columns of a log: sorted, merged, with remarks on what was dropped."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..support import require
from .columns import Chosen
from .numbers import Column, Remarks, are_steps, count
from .steps import overlaps_of

TOLERANCE = 1e-6  # logs carry seven digits or more


class Table(NamedTuple):
    """A log by increasing step.

    Attributes:
        steps: (T,).
        loss: (T,), NaN where only overlaps were logged; None without a loss column.
        overlaps: (T, M), NaN where unknown; None if there are none.
        clock: (T,), canonical times; None if there are none.
        loss_name: the column that `loss` is.
        remarks: what was dropped.
    """

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"] | None
    overlaps: Float[np.ndarray, "T M"] | None
    clock: Float[np.ndarray, " T"] | None
    loss_name: str | None
    remarks: Remarks = Remarks()

    def at(self, rows: np.ndarray) -> Table:
        """Some of its rows."""
        loss, overlaps, clock = (
            None if values is None else values[rows] for values in (self.loss, self.overlaps, self.clock)
        )
        return self._replace(steps=self.steps[rows], loss=loss, overlaps=overlaps, clock=clock)


def table_of(
    chosen: Chosen, columns: dict[str, Column], steps: Float[np.ndarray, " R"], argument: str, earlier: Remarks
) -> Table:
    """The log that an argument holds, as rows by increasing step; its remarks say what was dropped.

    A step that occurs in several rows, as in sparse logs and after a resumed job, takes from each kind of column the
    last row that has it.

    Args:
        chosen: the names of the columns.
        columns: of the rows that are read.
        steps: of those rows.
        argument: what a refusal names.
        earlier: what was said before, which a refusal repeats.

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
    has_overlap = np.zeros(len(steps), bool) if overlaps is None else np.isfinite(overlaps).any(axis=1)
    has_loss = counted & loss.known
    notes = _on_unread(chosen, steps, counted, has_loss, has_overlap)
    rows = np.flatnonzero(counted & (has_loss | has_overlap))
    if np.any(np.diff(steps[rows]) < 0):
        notes += ("steps were not in order: sorted",)
    kept, of_loss, of_overlaps, repeated = _merged(steps, rows, has_loss, has_overlap)
    values = np.where(of_loss >= 0, loss.values[of_loss], np.nan)
    sound, diverged = _sound(kept, values, of_loss >= 0, of_overlaps >= 0, chosen.loss)
    notes += repeated + diverged
    _require_rows(bool(sound.any()), argument, earlier.notes + notes)
    kept, values, of_loss, of_overlaps = (array[sound] for array in (kept, values, of_loss, of_overlaps))
    clock, on_clock = _clock(chosen, columns, np.maximum(of_loss, of_overlaps))
    if overlaps is not None:
        overlaps = np.where((of_overlaps >= 0)[:, None], overlaps[of_overlaps], np.nan)
    checked, on_overlaps = _checked(overlaps, (of_overlaps >= 0) | (of_loss >= 0))
    notes += on_clock + on_overlaps
    filled = np.isfinite(values) | (False if checked is None else np.isfinite(checked).any(axis=1))
    _require_rows(bool(np.any(filled)), argument, earlier.notes + notes)
    logged = None if chosen.loss is None else values
    table = Table(kept.astype(np.int64), logged, checked, clock, chosen.loss, Remarks(notes))
    return table.at(filled)  # without rows kept for overlaps that are none


def _require_rows(there: bool, argument: str, notes: tuple[str, ...]) -> None:
    why = f": {'; '.join(notes)}" if notes else ""
    require(there, argument, "hold a row with a step and a finite loss", f"without one{why}")


def without_gaps(chosen: Chosen, columns: dict[str, Column], nan_is_all: bool) -> dict[str, Column]:
    """The columns of a log with those NaN of the loss marked as empty that only mean that nothing was logged.

    A diverged run has NaN as well, from some row on. Between finite values NaN counts as not logged if gaps are the
    rule: if no two successive rows have a value, or at most half of the rows. After the last value NaN counts as not
    logged if another loss continues, or if at most twice the longest gap is left and no other loss that was logged in
    every row ends there too. A single value followed by NaN is a run that diverged.

    Args:
        chosen: the names of the columns.
        columns: of the rows that are read.
        nan_is_all: whether empty cells can only be written as NaN, as in arrays; then NaN beside a finite overlap is
            an empty cell.
    """
    if chosen.loss is None:
        return columns
    values, known = columns[chosen.loss]
    gaps = _gaps(values, known, [columns[name].values for name in chosen.other_losses])
    if nan_is_all:
        has_overlap = np.any([np.isfinite(columns[name].values) for name in chosen.overlaps] or [False], axis=0)
        gaps = gaps | (np.isnan(values) & has_overlap)
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


def _on_unread(
    chosen: Chosen,
    steps: Float[np.ndarray, " R"],
    counted: Bool[np.ndarray, " R"],
    has_loss: Bool[np.ndarray, " R"],
    has_overlap: Bool[np.ndarray, " R"],
) -> tuple[str, ...]:
    """Notes on rows without a step, and on those without a loss, a line each."""
    lines = []
    if not counted.all():
        lines.append(f"dropped {count(int((~counted).sum()))} whose step is no whole number ≥ 0")
    unread = counted & ~has_loss
    for rows, what in (
        (unread & ~has_overlap, "dropped {} with"),
        (unread & has_overlap, "kept for their overlaps: {} with"),
    ):
        if chosen.loss is not None and rows.any():
            first = f"the first at step {int(steps[rows][0])}"
            lines.append(f"{what.format(count(int(rows.sum())))} an empty or unreadable {chosen.loss} ({first})")
    return tuple(lines)


def _merged(
    steps: Float[np.ndarray, " R"],
    rows: Int[np.ndarray, " n"],
    has_loss: Bool[np.ndarray, " R"],
    has_overlap: Bool[np.ndarray, " R"],
) -> tuple[Float[np.ndarray, " T"], Int[np.ndarray, " T"], Int[np.ndarray, " T"], tuple[str, ...]]:
    """The steps; for each the row of its loss and of its overlaps, -1 for none; and a line if any were repeated."""
    if np.all(np.diff(steps[rows]) > 0):
        return steps[rows], np.where(has_loss[rows], rows, -1), np.where(has_overlap[rows], rows, -1), ()
    kept = np.unique(steps[rows])
    of_each, repeated = [], 0
    for has in (has_loss, has_overlap):
        with_it = rows[has[rows]][::-1]  # the last of each repeated step is the first of the reversed rows
        at, first = np.unique(steps[with_it], return_index=True)
        row = np.full(len(kept), -1)
        row[np.searchsorted(kept, at)] = with_it[first]
        of_each.append(row)
        repeated = max(repeated, len(with_it) - len(at))
    lines = (f"dropped {count(repeated)} of repeated steps, the later row of each is kept",) if repeated else ()
    return kept, of_each[0], of_each[1], lines


def _sound(
    steps: Float[np.ndarray, " T"],
    loss: Float[np.ndarray, " T"],
    has_loss: Bool[np.ndarray, " T"],
    has_overlap: Bool[np.ndarray, " T"],
    name: str | None,
) -> tuple[Bool[np.ndarray, " T"], tuple[str, ...]]:
    """The rows with a finite loss, or with overlaps alone before the run diverged; and a note on the others."""
    finite, lines = np.isfinite(loss), []
    logged = np.flatnonzero(has_loss)
    last = np.flatnonzero(finite)[-1] if finite.any() else -1
    tail = logged[logged > last]
    diverged = np.inf
    if len(tail):
        diverged = float(steps[tail[0]])
        lines.append(f"diverged from step {int(diverged)} on: dropped {count(len(tail))} with NaN or inf {name}")
    if (inside := int((has_loss & ~finite).sum()) - len(tail)) > 0:
        lines.append(f"dropped {count(inside)} with NaN or inf {name}")
    return finite | (~has_loss & has_overlap & (steps < diverged)), tuple(lines)


def _clock(
    chosen: Chosen, columns: dict[str, Column], rows: Int[np.ndarray, " T"]
) -> tuple[Float[np.ndarray, " T"] | None, tuple[str, ...]]:
    """The kept rows' canonical times, None if there are none that increase; and a line on those that do not."""
    if chosen.clock is None:
        return None, ()
    clock = columns[chosen.clock].values[rows]
    if np.isfinite(clock).all() and np.all(np.diff(clock) > 0) and clock[0] >= 0:
        return clock, ()
    return None, (f"{chosen.clock} has gaps or does not increase: times taken from the steps",)


def _checked(
    overlaps: Float[np.ndarray, "T M"] | None, wanted: Bool[np.ndarray, " T"]
) -> tuple[Float[np.ndarray, "T M"] | None, tuple[str, ...]]:
    """Overlaps clipped to [0, 1] where rounding left it, NaN in rows that are not squared overlaps; and a note."""
    if overlaps is None:
        return None, ()
    outside = np.any((overlaps < -TOLERANCE) | (overlaps > 1 + TOLERANCE), axis=1)
    lines = []
    if gaps := int((np.isnan(overlaps).any(axis=1) & ~outside & wanted).sum()):
        lines.append(f"overlaps are missing or unreadable in {count(gaps)}")
    if outside.any():
        lines.append(f"overlaps outside [0, 1] in {count(int(outside.sum()))}: taken as unknown there")
        overlaps = np.where(np.expand_dims(outside, 1), np.nan, overlaps)
    return None if np.isnan(overlaps).all() else np.clip(overlaps, 0.0, 1.0), tuple(lines)
