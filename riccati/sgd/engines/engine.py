"""What an engine is: how samples are drawn, and in which coordinates the weights are kept."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...problem import Covariance, Teacher
from ..rules import Rule, Weights

Noise = Any  # an engine's own tuple of arrays


class Engine(eqx.Module):
    """A way to simulate steps of SGD.

    Attributes:
        coordinates: how many a weight has.
        speeds: Λ, what a step along each of them is multiplied by, (coordinates,); None where all are 1.
        batch_size: B, samples a step.
    """

    coordinates: eqx.AbstractVar[int]
    speeds: eqx.AbstractVar[Float[Array, " D"] | None]
    batch_size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def placed(self, weights: Float[Array, "N R"], teacher: Teacher) -> Float[Array, "N D"]:
        """Weights in reduced coordinates in the engine's own."""

    @abc.abstractmethod
    def noise(self, key: Key[Array, ""], number: Int[Array, ""], neurons: int) -> Noise:
        """The randomness of step `number` = 0, 1, … of so many neurons, from a key."""

    @abc.abstractmethod
    def noise_of(self, rng: np.random.Generator, numbers: Int[np.ndarray, " n"], runs: int, neurons: int) -> Noise:
        """The same for so many steps of so many runs, drawn by numpy: leaves (n, S, …), no two alike."""

    @abc.abstractmethod
    def step_with(
        self,
        rule: Rule,
        teacher: Teacher,
        weights: Weights,
        noise: Noise,
        rate: Float[Array, ""],
        number: Int[Array, ""],
    ) -> Weights:
        """The weights after step `number` with this randomness."""

    def step(
        self,
        rule: Rule,
        teacher: Teacher,
        weights: Weights,
        key: Key[Array, ""],
        rate: Float[Array, ""],
        number: Int[Array, ""],
    ) -> Weights:
        """The weights after step `number` on fresh samples."""
        noise = self.noise(key, number, weights.W.shape[0])
        return self.step_with(rule, teacher, weights, noise, rate, number)

    def hastened(self, before: Float[Array, "N D"], after: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Whitened weights after a step that on isotropic input leads from `before` to `after`: W -> W + ΔW Λ."""
        return after if self.speeds is None else before + self.speeds * (after - before)


def speeds_of(covariance: Covariance | None, eigenvalues: Float[np.ndarray, " n"]) -> Float[Array, " n"] | None:
    """The speeds of coordinates with these eigenvalues; None where all are 1."""
    speeds = np.ones(1) if covariance is None else covariance.speeds(jnp.asarray(eigenvalues))
    return None if bool(np.all(np.asarray(speeds) == 1.0)) else jnp.asarray(speeds)


def in_dimension(weights: Float[Array, "N M+N"], directions: int, dim: int) -> Float[Array, "N dim"]:
    """Weights in reduced coordinates as weights in R^dim, the first M coordinates along the teacher's directions.

    Where dim < M + N the parts orthogonal to the teacher have rank dim - M at the most, and are turned into as many
    coordinates.
    """
    w = np.asarray(weights)
    along, rest, room = w[:, :directions], w[:, directions:], dim - directions
    if room < rest.shape[1]:
        left, size, _ = np.linalg.svd(rest)
        rest = (left * size)[:, :room]
    return jnp.asarray(np.pad(np.hstack([along, rest]), ((0, 0), (0, room - rest.shape[1]))))
