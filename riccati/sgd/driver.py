"""The loop over calls of the compiled loop: logs, saves, shows how far it is, and stops in order when asked to."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key
from tqdm import tqdm

from ..problem import Schedule
from ..support import Stopped, orderly_stop
from .checkpoint import Record
from .loop import STEPS_A_CALL, Chains, Dynamics, measured, take_drawn_steps, take_steps

_LOOK = 0.3  # seconds between two looks at the clock
_SAVE = 10.0  # seconds between two checkpoints
_FIRST = 16  # steps of the first call
_NUMBERS = 2**22  # that are drawn at once, 32 MB
_TIMED = 0.1  # seconds of steps from which the time of all is told


class Steps(abc.ABC):
    """How chains are moved on."""

    @abc.abstractmethod
    def __call__(self, chains: Chains, count: int) -> Chains:
        """The chains `count` steps further, or fewer where so many are not at hand, at least one."""


class KeyedSteps(Steps):
    """Each step's randomness comes from a seed and its number, so that a run is what it is however it is cut."""

    def __init__(self, dynamics: Dynamics, schedule: Schedule, keys: Key[Array, " S"]):
        self._dynamics, self._schedule, self._keys = dynamics, schedule, keys

    def __call__(self, chains: Chains, count: int) -> Chains:
        """All of them."""
        rates = np.zeros(STEPS_A_CALL)
        rates[:count] = self._schedule.rates(int(chains.step), count)
        return take_steps(self._dynamics, self._keys, chains, jnp.asarray(rates), jnp.asarray(count))


class DrawnSteps(Steps):
    """Randomness of many steps is drawn by numpy at once, at a third of the cost of a key for each step or less."""

    def __init__(self, dynamics: Dynamics, schedule: Schedule, rng: np.random.Generator, runs: int, last: int):
        self._dynamics, self._schedule, self._rng, self._runs, self._last = dynamics, schedule, rng, runs, last
        each = runs * dynamics.engine.batch_size * dynamics.engine.coordinates
        # a power of two where runs are short, so that those of about one length share a program
        self._size = min(max(_NUMBERS // each, 1), STEPS_A_CALL, 2 ** (last - 1).bit_length())
        self._begin = self._end = 0

    def __call__(self, chains: Chains, count: int) -> Chains:
        """As many as were drawn."""
        now = int(chains.step)
        if now >= self._end:
            self._begin, self._end = now, now + self._size
            numbers, neurons = np.arange(self._begin, self._end), chains.W.shape[1]
            noise = self._dynamics.engine.noise_of(self._rng, numbers, self._runs, neurons)
            self._noise = jax.tree.map(jnp.asarray, noise)
            # a look at the clock may run beyond the end, where no schedule is asked
            ahead = max(0, min(self._size, self._last - now))
            rates = self._schedule.rates(now, ahead) if ahead else np.zeros(0)
            self._rates = jnp.asarray(np.pad(rates, (0, self._size - len(rates))))
        first, most = jnp.asarray(now - self._begin), jnp.asarray(min(count, self._end - now))
        return take_drawn_steps(self._dynamics, self._noise, chains, self._rates, first, most)


def run_to_end(
    dynamics: Dynamics,
    steps: Steps,
    chains: Chains,
    record: Record,
    save: Callable[[Chains], None] | None,
    bar: tqdm,
) -> Chains:
    """The chains at the last logged step; `record` is filled up to there, or until every run has diverged.

    `save` is called every ten seconds, and once more at the end or at a stop; `bar` counts steps.

    Raises:
        Stopped: after SIGINT or SIGTERM.
    """
    pace, saved, last = _Pace(), time.monotonic(), int(record.steps[-1])
    with orderly_stop() as stop:
        bar.update(int(chains.step))
        while not stop and int(record.filled) < len(record.steps):
            left = int(record.steps[int(record.filled)]) - int(chains.step)
            if left == 0:
                record.add(chains, measured(dynamics, chains))
                if bool((chains.diverged >= 0).all()):
                    break
                continue
            chains = pace.timed(steps, chains, left)
            bar.update(pace.done)
            if save is not None and time.monotonic() - saved > _SAVE:
                save(chains)
                saved = time.monotonic()
        if save is not None:
            save(chains)
    if stop.signal_number is not None:
        kept = "; its checkpoint goes on from there" if save is not None else ", without a checkpoint"
        raise Stopped(stop.signal_number, f"at step {int(chains.step)} of {last}{kept}")
    return chains


def seconds_a_step(steps: Steps, chains: Chains) -> float:
    """How long a step takes, timed over a few of the first ones, after the program is compiled."""
    pace = _Pace()
    chains = pace.timed(steps, chains, 1)
    begun, first = time.monotonic(), int(chains.step)
    while time.monotonic() - begun < _TIMED:
        chains = pace.timed(steps, chains, STEPS_A_CALL)
    return (time.monotonic() - begun) / (int(chains.step) - first)


class _Pace:
    """How many steps fit between two looks at the clock, and how many were last done."""

    def __init__(self) -> None:
        self._fit, self.done = _FIRST, 0

    def timed(self, steps: Steps, chains: Chains, most: int) -> Chains:
        """As many steps as fit, `most` at the most."""
        first, begun = int(chains.step), time.monotonic()
        chains = jax.block_until_ready(steps(chains, min(most, self._fit)))
        self.done = int(chains.step) - first
        fit = int(self.done * _LOOK / max(time.monotonic() - begun, 1e-6))
        self._fit = min(max(fit, 1), 2 * self._fit, STEPS_A_CALL)
        return chains
