"""Population risk and alignment of a student, exact in its overlaps.

f(x) = Σ_i s_i σ(<x, u_i>) with directions U in any coordinates whose first K hold the teacher's (`Teacher.overlaps`),
m_im = <u_i, θ_m>, q_il = <u_i, u_l>, dual activation g of the student's link, and g_m between it and direction m's:

    E(f* - f)² = E f*² - 2 Σ_im s_i a_m g_m(m_im) + Σ_il s_i s_l g(q_il).

Derived in derivations/risk.py.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .teacher import Teacher


class Observables(NamedTuple):
    """What is seen of a student at T times; of one time without the axis.

    Attributes:
        risk: (T,), E(f* - f)²/E f*².
        alignment: (T, M), the squared overlap of each direction, in [0, 1]; None where it was too large to keep.
        radius: (T, M), the squared student norm along each direction, or None where there are no norms.
    """

    risk: Float[Array, " T"]
    alignment: Float[Array, "T M"] | None
    radius: Float[Array, "T M"] | None


@jax.jit
def population_risk(teacher: Teacher, U: Float[Array, "N D"], s: Float[Array, " N"]) -> Float[Array, ""]:
    """E(f* - f)²/E f*² from unit directions U and squared norms s; for a two-layer student s_i = b_i|w_i|."""
    a, link = teacher.a, teacher.link
    m = teacher.overlaps(U)
    excess = teacher.second_moment - 2 * s @ teacher.dual(m) @ a + s @ link.dual(U @ U.T) @ s
    return excess / teacher.second_moment


def squared_overlaps(teacher: Teacher, U: Float[Array, "N D"], overlap: str | None = None) -> Float[Array, " M"]:
    """max_i m_im² (`neuron`), or diag G = ||P θ_m||², P the projector on the span of U (`subspace`).

    Without `overlap` what emerges: for h_2 and z², where neurons share directions, the latter.
    """
    if overlap == "subspace" or (overlap is None and teacher.link.is_quadratic):
        Q = jnp.linalg.qr(U.T)[0]
        return jnp.sum(teacher.overlaps(Q.T).T ** 2, axis=1)
    return jnp.max(teacher.overlaps(U) ** 2, axis=0)


def subspace_population_risk(a: Float[Array, " M"], Z: Float[Array, "M N"]) -> Float[Array, ""]:
    """1 - tr(AGAG)/Σa², G = ZZᵀ: the risk of a quadratic student on the subspace of U, after the best radial fit."""
    return 1 - jnp.sum((Z.T @ (a[:, None] * Z)) ** 2) / jnp.sum(a**2)
