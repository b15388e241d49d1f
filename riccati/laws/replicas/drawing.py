"""Replicas of SGD at a finite step by the dynamics of dynamics.py, drawn up to a horizon, in blocks."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from ...numerics import as_key
from ...support import progress, require, require_integer, require_real
from .dynamics import ReplicaDynamics, ReplicaStep, advance, begin

_STEP, _GROWTH = 0.04, 0.02  # Δ, in units of 1/a_1 to begin with, and relative to the time
# the longest Δ a_1: for fluctuations of what is learned, which relax at 4a_1; for emergence times
FINE, COARSE = 0.1, 1.0
_MOST_STEPS = 2**15
_FIRST, _EARLY = 4, 0.3  # Δ at first, while nothing but noise acts: in steps of SGD, and relative to the time
_CHUNK, _BLOCK = 32, 128  # steps in one call, and replicas in one array: programs compile for these alone


class Replication(NamedTuple):
    """How many replicas are drawn, how far, and from which seed.

    Attributes:
        horizon: the canonical time that they reach; None takes twice gradient flow's last emergence.
        number: how many.
        seed: an integer or a JAX key; replica n has the same key of its own whatever `number` is.
        longest: the longest time step, in units of 1/a_1.
    """

    horizon: float | None
    number: int
    seed: int | Key[Array, ""]
    longest: float


class Replicas(NamedTuple):
    """Emergence times and risk of n replicas, times canonical.

    Attributes:
        times: (T,), from 0.
        emerged: (n, M), emergence times, inf where not by the last of the times.
        risk: (n, T), inf once a replica has diverged.
    """

    times: Float[np.ndarray, " T"]
    emerged: Float[np.ndarray, "n M"]
    risk: Float[np.ndarray, "n T"]

    @property
    def diverged(self) -> float:
        """The fraction of the replicas that diverged."""
        return float(np.mean(~np.isfinite(self.risk[:, -1])))


def replicas_of(dynamics: ReplicaDynamics, drawing: Replication) -> Replicas:
    """Replicas drawn up to the horizon, or a little beyond.

    Raises:
        ArgumentError: a horizon or a number of replicas out of range, or a horizon that takes too many steps.
    """
    horizon, number, seed, longest = drawing
    require_real(horizon, "horizon", above=0)
    require_integer(number, "replicas", 1)
    assert horizon is not None
    rate = float(dynamics.rate)
    fastest, longest = float(dynamics.fastest), min(longest, dynamics.longest)
    must = f"be at most about {_MOST_STEPS * longest / fastest / rate:.2g} here, as replicas follow it in steps"
    require(rate * horizon * fastest <= _MOST_STEPS * longest, "horizon", must, f"{horizon:.4g}")
    steps = steps_to(rate * horizon, fastest, float(dynamics.step), longest)
    blocks, total = -(-number // _BLOCK), len(steps.number)
    key = as_key(seed)
    begun, risk_begun = jax.tree.map(np.asarray, begin(dynamics, np.asarray(steps.length)[0] / 2))
    emerged, risk = [], []
    with progress(blocks * total, "replicas of SGD") as bar:
        for block in range(blocks):
            numbers = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
            replicas = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (_BLOCK, *leaf.shape)), begun)
            parts = [np.full((_BLOCK, 1), float(risk_begun))]
            for first in range(0, total, _CHUNK):
                chunk: ReplicaStep = jax.tree.map(lambda leaf, at=first: np.asarray(leaf)[at : at + _CHUNK], steps)
                replicas, chunk_risk = advance(dynamics, key, numbers, replicas, chunk)
                parts.append(np.asarray(chunk_risk))
                bar.update(_CHUNK)
            emerged.append(np.asarray(replicas.emerged) / rate)
            risk.append(np.concatenate(parts, axis=1))
    times = np.concatenate([[0.0], np.asarray(steps.time) / rate])
    return Replicas(times, np.concatenate(emerged)[:number], np.concatenate(risk)[:number])


def steps_to(horizon: float, largest: float, step: float, longest: float) -> ReplicaStep:
    """Steps that reach `horizon`, for a_1 = `largest` and SGD in steps of `step`; a whole number of chunks."""
    lengths: list[float] = []
    time = 0.0
    while time < horizon or len(lengths) % _CHUNK:
        usual = max(_STEP, min(_GROWTH * time * largest, longest)) / largest
        lengths.append(min(max(_FIRST * step, _EARLY * time), usual))
        time += lengths[-1]
    length = np.array(lengths)
    flowing = (length + np.append(length[1:], length[-1])) / 2
    parts = (np.arange(len(length)), length, flowing, np.cumsum(length) - length / 2)
    return ReplicaStep(*(jax.device_put(part) for part in parts))
