"""The orthonormal Hermite polynomials h_j = He_j/√(j!): E h_i(z) h_j(z) = δ_ij for z ~ N(0, 1).

Derived in derivations/hermite.py.
"""

from __future__ import annotations

from math import sqrt

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from ..support import require_integer


def hermite_series(coefficients: ArrayLike, z: ArrayLike) -> Array:
    """Σ_j c_j h_j(z), by Clenshaw's recurrence; coefficients (J+1,), z any shape, the result of z's shape."""
    c, z = jnp.asarray(coefficients), jnp.asarray(z)
    ahead = behind = jnp.zeros(z.shape, jnp.result_type(c, z))
    for j in range(c.shape[0] - 1, -1, -1):
        ahead, behind = c[j] + z * ahead / sqrt(j + 1) - sqrt((j + 1) / (j + 2)) * behind, ahead
    return ahead


def hermite(degree: int, z: ArrayLike) -> Array:
    """The orthonormal Hermite polynomial h_degree(z) = He_degree(z)/√(degree!)."""
    require_integer(degree, "degree", 0)
    return hermite_series(np.eye(degree + 1)[degree], z)


def series_derivative(coefficients: ArrayLike) -> Array:
    """Coefficients of σ' from those of σ: h_j' = √j h_(j-1)."""
    c = jnp.asarray(coefficients)
    if c.shape[0] == 1:
        return jnp.zeros(1, c.dtype)
    return c[1:] * jnp.sqrt(jnp.arange(1, c.shape[0], dtype=c.dtype))
