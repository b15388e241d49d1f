"""The loop over calls of the compiled loop: logs, saves, shows how far it is, and stops in order when asked to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key
from tqdm import tqdm

from ..support import Stopped, orderly_stop
from .loop import STEPS_A_CALL, Chains, Dynamics, measured, take_steps
from .record import Record
from .schedule import Schedule

_LOOK = 0.3  # seconds between two looks at the clock
_SAVE = 10.0  # seconds between two checkpoints
_FIRST = 16  # steps of the first call
_TIMED = 0.1  # seconds of steps from which the time of all is told


def run_to_end(
    dynamics: Dynamics,
    schedule: Schedule,
    keys: Key[Array, " S"],
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
            count = min(left, pace.steps)
            with pace.timed(count):
                chains = _call(dynamics, schedule, keys, chains, count)
            bar.update(count)
            if save is not None and time.monotonic() - saved > _SAVE:
                save(chains)
                saved = time.monotonic()
        if save is not None:
            save(chains)
    if stop.signal_number is not None:
        kept = "; its checkpoint goes on from there" if save is not None else ", without a checkpoint"
        raise Stopped(stop.signal_number, f"at step {int(chains.step)} of {last}{kept}")
    return chains


def seconds_a_step(dynamics: Dynamics, schedule: Schedule, keys: Key[Array, " S"], chains: Chains) -> float:
    """How long a step takes, timed over a few of the first ones, after the program is compiled."""
    _call(dynamics, schedule, keys, chains, 1)
    count, taken = 1, 0.0
    while taken < _TIMED and count < STEPS_A_CALL:
        count = min(4 * count, STEPS_A_CALL)
        begun = time.monotonic()
        _call(dynamics, schedule, keys, chains, count)
        taken = time.monotonic() - begun
    return taken / count


def _call(dynamics: Dynamics, schedule: Schedule, keys: Array, chains: Chains, count: int) -> Chains:
    rates = np.zeros(STEPS_A_CALL)
    rates[:count] = schedule.rates(int(chains.step), count)
    return jax.block_until_ready(take_steps(dynamics, keys, chains, jnp.asarray(rates), jnp.asarray(count)))


class _Pace:
    """How many steps fit between two looks at the clock."""

    def __init__(self) -> None:
        self.steps = _FIRST

    @contextmanager
    def timed(self, count: int) -> Iterator[None]:
        begun = time.monotonic()
        yield
        fit = int(count * _LOOK / max(time.monotonic() - begun, 1e-6))
        self.steps = min(max(fit, 1), 2 * self.steps, STEPS_A_CALL)
