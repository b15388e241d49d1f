"""Hermite series: the orthonormal polynomials h_j, σ = Σ_j c_j h_j, and the duals between links of several directions.

h_j = He_j/√(j!), E h_i(z) h_j(z) = δ_ij for z ~ N(0, 1). With σ the student's link and σ_m = Σ_j c_j^{(m)} h_j that of
direction m,

    E σ(<u,x>) σ_m(<v,x>) = g_m(<u,v>),    g_m(q) = Σ_j c_j c_j^{(m)} q^j,

and between two directions with c_j^{(m)} c_j^{(n)}. Derived in derivations/hermite.py and derivations/teachers.py.
"""

from __future__ import annotations

from functools import cache
from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..numerics import panel_nodes
from ..support import namespace_of, require_integer

_PANELS, _COUNT, _FURTHEST = 560, 16, 14.0  # of a mean, in which a jump costs one panel's error
_PROJECTED_DEGREE, _PROJECTING_NODES = 200, 320  # beyond about 350 nodes the outer weights underflow


def hermite_series(coefficients: ArrayLike, z: ArrayLike) -> Array:
    """The series Σ_j c_j h_j(z) by Clenshaw's recurrence, of z's shape; coefficients (J+1,)."""
    xp = namespace_of(coefficients, z)
    c, x = xp.asarray(coefficients), xp.asarray(z)
    ahead = behind = xp.zeros(x.shape, xp.result_type(c, x))
    for j in range(c.shape[0] - 1, -1, -1):
        ahead, behind = c[j] + x * ahead / sqrt(j + 1) - sqrt((j + 1) / (j + 2)) * behind, ahead
    return ahead if xp is jnp else jax.device_put(ahead)


def hermite(degree: int, z: ArrayLike) -> Array:
    """The orthonormal Hermite polynomial h_degree(z) = He_degree(z)/√(degree!).

    Raises:
        ArgumentError: a degree that is no whole number ≥ 0.
    """
    require_integer(degree, "degree", 0)
    return hermite_series(np.eye(degree + 1)[degree], z)


def series_derivative(coefficients: ArrayLike) -> Array:
    """The coefficients of σ', from those of σ: h_j' = √j h_(j-1)."""
    xp = namespace_of(coefficients)
    c = xp.asarray(coefficients)
    slopes = c[1:] * np.sqrt(np.arange(1.0, c.shape[0])) if c.shape[0] > 1 else xp.zeros(1, c.dtype)
    return slopes if xp is jnp else jax.device_put(slopes)


def dual_pairs(coefficients: Float[Array, "M J"], q: Float[Array, "... M"]) -> tuple[Array, Array]:
    """The dual Σ_j c_mj q_m^j and its derivative, by Horner's rule; a row of coefficients for each last entry of q."""
    value = slope = jnp.zeros_like(q)
    for j in reversed(range(coefficients.shape[1])):
        slope = slope * q + value
        value = value * q + coefficients[:, j]
    return value, slope


@cache
def projection(
    degree: int = _PROJECTED_DEGREE, nodes: int = _PROJECTING_NODES
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, "degree+1 nodes"]]:
    """Gauss-Hermite nodes z, and the matrix that takes σ(z) to its coefficients c_j = E σ h_j, j ≤ `degree`."""
    z, weights = scipy.special.roots_hermitenorm(nodes)
    h = [np.ones_like(z), z]  # z h_j = √(j+1) h_{j+1} + √j h_{j-1}
    for j in range(1, degree):
        h.append((z * h[j] - np.sqrt(j) * h[j - 1]) / np.sqrt(j + 1))
    return z, np.stack(h) * (weights / weights.sum())


@cache
def panels() -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Nodes and weights of the mean over a standard Gaussian, on panels fine enough for kinks and jumps."""
    z, weights = (np.asarray(part).ravel() for part in panel_nodes(-_FURTHEST, _FURTHEST, _PANELS, _COUNT))
    return z, weights * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
