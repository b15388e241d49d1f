"""k > 2: the competition between neurons for the directions, in probabilities and in joint draws.

Direction p is taken by the first free neuron that escapes towards it, and is learned a delay δ_p later, when that
neuron's norm has grown; other neurons that escape towards p before then are bound to p as well.

Probabilities are carried by messages between neurons and directions. With F_ip(t) the probability that pair (i, p) has
escaped by t, ψ_{p→i} = P(no neuron other than i has taken p), φ_{i→p} = P(i not taken by a direction other than p) and
P_p = P(p has no neuron),

    ψ_{p→i} = Π_{l≠i} [1 - ∫ φ_{l→p} dF_lp],           P_p = Π_i [1 - ∫ φ_{i→p} dF_ip],
    φ_{i→p} = Π_{q≠p} [1 - ∫ ψ_{q→i}(t - δ_q) dF_iq].

Exact where the graph of pairs is a tree (so for M = 1 or N = 1), and where escape times have no spread. Draws of the
pairs' escape times follow the rules on every graph. Derived in derivations/search_phase.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ...numerics import LEAF, as_key, compiled_quickly, two_keys
from ...support import namespace_of

Numbers = Array | np.ndarray
_LEAST_LOG = -700.0  # of probabilities, just above underflow
_ROW = 2**14  # numbers drawn at once


def competition_step(
    unlearned_by: Float[Numbers, "N M"],
    untaken_by: Float[Numbers, "N M"],
    escaped: Float[Numbers, "N M"],
    taken: Float[Numbers, "N M"],
) -> tuple[Float[Numbers, "N M"], Float[Numbers, "N M"]]:
    """The integrals 1 - ∫ φ dF and 1 - ∫ ψ dF of every pair after one more step, by Heun's rule.

    `escaped` is dF of the step, `taken` is ψ dF.
    """

    def learned(untaken_by: Numbers) -> Numbers:
        log = _log(untaken_by)
        return namespace_of(log).exp(log.sum(axis=1, keepdims=True) - log) * escaped

    then = untaken_by - taken
    return unlearned_by - (learned(untaken_by) + learned(then)) / 2, then


def messages(unlearned_by: Float[Numbers, "N M"]) -> Float[Numbers, "N+1 M"]:
    """ψ_{p→i} for all neurons i and, in the last row, P_p, from 1 - ∫ φ dF of every pair."""
    log, xp = _log(unlearned_by), namespace_of(unlearned_by)
    total = log.sum(axis=0, keepdims=True)
    return xp.exp(xp.concatenate([total - log, total]))


class Competition(NamedTuple):
    """The laws of the pairs' escape times, canonical, and how neurons compete.

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


class Winners(NamedTuple):
    """Which neuron learns which direction when, in n draws.

    Attributes:
        emerged: (n, M), T_p, inf where not by the last of the times.
        neuron: (n, M), which neuron direction p has, -1 where none.
        free: (n, N), whether the neuron has no direction at the end; one that shares a direction is not free.
    """

    emerged: Float[np.ndarray, "n M"]
    neuron: Int[np.ndarray, "n M"]
    free: Bool[np.ndarray, "n N"]


def winners_of(competition: Competition, n: int, seed: int | Key[Array, ""]) -> Winners:
    """The winners in `n` draws of the escape times."""
    escapes = escape_times(competition, n, seed)
    draws, neurons, directions = escapes.shape
    delays, alone = np.asarray(competition.delays), not bool(competition.shared)
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
    return Winners(emerged, owner, free)


def escape_times(competition: Competition, n: int, seed: int | Key[Array, ""]) -> Float[np.ndarray, "n N M"]:
    """When each pair would escape if it were alone, inf where not by the last of the times."""
    uniform_key, normal_key = two_keys(as_key(seed))
    times, reached = np.asarray(competition.times), np.asarray(competition.reached)
    mean, spread = np.asarray(competition.mean), np.asarray(competition.spread)
    shape = (n, *reached.shape[1:])
    chance = numbers_of(jax.random.uniform, uniform_key, shape)
    normal = mean + spread * numbers_of(jax.random.normal, normal_key, shape)
    given = np.asarray(competition.given) > 0
    drawn = np.where(given, np.maximum(normal, 0.0), np.inf)
    for i, p in np.ndindex(reached.shape[1:]):
        if not given[p]:
            rising = np.maximum.accumulate(reached[:, i, p])
            drawn[:, i, p] = np.interp(chance[:, i, p], rising, times, left=0.0, right=np.inf)
    return drawn


def numbers_of(draw: Callable, key: Array, shape: tuple[int, ...]) -> Float[np.ndarray, ...]:
    """`draw(key, shape)`, from a longer row whose first numbers are the same, so that few lengths are compiled."""
    count = int(np.prod(shape))
    return np.asarray(_row(draw, key, -(-count // _ROW) * _ROW))[:count].reshape(shape)


@compiled_quickly(like=lambda *_: LEAF, static_argnums=(0, 2))
def _row(draw: Callable, key: Array, count: int) -> Float[Array, " n"]:
    return draw(key, (count,))


def _log(probability: Numbers) -> Numbers:
    xp = namespace_of(probability)
    return xp.log(xp.maximum(probability, np.exp(_LEAST_LOG)))
