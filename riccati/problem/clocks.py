"""Clocks: canonical time t is gradient-flow time of L = ½ E(f* - f)²; the k = 2 equation runs in Riccati time.

Derived in derivations/clocks.py.
"""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Array, Float

from ..support import is_traced
from .teacher import Teacher


def riccati_rate(teacher: Teacher) -> Float[Array, ""]:
    """dτ/dt = 2 c_2²: Riccati time per canonical time, 2 for σ = h_2."""
    coefficients = teacher.link.coefficients
    if is_traced(coefficients):
        return 2 * coefficients[2] ** 2
    return jax.device_put(2 * np.asarray(coefficients)[2] ** 2)  # on the host, where nothing compiles
