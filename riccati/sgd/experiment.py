"""An experiment: online SGD on a teacher from a start, which can be simulated for any number of seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import equinox as eqx
import jax
import numpy as np

from ..numerics import require_double_precision
from ..problem import SGD, Constraint, Problem, Schedule, Start, Teacher, sgd_of
from ..runs import Run, algorithm_keys, overlap_of, teacher_keys
from ..support import package_versions, require, require_integer, require_memory, require_real, warn_renamed
from .checkpoint import logged_steps
from .engines import DIRECT, REDUCED, ChosenEngine, chosen_engine, engine_words
from .ensemble import Ensemble
from .loop import MOST_STEPS, Dynamics
from .rules import Descent, Rule, chosen_rule, require_simulable
from .simulation import COPIES, Simulation, block_of

_EXPLODED = 1e6  # growth of the sum of squared weights, or its size beside ‖a‖, that counts as divergence

LearningRate = float | Callable[[int], float] | Schedule


@dataclass(frozen=True, eq=False, init=False)
class Experiment:
    """Online SGD with fresh samples at each step, from a given start.

    A step follows one of three rules, which `sgd.constraint` and the start select: SGD on the weights, on both layers
    (a start with a second layer), or on the Stiefel manifold (Phase I of BEVW25, arXiv 2508.03688). It is simulated in
    all d coordinates or in reduced ones. The logged risk is the population risk, computed exactly from the overlaps.
    Derived in derivations/online_sgd.py.

    Args:
        teacher: the teacher, of any signs, directions and links, under any covariance; Stiefel SGD takes orthonormal
            directions, h_2 and isotropic input.
        start: initial overlaps and norms, with `dim` given; with a second layer both layers are trained.
            Stiefel SGD takes its directions' polar factor.
        sgd: the algorithm. A step with learning rate η adds η to canonical time; for Stiefel SGD that is ε = 2η of
            Riccati time.
        steps: number of steps.
        coordinates: "reduced", exact in law at a cost that does not depend on the dimension, with few coordinates for
            each group of equal eigenvalues of a covariance; where they would be no fewer than d, "direct" is taken,
            with a note in the run. "direct", with all d coordinates.
        student_scale: c of Stiefel SGD's student f(x) = c(|Wx|² - N), ‖a‖/√N if not given.
        dtype: "float64", or in all coordinates "float32".
        rows: about how many steps are logged, evenly spaced in their logarithm, besides step 0.
        logged: the steps that are logged, instead of those; increasing, the last of them at most `steps`.
        learning_rate, batch_size, second_layer_rate, constraint: shorthand for `sgd`.
        engine: the old name (up to 0.5) for `coordinates` and `constraint`, see `engine_words`.

    Raises:
        ArgumentError: for anything that cannot be simulated.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=3, dim=200, norm=0.3, seed=0)
        >>> sgd = rc.SGD(learning_rate=1e-3, batch_size=8)
        >>> experiment = rc.sgd.Experiment(teacher, start, sgd, steps=2000, logged=(0, 1000, 2000))
        >>> run = experiment.simulate(seed=0)
        >>> run.times.tolist(), run.overlaps.shape
        ([0.0, 1.0, 2.0], (3, 2))
        >>> experiment.ensemble(seeds=range(3)).risk.shape
        (3, 3)
    """

    teacher: Teacher
    start: Start
    sgd: SGD
    steps: int
    coordinates: str
    student_scale: float | None
    dtype: str
    rows: int
    logged: tuple[int, ...] | None

    def __init__(
        self,
        teacher: Teacher,
        start: Start,
        sgd: SGD | None = None,
        *,
        steps: int,
        coordinates: str = REDUCED,
        student_scale: float | None = None,
        dtype: str = "float64",
        rows: int = 200,
        logged: tuple[int, ...] | None = None,
        learning_rate: LearningRate | None = None,
        batch_size: int | None = None,
        second_layer_rate: float | None = None,
        constraint: Constraint | None = None,
        engine: str | None = None,
    ):
        if engine is not None:
            alone = constraint is None and coordinates == REDUCED
            require(alone, "engine", "be left out beside `constraint` and `coordinates`", repr(engine))
            words = engine_words(engine)
            warn_renamed(f'engine="{engine}"', str(words))
            constraint, coordinates = words
        sgd = sgd_of(
            sgd, learning_rate=learning_rate, batch_size=batch_size, second_layer_rate=second_layer_rate,
            constraint=constraint,
        )  # fmt: skip
        vars(self).update(
            teacher=teacher, start=start, sgd=sgd, steps=steps, coordinates=coordinates, student_scale=student_scale,
            dtype=dtype, rows=rows, logged=logged,
        )  # fmt: skip
        self._check()

    def _check(self) -> None:
        require_double_precision()
        _ = Problem(self.teacher, self.start)
        require_simulable(self.teacher, self.start, self.sgd)
        for name in ("steps", "rows"):
            require_integer(getattr(self, name), name, 1)
        require(self.steps <= MOST_STEPS, "steps", "be ≤ 2^32 - 1, as many as a seed has samples for", self.steps)
        if self.logged is not None:
            for step in self.logged:
                require_integer(step, "logged", 0)
            inside = len(self.logged) > 0 and np.all(np.diff(self.logged) > 0) and self.logged[-1] <= self.steps
            require(bool(inside), "logged", f"increase up to {self.steps} at the most", self.logged)
        _ = self._chosen
        if self.student_scale is not None:
            must = 'be left out unless constraint="stiefel"'
            require(self.sgd.on_stiefel, "student_scale", must, self.student_scale)
            require_real(self.student_scale, "student_scale", above=0)
        must = "be left out for a student without a second layer (Start.with_second_layer)"
        has, own_rate = self.start.second_layer is not None, self.sgd.second_layer_rate
        if self.sgd.constraint == "sphere":
            has, must = False, "be left out on the sphere, where the second layer stays as it is"
        require(has or own_rate == 1, "second_layer_rate", must, own_rate)

    @property
    def learning_rate(self) -> LearningRate:
        """η, a number, a function of the step or a schedule."""
        return self.sgd.learning_rate

    @property
    def batch_size(self) -> int:
        """B, samples a step."""
        return self.sgd.batch_size

    @property
    def second_layer_rate(self) -> float:
        """κ, the rate of a second layer over that of the first."""
        return self.sgd.second_layer_rate

    @cached_property
    def _rule(self) -> Rule:
        return chosen_rule(self.teacher, self.start, self.sgd, self.student_scale)

    @cached_property
    def _chosen(self) -> ChosenEngine:
        return chosen_engine(self.coordinates, self.sgd, self.dtype, self._dim, self.teacher, self.start.student_width)

    @cached_property
    def simulation(self) -> Simulation:
        """The simulation of this experiment: its dynamics, and the initial state of its runs."""
        weights, engine = self._rule.initial_weights(self.start), self._chosen.engine
        size = sum(float(np.sum(np.asarray(layer) ** 2)) for layer in weights)
        largest = _EXPLODED * max(float(self.teacher.norm), size)
        # engines know the speeds; d eigenvalues in the teacher would be compiled anew for every d
        whitened = eqx.tree_at(lambda t: t.covariance, self.teacher, None, is_leaf=lambda leaf: leaf is None)
        follow = self.sgd.schedule.follows_direction
        return Simulation(
            dynamics=Dynamics(
                engine, self._rule, Descent.of(self.sgd), whitened, jax.device_put(np.asarray(largest)), follow
            ),
            sgd=self.sgd,
            weights=weights._replace(W=engine.placed(weights.W, self.teacher)),
            logged=logged_steps(self.steps, self.rows) if self.logged is None else np.asarray(self.logged, np.int64),
            config=self.config(),
            notes=self._chosen.notes,
        )

    @property
    def _dim(self) -> int:
        assert self.start.dim is not None
        return self.start.dim

    def config(self) -> dict[str, object]:
        """Return the experiment by the keys of a run's JSON file."""
        return {
            **self._rule.config(self.teacher, self.start, self.sgd),
            **teacher_keys(self.teacher),
            "overlap": overlap_of(self.teacher.link),
            "dim": self._dim,
            "student_width": self.start.student_width,
            "batch_size": self.sgd.batch_size,
            "steps": self.steps,
            "coordinates": self._chosen.coordinates,
            "dtype": self.dtype,
            "rows": self.rows if self.logged is None else len(self.logged),
            **({} if self.start.seed is None else {"start_seed": self.start.seed}),
            **algorithm_keys(self.sgd),
            "versions": package_versions(),
        }

    def simulate(self, seed: int = 0, checkpoint: str | os.PathLike | None = None) -> Run:
        """Simulate one run; see `ensemble` for `checkpoint`."""
        return self.ensemble([seed], checkpoint).run(0)

    def ensemble(self, seeds: Sequence[int], checkpoint: str | os.PathLike | None = None) -> Ensemble:
        """Simulate runs from the same start, one for each seed, all at once.

        With `checkpoint`, a file, the state is saved there every ten seconds, at SIGINT or SIGTERM, and at the end; a
        call with the same arguments continues from it to the bit-identical result (to the same up to rounding, with a
        note, if other versions of the package or its libraries wrote it). Remove the file once the result is saved.

        Raises:
            ArgumentError: if memory does not suffice, the file is no checkpoint of this experiment, or another process
                is writing it.
            Stopped: a KeyboardInterrupt, after SIGINT or SIGTERM.
        """
        require(len(seeds) > 0, "seeds", "have one entry or more", "empty")
        for seed in seeds:
            require_integer(seed, "seed", 0)
        self._require_memory(len(seeds))
        return self.simulation.ensemble(seeds, checkpoint)

    def replicas(self, count: int, seed: int = 0) -> Iterator[Ensemble]:
        """Simulate `count` runs from the same start, or a few more, in blocks of equal size; yield each finished block.

        They have the law of the runs of `ensemble`, at a fraction of the cost, but are not the same runs. The total
        time is estimated from the first steps and announced on stderr if it is long.

        Raises:
            ArgumentError: if memory does not suffice.
            Stopped: a KeyboardInterrupt, after SIGINT or SIGTERM; the blocks yielded before are complete.
        """
        require_integer(count, "count", 1)
        self._require_memory(block_of(count))
        return self.simulation.replicas(count, seed)

    def expected_seconds(self, runs: int) -> float:
        """Return about how long so many `replicas` take on one core, once the program is compiled."""
        return self.simulation.expected_seconds(runs)

    def _require_memory(self, runs: int) -> None:
        M, N, columns = self.teacher.width, self.start.student_width, self._chosen.engine.coordinates
        require_memory(6.0 * self.rows + float(runs) * min(self.rows, self.steps) * (M + 2), "rows", self.rows)
        name, value = ("dim", self._dim) if self._chosen.coordinates == DIRECT else ("student_width", N)
        require_memory(float(COPIES) * runs * N * columns, name, value)
        require_memory(2.0 * runs * self.sgd.batch_size * columns, "batch_size", self.sgd.batch_size)


