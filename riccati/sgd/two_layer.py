"""Online SGD on both layers of the student f(x) = Σ_i b_i σ(<x, w_i>), σ(λz) = λσ(z) for λ > 0, loss ½(f* - f)².

With z = <x, w> and e = f*(x) - f(x), a step on a batch is

    w_i -> w_i + η b_i mean_b e_b σ'(z) x_b,      b_i -> b_i + κη mean_b e_b σ(z),

κ the second layer's learning rate over the first's, 0 where it is frozen.

Its mean is the gradient flow of flows/reduced_coordinates/student.py in canonical time; derivations/two_layer.py.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..problem import Start, Teacher, population_risk
from .rule import Weights
from .two_homogeneous import TwoHomogeneous


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
