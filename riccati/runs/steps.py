"""The step of SGD that each row of a log belongs to, from the column that counts steps, samples or epochs.

Of several counters that of the optimiser is taken. A log that goes back to its first step holds several runs, of which
the last is read; one that goes back less far is that of a resumed job.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..support import require
from .columns import Chosen, counts_log_calls, is_optimisers
from .config import RunConfig
from .numbers import LAST_STEP, Column, Remarks, are_steps, count

_RATIO = 0.01  # relative: what samples over steps may differ from the batch size
_UNSORTED = 0.25  # of all moves from row to row, those back from which a log is not one of runs in order


class Steps(NamedTuple):
    """The steps of SGD that the rows of a log belong to.

    Attributes:
        values: (n,), the step of each row that is read; not a whole number where the row has none.
        rows: (n,), which rows of the log are read: those of its last run.
        held_before: for how many steps before a row its learning rate held: those of the epoch that it ends, else 0.
        remarks: what was dropped, and what was assumed.
    """

    values: Float[np.ndarray, " n"]
    rows: Int[np.ndarray, " n"]
    held_before: int
    remarks: Remarks


def overlaps_of(chosen: Chosen, columns: dict[str, Column]) -> Float[np.ndarray, "R M"] | None:
    """The columns of overlaps side by side, None without any."""
    return np.column_stack([columns[name].values for name in chosen.overlaps]) if chosen.overlaps else None


def steps_of(chosen: Chosen, columns: dict[str, Column], named: str | None, config: RunConfig) -> Steps:
    """The steps of the rows of a log, and which rows are those of its last run.

    `named` is the column that the user calls that of the steps, if any.

    Raises:
        ArgumentError: a log of epochs without `steps_per_epoch`, or of samples without `batch_size`.
    """
    kinds = _kinds(chosen, columns)
    rows, notes = _last_named_run(chosen, columns, kinds)
    columns, kinds = {name: column.at(rows) for name, column in columns.items()}, [kind[rows] for kind in kinds]
    name, said = (chosen.step, ()) if named is not None else _counter(chosen, columns, np.any(kinds, axis=0))
    values, held_before = columns[name].values, 0
    assumed: tuple[str, ...] = ()
    if name not in (chosen.samples, chosen.epoch):
        values, assumed = _over_epochs(name, chosen, columns, np.any(kinds, axis=0), config)
    begin = _last_beginning(values, kinds)
    if begin:
        last = f"the last run is read, and {count(begin)} before it dropped"
        notes += (f"the log goes back to its first step, where another run begins: {last}",)
    values, rows = values[begin:], rows[begin:]
    if name == chosen.samples:
        values, assumed = _from_samples(name, values, named, config)
    elif name == chosen.epoch:
        values, held_before, assumed = _from_epochs(name, values, named, config)
    elif chosen.samples is not None:
        said += _beside_samples(name, values, chosen.samples, columns[chosen.samples].values[begin:], config)
    return Steps(values, rows, held_before, Remarks((*notes, *said), assumed))


def _kinds(chosen: Chosen, columns: dict[str, Column]) -> list[Bool[np.ndarray, " R"]]:
    """The rows with a finite loss, and those with an overlap; a log may hold these two in different rows."""
    overlaps = overlaps_of(chosen, columns)
    loss = [] if chosen.loss is None else [np.isfinite(columns[chosen.loss].values)]
    return loss + ([] if overlaps is None else [np.isfinite(overlaps).any(axis=1)])


def _last_named_run(
    chosen: Chosen, columns: dict[str, Column], kinds: list[Bool[np.ndarray, " R"]]
) -> tuple[Int[np.ndarray, " n"], tuple[str, ...]]:
    """The rows of the last run by the column that names runs, with those of earlier runs that it resumes."""
    everything = np.arange(len(columns[chosen.step].values))
    if chosen.run is None:
        return everything, ()
    names, known = columns[chosen.run]
    data, steps = np.any(kinds, axis=0), columns[chosen.step].values
    order = list(dict.fromkeys(names[known & data]))
    if len(order) < 2:
        return everything, ()
    kept = [order[-1]]
    for name in order[-2::-1]:
        first, last = _extent(steps[data & np.isin(names, kept)])[0], _extent(steps[data & (names == name)])[1]
        if not first > last:
            break
        kept.append(name)
    if len(kept) == len(order):
        return everything, ()
    rows = np.flatnonzero(np.isin(names, kept))
    dropped = count(len(everything) - len(rows))
    return rows, (f"{chosen.run} names {len(order)} runs: the last is read, and {dropped} of the others dropped",)


def _extent(steps: Float[np.ndarray, " n"]) -> tuple[float, float]:
    sound = steps[are_steps(steps)]
    return (float(sound.min()), float(sound.max())) if len(sound) else (np.nan, np.nan)


def _counter(chosen: Chosen, columns: dict[str, Column], data: Bool[np.ndarray, " n"]) -> tuple[str, tuple[str, ...]]:
    """The column that counts the optimiser's steps, and a line where another one disagrees.

    Names that only the optimiser's steps have are preferred; among the others a column that only numbers the rows comes
    last. A column that is empty where the others are not is not a counter.
    """
    candidates = (chosen.step, *chosen.counters)
    usable = {name: are_steps(columns[name].values) & columns[name].known & data for name in candidates}
    most = max(int(there.sum()) for there in usable.values())
    full = [name for name in candidates if 2 * usable[name].sum() >= most] or list(candidates)

    def rank(name: str) -> tuple[bool, bool, bool]:
        return not is_optimisers(name), counts_log_calls(name), _numbers_rows(columns[name].values[usable[name]])

    taken = min(full, key=rank)
    said = []
    if counts_log_calls(taken) and (len(candidates) > 1 or _numbers_rows(columns[taken].values[usable[taken]])):
        said.append(f"{taken} counts calls of the logger, which are taken for steps of SGD")
    for name in candidates:
        both = usable[taken] & usable[name]
        differs = np.flatnonzero(both & (columns[name].values != columns[taken].values))
        if len(differs):
            mine, its = (int(columns[of].values[differs[0]]) for of in (taken, name))
            said.append(f"steps are taken from {taken}, with which {name} disagrees ({mine} and {its} in one row)")
    return taken, tuple(said)


def _numbers_rows(steps: Float[np.ndarray, " n"]) -> bool:
    """Whether a column rises by 1 from row to row, as one that only numbers them."""
    return len(steps) > 1 and bool(np.all(np.diff(steps) == 1))


def _over_epochs(
    name: str, chosen: Chosen, columns: dict[str, Column], data: Bool[np.ndarray, " n"], config: RunConfig
) -> tuple[Float[np.ndarray, " n"], tuple[str, ...]]:
    """The steps of a column that may begin again with each epoch, and what was assumed for it."""
    steps = columns[name].values
    if chosen.epoch is None:
        return steps, ()
    epochs = columns[chosen.epoch].values
    both = np.flatnonzero(data & are_steps(steps) & are_steps(epochs))
    falls, rises = np.diff(steps[both]) < 0, np.diff(epochs[both])
    if not falls.any() or np.any(rises < 0) or np.any(rises[falls] == 0):
        return steps, ()
    length = _steps_per_epoch(config, f"{name} begins again with each epoch")
    first = 1 if epochs[both].min() == 1 else 0
    line = f"{name} counts within an epoch, from {first}: taken as step (e - {first}) x {length} + {name}"
    return (epochs - first) * length + steps, (line.replace("(e - 0)", "e"),)


def _steps_per_epoch(config: RunConfig, why: str) -> int:
    must = f"be given, as {why}, or step_column name the column of the steps"
    length = config.steps_per_epoch
    require(length is not None, "steps_per_epoch", must, "missing")
    assert length is not None
    return length


def _last_beginning(steps: Float[np.ndarray, " n"], kinds: list[Bool[np.ndarray, " n"]]) -> int:
    """The row in which the last run of a log begins; 0 for a log of one run, resumed or not, in order or not."""
    begin = 0
    for kind in kinds:
        at = np.flatnonzero(kind & are_steps(steps))
        begin = max([begin, *at[_beginnings(steps[at])[-1:]]])
    while begin > 0 and steps[begin - 1] == steps[begin]:  # a row of the same step that holds something else
        begin -= 1
    return int(begin)


def _beginnings(steps: Float[np.ndarray, " n"]) -> list[int]:
    """Where a sequence of steps goes back to its first one, or before it, from beyond; none if it is in no order."""
    begins, lowest, others = [0], True, 0
    for fall in np.flatnonzero(np.diff(steps) < 0) + 1:
        begin = begins[-1]
        back = steps[fall] == steps[begin] or (steps[fall] < steps[begin] <= steps[fall:].max())
        if back and lowest and fall - begin > 1:
            begins.append(int(fall))
        else:
            others += 1
            lowest = lowest and bool(steps[fall] >= steps[begin])
            if others > _UNSORTED * (len(steps) - 1):
                return []
    return begins[1:]


def _from_samples(
    name: str, samples: Float[np.ndarray, " n"], named: str | None, config: RunConfig
) -> tuple[Float[np.ndarray, " n"], tuple[str, ...]]:
    batch = config.batch_size
    if batch is None:
        must = f"be given, as {name} counts samples, or step_column name the column of the steps"
        require(named is not None, "batch_size", must, "missing")
        return samples, ()
    return samples / batch, (f"{name} counts samples: taken as step {name}/{batch}",)


def _from_epochs(
    name: str, epochs: Float[np.ndarray, " n"], named: str | None, config: RunConfig
) -> tuple[Float[np.ndarray, " n"], int, tuple[str, ...]]:
    """Epochs as the steps at their ends, the steps of an epoch, and what was assumed.

    An epoch is counted from 0, or from 1 where the first of the log is 1 or all are multiples of their spacing, as in
    a log of every fifth one; with fractions it tells how many epochs have passed.
    """
    if named is not None and "steps_per_epoch" not in config:
        return epochs, 0, ()
    length = _steps_per_epoch(config, "the log counts epochs")
    whole = epochs[np.isfinite(epochs) & (epochs >= 0)]
    if np.any(whole != np.floor(whole)):
        line = f"{name} tells how many epochs have passed: taken as step e x {length}"
        return np.rint(epochs * length), length, (line,)
    first = whole.min(initial=np.inf)
    spacing = np.gcd.reduce(np.diff(np.unique(whole[whole < LAST_STEP])).astype(np.int64)) if len(whole) > 1 else 0
    if first == 1 or (spacing > 1 and first > 0 and first % spacing == 0):
        return epochs * length, length, (f"epochs count from 1, each logged at its end: taken as step e x {length}",)
    line = f"epochs count from 0, each logged at its end: taken as step (e + 1) x {length}"
    return (epochs + 1) * length, length, (line,)


def _beside_samples(
    name: str, steps: Float[np.ndarray, " n"], other: str, samples: Float[np.ndarray, " n"], config: RunConfig
) -> tuple[str, ...]:
    """A line where steps and samples disagree with the batch size."""
    both = are_steps(steps) & are_steps(samples) & (steps > 0)
    batch = config.batch_size
    if batch is None or not both.any() or np.any(np.diff(samples[both]) < 0) or len(np.unique(samples[both])) < 2:
        return ()
    ratio = float(np.median(samples[both] / steps[both]))
    if abs(ratio / batch - 1) < _RATIO:
        return ()
    return (f"{other} over {name} is {ratio:.4g}, where batch_size is {batch}: one of them counts something else",)
