"""Online SGD on the 2-homogeneous student f(x) = Σ_i |w_i|² σ(<x, w_i>/|w_i|), loss ½(f* - f)².

With r = |w|, z = <x, w>/r and e = f*(x) - f(x), a step on a batch is

    w_i -> w_i + η mean_b e_b [ (2σ(z) - z σ'(z)) w_i + r_i σ'(z) x_b ].

Its mean is the gradient flow of flows/coupled.py in canonical time; derivations/online_sgd.py.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..problem import Start, Teacher, population_risk
from .rule import Rule


class TwoHomogeneous(Rule):
    """SGD on the weights of a 2-homogeneous student, any link."""

    def check(self, teacher: Teacher) -> None:
        """Every link."""

    def initial_weights(self, start: Start) -> Float[Array, "N M+N"]:
        """w_i = r_i u_i."""
        return start.weights

    def push(
        self,
        teacher: Teacher,
        W: Float[Array, "N D"],
        along: Float[Array, "B M"],
        across: Float[Array, "B N"],
        rate: Float[Array, ""],
    ) -> tuple[Float[Array, "N D"], Float[Array, "B N"]]:
        """(1 + η mean e(2σ - zσ')) w_i, and (η/B) e r_i σ'."""
        link, step = teacher.link, rate / along.shape[0]
        r = jnp.linalg.norm(W, axis=1)
        z = across / r
        value, slope = link(z), link.derivative(z)
        residual = link(along) @ teacher.a - value @ r**2
        growth = step * residual @ (2 * value - z * slope)
        return (1 + growth)[:, None] * W, step * residual[:, None] * slope * r

    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """u_i = w_i/|w_i|."""
        return W / jnp.linalg.norm(W, axis=1, keepdims=True)

    def risk(self, teacher: Teacher, W: Float[Array, "N D"]) -> Float[Array, ""]:
        """E(f* - f)²/E f*²."""
        return population_risk(teacher, self.directions(W), jnp.sum(W**2, axis=1))

    def config(self, start: Start, rates: dict) -> dict:
        """Norms, overlaps and Gram matrix of the start."""
        return {
            "kind": "two_homogeneous",
            **rates,
            "init_norm": np.asarray(start.norms).tolist(),
            "initial_overlaps": np.asarray(start.teacher_overlaps).tolist(),
            "initial_student_gram": np.asarray(start.student_gram).tolist(),
            "loss": "risk",
            "training_loss": "0.5*(f*-f)^2",
        }
