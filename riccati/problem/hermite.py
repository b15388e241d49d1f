"""Hermite series: the orthonormal polynomials h_j, σ = Σ_j c_j h_j, and the duals between links of several directions.

h_j = He_j/√(j!), E h_i(z) h_j(z) = δ_ij for z ~ N(0, 1). With σ the student's link and σ_m = Σ_j c_j^{(m)} h_j that of
direction m,

    E σ(<u,x>) σ_m(<v,x>) = g_m(<u,v>),    g_m(q) = Σ_j c_j c_j^{(m)} q^j,

and between two directions with c_j^{(m)} c_j^{(n)}. Derived in derivations/hermite.py and derivations/teachers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import require_integer

if TYPE_CHECKING:
    from .link import Link

_VANISHING = 1e-12  # a product of coefficients this small beside the largest counts as zero


def hermite_series(coefficients: ArrayLike, z: ArrayLike) -> Array:
    """The series Σ_j c_j h_j(z) by Clenshaw's recurrence, of z's shape; coefficients (J+1,)."""
    c, z = jnp.asarray(coefficients), jnp.asarray(z)
    ahead = behind = jnp.zeros(z.shape, jnp.result_type(c, z))
    for j in range(c.shape[0] - 1, -1, -1):
        ahead, behind = c[j] + z * ahead / sqrt(j + 1) - sqrt((j + 1) / (j + 2)) * behind, ahead
    return ahead


def hermite(degree: int, z: ArrayLike) -> Array:
    """The orthonormal Hermite polynomial h_degree(z) = He_degree(z)/√(degree!).

    Raises:
        ArgumentError: a degree that is no whole number ≥ 0.
    """
    require_integer(degree, "degree", 0)
    return hermite_series(np.eye(degree + 1)[degree], z)


def series_derivative(coefficients: ArrayLike) -> Array:
    """The coefficients of σ', from those of σ: h_j' = √j h_(j-1)."""
    c = jnp.asarray(coefficients)
    if c.shape[0] == 1:
        return jnp.zeros(1, c.dtype)
    return c[1:] * jnp.sqrt(jnp.arange(1, c.shape[0], dtype=c.dtype))


def information_exponents(links: Sequence[Link], student: Link) -> tuple[int, ...]:
    """The information exponent of each direction, k_m = min{j ≥ 1 : c_j c_j^{(m)} ≠ 0}; 0 where there is none."""
    shared = np.asarray(coefficient_rows([student])) * np.asarray(coefficient_rows(links, student.coefficients.size))
    present = np.abs(shared[:, 1:]) > _VANISHING * np.abs(shared).max()
    return tuple(int(np.argmax(row)) + 1 if row.any() else 0 for row in present)


def coefficient_rows(links: Sequence[Link], size: int = 0) -> Float[Array, "M J"]:
    """The coefficients of links as rows of one length, the longest, or cut and padded to `size`."""
    length = size or max(link.coefficients.size for link in links)
    rows = [link.coefficients[:length] for link in links]
    return jnp.stack([jnp.pad(row, (0, length - row.size)) for row in rows])


def dual_pairs(coefficients: Float[Array, "M J"], q: Float[Array, "... M"]) -> tuple[Array, Array]:
    """The dual Σ_j c_mj q_m^j and its derivative, by Horner's rule; a row of coefficients for each last entry of q."""
    value = slope = jnp.zeros_like(q)
    for j in reversed(range(coefficients.shape[1])):
        slope = slope * q + value
        value = value * q + coefficients[:, j]
    return value, slope


def gram_of_links(links: Sequence[Link], overlaps: Float[Array, "M M"]) -> Float[Array, "M M"]:
    """The matrix Γ_mn = Σ_j c_j^{(m)} c_j^{(n)} C_mn^j of E σ_m σ_n, of directions with overlaps C."""
    rows = coefficient_rows(links)
    return jnp.einsum("mj,nj,jmn->mn", rows, rows, overlaps ** jnp.arange(rows.shape[1])[:, None, None])
