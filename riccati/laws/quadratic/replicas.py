"""k = 2: replicas of SGD at a finite step, drawn from the chain of chain.py: what a law of k = 2 is read off."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...numerics import as_key
from ...support import progress
from .dynamics import Chain, Step, advance, begin

_STEP, _GROWTH = 0.04, 0.02  # Δ, in units of 1/a_1 to begin with, and relative to the time
FINE, COARSE = 0.1, 1.0  # at the most: for fluctuations of what is learned, which relax at 4a_1; for emergence times
_FIRST, _EARLY = 4, 0.3  # before that, while nothing but noise moves: Δ in steps of SGD, and relative to the time
_CHUNK, _BLOCK = 32, 128  # steps in one call, and replicas in one array: programs compile for these alone


class Replicas(NamedTuple):
    """What n replicas went through, times canonical.

    Attributes:
        times: (T,), from 0.
        emerged: (n, M), emergence times, inf where not by the last of the times.
        risk: (n, T), inf once a replica has diverged.
    """

    times: Float[np.ndarray, " T"]
    emerged: Float[np.ndarray, "n M"]
    risk: Float[np.ndarray, "n T"]


def run(chain: Chain, rate: float, horizon: float, count: int, seed: int | Key[Array, ""], longest: float) -> Replicas:
    """`count` replicas up to `horizon`, canonical time of which the chain's is `rate` times; each has its own key.

    Steps are at most `longest`/a_1.
    """
    steps = steps_to(rate * horizon, float(np.max(chain.a)), float(chain.step), longest)
    blocks, total = -(-count // _BLOCK), len(steps.number)
    keys = _keys(as_key(seed), np.arange(blocks * _BLOCK).reshape(blocks, _BLOCK))
    begun, risk_begun = jax.tree.map(np.asarray, begin(chain, np.asarray(steps.length)[0] / 2))
    emerged, risk = [], []
    with progress(blocks * total, "replicas of SGD") as bar:
        for block in range(blocks):
            replicas = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (_BLOCK, *leaf.shape)), begun)
            seen = [np.full((_BLOCK, 1), float(risk_begun))]
            for first in range(0, total, _CHUNK):
                part: Step = jax.tree.map(lambda leaf, first=first: np.asarray(leaf)[first : first + _CHUNK], steps)
                replicas, part_risk = advance(chain, keys[block], replicas, part)
                seen.append(np.asarray(part_risk))
                bar.update(_CHUNK)
            emerged.append(np.asarray(replicas.emerged) / rate)
            risk.append(np.concatenate(seen, axis=1))
    times = np.concatenate([[0.0], np.asarray(steps.time) / rate])
    return Replicas(times, np.concatenate(emerged)[:count], np.concatenate(risk)[:count])


@jax.jit
def _keys(key: Key[Array, ""], numbers: Int[Array, "blocks block"]) -> Key[Array, "blocks block"]:
    """A key for each replica."""
    return jax.vmap(jax.vmap(lambda n: jax.random.fold_in(key, n)))(numbers)


def steps_to(horizon: float, largest: float, step: float, longest: float) -> Step:
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
    return Step(*(jax.device_put(part) for part in parts))
