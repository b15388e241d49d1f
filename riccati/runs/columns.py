"""Which column of a log is which: steps, loss, overlaps and canonical times, by the names that people give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from ..support import ArgumentError, require

CLOCK = "canonical_time"  # not time, which in many logs is the wall's
STEPS = ("step", "iter", "iteration", "global_step", "_step", "trainer/global_step", "steps", "iterations", "iters")
# a population or test loss is preferred to one on the minibatch
LOSSES = (
    "risk", "population_risk", "population_loss", "test_risk", "test_loss", "test/loss", "val_loss", "val/loss",
    "eval_loss", "eval/loss", "loss", "train_loss", "train/loss", "train_loss_epoch", "train_loss_step",
)  # fmt: skip
RISKS = ("risk", "population_risk", "test_risk")  # a column of that name holds the risk
EPOCH = "epoch"  # counts the steps where nothing else does, as Keras logs
VALUE, _WALL = "value", "wall time"  # of a TensorBoard export, which holds one scalar
_LONG = ("key", "metric")  # beside a value: MLflow's table, a row for each metric and step
_NUMBERED = re.compile(r"(.*?\D)?([0-9]+)")
_OF_RUN = " - "  # between the run and its metric, as W&B exports charts
_OVERLAP_PREFIXES = re.compile(r".*(overlap|align|cos)[a-z0-9]*[\W_]*")


@dataclass(frozen=True)
class Names:
    """What the user calls the columns; None where they are to be found.

    Attributes:
        step: the column of the steps.
        loss: the column of the loss.
        overlaps: what the names of the overlap columns begin with, before the number of the direction.
    """

    step: str | None = None
    loss: str | None = None
    overlaps: str | None = None


class Chosen(NamedTuple):
    """The names of the columns that are read; `loss` or `overlaps` may be missing, not both.

    Attributes:
        step: of the steps.
        loss: of the loss, None where there is none.
        overlaps: of the overlaps with direction 1, 2, …
        clock: of canonical times, None where there are none.
    """

    step: str
    loss: str | None
    overlaps: tuple[str, ...]
    clock: str | None

    @property
    def all(self) -> tuple[str, ...]:
        """Every name that is read."""
        return tuple(name for name in (self.step, self.loss, self.clock, *self.overlaps) if name is not None)


def clean(name: object) -> str:
    """A column's name without spaces around it, in lower case, and without the run's name of a W&B chart."""
    return str(name).strip().strip('"').strip().lower().rsplit(_OF_RUN, 1)[-1]


def is_step(name: str) -> bool:
    """Whether a (clean) name is one that steps go by."""
    return name in STEPS


def choose(columns: list[str], names: Names) -> Chosen:
    """The columns to read, out of those there are (clean names).

    Raises:
        ArgumentError: a column that is missing, is there twice, or is asked for as two things.
    """
    if VALUE in columns and (long := _first(columns, _LONG)) is not None:
        pivot = f'frame.pivot_table(index="step", columns="{long}", values="value")'
        wide = f"be a column for each (in pandas: {pivot})"
        raise ArgumentError(long, wide, "the name of what each row holds, a table as MLflow exports it")
    step = _named(columns, names.step, "step_column") or _first(columns, (*STEPS, EPOCH))
    there = f"missing: the columns are {', '.join(columns)}"
    others = ", ".join(STEPS[1:5])
    require(step is not None, "step", f"be a column, or {others}, or one named by step_column", there)
    losses = (*LOSSES, VALUE) if _WALL in columns else LOSSES
    loss = _named(columns, names.loss, "loss_column") or _first(columns, losses)
    require(loss != step, "loss_column", "be another column than that of the steps", loss)
    overlaps = _overlaps([name for name in columns if name not in (step, loss)], names.overlaps)
    must = "be a column, or risk, test_loss, train_loss, …, or one named by loss_column, where no overlaps are logged"
    require(loss is not None or bool(overlaps), "loss", must, there)
    assert step is not None
    chosen = Chosen(step, loss, overlaps, CLOCK if CLOCK in columns else None)
    for name in chosen.all:
        require(columns.count(name) == 1, name, "be the name of one column", f"that of {columns.count(name)}")
    return chosen


def _first(columns: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in known if name in columns), None)


def _named(columns: list[str], name: str | None, argument: str) -> str | None:
    if name is None:
        return None
    require(clean(name) in columns, argument, "be a column", f"{name}: the columns are {', '.join(columns)}")
    return clean(name)


def _overlaps(columns: list[str], prefix: str | None) -> tuple[str, ...]:
    """The columns that share a prefix and end in the numbers 1 … M, by number."""
    groups: dict[str, dict[int, str]] = {}
    for name in columns:
        if (split := _NUMBERED.fullmatch(name)) is not None:
            groups.setdefault(split[1] or "", {}).setdefault(int(split[2]), name)
    if prefix is not None:
        wanted = clean(prefix)
        found = {
            number: name
            for start, group in groups.items()
            if start.startswith(wanted)
            for number, name in group.items()
        }
        require(bool(found), "overlap_prefix", "begin the name of a numbered column", f"{prefix}: {', '.join(columns)}")
        return _in_order(found)
    likely = [group for start, group in groups.items() if _OVERLAP_PREFIXES.fullmatch(start)]
    if len(likely) > 1:
        heads = ", ".join(group[min(group)] for group in likely)
        raise ArgumentError(
            "overlap_prefix", "be given, as several groups of columns could be overlaps", f"missing: {heads}"
        )
    return _in_order(likely[0]) if likely else ()


def _in_order(group: dict[int, str]) -> tuple[str, ...]:
    for m in range(1, max(group) + 1):
        split = _NUMBERED.fullmatch(group[max(group)])
        absent = f"{(split and split[1]) or ''}{m}"
        require(m in group, absent, f"be a column, as {group[max(group)]} is", "missing")
    require(0 not in group, group.get(0, ""), "be no column, as overlaps count from 1", "one")
    return tuple(group[m] for m in sorted(group))
