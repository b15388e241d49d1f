"""An experiment: online SGD on a teacher, from a start, for any number of seeds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..numerics import require_double_precision
from ..problem import Start, Teacher
from ..runs import Run
from ..support import package_versions, progress, require, require_integer, require_real
from . import checkpoint as checkpoints
from .direct import Direct
from .engine import Engine
from .ensemble import Ensemble
from .in_law import InLaw
from .loop import LONGEST, State, advance, observe
from .record import Record, logged_steps
from .rule import Rule
from .schedule import Constant, Schedule, as_schedule
from .stiefel import Stiefel
from .two_homogeneous import TwoHomogeneous

ENGINES = ("direct", "in_law", "stiefel", "stiefel_direct")
_LOOK = 0.3  # seconds between two looks at the clock
_SAVE = 10.0  # seconds between two checkpoints
_FIRST = 16  # steps of the first call
_EXPLODED = 1e6  # growth of the sum of squared weights, or its size, that counts as divergence


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment:
    """Online SGD with fresh samples at each step.

    Args:
        teacher: the teacher.
        start: initial overlaps and norms, with `dim` given; Stiefel SGD takes its directions' polar factor.
        learning_rate: η, canonical time per step: SGD on ½(f* - f)² with step size η; a number, a function of the
            step, or a schedule of `riccati.sgd` (PowerLaw, PerDirection). A Stiefel step is ε = 2η of Riccati time.
        steps: number of steps.
        batch_size: samples per step.
        engine: "in_law", in reduced coordinates, exact in law at any dimension; "direct", with all d coordinates;
            "stiefel" and "stiefel_direct", the same two for a quadratic student on the Stiefel manifold (Phase I).
        student_scale: c of Stiefel SGD, 1/√N if not given.
        dtype: "float64", or for direct simulation "float32".
        rows: about how many steps are logged, evenly spaced in their logarithm, besides step 0.

    The risk that is logged is the population risk, computed from the overlaps; nothing is estimated.

    Raises:
        ArgumentError: for anything that cannot be simulated.
    """

    teacher: Teacher
    start: Start
    learning_rate: Any
    steps: int
    batch_size: int = 1
    engine: str = "in_law"
    student_scale: float | None = None
    dtype: str = "float64"
    rows: int = 200

    def __post_init__(self) -> None:
        require_double_precision()
        require(isinstance(self.teacher, Teacher), "teacher", "be a riccati.Teacher", type(self.teacher).__name__)
        must = "be a riccati.Start with all overlaps (see Start.random)"
        require(isinstance(self.start, Start), "start", must, type(self.start).__name__)
        self.start.check_against(self.teacher)
        require(self.start.dim is not None, "start", "know the dimension (Start(…, dim=d))", "without it")
        for name in ("steps", "batch_size", "rows"):
            require_integer(getattr(self, name), name, 1)
        require(self.engine in ENGINES, "engine", f"be one of {', '.join(ENGINES)}", repr(self.engine))
        require(self.dtype in ("float64", "float32"), "dtype", "be float64 or float32", repr(self.dtype))
        if self.dtype == "float32":
            require("direct" in self.engine, "dtype", f'be float64 for engine="{self.engine}"', "float32")
        if self.student_scale is not None:
            require(self._on_stiefel, "student_scale", f'be left out for engine="{self.engine}"', self.student_scale)
            require_real(self.student_scale, "student_scale", above=0)
        self._rule.check(self.teacher)
        _ = self._schedule

    @property
    def _on_stiefel(self) -> bool:
        return self.engine.startswith("stiefel")

    @cached_property
    def _schedule(self) -> Schedule:
        return as_schedule(self.learning_rate)

    @cached_property
    def _rule(self) -> Rule:
        if not self._on_stiefel:
            return TwoHomogeneous()
        c = self.student_scale if self.student_scale is not None else self.start.student_width**-0.5
        return Stiefel(jnp.asarray(float(c)))

    @cached_property
    def _engine(self) -> Engine:
        dim = self._dim
        outside = dim - self.teacher.width - self.start.student_width
        # where the reduced coordinates and a step's new ones would be more than d, R^d itself is smaller
        if "direct" in self.engine or outside < min(self.batch_size, self.start.student_width):
            return Direct(dim=dim, batch_size=self.batch_size, dtype=self.dtype)
        return InLaw(outside=jnp.asarray(float(outside)), batch_size=self.batch_size)

    @property
    def _dim(self) -> int:
        assert self.start.dim is not None
        return self.start.dim

    def config(self) -> dict[str, Any]:
        """The experiment by the keys of a run's JSON file."""
        link = self.teacher.link
        pure = link.degree is not None and float(link.coefficients[link.degree]) == 1.0
        named = {"link": link.label if link.closed_form is not None else np.asarray(link.coefficients).tolist()}
        return {
            **self._rule.config(self.start, self._schedule.describe()),
            **({"information_exponent": link.degree} if pure else named),
            "dim": self._dim,
            "teacher_width": self.teacher.width,
            "student_width": self.start.student_width,
            "second_layer": np.asarray(self.teacher.a).tolist(),
            "batch_size": self.batch_size,
            "steps": self.steps,
            "engine": self.engine,
            "dtype": self.dtype,
            "rows": self.rows,
            "versions": package_versions(),
        }

    def simulate(self, seed: int = 0, checkpoint: str | os.PathLike | None = None) -> Run:
        """One run; see `ensemble` for `checkpoint`."""
        return self.ensemble([seed], checkpoint).run(0)

    def ensemble(self, seeds: Sequence[int], checkpoint: str | os.PathLike | None = None) -> Ensemble:
        """Runs from the same start, one for each seed, all at once.

        With `checkpoint`, a file, the state is saved there every ten seconds and at an interrupt, and a call with the
        same arguments goes on from it to the bit-identical result; the file is removed at the end.
        """
        require(len(seeds) > 0, "seeds", "have one entry or more", "empty")
        for seed in seeds:
            require_integer(seed, "seed", 0)
        config = {**self.config(), "seeds": [int(seed) for seed in seeds]}
        found = None if checkpoint is None else checkpoints.load(checkpoint, config)
        state, record = found or (
            self._begin(len(seeds)),
            Record.empty(logged_steps(self.steps, self.rows), len(seeds), self.teacher.width),
        )
        keys = jax.vmap(jax.random.key)(jnp.asarray(list(seeds)))
        state = self._run(keys, state, record, checkpoint, config)
        if checkpoint is not None:
            Path(checkpoint).unlink(missing_ok=True)
        times = record.times
        if isinstance(self._schedule, Constant):  # to the last bit, as a run's times are
            times = np.where(np.isfinite(times), record.steps * float(self._schedule.rate), np.nan)
        directions = jax.vmap(self._rule.directions)(state.W.astype(float))
        return Ensemble(
            record.steps, times, record.risk, record.overlaps, np.asarray(state.diverged), np.asarray(seeds),
            np.asarray(directions[:, :, : self.teacher.width]), config,
        )  # fmt: skip

    def _begin(self, runs: int) -> State:
        W = self._engine.begin(self._rule.begin(self.start), self.teacher.width)
        return State(jnp.tile(W, (runs, 1, 1)), jnp.asarray(0), jnp.zeros(runs), jnp.full(runs, -1))

    def _run(
        self, keys: Array, state: State, record: Record, checkpoint: str | os.PathLike | None, config: dict[str, Any]
    ) -> State:
        """The state at the end; `record` is filled up to there, or until every run has diverged."""
        largest = jnp.asarray(_EXPLODED * max(1.0, float(jnp.sum(self._rule.begin(self.start) ** 2))))
        pace, saved = _Pace(), time.monotonic()

        def save() -> None:
            if checkpoint is not None:
                checkpoints.save(checkpoint, config, state, record)

        with progress(self.steps, "online SGD", unit="step") as bar, _at_interrupt(save):
            bar.update(int(state.step))
            for goal in record.steps[int(record.filled) :]:
                while (left := int(goal) - int(state.step)) > 0:
                    count = min(left, pace.steps)
                    rates = np.zeros(LONGEST)
                    rates[:count] = self._schedule.rates(int(state.step), count)
                    with pace.timed(count):
                        state = jax.block_until_ready(
                            advance(
                                self._engine, self._rule, self.teacher, self._schedule.follows_direction, largest,
                                keys, state, jnp.asarray(rates), jnp.asarray(count),
                            )
                        )  # fmt: skip
                    bar.update(count)
                    if time.monotonic() - saved > _SAVE:
                        save()
                        saved = time.monotonic()
                record.add(state, observe(self._rule, self.teacher, state))
                if bool((state.diverged >= 0).all()):
                    break
        return state


class _Pace:
    """How many steps fit between two looks at the clock."""

    def __init__(self) -> None:
        self.steps = _FIRST

    @contextmanager
    def timed(self, count: int) -> Iterator[None]:
        begun = time.monotonic()
        yield
        fit = int(count * _LOOK / max(time.monotonic() - begun, 1e-6))
        self.steps = min(max(fit, 1), 2 * self.steps, LONGEST)


@contextmanager
def _at_interrupt(save: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        save()
        raise


def simulate(
    teacher: Teacher,
    start: Start,
    *,
    learning_rate: Any,
    steps: int,
    batch_size: int = 1,
    engine: str = "in_law",
    seed: int = 0,
    student_scale: float | None = None,
    dtype: str = "float64",
    rows: int = 200,
    checkpoint: str | os.PathLike | None = None,
) -> Run:
    """One run of online SGD; the arguments are those of `Experiment`, and of its `ensemble`."""
    experiment = Experiment(
        teacher=teacher, start=start, learning_rate=learning_rate, steps=steps, batch_size=batch_size,
        engine=engine, student_scale=student_scale, dtype=dtype, rows=rows,
    )  # fmt: skip
    return experiment.simulate(seed, checkpoint)
