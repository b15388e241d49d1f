"""The teacher f*(x) = Σ_m a_m σ(<x, θ_m>), orthonormal θ_m, Σ a_m² = 1."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import is_traced, require, require_finite, require_integer, require_real
from .link import Link


class Teacher(eqx.Module):
    """A two-layer teacher on Gaussian data.

    Attributes:
        a: second layer (M,), positive, scaled to Σ a_m² = 1.
        link: the link function σ.

    Raises:
        ArgumentError: if `a` is not a vector of positive finite numbers.
    """

    a: Float[Array, " M"]
    link: Link

    def __init__(self, a: ArrayLike, link: Link):
        require(np.ndim(a) == 1 and np.size(a) > 0, "a", "be a vector a_1 … a_M", f"of shape {np.shape(a)}")
        require_finite(a, "a")
        if not is_traced(a):
            least = np.asarray(a).min()
            require(bool(least > 0), "a", "be > 0 in every entry", f"{least:g} in one")
        require(isinstance(link, Link), "link", "be a riccati.Link", type(link).__name__)
        if is_traced(a):
            a = jnp.asarray(a, float)
            self.a = a / jnp.linalg.norm(a)
        else:  # on the host, where a first call compiles nothing
            self.a = jnp.asarray(np.asarray(a, float) / np.linalg.norm(a))
        self.link = link

    @classmethod
    def power_law(cls, width: int, beta: float, link: Link) -> Teacher:
        """a_m ∝ m^-β, m = 1 … `width`, normalised to Σ a_m² = 1.

        Raises:
            ArgumentError: if `width` < 1, or `beta` is negative or not finite.
        """
        require_integer(width, "width", 1)
        if is_traced(beta):
            return cls(jnp.arange(1.0, width + 1) ** -beta, link)
        require_real(beta, "beta", least=0)
        return cls(np.arange(1.0, width + 1) ** -float(beta), link)

    @property
    def width(self) -> int:
        """M, the number of directions."""
        return self.a.shape[0]

    @property
    def second_moment(self) -> Float[Array, ""]:
        """E f*² = Σ_mn a_m a_n Γ_mn, with Γ = g(1) on the diagonal and g(0) off it."""
        diagonal, off = self.link.dual(1.0), self.link.dual(0.0)
        return diagonal * jnp.sum(self.a**2) + off * (jnp.sum(self.a) ** 2 - jnp.sum(self.a**2))

    def __repr__(self) -> str:
        return f"Teacher({self.width} directions, {self.link!r})"
