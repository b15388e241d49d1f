"""Direct simulation: samples and weights with all their d coordinates, O(dN) per sample.

Under a covariance Σ both are whitened, x ~ N(0, I) and v_i = Σ^½ w_i, in its eigenbasis. A step on v_i is that on
isotropic input times Σ, as dv = Σ^½ dw and the gradient in w has another factor Σ^½.
Derived in derivations/anisotropic.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...problem import Teacher, in_eigenbasis
from ..rules import Descent, Rate, Rule, moved
from .engine import Engine, Number, State


class DirectNoise(NamedTuple):
    """The randomness of a step, or of n steps of S runs.

    Attributes:
        samples: (B, d).
        labels: (B,), the noise of their labels; None where there is none.
    """

    samples: Float[Array, "B d"] | Float[np.ndarray, "n S B d"]
    labels: Float[Array, " B"] | Float[np.ndarray, "n S B"] | None


class DirectEngine(Engine):
    """SGD in R^d, the first coordinates those that hold the teacher's directions.

    Attributes:
        coordinates: d.
        speeds: λ under a covariance, unless steps are preconditioned, (d,); None where all are 1.
        batch_size: B, samples a step.
        label_noise: (), the standard deviation of the labels' noise; None where there is none.
        dtype: "float64" or "float32", of weights and samples.
    """

    speeds: Float[Array, " d"] | None
    label_noise: Float[Array, ""] | None
    coordinates: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    dtype: str = eqx.field(static=True, default="float64")

    def placed(self, weights: Float[Array, "N R"], teacher: Teacher) -> Float[Array, "N d"]:
        """Return the weights in R^d, under a covariance in its eigenbasis."""
        if teacher.covariance is None:
            return _in_dimension(weights, teacher.frame_dim, self.coordinates).astype(self.dtype)
        return in_eigenbasis(weights, teacher.frame_dim, teacher.covariance).astype(self.dtype)

    def noise(self, key: Key[Array, ""], number: Number, neurons: int) -> DirectNoise:
        """Draw B samples from R^d, and the noise of their labels."""
        samples = jax.random.normal(key, (self.batch_size, self.coordinates), self.dtype)
        return DirectNoise(samples, self.labels(key))

    def noise_of(
        self, rng: np.random.Generator, numbers: Int[np.ndarray, " n"], runs: int, neurons: int
    ) -> DirectNoise:
        """Draw as many for each step of each run."""
        shape = (len(numbers), runs, self.batch_size, self.coordinates)
        samples = rng.standard_normal(shape, np.dtype(self.dtype))
        return DirectNoise(samples, self.labels_of(rng, len(numbers), runs))

    def step(
        self, rule: Rule, descent: Descent | None, teacher: Teacher, state: State, noise: DirectNoise, rate: Rate,
        number: Number,
    ) -> State:  # fmt: skip
        """Return the state after a step on these samples."""
        W = state.weights.W
        rule, descent, teacher, rate, noise, speeds = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, W.dtype), (rule, descent, teacher, rate, noise, self.speeds)
        )
        labels = None if noise.labels is None else jnp.asarray(noise.labels)
        new = moved(
            rule, teacher, state.weights, jnp.asarray(noise.samples), labels, rate,
            descent=descent, velocity=state.velocity, number=number, speeds=speeds,
        )  # fmt: skip
        after = self.scaled_step(W, new.weights.W).astype(W.dtype)
        return State(new.weights._replace(W=rule.retract(after, self.batch_size)), new.velocity)


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
