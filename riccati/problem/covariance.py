"""Anisotropic input x ~ N(0, Σ), in the eigenbasis of Σ.

With the student f = Σ s_i σ(<x, w_i>/|w_i|_Σ), s_i = |w_i|_Σ² = w_iᵀΣw_i, and standardised teacher directions, whitened
weights v_i = Σ^½ w_i see isotropic input: risk and overlaps are those of v. Gradient descent in w moves v by the
isotropic flow times Σ, dv/dt = Σ F(v). Coordinates with equal eigenvalues move alike, so that each such group needs no
more coordinates than there are neurons and directions in it. Derived in derivations/anisotropic.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import is_traced, require, require_finite, require_integer, require_real


class Group(NamedTuple):
    """Coordinates of one eigenvalue.

    Attributes:
        eigenvalue: λ.
        places: which coordinates of R^d have it.
    """

    eigenvalue: float
    places: np.ndarray


class Covariance(eqx.Module):
    """The input's covariance Σ = diag λ.

    Attributes:
        eigenvalues: λ, (d,), positive, in any order; they are not scaled, so they set the clock. A teacher's m-th
            direction lies on the m-th of them unless it is given others.
        preconditioned: whether steps are preconditioned by Σ^{-1}, which makes the flow the isotropic one from a
            start drawn under Σ.

    Raises:
        ArgumentError: eigenvalues that are not a vector of positive finite numbers.
    """

    eigenvalues: Float[Array, " d"]
    preconditioned: bool = eqx.field(static=True)

    def __init__(self, eigenvalues: ArrayLike, *, preconditioned: bool = False):
        if is_traced(eigenvalues):
            raise TypeError("Equal eigenvalues decide how many coordinates are needed: build Σ outside jit.")
        values = np.asarray(eigenvalues, float)
        require(
            values.ndim == 1 and values.size > 0, "eigenvalues", "be a vector λ_1 … λ_d", f"of shape {values.shape}"
        )
        require_finite(values, "eigenvalues")
        require(bool(values.min() > 0), "eigenvalues", "be > 0 in every entry", f"{values.min():g} in one")
        known = isinstance(preconditioned, bool)
        require(known, "preconditioned", "be True or False", repr(preconditioned))
        self.eigenvalues, self.preconditioned = jnp.asarray(values), preconditioned

    @classmethod
    def power_law(cls, dim: int, gamma: float, *, preconditioned: bool = False) -> Covariance:
        """λ_i = i^-γ, i = 1 … `dim`.

        Raises:
            ArgumentError: if `dim` < 1, or `gamma` is negative or not finite.
        """
        require_integer(dim, "dim", 1)
        require_real(gamma, "gamma", least=0)
        return cls(np.arange(1.0, dim + 1) ** -float(gamma), preconditioned=preconditioned)

    @property
    def dim(self) -> int:
        """d."""
        return self.eigenvalues.shape[0]

    def speeds(self, eigenvalues: Float[Array, " n"]) -> Float[Array, " n"]:
        """What the isotropic velocity along coordinates with these eigenvalues is multiplied by."""
        return jnp.ones_like(eigenvalues) if self.preconditioned else eigenvalues

    def groups_after(self, first: int) -> list[Group]:
        """The coordinates from `first` on by their eigenvalue, in the order in which they occur."""
        values = np.asarray(self.eigenvalues)[first:]
        distinct, at, where = np.unique(values, return_index=True, return_inverse=True)
        places = np.split(first + np.argsort(where, kind="stable"), np.cumsum(np.bincount(where))[:-1])
        return [Group(float(distinct[g]), places[g]) for g in np.argsort(at)] if len(values) else []

    def __repr__(self) -> str:
        low, high = float(self.eigenvalues.min()), float(self.eigenvalues.max())
        return f"Covariance({self.dim} eigenvalues from {low:.3g} to {high:.3g})"
