"""Gauss-Legendre quadrature, on one interval or on panels."""

from __future__ import annotations

from functools import cache

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float


@cache
def unit_nodes(count: int) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, " count"]]:
    """Nodes in (0, 1) and weights that add up to 1, exact for polynomials of degree 2·count - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def panel_nodes(
    low: ArrayLike, high: ArrayLike, panels: int, count: int
) -> tuple[Float[Array, "... panels count"], Float[Array, "... panels count"]]:
    """Nodes and weights of ∫_low^high on `panels` panels of equal width, `count` nodes in each."""
    nodes, weights = unit_nodes(count)
    low, high = jnp.broadcast_arrays(jnp.asarray(low), jnp.asarray(high))
    width = (high - low) / panels
    edges = low[..., None] + width[..., None] * np.arange(panels)
    return edges[..., None] + width[..., None, None] * nodes, jnp.broadcast_to(
        width[..., None, None] * weights, (*edges.shape, count)
    )
