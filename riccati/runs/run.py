"""A run of SGD by any program: a table of logged steps, and the keys that say what problem it solved.

What cannot be read is left out, with a line in `Run.notes`; what the run does not say and is assumed has a line in
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

from ..problem import SGD, Problem, Start, Teacher
from ..support import require
from .checks import check_config, check_rows, is_beyond, require_keys
from .columns import Names
from .config import RunConfig
from .conventions import (
    algorithm_of,
    assumed,
    directions_of,
    kind_of,
    missing_keys,
    overlap_of,
    overlap_said,
    sgd_of_keys,
)  # fmt: skip
from .formats import write_run
from .loss_column import risk_factor, risk_of_loss
from .problem_keys import start_of, teacher_of
from .rates import clock_of, learning_rates, sgd_of_run
from .reading import load_run, run_from_arrays, run_from_frame
from .values import STIEFEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Run:
    """T logged steps of online SGD, with what is known of the problem and the algorithm.

    Attributes:
        steps: (T,), strictly increasing.
        loss: (T,), as logged, NaN where it was not; `config["loss"]` is its convention. None if it was never logged.
        overlaps: (T, M), each direction's squared overlap in [0, 1], NaN where unknown; None if not logged.
        config: the problem and the step sizes: the keys of the JSON file, read only, with typed attributes.
        notes: what was left out, a line each.
        source: where the run came from.
        clock: (T,), the canonical times of a run whose learning rate was not constant, by its `schedule` or its log;
            else None.
        assumed_of_log: what was assumed where the log is ambiguous, a line each.

    Raises:
        ArgumentError: for arrays that disagree, neither a loss nor overlaps, or an invalid key of `config`.

    Example:
        >>> import riccati as rc
        >>> run = rc.Run.load("quadratic-stiefel")
        >>> run.config.dim, run.config["batch_size"], round(float(run.times[-1]), 3)
        (600, 16, 29.973)
    """

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"] | None
    overlaps: Float[np.ndarray, "T M"] | None
    config: RunConfig
    notes: tuple[str, ...] = ()
    source: str = ""
    clock: Float[np.ndarray, " T"] | None = None
    assumed_of_log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(isinstance(self.config, dict), "config", "be a dictionary of keys", type(self.config).__name__)
        if not isinstance(self.config, RunConfig):
            object.__setattr__(self, "config", RunConfig(self.config))
        check_config(self.config)
        if (clock := clock_of(self.config, self.steps)) is not None:  # anew, as other keys may have changed since
            object.__setattr__(self, "clock", clock)
        check_rows(self.config, self.steps, self.loss, self.overlaps, self.clock)
        known = not missing_keys(self.config, has_clock=True)
        if self.kind == STIEFEL or "init_norm" in self.config or known:
            start = self.start  # refuses now what the theory would refuse later
            if known and start is not None:
                _ = Problem(self.teacher, start)
            elif known and is_beyond(self.config):
                _ = self.teacher

    @property
    def kind(self) -> str:
        """`two_homogeneous`, `two_layer` or `stiefel_quadratic`; a Riccati step or the parametrisation may imply it."""
        return kind_of(self.config)

    @property
    def directions(self) -> int | None:
        """M, None where the run does not give it."""
        return directions_of(self.config) if self.overlaps is None else self.overlaps.shape[1]

    @cached_property
    def sgd(self) -> SGD | None:
        """The algorithm on ½(f* - f)², or None where the run gives no rate or no batch size.

        Of a run with a clock of its own the schedule is the mean rate between rows.
        """
        return None if "batch_size" not in self.config else sgd_of_run(self.config, self.steps, self.clock)

    @property
    def algorithm(self) -> SGD:
        """The algorithm but for its learning rate, which is 1; `sgd` has that too."""
        return algorithm_of(self.config)

    @property
    def times(self) -> Float[np.ndarray, " T"]:
        """Canonical gradient-flow time of L = ½ E(f* - f)²: the run's `clock`, or `time_per_step` times the steps."""
        return self.steps * self.time_per_step if self.clock is None else self.clock

    @property
    def time_per_step(self) -> float:
        """Canonical time of a step: η, twice that for SGD on (f* - f)²; for Stiefel SGD half its Riccati time."""
        return sgd_of_keys(self.config).rate

    def learning_rates(self, steps: ArrayLike) -> Float[np.ndarray, " n"]:
        """Return η of the loop at each of these steps: by its schedule, or the mean between two rows of its clock.

        Raises:
            ArgumentError: numbers that are no steps, or a run that does not give its learning rate.
        """
        return learning_rates(self.config, self.steps, self.clock, steps)

    @cached_property
    def risk(self) -> Float[np.ndarray, " T"] | None:
        """E(f* - f)²/E f*², from the loss by its convention, without the noise of labels. None if it was not logged."""
        if self.loss is None or risk_factor(self.config) is None:
            return self.loss
        return risk_of_loss(self.config, self.loss, self.teacher, self.start)

    @property
    def overlap(self) -> str:
        """The definition of the overlaps, `subspace` or `neuron`; that of the link where the config gives none."""
        said = overlap_said(self.config)
        return overlap_of(self.teacher.link) if said is None else said

    @property
    def init_norm(self) -> float | None:
        """The mean initial norm of the neurons. None if not given."""
        return None if self.config.init_norm is None else float(np.mean(self.config.init_norm))

    @property
    def student_scale(self) -> float | None:
        """c of Stiefel SGD. None if not given."""
        return self.config.student_scale

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the run does not say and is assumed, a line each."""
        return (*assumed(self.config, self.loss is not None, self.overlaps is not None), *self.assumed_of_log)

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher, with the `second_layer` as it is given, or a_m ∝ m^-β of norm 1."""
        return teacher_of(self.config)

    @cached_property
    def start(self) -> Start | None:
        """The start that the run logged, None if it logged no initial overlaps."""
        return start_of(self.config)

    def require_keys(self, *others: str) -> None:
        """Refuse a run that lacks keys which the theory needs, or keys of `others`, and name all that are missing.

        Raises:
            ArgumentError: if keys of the theory are missing.
        """
        require_keys(self.config, self.clock is not None, others)

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
            step_column: the column of the steps, if it has none of the usual names (step, iter, global_step, _step, …).
            loss_column: the loss column, if it has none of the usual names (risk, loss, test_loss, …); of several
                a population or test loss is taken before one on the minibatch.
            overlap_prefix: what the names of the overlap columns begin with, if more than one group of numbered
                columns could be meant, or none goes by a known name.
            overrides: replace keys of the JSON file, where not None.

        Raises:
            ArgumentError: a file, column or key that is missing, unknown or cannot be read.
        """
        return cls(*load_run(path, Names(step_column, loss_column, overlap_prefix), overrides))

    @classmethod
    def from_arrays(
        cls, steps: ArrayLike, risk: ArrayLike | None = None, overlaps: ArrayLike | None = None, **config: Any
    ) -> Run:
        """Make a run of arrays (numpy, torch, jax) or lists, with the keys of the JSON file as keywords.

        Args:
            steps: (T,), whole numbers from 0, in any order.
            risk: (T,), E(f* - f)²/E f*², unless the keyword `loss` says that it holds something else.
            overlaps: (T, M), squared.
            config: keys of a run (`riccati.runs.RunConfig` lists them).

        Raises:
            ArgumentError: arrays that disagree, neither risk nor overlaps, or a key that is unknown or invalid.

        Example:
            >>> import riccati as rc
            >>> rc.Run.from_arrays([0, 10, 20], [1.0, 0.5, 0.2], learning_rate=0.1, training_loss="mse").times
            array([0., 2., 4.])
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
        """Read a table in memory; columns as in a file that `load` reads, keys of the JSON file as keywords.

        Args:
            frame: of pandas, polars (lazy too), pyarrow or another library that narwhals knows, an xarray Dataset, a
                dict of lists or arrays, a list of dicts, or the History that Keras returns.
            step_column, loss_column, overlap_prefix: as in `load`.
            config: keys of a run (`riccati.runs.RunConfig` lists them).

        Raises:
            ArgumentError: what is no table, a column that is missing or holds no numbers, or a key that is unknown or
                invalid.

        Example:
            >>> import riccati as rc
            >>> rc.Run.from_frame({"step": [0, 5], "test_loss": [0.5, 0.2], "lr": [0.1, 0.1]}).sgd is None
            True
        """
        return cls(*run_from_frame(frame, Names(step_column, loss_column, overlap_prefix), config))

    def save(self, path: str | os.PathLike) -> None:
        """Write a CSV with its JSON file beside it, each whole or not at all; `load` gives the same run, bit by bit.

        Raises:
            ArgumentError: if `path` does not end in .csv, or would replace the files that the run was read from.
        """
        lines = {"notes": self.notes} | ({"assumed": self.assumed_of_log} if self.assumed_of_log else {})
        write_run(path, self.source, self.steps, self.clock, self.loss, self.overlaps, self.config | lines)

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