def simulate(
    teacher: Teacher,
    start: Start,
    sgd: SGD | None = None,
    *,
    steps: int,
    coordinates: str = REDUCED,
    seed: int = 0,
    student_scale: float | None = None,
    dtype: str = "float64",
    rows: int = 200,
    checkpoint: str | os.PathLike | None = None,
    learning_rate: LearningRate | None = None,
    batch_size: int | None = None,
    second_layer_rate: float | None = None,
    constraint: Constraint | None = None,
    engine: str | None = None,
) -> Run:
    """Simulate one run of online SGD with fresh samples at each step.

    The arguments are those of `Experiment`, with `seed` and `checkpoint` those of its `simulate`. The run's times are
    canonical, its risk is E(f* - f)²/E f*² or for Stiefel SGD 1 - tr(AGAG)/Σa² after the best radial fit, its overlaps
    are squared (`run.config["overlap"]` is their definition).

    Raises:
        ArgumentError: for anything that cannot be simulated.
        Stopped: a KeyboardInterrupt, after SIGINT or SIGTERM.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=3, dim=10**6, norm=0.3, seed=0)
        >>> run = rc.sgd.simulate(teacher, start, rc.SGD(learning_rate=1e-8, batch_size=8), steps=100, rows=5)
        >>> run.steps.tolist(), float(run.times[-1]), run.config["coordinates"]
        ([0, 1, 3, 10, 32, 100], 1e-06, 'reduced')
    """
    experiment = Experiment(
        teacher, start, sgd, steps=steps, coordinates=coordinates, student_scale=student_scale, dtype=dtype, rows=rows,
        learning_rate=learning_rate, batch_size=batch_size, second_layer_rate=second_layer_rate,
        constraint=constraint, engine=engine,
    )  # fmt: skip
    return experiment.simulate(seed, checkpoint)
