"""The covariance Σ of anisotropic input x ~ N(0, Σ), in its eigenbasis.

With the student f = Σ s_i σ(<x, w_i>/|w_i|_Σ), s_i = |w_i|_Σ² = w_iᵀΣw_i, and standardised teacher directions, whitened
weights v_i = Σ^½ w_i see isotropic input: risk and overlaps are those of v. Gradient descent in w moves v by the
isotropic flow times Σ, dv/dt = Σ F(v). Coordinates with equal eigenvalues move in the same way, so each such group can
be reduced to as many coordinates as there are neurons and directions in it. Derived in derivations/anisotropic.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import is_traced, require, require_finite, require_integer, require_real, warn_renamed


class EigenGroup(NamedTuple):
    """The coordinates that share one eigenvalue.

    Attributes:
        eigenvalue: λ.
        indices: which coordinates of R^d have it, increasing.
    """

    eigenvalue: float
    indices: np.ndarray


class Covariance(eqx.Module):
    """The covariance Σ = diag λ of the input, in its eigenbasis.

    Give it to a Teacher; its directions are then the first M eigenvectors, unless `Teacher.from_directions` is given
    others. Derived in derivations/anisotropic.py.

    Attributes:
        eigenvalues: λ, (d,), positive, in any order. They are not rescaled: larger ones make the flow faster.
        preconditioned: whether steps are preconditioned by Σ^{-1}, which makes the flow the isotropic one from a
            start drawn under Σ.

    Raises:
        ArgumentError: eigenvalues that are not a vector of positive finite numbers.

    Example:
        >>> import riccati as rc
        >>> spiked = rc.Covariance([4.0, 1.0, 1.0, 1.0])
        >>> teacher = rc.Teacher([1.0], rc.Link.hermite(4), covariance=spiked)
        >>> teacher.search_rates.tolist()
        [4.0]
        >>> rc.Covariance.power_law(dim=1000, exponent=0.5)
        Covariance(1000 eigenvalues from 0.0316 to 1)
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
        self.eigenvalues, self.preconditioned = jax.device_put(values), preconditioned

    @classmethod
    def power_law(
        cls, dim: int, exponent: float | None = None, *, preconditioned: bool = False, gamma: float | None = None
    ) -> Covariance:
        """The covariance with eigenvalues λ_i = i^-α, i = 1 … d.

        Args:
            dim: d.
            exponent: α ≥ 0.
            preconditioned: as for a Covariance.
            gamma: the old name of `exponent`, for one version.

        Raises:
            ArgumentError: if `dim` < 1, or `exponent` is left out, negative or not finite.
        """
        require_integer(dim, "dim", 1)
        if gamma is not None:
            require(exponent is None, "gamma", "be left out beside `exponent`", gamma)
            warn_renamed("Covariance.power_law(dim, gamma=α)", "Covariance.power_law(dim, exponent=α)")
            exponent = gamma
        require_real(exponent, "exponent", least=0)
        return cls(np.arange(1.0, dim + 1) ** -float(exponent), preconditioned=preconditioned)  # type: ignore[arg-type]

    @property
    def dim(self) -> int:
        """d, the dimension of the input."""
        return self.eigenvalues.shape[0]

    def speeds(self, eigenvalues: Float[Array, " n"]) -> Float[Array, " n"]:
        """The factors by which Σ changes the isotropic velocity along coordinates with these eigenvalues, (n,)."""
        return jnp.ones_like(eigenvalues) if self.preconditioned else eigenvalues

    def groups_after(self, first: int) -> list[EigenGroup]:
        """The coordinates `first`, `first` + 1, … in groups of equal eigenvalues, in the order of their occurrence."""
        values = np.asarray(self.eigenvalues)[first:]
        distinct, at, where = np.unique(values, return_index=True, return_inverse=True)
        indices = np.split(first + np.argsort(where, kind="stable"), np.cumsum(np.bincount(where))[:-1])
        return [EigenGroup(float(distinct[g]), indices[g]) for g in np.argsort(at)] if len(values) else []

    def __repr__(self) -> str:
        low, high = float(self.eigenvalues.min()), float(self.eigenvalues.max())
        return f"Covariance({self.dim} eigenvalues from {low:.3g} to {high:.3g})"
