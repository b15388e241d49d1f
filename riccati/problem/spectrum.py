"""k = 2: the eigenbasis of S* = Σ_m a_m θ_m θ_mᵀ, in which every quadratic teacher is orthonormal, with real rates.

With the directions' coordinates F (rows), S* = FᵀAF = V diag(ρ) Vᵀ; the teacher is Σ_k ρ_k h_2(<x, v_k>), and the
directions have the coordinates FV. Derived in derivations/teachers.py.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..support import is_traced
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
    """The eigenbasis of S*; the derivative of a degenerate one does not exist, and is not a number."""
    if teacher.frame is None:
        return Spectrum(teacher.a)
    F, xp = teacher.frame, jnp if is_traced(teacher) else np  # on the host nothing compiles
    rates, V = xp.linalg.eigh(xp.asarray(F).T @ (xp.asarray(teacher.a)[:, None] * xp.asarray(F)))
    return Spectrum(jnp.asarray(rates), jnp.asarray(V), F @ jnp.asarray(V))
