"""The interface of an engine: the coordinates that hold the weights, and how samples are drawn in them."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...problem import Covariance, Teacher
from ..rules import Rate, Rule, Weights

Noise = Any  # an engine's own tuple of arrays
Number = Int[Array, ""]  # of a step, from 0


class Engine(eqx.Module):
    """A way to simulate the steps of a rule.

    Attributes:
        coordinates: D, how many coordinates a weight has.
        speeds: Λ, the factor on a step along each coordinate, (D,); None where all are 1.
        batch_size: B, samples a step.
    """

    coordinates: eqx.AbstractVar[int]
    speeds: eqx.AbstractVar[Float[Array, " D"] | None]
    batch_size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def placed(self, weights: Float[Array, "N R"], teacher: Teacher) -> Float[Array, "N D"]:
        """Return weights that are given in the start's coordinates in the engine's own."""

    @abc.abstractmethod
    def noise(self, key: Key[Array, ""], number: Number, neurons: int) -> Noise:
        """Draw the randomness of step `number` of so many neurons from a key."""

    @abc.abstractmethod
    def noise_of(self, rng: np.random.Generator, numbers: Int[np.ndarray, " n"], runs: int, neurons: int) -> Noise:
        """Draw the randomness of n steps of S runs by numpy, all independent: leaves (n, S, …)."""

    @abc.abstractmethod
    def step(self, rule: Rule, teacher: Teacher, weights: Weights, noise: Noise, rate: Rate, number: Number) -> Weights:
        """Return the weights after step `number` with this randomness; the teacher is that on isotropic input."""

    def scaled_step(self, before: Float[Array, "N D"], after: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Return W + ΔW Λ, whitened weights after a step that is ΔW on isotropic input, from `before` to `after`."""
        return after if self.speeds is None else before + self.speeds * (after - before)


def speeds_of(covariance: Covariance | None, eigenvalues: Float[np.ndarray, " n"]) -> Float[Array, " n"] | None:
    """Return the speeds of coordinates with these eigenvalues; None where all are 1."""
    speeds = np.ones(1) if covariance is None else covariance.speeds(jnp.asarray(eigenvalues))
    return None if bool(np.all(np.asarray(speeds) == 1.0)) else jnp.asarray(speeds)
