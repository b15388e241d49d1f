"""Online SGD of a quadratic student on the Stiefel manifold (BEVW25, Phase I): rows of W orthonormal, polar retraction.

With u = Wx, ŷ = c(|u|² - N), y = Σ_m a_m (<x, θ_m>² - 1), a step is ε of Riccati time, ε = 2η,

    W -> polar(W̃),   W̃ = W - (ε/2) mean_b (ŷ - y) u (x - Wᵀu)ᵀ,   polar(W̃) = Γ^{-1/2} W̃,   Γ = W̃W̃ᵀ.

For one sample Γ = I + λ ûûᵀ with û = u/|u|, so Γ^{-1/2} = I - (Γ - I)/(√(1+λ)(1 + √(1+λ))), λ = tr Γ - N. Γ is computed
from W̃ as it is, which takes rounding off the manifold back at each step; taken for I + λ ûûᵀ it would let it grow.
Source: BEVW25 (arXiv 2508.03688), its algorithm; derivations/online_sgd.py, derivations/finite_step.py.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...problem import Start, Teacher, subspace_population_risk
from .rule import Rule, Weights


class Stiefel(Rule):
    """Phase I: SGD on the directions; the radius is fitted afterwards (`second_phase`).

    `student_scale` is c, (). The risk is that after the optimal radial fit.
    """

    student_scale: Float[Array, ""]

    def initial_weights(self, start: Start) -> Weights:
        """The polar factor of the start's directions."""
        return Weights(polar(start.directions), jnp.zeros(0))

    def push(
        self,
        teacher: Teacher,
        weights: Weights,
        along: Float[Array, "B M"],
        across: Float[Array, "B N"],
        rate: Float[Array, ""],
    ) -> tuple[Weights, Float[Array, "B N"]]:
        """(I + η mean (ŷ - y) uuᵀ) W, and -(η/B)(ŷ - y) u."""
        W = weights.W
        wrong = self.student_scale * jnp.sum(across**2 - 1, axis=1) - (along**2 - 1) @ teacher.a
        push = -(rate / along.shape[0]) * wrong[:, None] * across
        return weights._replace(W=W - (push.T @ across) @ W), push

    def retract(self, W: Float[Array, "N D"], batch_size: int) -> Float[Array, "N D"]:
        """The polar factor; in closed form for one sample."""
        if batch_size > 1:
            return polar(W)
        excess = W @ W.T - jnp.eye(W.shape[0], dtype=W.dtype)
        root = jnp.sqrt(1 + jnp.trace(excess))
        return W - (excess @ W) / (root * (1 + root))

    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """W itself."""
        return W

    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """1 - tr(AGAG)/Σa²."""
        return subspace_population_risk(teacher.a, weights.W[:, : teacher.width].T)

    def config(self, teacher: Teacher, start: Start, rates: dict) -> dict:
        """Riccati time per step, c and Z_0 = ΘᵀU_0."""
        if "learning_rate" in rates:
            rates = {"riccati_step": 2 * rates["learning_rate"]}
        overlaps = self.initial_weights(start).W[:, : start.teacher_overlaps.shape[1]]
        return {
            "kind": "stiefel_quadratic",
            **rates,
            "student_scale": float(self.student_scale),
            "initial_overlaps": np.asarray(overlaps.T).tolist(),
            "loss": "1 - tr(AGAG), after the optimal radial fit",
        }


def polar(W: Float[Array, "N D"]) -> Float[Array, "N D"]:
    """(WWᵀ)^{-1/2} W."""
    size, vectors = jnp.linalg.eigh(W @ W.T)
    return (vectors / jnp.sqrt(size)) @ (vectors.T @ W)
