"""The interface of an engine: the coordinates that hold the weights, and how samples are drawn in them."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...problem import Covariance, Teacher
from ..rules import Descent, Rate, Rule, Weights

Noise = Any  # an engine's own tuple of arrays
_LABELS = 1  # folded into a step's key for the noise of the labels
Number = Int[Array, ""]  # of a step, from 0


class State(NamedTuple):
    """What a step changes.

    Attributes:
        weights: the trained parameters.
        velocity: the momentum's buffer, like them; None without momentum.
    """

    weights: Weights
    velocity: Weights | None


class Engine(eqx.Module):
    """A way to simulate the steps of a rule.

    Attributes:
        coordinates: D, how many coordinates a weight has.
        speeds: Λ, the factor on a step along each coordinate, (D,); None where all are 1.
        batch_size: B, samples a step.
        label_noise: (), the standard deviation √(Δ E f*²) of the labels' noise; None where there is none.
    """

    coordinates: eqx.AbstractVar[int]
    speeds: eqx.AbstractVar[Float[Array, " D"] | None]
    batch_size: eqx.AbstractVar[int]
    label_noise: eqx.AbstractVar[Float[Array, ""] | None]

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
    def step(
        self, rule: Rule, descent: Descent | None, teacher: Teacher, state: State, noise: Noise, rate: Rate,
        number: Number,
    ) -> State:  # fmt: skip
        """Return the state after step `number` with this randomness; the teacher is that on isotropic input."""

    def labels(self, key: Key[Array, ""]) -> Float[Array, " B"] | None:
        """Draw the noise of a step's labels from its key."""
        if self.label_noise is None:
            return None
        return self.label_noise * jax.random.normal(jax.random.fold_in(key, _LABELS), (self.batch_size,))

    def labels_of(self, rng: np.random.Generator, steps: int, runs: int) -> Float[np.ndarray, "n S B"] | None:
        """Draw as many by numpy for each step of each run."""
        if self.label_noise is None:
            return None
        return float(self.label_noise) * rng.standard_normal((steps, runs, self.batch_size))

    def scaled_step(self, before: Float[Array, "N D"], after: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Return W + ΔW Λ, whitened weights after a step that is ΔW on isotropic input, from `before` to `after`."""
        return after if self.speeds is None else before + self.speeds * (after - before)


def speeds_of(covariance: Covariance | None, eigenvalues: Float[np.ndarray, " n"]) -> Float[Array, " n"] | None:
    """Return the speeds of coordinates with these eigenvalues; None where all are 1."""
    speeds = np.ones(1) if covariance is None else covariance.speeds(jnp.asarray(eigenvalues))
    return None if bool(np.all(np.asarray(speeds) == 1.0)) else jnp.asarray(speeds)
