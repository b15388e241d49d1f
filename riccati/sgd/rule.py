"""What an update rule of SGD is: a step that is linear in the samples, given their projections.

The weights W (N, D) have rows w_i in coordinates whose first M are along the teacher's directions. A batch X (B, D)
acts through <x, θ_m> and <x, w_i> alone: given those, a step is W -> retract(kept + pushᵀ X). That is what makes the
Gram matrix of (θ, w) a Markov chain, whatever the dimension.
"""

from __future__ import annotations

import abc

import equinox as eqx
from jaxtyping import Array, Float

from ..problem import Start, Teacher


class Rule(eqx.Module):
    """An update rule of online SGD."""

    @abc.abstractmethod
    def check(self, teacher: Teacher) -> None:
        """Raise `ArgumentError` if the rule does not apply to such a teacher."""

    @abc.abstractmethod
    def initial_weights(self, start: Start) -> Float[Array, "N M+N"]:
        """The initial weights in reduced coordinates."""

    @abc.abstractmethod
    def push(
        self,
        teacher: Teacher,
        W: Float[Array, "N D"],
        along: Float[Array, "B M"],
        across: Float[Array, "B N"],
        rate: Float[Array, ""],
    ) -> tuple[Float[Array, "N D"], Float[Array, "B N"]]:
        """`kept` and `push` of a step, from <x_b, θ_m> and <x_b, w_i>; `rate` is canonical time per step."""

    def retract(self, W: Float[Array, "N D"], batch_size: int) -> Float[Array, "N D"]:
        """Back onto the weights' manifold; as it is where there is none."""
        return W

    @abc.abstractmethod
    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """The neurons' unit directions."""

    @abc.abstractmethod
    def risk(self, teacher: Teacher, W: Float[Array, "N D"]) -> Float[Array, ""]:
        """The population risk, exact in the overlaps."""

    @abc.abstractmethod
    def config(self, start: Start, rates: dict) -> dict:
        """What a run's JSON file says of the start and the rule; `rates` describes the learning rate."""


def moved(
    rule: Rule,
    teacher: Teacher,
    W: Float[Array, "N D"],
    X: Float[Array, "B D"],
    rate: Float[Array, ""],
) -> tuple[Float[Array, "N D"], Float[Array, "B N"]]:
    """The weights after a step on the samples X, before the retraction, and the step's `push`."""
    kept, push = rule.push(teacher, W, X[:, : teacher.width], X @ W.T, rate)
    return kept + push.T @ X, push
