"""The exact inverse of the decoupled overlap equation: the collapsed time from an overlap to m² = ½.

    R(m) = ∫_m^√½ dv/(g'(v)(1 - v²)),

positive before emergence, negative after. For h_k (c_k = c) partial fractions give

    k even:  k c² R = Σ_{j=2,4,…,k-2} 1/(j v^j) - log v + ½ log(1 - v²)   at m, less the same at √½
    k odd:   k c² R = Σ_{j=1,3,…,k-2} 1/(j v^j) - artanh v,

and leading order 1/(k(k-2) c² m^(k-2)). Other links by quadrature. Derived in derivations/emergence_time.py.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ...numerics import panel_nodes
from ...problem import Link
from .master_curve import overlap_of, position_of

_HALF = np.sqrt(0.5)
_PANELS, _COUNT = 48, 20


def collapsed_time(link: Link, overlap: ArrayLike) -> Float[Array, ...]:
    """R(m) for m in (0, 1), k ≥ 2; differentiable in m, and in the coefficients of the link."""
    m = jnp.asarray(overlap, float)
    if link.degree is not None:
        scale = link.degree * link.coefficients[link.degree] ** 2
        return (_antiderivative(link.degree, m) - _antiderivative(link.degree, jnp.asarray(_HALF))) / scale
    return _by_quadrature(link, m)


def leading_collapsed_time(link: Link, overlap: ArrayLike) -> Float[Array, ...]:
    """1/(k(k-2) c_k² m^(k-2)), k > 2: what R(m) tends to for small m."""
    k = link.information_exponent
    return 1 / (k * (k - 2) * link.coefficients[k] ** 2 * jnp.asarray(overlap, float) ** (k - 2))


def _antiderivative(k: int, v: Float[Array, ...]) -> Float[Array, ...]:
    """-∫ dv/(v^(k-1)(1 - v²))."""
    powers = sum((1 / (j * v**j) for j in range(2 - k % 2, k - 1, 2)), start=jnp.zeros_like(v))
    if k % 2:
        return powers - jnp.arctanh(v)
    return powers - jnp.log(v) + 0.5 * jnp.log1p(-(v**2))


def _by_quadrature(link: Link, m: Float[Array, ...]) -> Float[Array, ...]:
    """∫_m^√½ in λ = log(v/√(1 - v²)): dy = v/g' dλ, whose exponential part is taken out.

    v/g' ~ v^(2-k)/(k c_k²); the rest is smooth, in panels of at most unit length. Panels are counted from the widest
    range that doubles allow, so every overlap has the same number.
    """
    position, weights = panel_nodes(0.0, position_of(m), _PANELS, _COUNT)
    v = overlap_of(position)
    return -jnp.sum(weights * v / link.dual_derivative(v), axis=(-2, -1))
