"""Exact in law at a cost that does not depend on d: the Gram matrix of (θ, w) is a Markov chain.

Weights are kept as (m, ρ), their overlaps with the teacher and an N x R factor of the rest, so in the first M + R
coordinates of a basis of R^d; correlated directions have coordinates of their own there (problem/frame.py), as many.
In these a sample is ξ ~ N(0, I), and x_⊥ ~ N(0, I) in the d - M - R dimensions that are left. A step

    W -> kept + pushᵀ X,    X = (ξ, x_⊥),

depends on x_⊥ through pushᵀ X_⊥ alone. Given ξ, push is known and X_⊥ independent of it, so with E = min(B, N),
push = QT and L lower triangular with the law of a factor of an E x (d-M-R) Gaussian matrix (Bartlett),

    pushᵀ X_⊥ = Tᵀ (QᵀX_⊥) ~ Tᵀ L

in E more coordinates (T = push where B ≤ N). So R grows by E a step, from N on; before it passes 2N an LQ factorisation
folds the rest back into N x N, which changes no Gram matrix. Derived in derivations/online_sgd.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..numerics import bartlett
from ..problem import Teacher
from .engine import Engine
from .rule import Rule, Weights, moved


class InLaw(Engine):
    """SGD in reduced coordinates.

    The rest is folded after the last step of each cycle, whatever steps are done in one call: what a run is after n
    steps depends on n alone.

    Attributes:
        outside: d - M - N, (), at least `cycle` times min(B, N).
        batch_size: B, samples a step.
        cycle: steps from one fold of the rest to the next.
    """

    outside: Float[Array, ""]
    batch_size: int = eqx.field(static=True)
    cycle: int = eqx.field(static=True)

    def placed(self, weights: Float[Array, "N M+N"], teacher: Teacher) -> Float[Array, "N M+R"]:
        """The weights, and room for the coordinates of a cycle."""
        return jnp.pad(weights, ((0, 0), (0, self.cycle * min(self.batch_size, weights.shape[0]))))

    def step(
        self,
        rule: Rule,
        teacher: Teacher,
        weights: Weights,
        key: Key[Array, ""],
        rate: Float[Array, ""],
        number: Int[Array, ""],
    ) -> Weights:
        """One step on B samples from R^d."""
        W = weights.W
        neurons, fresh = W.shape[0], min(self.batch_size, W.shape[0])
        since = number % self.cycle
        used = teacher.axes + neurons + since * fresh
        inside_key, below_key, diagonal_key = jax.random.split(key, 3)
        xi = jax.random.normal(inside_key, (self.batch_size, W.shape[1]))
        X = jnp.where(jnp.arange(W.shape[1]) < used, xi, 0.0)
        L = bartlett(below_key, diagonal_key, fresh, self.outside - since * fresh)
        if self.batch_size <= neurons:
            # T = push, so the samples may as well have L as their new coordinates; where W has none yet
            X = jax.lax.dynamic_update_slice(X, L, (0, used))
        # without the barrier the compiler draws a sample anew wherever one of its coordinates is read
        new, push = moved(rule, teacher, weights, jax.lax.optimization_barrier(X), rate)
        W = new.W
        if self.batch_size > neurons:
            W = jax.lax.dynamic_update_slice(W, jnp.linalg.qr(push, mode="r").T @ L, (0, used))
        W = rule.retract(W, self.batch_size)
        ends = since == self.cycle - 1
        return new._replace(W=jax.lax.cond(ends, lambda W: folded(W, teacher.axes), lambda W: W, W))


def folded(W: Float[Array, "N M+R"], directions: int) -> Float[Array, "N M+R"]:
    """The same overlaps and Gram matrix with the rest in its first N columns."""
    rest = jnp.linalg.qr(W[:, directions:].T, mode="r").T
    room = W.shape[1] - directions - rest.shape[1]
    return jnp.concatenate([W[:, :directions], jnp.pad(rest, ((0, 0), (0, room)))], axis=1)
