"""The interface of an update rule of SGD: a step that is linear in the samples, given their projections.

The weights W (N, D) have rows w_i in coordinates whose first K hold the teacher's directions. A batch X (B, D) acts
through its projections <x_b, θ_m> and <x_b, w_i>, and the noise of its labels, alone. Given these, a step is

    W -> retract(W_kept + pushᵀ X),

and the step of the second layer b, if there is one, depends on them alone. So the Gram matrix of (θ, w), with b, is a
Markov process of its own in every dimension (sgd/engines/reduced.py). Momentum and weight decay keep a step linear in
the samples (momentum.py), so that the Gram matrix of (θ, w, v) with the momentum's buffer v is one.
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

from ...problem import SGD, Start, Teacher

Rate = Float[Array, ""]  # η of one step, canonical time per step


class Weights(NamedTuple):
    """The trained parameters.

    Attributes:
        W: (N, D), the neurons.
        b: (N,), the second layer; (0,) of a student without one of its own.
    """

    W: Float[Array, "N D"]
    b: Float[Array, " L"]


class Projections(NamedTuple):
    """The projections of a batch and the noise of its labels, on which alone a step depends.

    Attributes:
        teacher: (B, M), <x_b, θ_m>.
        student: (B, N), <x_b, w_i>.
        noise: (B,), of the labels; None where they have none.
    """

    teacher: Float[Array, "B M"]
    student: Float[Array, "B N"]
    noise: Float[Array, " B"] | None = None

    def labels(self, teacher: Teacher) -> Float[Array, " B"]:
        """Return y = f*(x) and its noise."""
        clean = teacher.output(self.teacher)
        return clean if self.noise is None else clean + self.noise


class Update(NamedTuple):
    """A step, given the projections of its samples: W becomes kept.W + pushᵀX, and b becomes kept.b.

    Attributes:
        kept: the weights without what the samples add.
        push: (B, N).
    """

    kept: Weights
    push: Float[Array, "B N"]


class Rule(eqx.Module):
    """An update rule of online SGD, on the squared loss, or with `correlation` on the correlation loss 1 - f*f."""

    correlation: bool = eqx.field(static=True, default=False, kw_only=True)

    @property
    def second_layer_factor(self) -> Float[Array, ""] | float:
        """κ, by which the second layer's gradient is multiplied."""
        return 1.0

    @abc.abstractmethod
    def initial_weights(self, start: Start) -> Weights:
        """Return the initial weights, W in the start's reduced coordinates."""

    @abc.abstractmethod
    def update(self, teacher: Teacher, weights: Weights, samples: Projections, rate: Rate) -> Update:
        """Return the step with learning rate `rate` on samples with these projections, before the retraction."""

    def retract(self, W: Float[Array, "N D"], batch_size: int) -> Float[Array, "N D"]:
        """Return W put back onto the weights' manifold; W itself where there is no constraint."""
        return W

    @abc.abstractmethod
    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Return the neurons' unit directions."""

    @abc.abstractmethod
    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """Return the population risk, exact in the overlaps."""

    @abc.abstractmethod
    def config(self, teacher: Teacher, start: Start, sgd: SGD) -> dict[str, object]:
        """Return what a run's JSON file says of the start, the learning rate and the loss."""
