"""What an update rule of SGD is: a step that is linear in the samples, given their projections.

The weights W (N, D) have rows w_i in coordinates whose first K hold the teacher's directions. A batch X (B, D) acts
through <x, θ_m> and <x, w_i> alone: given those, a step is W -> retract(kept + pushᵀ X), and the second layer b of a
student that has one moves by what is known. That is what makes the Gram matrix of (θ, w), with b, a Markov chain,
whatever the dimension.
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

from ...problem import Start, Teacher


class Weights(NamedTuple):
    """What SGD trains.

    Attributes:
        W: (N, D), the neurons.
        b: (N,), the second layer; (0,) of a student without one of its own.
    """

    W: Float[Array, "N D"]
    b: Float[Array, " L"]


class Rule(eqx.Module):
    """An update rule of online SGD."""

    @abc.abstractmethod
    def initial_weights(self, start: Start) -> Weights:
        """The initial weights, W in reduced coordinates."""

    @abc.abstractmethod
    def push(
        self,
        teacher: Teacher,
        weights: Weights,
        along: Float[Array, "B M"],
        across: Float[Array, "B N"],
        rate: Float[Array, ""],
    ) -> tuple[Weights, Float[Array, "B N"]]:
        """`kept` and `push` of a step, from <x_b, θ_m> and <x_b, w_i>; `rate` is canonical time per step."""

    def retract(self, W: Float[Array, "N D"], batch_size: int) -> Float[Array, "N D"]:
        """Back onto the weights' manifold; as it is where there is none."""
        return W

    @abc.abstractmethod
    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """The neurons' unit directions."""

    @abc.abstractmethod
    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """The population risk, exact in the overlaps."""

    @abc.abstractmethod
    def config(self, teacher: Teacher, start: Start, rates: dict) -> dict:
        """What a run's JSON file says of the start and the rule; `rates` describes the learning rate."""


def moved(
    rule: Rule,
    teacher: Teacher,
    weights: Weights,
    X: Float[Array, "B D"],
    rate: Float[Array, ""],
) -> tuple[Weights, Float[Array, "B N"]]:
    """The weights after a step on the samples X, before the retraction, and the step's `push`."""
    kept, push = rule.push(teacher, weights, teacher.overlaps(X), X @ weights.W.T, rate)
    return kept._replace(W=kept.W + push.T @ X), push
