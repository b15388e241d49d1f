"""Rows taken a block at a time, so that a chart of 10⁶ rows needs no second array of its size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

BLOCK = 16384

T = TypeVar("T")


def fold_blocks(rows: int, add: Callable[[T, Int[Array, ""], Bool[Array, " b"]], T], first: T) -> T:
    """`add(state, low, fresh)` over blocks of min(rows, BLOCK) rows from row `low` on.

    The last block overlaps the one before; `fresh` marks the rows that no block has had yet.
    """
    size = min(rows, BLOCK)
    if size == rows:
        return add(first, jnp.zeros((), int), jnp.ones(rows, bool))

    def block(n: Array, state: T) -> T:
        low = jnp.minimum(n * size, rows - size)
        return add(state, low, low + jnp.arange(size) >= n * size)

    return jax.lax.fori_loop(0, -(-rows // size), block, first)


def take(rows: Array, low: Int[Array, ""], fresh: Bool[Array, " b"]) -> Array:
    """The block of `rows` that starts at `low`."""
    return jax.lax.dynamic_slice_in_dim(rows, low, fresh.shape[0])


def put(rows: Array, block: Array, low: Int[Array, ""]) -> Array:
    """`rows` with `block` written from row `low` on."""
    return jax.lax.dynamic_update_slice_in_dim(rows, block, low, axis=0)
