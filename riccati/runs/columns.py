"""Which column of a log is which, by the names that people give them: steps, loss, overlaps, learning rates."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..support import ArgumentError, require

CLOCK = "canonical_time"  # not time, which in many logs is the wall's
# steps of the optimiser by their name; then counters that mostly are; then counters of the logger's own calls
_OPTIMISER_STEPS = (
    "global_step", "global_steps", "optimizer_step", "optimizer_steps", "optimiser_step", "optimiser_steps",
    "optim_step", "opt_step", "gradient_step", "gradient_steps", "num_updates", "update", "updates", "train_step",
    "training_step",
)  # fmt: skip
_COUNTERS = ("step", "iter", "iteration", "steps", "iterations", "iters", "n_iter", "num_iter", "num_steps")
_LOG_CALLS = ("_step", "log_step")
STEPS = (*_OPTIMISER_STEPS, *_COUNTERS, *_LOG_CALLS)
_SAMPLES = (
    "samples", "samples_seen", "num_samples", "n_samples", "consumed_samples", "consumed_train_samples",
    "total_samples", "examples", "examples_seen", "num_examples", "total_examples",
)  # fmt: skip
_OF_THE_LOOP = re.compile(r"(train|trainer|training|optimizer|charts|progress|perf|global)[/.]")  # before a name
_RUNS = ("run", "run_id", "run_name", "run_uuid", "runid", "seed", "trial", "trial_id", "experiment", "experiment_id")
# lr, learning_rate, train/lr, optimizer/lr, lr-SGD, lr-Adam/pg1 of Lightning's monitor; and the optimiser that it names
_RATE = re.compile(r"(?:.*[/.])?(?:current[ _])?(?:lr|learning[ _-]?rate)(?:-([a-z_]\w*?))?(?:-?\d+)?(?:/pg\d+)?")
# a population or test loss is preferred to one on the minibatch
LOSSES = (
    "risk", "population_risk", "population_loss", "test_risk", "test_loss", "test/loss", "val_loss", "val/loss",
    "eval_loss", "eval/loss", "loss", "train_loss", "train/loss", "train_loss_epoch", "train_loss_step",
)  # fmt: skip
RISKS = ("risk", "population_risk", "test_risk")  # a column of that name holds the risk
_EPOCHS = ("epoch", "epochs")  # count the steps where nothing else does, as Keras logs
VALUE, _WALL = "value", "wall time"  # of a TensorBoard export, which holds one scalar
_LONG = ("key", "metric")  # beside a value: MLflow's table, a row for each metric and step
_NUMBERED = re.compile(r"(.*?\D)?([0-9]+)")
_OF_RUN = " - "  # between the run and its metric, as W&B exports charts
_OVERLAP_PREFIXES = re.compile(r".*(overlap|align|cos)[a-z0-9]*[\W_]*")


@dataclass(frozen=True)
class Names:
    """The names that the user gives for the columns; None where the usual names are looked for.

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
        step: that of the steps, the likeliest by its name; of samples or epochs where no column counts steps.
        loss: that of the loss, None where there is none.
        overlaps: those of the overlaps with direction 1, 2, …
        clock: that of canonical times, None where there are none.
        counters: those of other columns that could be the steps, the likeliest first.
        epoch: that of epochs, None where there are none.
        samples: that of the samples so far, None where there are none.
        rates: those of learning rates.
        run: that of the run that a row belongs to, None where there is none.
        other_losses: those of losses besides `loss`.
    """

    step: str
    loss: str | None
    overlaps: tuple[str, ...]
    clock: str | None
    counters: tuple[str, ...] = ()
    epoch: str | None = None
    samples: str | None = None
    rates: tuple[str, ...] = ()
    run: str | None = None
    other_losses: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """The names that have to be there in every part of a log."""
        return _each((self.step, self.loss, self.clock, *self.overlaps))

    @property
    def all(self) -> tuple[str, ...]:
        """Every name that is read."""
        others = (*self.counters, self.epoch, self.samples, *self.rates, self.run, *self.other_losses)
        return _each((*self.needed, *others))

    def without(self, names: Collection[str]) -> Chosen:
        """The same choice without the columns `names`, which must not be among the needed ones."""
        kept = {
            field: tuple(name for name in held if name not in names)
            for field in ("counters", "rates", "other_losses")
            for held in [getattr(self, field)]
        }
        single = {field: None for field in ("epoch", "samples", "run") if getattr(self, field) in names}
        return self._replace(**kept, **single)  # type: ignore[arg-type]


def _each(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name is not None))


def clean(name: object) -> str:
    """A column's name without spaces around it, in lower case, and without the run's name of a W&B chart."""
    return str(name).strip().strip('"').strip().lower().rsplit(_OF_RUN, 1)[-1]


def is_step(name: str) -> bool:
    """Whether a (clean) name is one for steps, or for samples or epochs, from which steps can be computed."""
    return _is_one_of(name, (*STEPS, *_SAMPLES, *_EPOCHS))


def optimiser_in(name: str) -> str | None:
    """The optimiser that a column of learning rates names, as Lightning's monitor writes it; None without."""
    split = _RATE.fullmatch(name)
    return None if split is None else split[1]


