"""The loop over calls of the compiled loop: it logs, saves, shows progress, and stops cleanly at a signal."""

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
from .checkpoint import Checkpoint
from .loop import STEPS_A_CALL, DrawnAhead, Dynamics, RunStates, measured, take_drawn_steps, take_steps

_LOOK = 0.3  # seconds between two looks at the clock
_SAVE = 10.0  # seconds between two checkpoints
_FIRST = 16  # steps of the first call
_NUMBERS = 2**22  # that are drawn at once, 32 MB
_TIMED = 0.1  # seconds of steps from which the time of all is estimated


class Stepper(abc.ABC):
    """A way to advance runs."""

    @abc.abstractmethod
    def __call__(self, states: RunStates, count: int) -> RunStates:
        """Return the states `count` steps later, or fewer where so many are not at hand, at least one."""


class KeyedSteps(Stepper):
    """Steps whose randomness comes from the seed and the step's number, so a run is the same however it is divided."""

    def __init__(self, dynamics: Dynamics, schedule: Schedule, keys: Key[Array, " S"]):
        self._dynamics, self._schedule, self._keys = dynamics, schedule, keys

    def __call__(self, states: RunStates, count: int) -> RunStates:
        """Return the states `count` steps later."""
        rates = np.zeros(STEPS_A_CALL)
        rates[:count] = self._schedule.rates(int(states.step), count)
        return take_steps(self._dynamics, self._keys, states, jnp.asarray(rates), jnp.asarray(count))


class DrawnSteps(Stepper):
    """Steps whose randomness numpy draws for many steps at once, at a third of the cost of a key for each, or less."""

    def __init__(self, dynamics: Dynamics, schedule: Schedule, rng: np.random.Generator, runs: int, last: int):
        self._dynamics, self._schedule, self._rng, self._runs, self._last = dynamics, schedule, rng, runs, last
        each = runs * dynamics.engine.batch_size * dynamics.engine.coordinates
        # a power of two where runs are short, so that those of about one length share a program
        self._size = min(max(_NUMBERS // each, 1), STEPS_A_CALL, 2 ** (last - 1).bit_length())
        self._begin = self._end = 0

    def __call__(self, states: RunStates, count: int) -> RunStates:
        """Return the states as many steps later as were drawn, `count` at the most."""
        now = int(states.step)
        if now >= self._end:
            self._begin, self._end = now, now + self._size
            self._drawn = self._draw(now, neurons=states.W.shape[1])
        first, most = jnp.asarray(now - self._begin), jnp.asarray(min(count, self._end - now))
        return take_drawn_steps(self._dynamics, self._drawn, states, first, most)

    def _draw(self, now: int, neurons: int) -> DrawnAhead:
        numbers = np.arange(now, now + self._size)
        noise = self._dynamics.engine.noise_of(self._rng, numbers, self._runs, neurons)
        # a look at the clock may run beyond the end, where no schedule is asked
        ahead = max(0, min(self._size, self._last - now))
        rates = self._schedule.rates(now, ahead) if ahead else np.zeros(0)
        padded = np.pad(rates, (0, self._size - len(rates)))
        return DrawnAhead(jax.tree.map(jnp.asarray, noise), jnp.asarray(padded))


def run_to_end(
    dynamics: Dynamics, stepper: Stepper, begun: Checkpoint, save: Callable[[Checkpoint], None] | None, bar: tqdm
) -> Checkpoint:
    """Advance runs to the last logged step, or until all have diverged; return their states, and what was logged.

    `save` is called every ten seconds, and once more at the end or at a stop; `bar` counts steps.

    Raises:
        Stopped: after SIGINT or SIGTERM.
    """
    pace, saved, states, record = _Pace(), time.monotonic(), begun.states, begun.record
    with orderly_stop() as stop:
        bar.update(int(states.step))
        while not stop and record.next_step is not None:
            left = record.next_step - int(states.step)
            if left == 0:
                record.add(states, measured(dynamics, states))
                if (np.asarray(states.diverged) >= 0).all():
                    break
                continue
            states = pace.timed(stepper, states, left)
            bar.update(pace.done)
            if save is not None and time.monotonic() - saved > _SAVE:
                save(Checkpoint(states, record))
                saved = time.monotonic()
        if save is not None:
            save(Checkpoint(states, record))
    if stop.signal_number is not None:
        kept = "; the same call continues from its checkpoint" if save is not None else ", without a checkpoint"
        raise Stopped(stop.signal_number, f"at step {int(states.step)} of {int(record.steps[-1])}{kept}")
    return Checkpoint(states, record)


def seconds_a_step(stepper: Stepper, states: RunStates) -> float:
    """Return how long a step takes, timed over a few of the first ones, after the program is compiled."""
    pace = _Pace()
    states = pace.timed(stepper, states, 1)
    begun, first = time.monotonic(), int(states.step)
    while time.monotonic() - begun < _TIMED:
        states = pace.timed(stepper, states, STEPS_A_CALL)
    return (time.monotonic() - begun) / (int(states.step) - first)


class _Pace:
    """How many steps fit between two looks at the clock, and how many were last done."""

    def __init__(self) -> None:
        self._fit, self.done = _FIRST, 0

    def timed(self, stepper: Stepper, states: RunStates, most: int) -> RunStates:
        """Return the states as many steps later as fit, `most` at the most."""
        first, begun = int(states.step), time.monotonic()
        states = jax.block_until_ready(stepper(states, min(most, self._fit)))
        self.done = int(states.step) - first
        fit = int(self.done * _LOOK / max(time.monotonic() - begun, 1e-6))
        self._fit = min(max(fit, 1), 2 * self._fit, STEPS_A_CALL)
        return states
