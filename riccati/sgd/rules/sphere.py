"""Online SGD on the sphere: neurons of fixed length, f(x) = Σ_i s_i σ(<x, u_i>) with fixed s, |u_i| = 1.

With e = y - f(x), or e = y on the correlation loss, and z = <x, u_i>,

    u_i -> ũ_i/|ũ_i|,    ũ_i = u_i + η s_i mean_b e_b σ'(z) (x_b - z u_i).

s_i = b_i |w_i| of a start with a second layer, |w_i|² of one without. In the mean this is du_i/dt = s_i F_i with the
F_i of `Coupled`. With one neuron and s = 1 it is the single-index model of Ben Arous, Gheissari & Jagannath 2021
(JMLR 22, 106). Derived in derivations/sphere.py.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...problem import SGD, Start, Teacher, population_risk
from ...runs import start_keys
from .rule import Projections, Rate, Rule, Update, Weights


class Spherical(Rule):
    """SGD on the directions of the neurons; W holds u, b holds s, which does not change."""

    def initial_weights(self, start: Start) -> Weights:
        """Return u and s."""
        return Weights(start.directions, start.amplitudes)

    def update(self, teacher: Teacher, weights: Weights, samples: Projections, rate: Rate) -> Update:
        """Return W_kept = (1 - Σ_b push z) u_i and push = (η/B) e s_i σ'."""
        s, z, link = weights.b, samples.student, teacher.link
        residual = samples.labels(teacher) - (0.0 if self.correlation else link(z) @ s)
        push = rate / z.shape[0] * residual[:, None] * link.derivative(z) * s
        return Update(weights._replace(W=(1 - jnp.sum(push * z, axis=0))[:, None] * weights.W), push)

    def retract(self, W: Float[Array, "N D"], batch_size: int) -> Float[Array, "N D"]:
        """Return W with rows of unit length."""
        return W / jnp.linalg.norm(W, axis=1, keepdims=True)

    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Return W itself."""
        return W

    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """Return E(f* - f)²/E f*²."""
        return population_risk(teacher, weights.W, weights.b)

    def config(self, teacher: Teacher, start: Start, sgd: SGD) -> dict[str, object]:
        """Return the start, the learning rate, and what is logged."""
        keys = {**start_keys(teacher, start), **sgd.schedule.describe(), "constraint": "sphere"}
        return keys | {"loss": "risk", "training_loss": "correlation" if self.correlation else "0.5*(f*-f)^2"}
