"""What an engine is: how samples are drawn, and in which coordinates the weights are kept."""

from __future__ import annotations

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..problem import Teacher
from .rule import Rule, Weights


class Engine(eqx.Module):
    """A way to simulate steps of SGD.

    Attributes:
        batch_size: B, samples a step.
    """

    batch_size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def placed(self, weights: Float[Array, "N R"], teacher: Teacher) -> Float[Array, "N D"]:
        """Weights in reduced coordinates in the engine's own."""

    @abc.abstractmethod
    def step(
        self,
        rule: Rule,
        teacher: Teacher,
        weights: Weights,
        key: Key[Array, ""],
        rate: Float[Array, ""],
        number: Int[Array, ""],
    ) -> Weights:
        """The weights after step `number` = 0, 1, … on fresh samples."""


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
