"""Random keys, and Wishart factors drawn triangle by triangle (Bartlett's decomposition)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from ..support import require, require_integer
from .compiling import compiled_quickly

_GENERATOR, _THREEFRY = "jax_default_prng_impl", "threefry2x32"  # JAX's setting, and its default


def as_key(seed: int | Key[Array, ""]) -> Array:
    """The JAX key of an integer seed; a key is returned as it is.

    The same seed gives the same numbers on every run. Keys are typed ones (`jax.random.key`), never bare arrays.

    Raises:
        ArgumentError: if `seed` is neither a whole number ≥ 0 nor a key.
    """
    if isinstance(seed, (int, np.integer)):
        require_integer(seed, "seed", 0)
        if getattr(jax.config, _GENERATOR) != _THREEFRY:
            return jax.random.key(int(seed))
        words = divmod(int(seed), 2**32)  # as `jax.random.key` takes them, in a program that has to be compiled
        return jax.random.wrap_key_data(jax.device_put(np.array(words, np.uint32)), impl=_THREEFRY)
    require(hasattr(seed, "dtype"), "seed", "be a whole number or a JAX key", repr(seed))
    return seed


@compiled_quickly()
def two_keys(key: Key[Array, ""]) -> tuple[Array, Array]:
    """Two keys for independent draws."""
    one, other = jax.random.split(key)
    return one, other


def bartlett(
    below_key: Array, diagonal_key: Array, rows: int, dim: ArrayLike, count: ArrayLike | None = None
) -> Float[Array, "... rows rows"]:
    """A random lower-triangular T such that T Tᵀ has the law of G Gᵀ, G of shape (rows, dim) standard normal.

    Entries of `dim` get independent triangles. With `count` ≤ `rows`, which needs a single `dim`, the first `count`
    rows and columns are those of a triangle of that size and the others are meaningless: one compiled program then
    serves every count up to `rows`. Source: Bartlett 1933.
    """
    left = jnp.asarray(dim)[..., None] - np.arange(rows)
    freedom = jnp.maximum(left, 0).astype(float)
    square = 2 * jax.random.gamma(diagonal_key, jnp.maximum(freedom, 1) / 2)
    diagonal = jnp.where(freedom > 0, jnp.sqrt(square), 0.0)
    below = jax.random.normal(below_key, (*freedom.shape, rows))
    if count is not None:  # the n-th draw is the same however many there are
        below = below.ravel()[np.arange(rows)[:, None] * count + np.arange(rows)]
    # past column `dim` there is nothing left to project on
    return jnp.where((left > 0)[..., None, :], jnp.tril(below, -1), 0.0) + diagonal[..., None] * np.eye(rows)


def bartlett_of(
    rng: np.random.Generator, rows: int, dim: Float[np.ndarray, " *shape"]
) -> Float[np.ndarray, "*shape {rows} {rows}"]:
    """Triangles as those of `bartlett`, one for each entry of `dim`, drawn by NumPy."""
    left = dim[..., None] - np.arange(rows)
    drawn = np.zeros((*left.shape, rows))
    below, on = np.tril_indices(rows, -1), np.arange(rows)
    drawn[..., *below] = rng.standard_normal((*dim.shape, len(below[0]))) * (left[..., below[1]] > 0)
    # past column `dim` there is nothing left to project on
    drawn[..., on, on] = np.where(left > 0, np.sqrt(2 * rng.standard_gamma(np.maximum(left, 1) / 2)), 0.0)
    return drawn
