"""Direct simulation: samples and weights with all their d coordinates, O(dN) per sample.

Under a covariance Σ both are whitened, x ~ N(0, I) and v_i = Σ^½ w_i, in its eigenbasis. A step on v_i is that on
isotropic input times Σ, as dv = Σ^½ dw and the gradient in w has another factor Σ^½.
Derived in derivations/anisotropic.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...problem import Teacher, in_eigenbasis
from ..rules import Rate, Rule, Weights, moved
from .engine import Engine, Number


class DirectEngine(Engine):
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
        """Return the weights in R^d, under a covariance in its eigenbasis."""
        if teacher.covariance is None:
            return _in_dimension(weights, teacher.frame_dim, self.coordinates).astype(self.dtype)
        return in_eigenbasis(weights, teacher.frame_dim, teacher.covariance).astype(self.dtype)

    def noise(self, key: Key[Array, ""], number: Number, neurons: int) -> Float[Array, "B d"]:
        """Draw B samples from R^d."""
        return jax.random.normal(key, (self.batch_size, self.coordinates), self.dtype)

    def noise_of(
        self, rng: np.random.Generator, numbers: Int[np.ndarray, " n"], runs: int, neurons: int
    ) -> Float[np.ndarray, "n S B d"]:
        """Draw as many for each step of each run."""
        shape = (len(numbers), runs, self.batch_size, self.coordinates)
        return rng.standard_normal(shape, np.dtype(self.dtype))

    def step(
        self, rule: Rule, teacher: Teacher, weights: Weights, noise: Float[Array, "B d"], rate: Rate, number: Number
    ) -> Weights:
        """Return the weights after a step on these samples; its number does not matter."""
        W = weights.W
        rule, teacher, rate = jax.tree.map(lambda leaf: jnp.asarray(leaf, W.dtype), (rule, teacher, rate))
        new, _ = moved(rule, teacher, weights, noise, rate)
        after = self.scaled_step(W, new.W).astype(W.dtype)
        return new._replace(W=rule.retract(after, self.batch_size))


def _in_dimension(weights: Float[Array, "N M+N"], directions: int, dim: int) -> Float[Array, "N dim"]:
    """Return weights in the start's coordinates as weights in R^dim, the first M coordinates along the teacher's.

    Where dim < M + N the parts orthogonal to the teacher have rank dim - M at the most, and are turned into as many
    coordinates.
    """
    w = np.asarray(weights)
    along, rest, room = w[:, :directions], w[:, directions:], dim - directions
    if room < rest.shape[1]:
        left, size, _ = np.linalg.svd(rest)
        rest = (left * size)[:, :room]
    return jnp.asarray(np.pad(np.hstack([along, rest]), ((0, 0), (0, room - rest.shape[1]))))
