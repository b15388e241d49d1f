"""A step of a rule on samples, with momentum and weight decay, as `torch.optim.SGD` takes it.

A rule moves W, at the rate 1, by minus its gradient, -g = kept - W + pushᵀX, to which weight decay λ adds -λW. Then

    V -> μV - δg,    W -> W + ηV    (Nesterov: W + η(-g + μV)),

with V the new one, and δ = 1 at the first step and 1 - dampening after it. Of pushᵀX the share δ goes into V, and ηδ,
or η(1 + μδ), into W: a step is as linear in the samples as without momentum. Second layer likewise, b for W; its
gradient and its decay have the factor κ. Derived in derivations/momentum.py.

Under a covariance weights are whitened and the engine multiplies a step by the speeds Λ of its coordinates; decay is
not to be multiplied by them, and enters as λW/Λ.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...problem import SGD, Teacher
from .rule import Projections, Rate, Rule, Weights


class Descent(eqx.Module):
    """What is made of the gradients of a rule.

    Attributes:
        momentum: μ, ().
        dampening: of gradients after the first, ().
        weight_decay: λ, ().
        nesterov: whether the momentum is Nesterov's.
        has_momentum: whether there is momentum, and so a buffer.
    """

    momentum: Float[Array, ""]
    dampening: Float[Array, ""]
    weight_decay: Float[Array, ""]
    nesterov: bool = eqx.field(static=True)
    has_momentum: bool = eqx.field(static=True)

    @classmethod
    def of(cls, sgd: SGD) -> Descent | None:
        """Return that of an algorithm; None where it is plain."""
        if not sgd.momentum and not sgd.weight_decay:
            return None
        numbers = np.array([sgd.momentum, sgd.dampening, sgd.weight_decay])
        mu, dampening, decay = jax.device_put(tuple(map(np.asarray, numbers)))  # on the host, where nothing compiles
        return cls(mu, dampening, decay, sgd.nesterov, sgd.momentum > 0)


class Moved(NamedTuple):
    """The weights after a step on samples, before the retraction.

    Attributes:
        weights: the weights.
        velocity: the momentum's buffer; None where there is none.
        push: (B, N), what the samples are multiplied by.
        into_weights: how much of pushᵀX enters the weights.
        into_velocity: how much of it enters the buffer.
    """

    weights: Weights
    velocity: Weights | None
    push: Float[Array, "B N"]
    into_weights: Float[Array, ""] | float = 1.0
    into_velocity: Float[Array, ""] | float = 0.0


def moved(
    rule: Rule,
    teacher: Teacher,
    weights: Weights,
    X: Float[Array, "B D"],
    noise: Float[Array, " B"] | None,
    rate: Rate,
    *,
    descent: Descent | None = None,
    velocity: Weights | None = None,
    number: Int[Array, ""] | int = 0,
    speeds: Float[Array, " D"] | None = None,
) -> Moved:
    """Return the weights after step `number` on the samples X, and the momentum's buffer."""
    samples = Projections(teacher.overlaps(X), X @ weights.W.T, noise)
    if descent is None:
        kept, push = rule.update(teacher, weights, samples, rate)
        return Moved(kept._replace(W=kept.W + _pushed(push, X)), velocity, push)
    kept, push = rule.update(teacher, weights, samples, jnp.ones_like(rate))
    decay = descent.weight_decay
    W_decay = decay * weights.W if speeds is None else decay * weights.W / speeds
    descending = Weights(
        kept.W - weights.W + _pushed(push, X) - W_decay,
        kept.b - weights.b - rule.second_layer_factor * decay * weights.b,
    )
    if velocity is None:
        return Moved(_added(weights, descending, rate), None, push, rate)
    mu = descent.momentum
    entering = jnp.where(number == 0, 1.0, 1.0 - descent.dampening)
    velocity = Weights(*(mu * v + entering * g for v, g in zip(velocity, descending, strict=True)))
    if not descent.nesterov:
        return Moved(_added(weights, velocity, rate), velocity, push, rate * entering, entering)
    step = Weights(*(g + mu * v for v, g in zip(velocity, descending, strict=True)))
    return Moved(_added(weights, step, rate), velocity, push, rate * (1 + mu * entering), entering)


def _added(weights: Weights, step: Weights, rate: Rate) -> Weights:
    """W + ηΔ, b + ηΔ."""
    return Weights(weights.W + rate * step.W, weights.b + rate * step.b)


def _pushed(push: Float[Array, "B N"], X: Float[Array, "B D"]) -> Float[Array, "N D"]:
    """pushᵀX; of one sample entry by entry, which the compiler joins with sums, where a product is its own array."""
    return push.T * X if X.shape[0] == 1 else push.T @ X
