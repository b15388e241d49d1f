"""k > 2, the race of the neurons for the directions.

Direction p takes the first neuron that escapes towards it and is free, and is learned a delay δ_p later, when its
neuron's norm has grown; a neuron that escapes towards p before that is taken too. With F_ip(t) the probability that
pair (i, p) has escaped by t, ψ_{p→i} = P(no neuron other than i has taken p), φ_{i→p} = P(i not taken by a direction
other than p), P_p = P(p has no neuron),

    ψ_{p→i} = Π_{l≠i} [1 - ∫ φ_{l→p} dF_lp],           P_p = Π_i [1 - ∫ φ_{i→p} dF_ip],
    φ_{i→p} = Π_{q≠p} [1 - ∫ ψ_{q→i}(t - δ_q) dF_iq].

Exact where the graph of pairs is a tree (so for M = 1 or N = 1), and where escape times have no spread.
Derived in derivations/search_phase.py.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_LEAST_LOG = -700.0  # of probabilities, just above underflow


def race_step(
    unlearned_by: Float[Array, "N M"],
    untaken_by: Float[Array, "N M"],
    escaped: Float[Array, "N M"],
    taken: Float[Array, "N M"],
) -> tuple[Float[Array, "N M"], Float[Array, "N M"]]:
    """1 - ∫ φ dF and 1 - ∫ ψ dF of every pair a step later, by Heun's rule; `escaped` is dF, `taken` is ψ dF."""

    def learned(untaken_by: Array) -> Array:
        log = _log(untaken_by)
        return jnp.exp(jnp.sum(log, axis=1, keepdims=True) - log) * escaped

    then = untaken_by - taken
    return unlearned_by - (learned(untaken_by) + learned(then)) / 2, then


def messages(unlearned_by: Float[Array, "N M"]) -> Float[Array, "N+1 M"]:
    """ψ_{p→i} for all neurons, and P_p."""
    log = _log(unlearned_by)
    total = jnp.sum(log, axis=0, keepdims=True)
    return jnp.exp(jnp.concatenate([total - log, total]))


def _log(probability: Array) -> Array:
    return jnp.log(jnp.maximum(probability, np.exp(_LEAST_LOG)))
