"""Greedy maximum selection: which neuron learns which direction when the overlaps decide alone.

Take the largest a_p |m_ip(0)|^(k-2), give neuron i direction p, delete row i and column p, repeat
(RNWL25, section 3). For odd k only positive overlaps grow, so a negative one scores 0; for even k the sign is free.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .link import Link

_TAKEN = -1.0  # below every score, which are ≥ 0


def overlap_scores(a: Float[Array, " M"], overlaps: Float[Array, "N M"], link: Link) -> Float[Array, "N M"]:
    """a_p |m_ip|^(k-2), 0 where an odd k forbids growth from a negative overlap."""
    size = jnp.abs(overlaps) if link.either_sign else jnp.maximum(overlaps, 0.0)
    return a * size ** max(link.information_exponent - 2, 0)


@jax.jit
def _match(a: Float[Array, " M"], overlaps: Float[Array, "N M"], link: Link) -> Int[Array, " M"]:
    """Greedy matching by lazy maxima.

    `best` holds for each column a bound on its best score among the free rows; bounds only fall, so a column on
    top whose best row is still free is the true maximum. About M log M columns are looked at again, not N x M x M.
    """
    scores = overlap_scores(a, overlaps, link)
    rows, columns = scores.shape

    def unfinished(state: tuple) -> Array:
        _, row_free, best, _ = state
        return jnp.any(row_free) & (jnp.max(best) > 0)

    def look(state: tuple) -> tuple:
        assigned, row_free, best, best_row = state
        p = jnp.argmax(best)
        i = best_row[p]

        column = jnp.where(row_free, scores[:, p], _TAKEN)
        again = jnp.argmax(column)
        free = row_free[i]
        assigned = assigned.at[p].set(jnp.where(free, i, assigned[p]))
        row_free = row_free.at[i].set(False)
        best = best.at[p].set(jnp.where(free, _TAKEN, column[again]))
        best_row = best_row.at[p].set(jnp.where(free, i, again))
        return assigned, row_free, best, best_row

    first = (
        jnp.full(columns, -1),
        jnp.ones(rows, bool),
        scores.max(axis=0),
        jnp.argmax(scores, axis=0),
    )
    return jax.lax.while_loop(unfinished, look, first)[0]


def greedy_assignment(a: Float[Array, " M"], overlaps: Float[Array, "N M"], link: Link) -> Int[Array, " M"]:
    """ι (M,): the neuron of each direction, -1 for those that get none.

    A score of 0, an overlap that cannot grow, gives nobody a direction. Ties go to the lower indices.
    """
    return _match(jax.lax.stop_gradient(a), jax.lax.stop_gradient(overlaps), link)
