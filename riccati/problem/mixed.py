"""A link for each teacher direction: the dual activations between them and the student's link.

With σ = Σ_j c_j h_j the student's link and σ_m = Σ_j c_j^{(m)} h_j that of direction m,

    E σ(<u,x>) σ_m(<v,x>) = g_m(<u,v>),    g_m(q) = Σ_j c_j c_j^{(m)} q^j,

and between two directions with c_j^{(m)} c_j^{(n)}. Derived in derivations/teachers.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..support import require
from .link import Link

_VANISHING = 1e-12  # a product of coefficients this small beside the largest counts as zero


def require_links(links: Sequence[Link], width: int, student: Link) -> tuple[Link, ...]:
    """The links of the directions, each a finite Hermite series that shares a degree ≥ 1 with the student's.

    Raises:
        ArgumentError: another number of links than directions, closed forms, or a link the student sees nothing of.
    """
    links = tuple(links)
    require(len(links) == width, "links", f"have {width} entries, one a direction", len(links))
    for link in (student, *links):
        require(isinstance(link, Link), "links", "hold riccati.Link objects", type(link).__name__)
        series = "be finite Hermite series, as is the student's (Link.from_coefficients(link.coefficients) cuts one)"
        require(link.closed_form is None, "links", series, repr(link))
    for m, k in enumerate(information_exponents(links, student)):
        require(k > 0, "links", "share a Hermite degree ≥ 1 with the student's link", f"{links[m]!r} at entry {m}")
    return links


def information_exponents(links: Sequence[Link], student: Link) -> tuple[int, ...]:
    """k_m = min{j ≥ 1 : c_j c_j^{(m)} ≠ 0} of each direction, 0 where there is none."""
    shared = np.asarray(coefficient_rows([student])) * np.asarray(coefficient_rows(links, student.coefficients.size))
    present = np.abs(shared[:, 1:]) > _VANISHING * np.abs(shared).max()
    return tuple(int(np.argmax(row)) + 1 if row.any() else 0 for row in present)


def coefficient_rows(links: Sequence[Link], size: int = 0) -> Float[Array, "M J"]:
    """The links' coefficients as rows, all of the longest length, or cut and padded to `size`."""
    length = size or max(link.coefficients.size for link in links)
    rows = [link.coefficients[:length] for link in links]
    return jnp.stack([jnp.pad(row, (0, length - row.size)) for row in rows])


def dual_pairs(coefficients: Float[Array, "M J"], q: Float[Array, "... M"]) -> tuple[Array, Array]:
    """Σ_j c_mj q_m^j and its derivative, by Horner's rule, a row of coefficients for each entry of the last axis."""
    value = slope = jnp.zeros_like(q)
    for j in reversed(range(coefficients.shape[1])):
        slope = slope * q + value
        value = value * q + coefficients[:, j]
    return value, slope


def gram_of_links(links: Sequence[Link], overlaps: Float[Array, "M M"]) -> Float[Array, "M M"]:
    """Γ_mn = Σ_j c_j^{(m)} c_j^{(n)} C_mn^j."""
    rows = coefficient_rows(links)
    return jnp.einsum("mj,nj,jmn->mn", rows, rows, overlaps ** jnp.arange(rows.shape[1])[:, None, None])
