"""The simulation of an experiment: its dynamics, the initial states of its runs, their cost, and running them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from tqdm import tqdm

from ..problem import SGD, largest_norm
from ..support import announce, duration, progress, sole_writer
from .checkpoint import Checkpoint, Record, load_checkpoint, save_checkpoint
from .driver import DrawnSteps, KeyedSteps, Stepper, run_to_end, seconds_a_step
from .engines import DirectEngine
from .ensemble import Ensemble
from .loop import Dynamics, RunStates, signed_overlaps
from .rules import Weights

COPIES = 4  # of the weights, that a step holds at once
_BLOCK = 64  # replicas at once: fewer cost as much time, and a first look at them comes no later than it can tell
# microseconds on one core of a step of a replica: of itself, for each coordinate of a sample, and for each column of
# the factorisations of several samples in reduced coordinates; within a factor of 2 from N = 3 to 16, B = 1 to 256
_A_STEP, _A_COORDINATE, _A_COLUMN = 0.4, 0.016, 0.5
_LONG = 10.0  # seconds from which the expected time of replicas is announced


@dataclass(frozen=True, eq=False)
class Simulation:
    """An experiment with all its choices made.

    Attributes:
        dynamics: the constants of its steps.
        sgd: the algorithm.
        weights: the initial weights of every run, W (N, D) in the engine's coordinates.
        logged: (T,), the steps that are logged.
        config: the experiment by the keys of a run's JSON file.
        notes: what is done in another way than asked, a line each.
    """

    dynamics: Dynamics
    sgd: SGD
    weights: Weights
    logged: Int[np.ndarray, " T"]
    config: Mapping[str, object]
    notes: tuple[str, ...]

    def initial_states(self, runs: int) -> RunStates:
        """Return so many runs at the start, put together on the host, where nothing compiles."""
        W, b = map(np.asarray, self.weights)
        each = np.tile(W, (runs, 1, 1)), np.tile(b.astype(W.dtype), (runs, 1))
        still = tuple(np.zeros_like(layer if self.sgd.momentum else layer[:, :0]) for layer in each)
        return RunStates(*jax.device_put((*each, *still, np.asarray(0), np.zeros(runs), np.full(runs, -1))))

    def ensemble(self, seeds: Sequence[int], checkpoint: str | os.PathLike | None) -> Ensemble:
        """Simulate a run for each seed, all at once; see `Experiment.ensemble`."""
        keys = jax.vmap(jax.random.key)(jnp.asarray(list(seeds)))
        stepper = KeyedSteps(self.dynamics, self.sgd.schedule, keys)
        with progress(self._last, "online SGD", unit="step") as bar:
            if checkpoint is None:
                return self._run(stepper, seeds, None, bar)
            with sole_writer(checkpoint, "checkpoint"):
                return self._run(stepper, seeds, checkpoint, bar)

    def replicas(self, count: int, seed: int) -> Iterator[Ensemble]:
        """Simulate replicas block by block; see `Experiment.replicas`."""
        size, last = block_of(count), self._last
        blocks = -(-count // size)

        def drawn(block: int) -> Stepper:
            rng = np.random.Generator(np.random.SFC64([seed, block]))
            return DrawnSteps(self.dynamics, self.sgd.schedule, rng, size, last)

        if self.expected_seconds(count) > _LONG / 2:
            seconds = seconds_a_step(drawn(0), self.initial_states(size)) * last * blocks
            if seconds > _LONG:
                announce(f"{count} replicas of SGD will take about {duration(seconds)}; Ctrl-C ends them")
        with progress(blocks * last, f"{count} replicas of SGD", unit="step") as bar:
            for block in range(blocks):
                yield self._run(drawn(block), range(block * size, (block + 1) * size), None, bar)

    def expected_seconds(self, runs: int) -> float:
        """Return about how long so many replicas take on one core, once the program is compiled."""
        engine, batch = self.dynamics.engine, self.sgd.batch_size
        factorised = 0 if batch == 1 or isinstance(engine, DirectEngine) else self.weights.W.shape[0]
        each = _A_STEP + _A_COORDINATE * batch * engine.coordinates + _A_COLUMN * min(batch, factorised)
        return 1e-6 * runs * self._last * each

    @property
    def _last(self) -> int:
        """The last step that is logged."""
        return int(self.logged[-1])

    def _run(self, stepper: Stepper, seeds: Sequence[int], checkpoint: str | os.PathLike | None, bar: tqdm) -> Ensemble:
        config = {**self.config, "seeds": [int(seed) for seed in seeds]}
        width = self.dynamics.teacher.width
        begun, save = Checkpoint(self.initial_states(len(seeds)), Record.empty(self.logged, len(seeds), width)), None
        if checkpoint is not None:
            begun = load_checkpoint(checkpoint, config, begun) or begun
            save = partial(save_checkpoint, checkpoint, config)
            save(begun)  # an unwritable place is refused before the first step
        reached = run_to_end(self.dynamics, stepper, begun, save, bar)
        states, record = reached.states, reached.record
        times = self.sgd.momentum_factor * record.times
        if self.sgd.is_constant:  # to the last bit, as a run's times are
            times = np.where(np.isfinite(times), self.sgd.times(record.steps), np.nan)
        return Ensemble(
            record.steps, times, record.risk, record.overlaps, np.asarray(states.diverged), np.asarray(seeds),
            np.asarray(signed_overlaps(self.dynamics, states)), config,
            (*self.notes, *begun.notes, *self._on_norms(states)),
            np.einsum("sid,sjd->sij", *2 * [np.asarray(states.W, float)]),
        )  # fmt: skip

    def _on_norms(self, states: RunStates) -> tuple[str, ...]:
        """Return a line where a two-layer student ends with norms at which averages over its link are not resolved."""
        link = self.dynamics.teacher.link
        norm = float(np.nan_to_num(np.linalg.norm(np.asarray(states.W), axis=-1)).max(initial=0.0))
        if states.b.shape[-1] == 0 or norm <= (largest := largest_norm(link)):
            return ()
        known = f"{largest:.3g}, up to which averages over {link.label} are resolved: the risk is less accurate there"
        return (f"a neuron ends with the norm {norm:.3g}, past {known}",)


def block_of(count: int) -> int:
    """Return how many runs a block has where so many replicas are simulated in blocks of equal size."""
    return -(-count // -(-count // _BLOCK))
