"""Online SGD on weights that move freely, loss ½(f* - f)²; e = f*(x) - f(x) of a sample.

The 2-homogeneous student f(x) = Σ_i |w_i|² σ(<x, w_i>/|w_i|), with r = |w| and z = <x, w>/r:

    w_i -> w_i + η mean_b e_b [ (2σ(z) - z σ'(z)) w_i + r_i σ'(z) x_b ].

Both layers of the student f(x) = Σ_i b_i σ(<x, w_i>) with any link, z = <x, w>:

    w_i -> w_i + η b_i mean_b e_b σ'(z) x_b,      b_i -> b_i + κc²η mean_b e_b σ(z),

κ the second layer's learning rate over the first's, 0 where it is frozen, and c the output scale that b holds.

With label noise e = y - f(x); on the correlation loss e = y. In the mean these are steps η of canonical time of the
gradient flow that `Coupled` integrates. Derived in derivations/online_sgd.py and derivations/two_layer.py.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...problem import SGD, Start, Teacher, committee_risk, population_risk
from ...runs import start_keys
from .rule import Projections, Rate, Rule, Update, Weights


class TwoHomogeneous(Rule):
    """SGD on the weights of a 2-homogeneous student, for any teacher and link."""

    def initial_weights(self, start: Start) -> Weights:
        """Return w_i = r_i u_i."""
        return Weights(start.weights, jax.device_put(np.zeros(0)))

    def update(self, teacher: Teacher, weights: Weights, samples: Projections, rate: Rate) -> Update:
        """Return W_kept = (1 + η mean e(2σ - zσ')) w_i and push = (η/B) e r_i σ'."""
        W, link, step = weights.W, teacher.link, rate / samples.teacher.shape[0]
        r = jnp.linalg.norm(W, axis=1)
        z = samples.student / r
        value, slope = link(z), link.derivative(z)
        residual = samples.labels(teacher) - (0.0 if self.correlation else value @ r**2)
        growth = step * residual @ (2 * value - z * slope)
        return Update(weights._replace(W=(1 + growth)[:, None] * W), step * residual[:, None] * slope * r)

    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Return u_i = w_i/|w_i|."""
        return W / jnp.linalg.norm(W, axis=1, keepdims=True)

    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """Return E(f* - f)²/E f*²."""
        W = weights.W
        return population_risk(teacher, self.directions(W), jnp.sum(W**2, axis=1))

    def config(self, teacher: Teacher, start: Start, sgd: SGD) -> dict[str, object]:
        """Return the start, the learning rate, and what is logged."""
        keys = {**start_keys(teacher, start), **sgd.schedule.describe()}
        return keys | {"loss": "risk", "training_loss": "correlation" if self.correlation else "0.5*(f*-f)^2"}


class TwoLayer(TwoHomogeneous):
    """SGD on w and b in the standard parametrisation; `second_layer_rate` is κ, `output_scale` c, () each."""

    second_layer_rate: Float[Array, ""]
    output_scale: Float[Array, ""]

    @property
    def second_layer_factor(self) -> Float[Array, ""]:
        """κ."""
        return self.second_layer_rate

    def initial_weights(self, start: Start) -> Weights:
        """Return w_i = r_i u_i, and b."""
        assert start.second_layer is not None
        return Weights(start.weights, start.second_layer)

    def update(self, teacher: Teacher, weights: Weights, samples: Projections, rate: Rate) -> Update:
        """Return W and b + κc²η mean e σ as what is kept, and push = (η/B) e b_i σ'."""
        link, b, z = teacher.link, weights.b, samples.student
        value = link(z)
        residual = rate / z.shape[0] * (samples.labels(teacher) - (0.0 if self.correlation else value @ b))
        b_next = b + self.second_layer_rate * self.output_scale**2 * (residual @ value)
        return Update(weights._replace(b=b_next), residual[:, None] * link.derivative(z) * b)

    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """Return E(f* - f)²/E f*²."""
        return committee_risk(teacher, *weights)
