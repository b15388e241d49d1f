"""Online SGD on the 2-homogeneous student f(x) = Σ_i |w_i|² σ(<x, w_i>/|w_i|), loss ½(f* - f)².

With r = |w|, z = <x, w>/r and e = f*(x) - f(x), a step on a batch is

    w_i -> w_i + η mean_b e_b [ (2σ(z) - z σ'(z)) w_i + r_i σ'(z) x_b ].

Its mean is the gradient flow of flows/coupled.py in canonical time; derivations/online_sgd.py.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...problem import Start, Teacher, population_risk
from ...runs import start_keys
from .rule import Rule, Weights


class TwoHomogeneous(Rule):
    """SGD on the weights of a 2-homogeneous student, any link."""

    def initial_weights(self, start: Start) -> Weights:
        """w_i = r_i u_i."""
        return Weights(start.weights, jnp.zeros(0))

    def push(
        self,
        teacher: Teacher,
        weights: Weights,
        along: Float[Array, "B M"],
        across: Float[Array, "B N"],
        rate: Float[Array, ""],
    ) -> tuple[Weights, Float[Array, "B N"]]:
        """(1 + η mean e(2σ - zσ')) w_i, and (η/B) e r_i σ'."""
        W, link, step = weights.W, teacher.link, rate / along.shape[0]
        r = jnp.linalg.norm(W, axis=1)
        z = across / r
        value, slope = link(z), link.derivative(z)
        residual = teacher.output(along) - value @ r**2
        growth = step * residual @ (2 * value - z * slope)
        return weights._replace(W=(1 + growth)[:, None] * W), step * residual[:, None] * slope * r

    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """u_i = w_i/|w_i|."""
        return W / jnp.linalg.norm(W, axis=1, keepdims=True)

    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """E(f* - f)²/E f*²."""
        W = weights.W
        return population_risk(teacher, self.directions(W), jnp.sum(W**2, axis=1))

    def config(self, teacher: Teacher, start: Start, rates: dict) -> dict:
        """The start, and what is logged."""
        return {**start_keys(teacher, start), **rates, "loss": "risk", "training_loss": "0.5*(f*-f)^2"}


class TwoLayer(TwoHomogeneous):
    """SGD on w and b in the standard parametrisation; `second_layer_rate` is κ, ()."""

    second_layer_rate: Float[Array, ""]

    def initial_weights(self, start: Start) -> Weights:
        """w_i = r_i u_i, and b."""
        assert start.second_layer is not None
        return Weights(start.weights, start.second_layer)

    def push(
        self,
        teacher: Teacher,
        weights: Weights,
        along: Float[Array, "B M"],
        across: Float[Array, "B N"],
        rate: Float[Array, ""],
    ) -> tuple[Weights, Float[Array, "B N"]]:
        """W and b + η mean e σ, and (η/B) e b_i σ'."""
        link, b = teacher.link, weights.b
        value = link(across)
        wrong = rate / along.shape[0] * (teacher.output(along) - value @ b)
        b_next = b + self.second_layer_rate * (wrong @ value)
        return weights._replace(b=b_next), wrong[:, None] * link.derivative(across) * b

    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """E(f* - f)²/E f*², s_i = b_i |w_i|."""
        s = weights.b * jnp.linalg.norm(weights.W, axis=1)
        return population_risk(teacher, self.directions(weights.W), s)
