"""Exact in law at a cost that does not depend on d: the Gram matrix of (θ, w) is a Markov chain.

Weights are kept as (m, ρ), their overlaps with the teacher and an N x N factor of the rest. In these M + N coordinates
a sample is (ξ, x_⊥) with ξ ~ N(0, I), and x_⊥ ~ N(0, I) in the d - M - N dimensions that are left. A step

    W -> kept + pushᵀ X,    X = (ξ, x_⊥),

depends on x_⊥ through pushᵀ X_⊥ alone. Given ξ, push is known and X_⊥ independent of it, so with E = min(B, N),
push = QT and L lower triangular with the law of a factor of an E x (d-M-N) Gaussian matrix (Bartlett),

    pushᵀ X_⊥ = Tᵀ (QᵀX_⊥) ~ Tᵀ L

in E coordinates. An LQ factorisation folds the N x (N + E) rest back into N x N. Derived in derivations/online_sgd.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..numerics import bartlett
from ..problem import Teacher
from .engine import Engine
from .rule import Rule, moved


class InLaw(Engine):
    """SGD in reduced coordinates. `outside` is d - M - N, (), at least min(B, N)."""

    outside: Float[Array, ""]
    batch_size: int = eqx.field(static=True)

    def begin(self, weights: Float[Array, "N M+N"], directions: int) -> Float[Array, "N M+N"]:
        """The weights as they are."""
        return weights

    def step(
        self, rule: Rule, teacher: Teacher, W: Float[Array, "N M+N"], key: Key[Array, ""], rate: Float[Array, ""]
    ) -> Float[Array, "N M+N"]:
        """One step on B samples from R^d."""
        neurons, fresh = W.shape[0], min(self.batch_size, W.shape[0])
        inside_key, below_key, diagonal_key = jax.random.split(key, 3)
        xi = jax.random.normal(inside_key, (self.batch_size, W.shape[1]))
        inside, push = moved(rule, teacher, W, xi, rate)
        T = push if self.batch_size <= neurons else jnp.linalg.qr(push, mode="r")
        beyond = T.T @ bartlett(below_key, diagonal_key, fresh, self.outside)
        W = rule.retract(jnp.concatenate([inside, beyond], axis=1), self.batch_size)
        rest = jnp.linalg.qr(W[:, teacher.width :].T, mode="r").T
        return jnp.concatenate([W[:, : teacher.width], rest], axis=1)
