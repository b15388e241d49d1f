"""The eigenbasis of a quadratic teacher, S* = Σ_m a_m θ_m θ_mᵀ, in which the k = 2 flows are followed."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..support import namespace_of
from .teacher import Teacher


class Spectrum(NamedTuple):
    """A quadratic teacher in its eigenbasis.

    Attributes:
        rates: ρ, (M,), the eigenvalues of S*; a itself where the directions are orthonormal.
        vectors: V, (M, M), in columns; None where the directions are orthonormal.
        directions: FV, (M, M), the directions' coordinates; None where they are orthonormal.
    """

    rates: Float[Array, " M"]
    vectors: Float[Array, "M M"] | None = None
    directions: Float[Array, "M M"] | None = None


def spectrum(teacher: Teacher) -> Spectrum:
    """The eigenbasis of S* of a quadratic teacher; where eigenvalues coincide, its derivative is NaN."""
    if teacher.frame is None:
        return Spectrum(teacher.a)
    F, xp = teacher.frame, namespace_of(teacher)
    rates, V = xp.linalg.eigh(xp.asarray(F).T @ (xp.asarray(teacher.a)[:, None] * xp.asarray(F)))
    return Spectrum(jnp.asarray(rates), jnp.asarray(V), F @ jnp.asarray(V))
