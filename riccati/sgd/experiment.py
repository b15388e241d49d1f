"""An experiment: online SGD on a teacher, from a start, for any number of seeds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from ..numerics import require_double_precision
from ..problem import Constant, Problem, Schedule, Start, Teacher, as_schedule, require_covered
from ..runs import Run, overlap_of, teacher_keys
from ..support import (
    announce,
    duration,
    package_versions,
    progress,
    require,
    require_integer,
    require_memory,
    require_real,
    sole_writer,
)
from . import checkpoint as checkpoints
from .checkpoint import Record, logged_steps
from .driver import DrawnSteps, KeyedSteps, Steps, run_to_end, seconds_a_step
from .engines import Choice, chosen_engine
from .ensemble import Ensemble
from .loop import MOST_STEPS, Chains, Dynamics, signed_overlaps
from .rules import Rule, Stiefel, TwoHomogeneous, TwoLayer

_EXPLODED = 1e6  # growth of the sum of squared weights, or its size beside ‖a‖, that counts as divergence
_COPIES = 4  # of the weights, that a step holds at once
_BLOCK = 64  # replicas at once: fewer cost as much time, and a first look at them comes no later than it can tell
# microseconds on one core of a step of a replica: of itself, for each coordinate of a sample, and in law with several
# samples for each column of its factorisations; within a factor of 2 from N = 3 to 16, B = 1 to 256
_A_STEP, _A_COORDINATE, _A_COLUMN = 0.4, 0.016, 0.5
_LONG = 10.0  # seconds from which it is said how long replicas will take


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment:
    """Online SGD with fresh samples at each step.

    Args:
        teacher: the teacher, of any signs, directions and links, under any covariance; Stiefel SGD takes orthonormal
            directions, h_2 and isotropic input.
        start: initial overlaps and norms, with `dim` given; with a second layer both layers are trained.
            Stiefel SGD takes its directions' polar factor.
        learning_rate: η, canonical time per step: SGD on ½(f* - f)² with step size η; a number, a function of the
            step, or a schedule of `riccati.sgd` (PowerLaw, PerDirection). A Stiefel step is ε = 2η of Riccati time.
        steps: number of steps.
        batch_size: samples per step.
        engine: "in_law", in reduced coordinates, exact in law at any dimension; under a covariance few for each group
            of equal eigenvalues. Where they would be no fewer than d it is replaced by "direct", as the run says;
            "direct", with all d coordinates;
            "stiefel" and "stiefel_direct", the same two for a quadratic student on the Stiefel manifold (Phase I).
        student_scale: c of Stiefel SGD, ‖a‖/√N if not given.
        second_layer_rate: κ ≥ 0, the second layer's learning rate over the first's; 0 freezes it.
        dtype: "float64", or for direct simulation "float32".
        rows: about how many steps are logged, evenly spaced in their logarithm, besides step 0.
        logged: the steps that are logged, instead of those; increasing, the last of them at most `steps`.

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
    second_layer_rate: float = 1.0
    dtype: str = "float64"
    rows: int = 200
    logged: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        require_double_precision()
        _ = Problem(self.teacher, self.start)
        require_covered("Stiefel SGD" if self._on_stiefel else "SGD", self.teacher, self.start)
        if self._schedule.follows_direction:
            require_covered("SGD at a rate that follows the direction", self.teacher, self.start)
        for name in ("steps", "batch_size", "rows"):
            require_integer(getattr(self, name), name, 1)
        require(self.steps <= MOST_STEPS, "steps", "be ≤ 2^32 - 1, as many as a seed has samples for", self.steps)
        if self.logged is not None:
            for step in self.logged:
                require_integer(step, "logged", 0)
            inside = len(self.logged) > 0 and np.all(np.diff(self.logged) > 0) and self.logged[-1] <= self.steps
            require(bool(inside), "logged", f"increase up to {self.steps} at the most", self.logged)
        _ = self._choice
        if self.student_scale is not None:
            require(self._on_stiefel, "student_scale", f'be left out for engine="{self.engine}"', self.student_scale)
            require_real(self.student_scale, "student_scale", above=0)
        require_real(self.second_layer_rate, "second_layer_rate", least=0)
        must = "be left out for a student without a second layer (Start.with_second_layer)"
        has = self.start.second_layer is not None
        require(has or self.second_layer_rate == 1, "second_layer_rate", must, self.second_layer_rate)

    @property
    def _on_stiefel(self) -> bool:
        return self.engine.startswith("stiefel")

    @cached_property
    def _schedule(self) -> Schedule:
        return as_schedule(self.learning_rate)

    @cached_property
    def _rule(self) -> Rule:
        if not self._on_stiefel:
            two_layer = self.start.second_layer is not None
            return TwoLayer(jnp.asarray(float(self.second_layer_rate))) if two_layer else TwoHomogeneous()
        given, own = self.student_scale, float(self.teacher.norm) / self.start.student_width**0.5
        c = own if given is None else given
        return Stiefel(jnp.asarray(float(c)))

    @cached_property
    def _choice(self) -> Choice:
        dim, neurons = self._dim, self.start.student_width
        return chosen_engine(self.engine, self.dtype, self.batch_size, dim, self.teacher, neurons)

    @cached_property
    def dynamics(self) -> Dynamics:
        """What its steps have in common."""
        W, b = self._rule.initial_weights(self.start)
        largest = _EXPLODED * max(float(self.teacher.norm), float(jnp.sum(W**2) + jnp.sum(b**2)))
        follow = self._schedule.follows_direction
        # engines know the speeds; d eigenvalues in the teacher would be compiled anew for every d
        whitened = eqx.tree_at(lambda t: t.covariance, self.teacher, None, is_leaf=lambda leaf: leaf is None)
        return Dynamics(self._choice.engine, self._rule, whitened, jnp.asarray(largest), follow)

    @property
    def _dim(self) -> int:
        assert self.start.dim is not None
        return self.start.dim

    def config(self) -> dict[str, Any]:
        """The experiment by the keys of a run's JSON file."""
        return {
            **self._rule.config(self.teacher, self.start, self._schedule.describe()),
            **teacher_keys(self.teacher),
            "overlap": overlap_of(self.teacher.link),
            "dim": self._dim,
            "student_width": self.start.student_width,
            "batch_size": self.batch_size,
            "steps": self.steps,
            "engine": self._choice.name,
            "dtype": self.dtype,
            "rows": self.rows if self.logged is None else len(self.logged),
            **({} if self.start.seed is None else {"start_seed": self.start.seed}),
            **({} if self.second_layer_rate == 1 else {"second_layer_rate": float(self.second_layer_rate)}),
            "versions": package_versions(),
        }

    def simulate(self, seed: int = 0, checkpoint: str | os.PathLike | None = None) -> Run:
        """One run; see `ensemble` for `checkpoint`."""
        return self.ensemble([seed], checkpoint).run(0)

    def ensemble(self, seeds: Sequence[int], checkpoint: str | os.PathLike | None = None) -> Ensemble:
        """Runs from the same start, one for each seed, all at once.

        With `checkpoint`, a file, the state is saved there every ten seconds, at SIGINT or SIGTERM, and at the end; a
        call with the same arguments goes on from it to the bit-identical result. Remove the file once that is kept.

        Raises:
            ArgumentError: what memory does not hold, a file that is no checkpoint of this experiment, or one that
                another run is writing.
            Stopped: a KeyboardInterrupt, after SIGINT or SIGTERM.
        """
        self._check(seeds)
        steps = KeyedSteps(self.dynamics, self._schedule, jax.vmap(jax.random.key)(jnp.asarray(list(seeds))))
        with progress(self.steps, "online SGD", unit="step") as bar:
            return self._run(steps, seeds, checkpoint, bar)

    def replicas(self, count: int, seed: int = 0) -> Iterator[Ensemble]:
        """Runs from the same start in blocks of equal size, `count` or a few more, each block once it is finished.

        They are of the same law as those of `ensemble`, at a fraction of their cost, and not the same runs. How long
        all will take is told from the first steps, and said on stderr if it is long.

        Raises:
            ArgumentError: what memory does not hold.
            Stopped: a KeyboardInterrupt, after SIGINT or SIGTERM; blocks handed out before stay whole.
        """
        require_integer(count, "count", 1)
        blocks = -(-count // _BLOCK)
        size, last = -(-count // blocks), self._last
        self._check(range(size))

        def drawn(block: int) -> Steps:
            rng = np.random.Generator(np.random.SFC64([seed, block]))
            return DrawnSteps(self.dynamics, self._schedule, rng, size, last)

        if self.expected_seconds(count) > _LONG / 2:
            seconds = seconds_a_step(drawn(0), self.initial_chains(size)) * last * blocks
            if seconds > _LONG:
                announce(f"{count} replicas of SGD will take about {duration(seconds)}; Ctrl-C ends them")
        with progress(blocks * last, f"{count} replicas of SGD", unit="step") as bar:
            for block in range(blocks):
                yield self._run(drawn(block), range(block * size, (block + 1) * size), None, bar)

    def expected_seconds(self, runs: int) -> float:
        """About how long so many `replicas` take on one core, once the program is compiled."""
        engine = self._choice.engine
        factorised = 0 if self.batch_size == 1 or "direct" in self._choice.name else self.start.student_width
        each = _A_STEP + _A_COORDINATE * self.batch_size * engine.coordinates
        return 1e-6 * runs * self._last * (each + _A_COLUMN * min(self.batch_size, factorised))

    @property
    def _last(self) -> int:
        """The last step that is logged."""
        return self.steps if self.logged is None else self.logged[-1]

    def _check(self, seeds: Sequence[int]) -> None:
        require(len(seeds) > 0, "seeds", "have one entry or more", "empty")
        for seed in seeds:
            require_integer(seed, "seed", 0)
        self._require_memory(len(seeds))

    def _run(self, steps: Steps, seeds: Sequence[int], checkpoint: str | os.PathLike | None, bar: tqdm) -> Ensemble:
        config = {**self.config(), "seeds": [int(seed) for seed in seeds]}
        chains = self.initial_chains(len(seeds))
        logged = logged_steps(self.steps, self.rows) if self.logged is None else np.asarray(self.logged, np.int64)
        record = Record.empty(logged, len(seeds), self.teacher.width)
        if checkpoint is None:
            chains = run_to_end(self.dynamics, steps, chains, record, None, bar)
        else:
            with sole_writer(checkpoint, "checkpoint"):
                chains, record = checkpoints.load(checkpoint, config, chains, record) or (chains, record)
                save = partial(checkpoints.save, checkpoint, config, record)
                save(chains)  # what cannot be saved there is said before the first step
                chains = run_to_end(self.dynamics, steps, chains, record, save, bar)
        times = record.times
        if isinstance(self._schedule, Constant):  # to the last bit, as a run's times are
            times = np.where(np.isfinite(times), record.steps * float(self._schedule.rate), np.nan)
        return Ensemble(
            record.steps, times, record.risk, record.overlaps, np.asarray(chains.diverged), np.asarray(seeds),
            np.asarray(signed_overlaps(self.dynamics, chains)), config, self._choice.notes,
        )  # fmt: skip

    def initial_chains(self, runs: int) -> Chains:
        """So many chains at the start."""
        W, b = self._rule.initial_weights(self.start)
        W = self._choice.engine.placed(W, self.teacher)
        each = jnp.tile(W, (runs, 1, 1)), jnp.tile(b.astype(W.dtype), (runs, 1))
        return Chains(*each, jnp.asarray(0), jnp.zeros(runs), jnp.full(runs, -1))

    def _require_memory(self, runs: int) -> None:
        M, N = self.teacher.width, self.start.student_width
        direct = "direct" in self._choice.name
        columns = self._choice.engine.coordinates
        require_memory(6.0 * self.rows + float(runs) * min(self.rows, self.steps) * (M + 2), "rows", self.rows)
        name, value = ("dim", self._dim) if direct else ("student_width", N)
        require_memory(float(_COPIES) * runs * N * columns, name, value)
        require_memory(2.0 * runs * self.batch_size * columns, "batch_size", self.batch_size)


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
    second_layer_rate: float = 1.0,
    dtype: str = "float64",
    rows: int = 200,
    checkpoint: str | os.PathLike | None = None,
) -> Run:
    """One run of online SGD; the arguments are those of `Experiment`, and of its `ensemble`."""
    experiment = Experiment(
        teacher=teacher, start=start, learning_rate=learning_rate, steps=steps, batch_size=batch_size,
        engine=engine, student_scale=student_scale, second_layer_rate=second_layer_rate, dtype=dtype, rows=rows,
    )  # fmt: skip
    return experiment.simulate(seed, checkpoint)
