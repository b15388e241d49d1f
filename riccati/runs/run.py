"""An SGD run of anyone's: a table of logged steps, and the keys that say what problem it solved.

What cannot be read is left out, and `Run.notes` says so, a line each; what is not said and taken for granted is in
`Run.assumed`. The user's files are never changed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from ..problem import Problem, Start, Teacher
from ..support import require, require_times
from . import conventions
from .columns import CLOCK
from .config import STIEFEL, WHERE, check_config, directions_of, given, kind_of, missing_keys, overlap_of
from .formats import write_run
from .problem_keys import check_problem, is_beyond, start_of, teacher_of
from .rates import checked_steps, listed, mean_rates, rates_at, summed_rates
from .reading import load_run, run_from_arrays, run_from_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Run:
    """T logged steps of online SGD.

    Attributes:
        steps: (T,), strictly increasing.
        loss: (T,), as logged, NaN where it was not; `config["loss"]` says what it is. None if it was never logged.
        overlaps: (T, M), each direction's squared overlap in [0, 1], NaN where unknown; None if not logged.
        config: the problem and the step sizes, by the keys of the JSON file.
        notes: what was left out, a line each.
        source: where the run came from.
        clock: (T,), canonical times, of a run whose learning rate was not constant, as its `schedule` or its log tells
            them; else None.
        assumed_of_log: how the log was read where it leaves that open, a line each.

    Raises:
        ArgumentError: arrays that disagree, neither a loss nor overlaps, or a key of `config` that cannot be meant.
    """

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"] | None
    overlaps: Float[np.ndarray, "T M"] | None
    config: dict[str, Any]
    notes: tuple[str, ...] = ()
    source: str = ""
    clock: Float[np.ndarray, " T"] | None = None
    assumed_of_log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = np.shape(self.steps)
        require(len(rows) == 1 and rows[0] > 0, "steps", "be a vector with one entry or more", f"of shape {rows}")
        require(bool(np.all(np.diff(self.steps) > 0)), "steps", "increase strictly", "not sorted or repeats")
        for name in ("loss", "clock"):
            values = getattr(self, name)
            agree = values is None or np.shape(values) == rows
            require(agree, name, f"be of shape {rows}, as steps is", np.shape(values))
        if self.clock is not None:
            require_times(self.clock)
        require(self.loss is not None or self.overlaps is not None, "loss", "be given, or overlaps", "missing, as they")
        require(isinstance(self.config, dict), "config", "be a dictionary of keys", type(self.config).__name__)
        check_config(self.config, self.kind)
        check_problem(self.config, self.kind)
        if (schedule := listed(self.config)) is not None:  # anew, as other keys may have changed since
            object.__setattr__(self, "clock", self._time_per_rate * summed_rates(schedule, self.steps))
            require_times(self.clock)
        told = self.clock is not None or not isinstance(self.config.get("schedule"), dict)
        must = "be a list of pairs [step, η], or come with a column canonical_time"
        require(told, "schedule", must, f"{self.config.get('schedule')} without one")
        width = directions_of(self.config)
        if self.overlaps is not None:
            shape = np.shape(self.overlaps)
            require(len(shape) == 2 and shape[:1] == rows, "overlaps", f"be of shape ({rows[0]}, M)", shape)
            last = f"be the last overlap column, as the teacher has {width} directions"
            require(width in (None, shape[1]), f"overlap_{width}", last, f"not: that is overlap_{shape[1]}")
        known = not missing_keys(self.config, self.kind, has_clock=True)
        if self.kind == STIEFEL or "init_norm" in self.config or known:
            start = self.start  # refuses now what the theory would refuse later
            if known and start is not None:
                _ = Problem(self.teacher, start)
            elif known and is_beyond(self.config):
                _ = self.teacher

    @property
    def kind(self) -> str:
        """`two_homogeneous`, `two_layer` or `stiefel_quadratic`; a Riccati step or the parametrisation tells it too."""
        return kind_of(self.config)

    @property
    def directions(self) -> int | None:
        """M, where the run tells it."""
        return directions_of(self.config) if self.overlaps is None else self.overlaps.shape[1]

    @property
    def times(self) -> Float[np.ndarray, " T"]:
        """Canonical gradient-flow time of L = ½ E(f* - f)²: the run's `clock`, or `time_per_step` times the steps."""
        return self.steps * self.time_per_step if self.clock is None else self.clock

    @property
    def time_per_step(self) -> float:
        """Canonical time of a step: η, twice that for SGD on (f* - f)²; for Stiefel SGD half its Riccati time."""
        if self.kind == STIEFEL:
            return given(self.config, "riccati_step") / 2
        return given(self.config, "learning_rate") * self._time_per_rate

    @property
    def _time_per_rate(self) -> float:
        """Canonical time of a step of SGD over its learning rate."""
        return conventions.clock_factor(self.config)

    def learning_rates(self, steps: ArrayLike) -> Float[np.ndarray, " n"]:
        """η of SGD at each of these steps: that of the schedule, or of a run with a clock the mean between two rows.

        Raises:
            ArgumentError: what are no steps, or a run that does not tell its learning rate.
        """
        at = checked_steps(steps)
        schedule = listed(self.config) or mean_rates(self.steps, self.clock, self._time_per_rate)
        return rates_at(schedule or (np.zeros(1), np.array([given(self.config, "learning_rate")], float)), at)

    @property
    def risk(self) -> Float[np.ndarray, " T"] | None:
        """E(f* - f)²/E f*², from the loss by its convention; a Stiefel run logs the risk itself. None without."""
        if self.loss is None:
            return None
        factor = conventions.risk_factor(self.config, self.kind)
        if factor is None:
            return self.loss
        return factor * self.loss / float(self.teacher.second_moment)

    @property
    def overlap(self) -> str:
        """What the overlaps are, `subspace` or `neuron`; where the config does not say, as theory has them."""
        said = conventions.overlap_said(self.config)
        return overlap_of(self.teacher.link) if said is None else said

    @property
    def init_norm(self) -> float | None:
        """The mean initial norm of the neurons. None if not given."""
        return float(np.mean(self.config["init_norm"])) if "init_norm" in self.config else None

    @property
    def student_scale(self) -> float | None:
        """c of Stiefel SGD. None if not given."""
        return self.config.get("student_scale")

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the run does not say and is taken for granted, a line each."""
        of_keys = conventions.assumed(self.config, self.kind, self.loss is not None, self.overlaps is not None)
        return (*of_keys, *self.assumed_of_log)

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher, with the `second_layer` as it is given, or a_m ∝ m^-β of norm 1."""
        return teacher_of(self.config, self.kind)

    @cached_property
    def start(self) -> Start | None:
        """The start that the run logged, None if it logged no initial overlaps."""
        return start_of(self.config, self.kind)

    def require_keys(self, *others: str) -> None:
        """Refuse a run that lacks what the theory needs, naming all of it, and of `others` those it lacks as well.

        Raises:
            ArgumentError: if keys of the theory are missing.
        """
        missing = missing_keys(self.config, self.kind, self.clock is not None)
        if missing:
            missing += [key for key in others if key not in self.config]
        if len(missing) == 1 and "or " not in missing[0]:
            given(self.config, missing[0].split()[0])
        require(not missing, "run", f"give {', '.join(missing)}, {WHERE}", "without")

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        *,
        step_column: str | None = None,
        loss_column: str | None = None,
        overlap_prefix: str | None = None,
        **overrides: Any,
    ) -> Run:
        """Read a run: CSV (any delimiter), JSON lines, NPZ or Parquet, the first two gzipped or not.

        Exports are read as they are: CSV of W&B, TensorBoard (one scalar), Lightning and Keras (with the key
        `steps_per_epoch`), a Hugging Face trainer_state.json. Of MLflow a table with a column for each metric.

        Args:
            path: the file, or the name of a sample run; `<stem>.json` beside it is read too, if there (a
                trainer_state.json has none: its keys are `overrides`).
            step_column: the column of the steps, if it is none of step, iter, iteration, global_step, _step.
            loss_column: the loss column, if it is none of risk, loss, test_loss, train_loss and their like; of several
                a population or test loss is taken before one on the minibatch.
            overlap_prefix: what the names of the overlap columns begin with, if more than one group of numbered
                columns could be meant, or none is found.
            overrides: replace keys of the JSON file, where not None.

        Raises:
            ArgumentError: a file, column or key that is missing, unknown or cannot be read.
        """
        return cls(*load_run(path, step_column, loss_column, overlap_prefix, overrides))

    @classmethod
    def from_arrays(
        cls, steps: ArrayLike, risk: ArrayLike | None = None, overlaps: ArrayLike | None = None, **config: Any
    ) -> Run:
        """A run from arrays (numpy, torch, jax) or lists, with the keys of the JSON file as keywords.

        Args:
            steps: (T,), whole numbers from 0, in any order.
            risk: (T,), E(f* - f)²/E f*², unless the keyword `loss` says that it holds something else.
            overlaps: (T, M), squared.
            config: keys of a run (see the README).

        Raises:
            ArgumentError: arrays that disagree, neither risk nor overlaps, or a key that is unknown or cannot be meant.
        """
        return cls(*run_from_arrays(steps, risk, overlaps, config))

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        step_column: str | None = None,
        loss_column: str | None = None,
        overlap_prefix: str | None = None,
        **config: Any,
    ) -> Run:
        """A run from a table in memory; columns as in a file that `load` reads, keys of the JSON file as keywords.

        Args:
            frame: of pandas, polars (lazy too), pyarrow or another library that narwhals knows, an xarray Dataset, a
                dict of lists or arrays, a list of dicts, or the History that Keras returns.
            step_column, loss_column, overlap_prefix: as in `load`.
            config: keys of a run (see the README).

        Raises:
            ArgumentError: what is no table, a column that is missing or holds no numbers, or a key that is unknown or
                cannot be meant.
        """
        return cls(*run_from_frame(frame, step_column, loss_column, overlap_prefix, config))

    def save(self, path: str | os.PathLike) -> None:
        """Write a CSV with its JSON file beside it, each whole or not at all; `load` gives the same run, bit by bit.

        Raises:
            ArgumentError: if `path` does not end in .csv, or would replace the files that the run was read from.
        """
        lines = {"notes": self.notes} | ({"assumed": self.assumed_of_log} if self.assumed_of_log else {})
        columns: dict[str, np.ndarray | None] = {"step": self.steps, CLOCK: self.clock, "loss": self.loss}
        columns |= {f"overlap_{m + 1}": v for m, v in enumerate(() if self.overlaps is None else self.overlaps.T)}
        write_run(path, self.source, columns, self.config | lines)

    def plot(self, ax: Sequence[Axes] | None = None) -> Figure:
        """Risk and squared overlaps against canonical time, as points; on two axes of the user's, or a new figure."""
        from ..plot import Curve, risk_and_overlap_page

        return risk_and_overlap_page(Curve("SGD", self.times, self.risk, self.overlaps, "o"), ax)

    def __repr__(self) -> str:
        loss = "not logged"
        if self.loss is not None and np.isfinite(self.loss).any():
            logged = self.loss[np.isfinite(self.loss)]
            loss = f"{logged[0]:.4g} to {logged[-1]:.4g} ({self.config.get('loss', 'not said')})"
        rows = {
            "source": self.source or "not given",
            "kind": self.kind,
            "steps": f"{len(self.steps)} from {self.steps[0]} to {self.steps[-1]}",
            "loss": loss,
            "overlaps": "not logged" if self.overlaps is None else f"of {self.overlaps.shape[1]} directions",
        }
        lines = [f"  {name:<8} {value}" for name, value in rows.items()]
        lines += [f"  assumed  {line}" for line in self.assumed] + [f"  note     {note}" for note in self.notes]
        return "\n".join(["Run", *lines])