def counts_log_calls(name: str) -> bool:
    """Whether a column of this name counts calls of the logger, which are steps only if every step was logged."""
    return _is_one_of(name, _LOG_CALLS)


def is_optimisers(name: str) -> bool:
    """Whether a column of this name counts steps of the optimiser and nothing else."""
    return _is_one_of(name, _OPTIMISER_STEPS)


def choose(columns: list[str], names: Names) -> Chosen:
    """The columns to read, out of those there are (clean names).

    Raises:
        ArgumentError: a column that is missing, is there twice, or is asked for as two things.
    """
    if VALUE in columns and (long := _first(columns, _LONG)) is not None:
        pivot = f'frame.pivot_table(index="step", columns="{long}", values="value")'
        wide = f"be a column for each (in pandas: {pivot})"
        raise ArgumentError(long, wide, "the name of what each row holds, a table as MLflow exports it")
    named = _named(columns, names.step, "step_column")
    counters = [named] if named is not None else _alike(columns, STEPS)
    samples, epoch = _first_alike(columns, _SAMPLES), _first_alike(columns, _EPOCHS)
    step = next((name for name in (*counters, samples, epoch) if name is not None), None)
    there = f"missing: the columns are {', '.join(columns)}"
    must = "be a column, or iter, iteration, global_step, _step, or one named by step_column"
    require(step is not None, "step", must, there)
    losses = (*LOSSES, VALUE) if _WALL in columns else LOSSES
    loss = _named(columns, names.loss, "loss_column") or _first(columns, losses)
    require(loss != step, "loss_column", "be another column than that of the steps", loss)
    overlaps = _overlaps([name for name in columns if name not in (step, loss)], names.overlaps)
    must = "be a column, or risk, test_loss, train_loss, …, or one named by loss_column, where no overlaps are logged"
    require(loss is not None or bool(overlaps), "loss", must, there)
    assert step is not None
    chosen = Chosen(step, loss, overlaps, CLOCK if CLOCK in columns else None)
    for name in chosen.needed:
        require(columns.count(name) == 1, name, "be the name of one column", f"that of {columns.count(name)}")
    chosen = chosen._replace(
        counters=tuple(counters[1:]),
        epoch=epoch,
        samples=samples,
        rates=tuple(name for name in columns if _RATE.fullmatch(name)),
        run=_first(columns, _RUNS),
        other_losses=tuple(name for name in LOSSES if name in columns and name != loss),
    )
    return chosen.without([name for name in chosen.all if name not in chosen.needed and columns.count(name) > 1])


def _is_one_of(name: str, known: tuple[str, ...]) -> bool:
    """Whether a name is a known one, with spaces or hyphens for underscores, and `train/` or the like before it."""
    spelt = re.sub(r"[ -]+", "_", name)
    return spelt in known or _OF_THE_LOOP.sub("", spelt, count=1) in known


def _alike(columns: list[str], known: tuple[str, ...]) -> list[str]:
    """The columns that go by the known names, in the order of these."""
    return list(dict.fromkeys(name for word in known for name in columns if _is_one_of(name, (word,))))


def _first_alike(columns: list[str], known: tuple[str, ...]) -> str | None:
    return next(iter(_alike(columns, known)), None)


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
        named = {
            number: name
            for start, group in groups.items()
            if start.startswith(wanted)
            for number, name in group.items()
        }
        require(
            bool(named),
            "overlap_prefix",
            "begin the name of a numbered column",
            f"{prefix}: {', '.join(columns)}",
        )
        return _in_order(named)
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
