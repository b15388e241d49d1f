"""Direct simulation: samples and weights with all their d coordinates, O(dN) per sample.

Under a covariance Σ both are whitened, x ~ N(0, I) and v_i = Σ^½ w_i, in its eigenbasis: what a step adds to v_i on
isotropic input is multiplied by Σ, as dv = Σ^½ dw and the gradient in w has the factor Σ^½ too.
Derived in derivations/anisotropic.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...problem import Teacher, in_eigenbasis
from ..rules import Rule, Weights, moved
from .engine import Engine, in_dimension


class Direct(Engine):
    """SGD in R^d, the first coordinates those that hold the teacher's directions.

    Attributes:
        coordinates: d.
        speeds: λ under a covariance, unless steps are preconditioned, (d,); None where all are 1.
        batch_size: B, samples a step.
        dtype: "float64" or "float32", of weights and samples.
    """

    speeds: Float[Array, " d"] | None
    coordinates: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    dtype: str = eqx.field(static=True, default="float64")

    def placed(self, weights: Float[Array, "N R"], teacher: Teacher) -> Float[Array, "N d"]:
        """The weights in R^d, under a covariance in its eigenbasis."""
        if teacher.covariance is None:
            return in_dimension(weights, teacher.frame_dim, self.coordinates).astype(self.dtype)
        return in_eigenbasis(weights, teacher.frame_dim, teacher.covariance).astype(self.dtype)

    def noise(self, key: Key[Array, ""], number: Int[Array, ""], neurons: int) -> Float[Array, "B d"]:
        """B samples from R^d."""
        return jax.random.normal(key, (self.batch_size, self.coordinates), self.dtype)

    def noise_of(
        self, rng: np.random.Generator, numbers: Int[np.ndarray, " n"], runs: int, neurons: int
    ) -> Float[np.ndarray, "n S B d"]:
        """As many for each step of each run."""
        shape = (len(numbers), runs, self.batch_size, self.coordinates)
        return rng.standard_normal(shape, np.dtype(self.dtype))

    def step_with(
        self,
        rule: Rule,
        teacher: Teacher,
        weights: Weights,
        noise: Float[Array, "B d"],
        rate: Float[Array, ""],
        number: Int[Array, ""],
    ) -> Weights:
        """The weights after a step on these samples; its number does not matter."""
        W = weights.W
        rule, teacher, rate = jax.tree.map(lambda leaf: jnp.asarray(leaf, W.dtype), (rule, teacher, rate))
        new, _ = moved(rule, teacher, weights, noise, rate)
        after = self.hastened(W, new.W).astype(W.dtype)
        return new._replace(W=rule.retract(after, self.batch_size))
