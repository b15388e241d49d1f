"""k > 2: the race of the neurons, run in joint draws of the pairs' escape times.

Direction p takes the first neuron that escapes towards it and is free, and is learned a delay δ_p later, when its
neuron's norm has grown; a neuron that escapes towards p before that is taken too. forward.py has the same rules for
probabilities, exactly on trees alone.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ...numerics import as_key


class Race(NamedTuple):
    """What is drawn from; canonical time.

    Attributes:
        times: (T,).
        reached: (T, N, M), F_ip there.
        mean, spread: (N, M), of the normal law of escapes towards `given` directions; never where the mean is inf.
        given: (M,), 1 or 0.
        delays: (M,), δ_p.
        shared: (), 1 where neurons compete, 0 where each direction has its own.
    """

    times: Float[Array, " T"]
    reached: Float[Array, "T N M"]
    mean: Float[Array, "N M"]
    spread: Float[Array, "N M"]
    given: Float[Array, " M"]
    delays: Float[Array, " M"]
    shared: Float[Array, ""]


class Raced(NamedTuple):
    """Who is learned when, in n draws.

    Attributes:
        emerged: (n, M), T_p, inf where not by the last of the times.
        neuron: (n, M), which neuron direction p has, -1 where none.
        free: (n, N), whether the neuron has been left without a direction; one that shares a direction has not.
    """

    emerged: Float[np.ndarray, "n M"]
    neuron: Int[np.ndarray, "n M"]
    free: Bool[np.ndarray, "n N"]


def run_race(race: Race, n: int, seed: int | Key[Array, ""]) -> Raced:
    """`n` draws."""
    escapes = escape_times(race, n, seed)
    draws, neurons, directions = escapes.shape
    delays, alone = np.asarray(race.delays), not bool(race.shared)
    order = np.argsort(escapes.reshape(draws, -1), axis=1, kind="stable")
    emerged, owner = np.full((draws, directions), np.inf), np.full((draws, directions), -1)
    free, every = np.ones((draws, neurons), bool), np.arange(draws)
    for pair in order.T:
        i, p = np.divmod(pair, directions)
        time = escapes[every, i, p]
        able = np.isfinite(time) & (free[every, i] | alone)
        first = able & (owner[every, p] < 0)
        emerged[every[first], p[first]], owner[every[first], p[first]] = time[first], i[first]
        caught = able & (time <= emerged[every, p] + delays[p])
        free[every[caught], i[caught]] = False
    return Raced(emerged, owner, free)


def escape_times(race: Race, n: int, seed: int | Key[Array, ""]) -> Float[np.ndarray, "n N M"]:
    """When each pair would escape if it were alone, inf where not by the last of the times."""
    uniform_key, normal_key = jax.random.split(as_key(seed))
    times, reached = np.asarray(race.times), np.asarray(race.reached)
    shape = (n, *reached.shape[1:])
    chance = np.asarray(jax.random.uniform(uniform_key, shape))
    normal = np.asarray(race.mean) + np.asarray(race.spread) * np.asarray(jax.random.normal(normal_key, shape))
    given = np.asarray(race.given) > 0
    drawn = np.where(given, np.maximum(normal, 0.0), np.inf)
    for i, p in np.ndindex(reached.shape[1:]):
        if not given[p]:
            rising = np.maximum.accumulate(reached[:, i, p])
            drawn[:, i, p] = np.interp(chance[:, i, p], rising, times, left=0.0, right=np.inf)
    return drawn
