"""Online SGD on the sphere: neurons of fixed norm r_i, with a second layer, if there is one, that stays as it is.

A step takes the gradient of the rule for free weights without its part along w_i, and puts the norm back:

    w_i -> r_i w̃_i/|w̃_i|,    w̃_i = w_i + η mean_b push_bi (x_b - <x_b, w_i> w_i/r_i²),

push_bi = e_b r_i σ'(z) of the 2-homogeneous student, e_b b_i σ'(z) of the two-layer one. In the mean directions follow
du_i/dt = F_i and (b_i/r_i) F_i with the F_i of `Coupled`. With one neuron, r = 1 and k > 2 it is the single-index model
of Ben Arous, Gheissari & Jagannath 2021 (JMLR 22, 106). Derived in derivations/sphere.py.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...problem import SGD, Start, Teacher
from .rule import Projections, Rate, Rule, Update, Weights


class Spherical(Rule):
    """SGD with neurons of fixed norms.

    Attributes:
        free: the rule of the weights without the constraint, with a frozen second layer.
        norms: r, (N,).
    """

    free: Rule
    norms: Float[Array, " N"]

    def initial_weights(self, start: Start) -> Weights:
        """Return those of free weights."""
        return self.free.initial_weights(start)

    def update(self, teacher: Teacher, weights: Weights, samples: Projections, rate: Rate) -> Update:
        """Return W_kept = (1 - Σ_b push_bi <x_b, w_i>/r_i²) w_i and the push of free weights."""
        _, push = self.free.update(teacher, weights, samples, rate)
        along = jnp.sum(push * samples.student, axis=0) / self.norms**2
        return Update(weights._replace(W=(1 - along)[:, None] * weights.W), push)

    def retract(self, W: Float[Array, "N D"], batch_size: int) -> Float[Array, "N D"]:
        """Return W with rows of their own norms."""
        return W * (self.norms / jnp.linalg.norm(W, axis=1))[:, None]

    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Return u_i = w_i/r_i."""
        return W / self.norms[:, None]

    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """Return that of free weights."""
        return self.free.risk(teacher, weights)

    def config(self, teacher: Teacher, start: Start, sgd: SGD) -> dict[str, object]:
        """Return that of free weights; the algorithm's own keys name the constraint."""
        return self.free.config(teacher, start, sgd)
