"""Transposed tridiagonal linear systems, one for each direction, solved all at once by Thomas' algorithm."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_UNROLL = 4  # rows per turn of the compiled loop


class Tridiagonal(NamedTuple):
    """A matrix for each of M directions, by rows.

    Attributes:
        down: (n, M), entries to the node below; the first one has none.
        middle: (n, M), the diagonal.
        up: (n, M), entries to the node above; the last one has none.
    """

    down: Float[Array, "n M"]
    middle: Float[Array, "n M"]
    up: Float[Array, "n M"]

    def transposed(self, masses: Float[Array, "n M N"]) -> Float[Array, "n M N"]:
        """Its transpose times masses."""
        empty = jnp.zeros_like(masses[:1])
        from_below, from_above = self.up[:-1, :, None] * masses[:-1], self.down[1:, :, None] * masses[1:]
        return (
            self.middle[..., None] * masses
            + jnp.concatenate([empty, from_below])
            + jnp.concatenate([from_above, empty])
        )


class Factors(NamedTuple):
    """The factors of transposed matrices, one for each of M directions.

    Attributes:
        below: (n, M), what is below the diagonal.
        inverse: (n, M), 1/pivots.
        ratio: (n, M), what is above the diagonal, over the pivot.
    """

    below: Float[Array, "n M"]
    inverse: Float[Array, "n M"]
    ratio: Float[Array, "n M"]


def factored(matrix: Tridiagonal) -> Factors:
    """The factors of the transposed matrix.

    It needs no pivoting: where drift dominates, neighbours' entries have opposite signs, which enlarges pivots.
    """
    zero = jnp.zeros_like(matrix.up[:1])
    below, above = jnp.concatenate([zero, matrix.up[:-1]]), jnp.concatenate([matrix.down[1:], zero])

    def row(ratio: Array, entries: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        low, middle, high = entries
        inverse = 1 / (middle - low * ratio)
        return high * inverse, (inverse, high * inverse)

    return Factors(below, *jax.lax.scan(row, zero[0], (below, matrix.middle, above), unroll=_UNROLL)[1])


def solved(factors: Factors, right: Float[Array, "n M N"]) -> Float[Array, "n M N"]:
    """The transposed matrix's inverse times N right-hand sides of each direction."""

    def down(before: Array, entries: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        low, inverse, value = entries
        solved = (value - low[:, None] * before) * inverse[:, None]
        return solved, solved

    def up(after: Array, entries: tuple[Array, Array]) -> tuple[Array, Array]:
        ratio, value = entries
        solved = value - ratio[:, None] * after
        return solved, solved

    start = jnp.zeros_like(right[0])
    swept = jax.lax.scan(down, start, (factors.below, factors.inverse, right), unroll=_UNROLL)[1]
    return jax.lax.scan(up, start, (factors.ratio, swept), reverse=True, unroll=_UNROLL)[1]
