"""Online SGD of a quadratic student on the Stiefel manifold (BEVW25, Phase I): rows of W orthonormal, polar retraction.

With u = Wx, ŷ = c(|u|² - N), y = Σ_m a_m (<x, θ_m>² - 1), a step is ε of Riccati time, ε = 2η,

    W -> polar(W̃),   W̃ = W - (ε/2) mean_b (ŷ - y) u (x - Wᵀu)ᵀ,   polar(W̃) = Γ^{-1/2} W̃,   Γ = W̃W̃ᵀ.

This is the clock of σ = h_2. Of a teacher with link c_2 h_2, c_2 ≠ 1, canonical time has the Riccati time 2c_2² t
(derivations/clocks.py), while these steps do not know c_2; such a link is refused.

For one sample Γ = I + λ ûûᵀ with û = u/|u|, so Γ^{-1/2} = I - (Γ - I)/(√(1+λ)(1 + √(1+λ))), λ = tr Γ - N. Γ is computed
from W̃ itself, which corrects rounding errors off the manifold at each step; with I + λ ûûᵀ they would grow.
Source: BEVW25 (arXiv 2508.03688), its algorithm; derivations/online_sgd.py, derivations/finite_step.py.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...problem import SGD, Link, Start, Teacher, subspace_population_risk
from ...support import require
from .rule import Projections, Rate, Rule, Update, Weights

_ROUNDING = 1e-12  # of c_2 = 1, from coefficients that were computed


class Stiefel(Rule):
    """Phase I: SGD on the directions; the radius is fitted afterwards (`second_phase`).

    `student_scale` is c, (). The risk is that after the optimal radial fit.
    """

    student_scale: Float[Array, ""]

    def initial_weights(self, start: Start) -> Weights:
        """Return the polar factor of the start's directions, taken on the host, where nothing compiles."""
        left, _, right = np.linalg.svd(np.asarray(start.directions), full_matrices=False)
        return Weights(*jax.device_put((left @ right, np.zeros(0))))

    def update(self, teacher: Teacher, weights: Weights, samples: Projections, rate: Rate) -> Update:
        """Return W_kept = (I + η mean (ŷ - y) uuᵀ) W and push = -(η/B)(ŷ - y) u."""
        W, u = weights.W, samples.student
        y = (samples.teacher**2 - 1) @ teacher.a
        if samples.noise is not None:
            y = y + 2**0.5 * samples.noise  # as y = √2 f*
        excess = self.student_scale * jnp.sum(u**2 - 1, axis=1) - y
        push = -(rate / u.shape[0]) * excess[:, None] * u
        return Update(weights._replace(W=W - (push.T @ u) @ W), push)

    def retract(self, W: Float[Array, "N D"], batch_size: int) -> Float[Array, "N D"]:
        """Return the polar factor; in closed form for one sample."""
        if batch_size > 1:
            return polar(W)
        excess = W @ W.T - jnp.eye(W.shape[0], dtype=W.dtype)
        root = jnp.sqrt(1 + jnp.trace(excess))
        return W - (excess @ W) / (root * (1 + root))

    def directions(self, W: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Return W itself."""
        return W

    def risk(self, teacher: Teacher, weights: Weights) -> Float[Array, ""]:
        """Return 1 - tr(AGAG)/Σa²."""
        return subspace_population_risk(teacher.a, weights.W[:, : teacher.width].T)

    def config(self, teacher: Teacher, start: Start, sgd: SGD) -> dict[str, object]:
        """Return Riccati time per step, c and Z_0 = ΘᵀU_0."""
        rates = {"riccati_step": sgd.riccati_step} if sgd.is_constant else sgd.schedule.describe()
        overlaps = np.asarray(self.initial_weights(start).W)[:, : start.teacher_overlaps.shape[1]]
        return {
            "kind": "stiefel_quadratic",
            **rates,
            "student_scale": float(self.student_scale),
            "initial_overlaps": overlaps.T.tolist(),
            "loss": "1 - tr(AGAG), after the optimal radial fit",
        }


def require_unit_coefficient(link: Link) -> None:
    """Refuse c_2 h_2 with c_2 other than 1, whose canonical time these steps do not follow."""
    must = "have the link h_2 with c_2 = 1 for Stiefel SGD, whose clock knows no other (Link.hermite(2))"
    require(abs(float(np.asarray(link.coefficients)[2]) - 1) < _ROUNDING, "teacher", must, repr(link))


def polar(W: Float[Array, "N D"]) -> Float[Array, "N D"]:
    """Return (WWᵀ)^{-1/2} W."""
    size, vectors = jnp.linalg.eigh(W @ W.T)
    return (vectors / jnp.sqrt(size)) @ (vectors.T @ W)
