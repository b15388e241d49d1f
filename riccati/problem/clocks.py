"""Clocks: canonical time t is gradient-flow time of L = ½ E(f* - f)²; the k = 2 equation runs in Riccati time.

Derived in derivations/clocks.py.
"""

from __future__ import annotations

from jaxtyping import Array, Float

from .teacher import Teacher


def riccati_rate(teacher: Teacher) -> Float[Array, ""]:
    """dτ/dt = 2 c_2²: Riccati time per canonical time, 2 for σ = h_2."""
    return 2 * teacher.link.coefficients[2] ** 2
