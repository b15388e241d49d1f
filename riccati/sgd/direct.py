"""Direct simulation: samples x ~ N(0, I_d) and weights with all their d coordinates, O(dN) per sample."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..problem import Teacher
from .engine import Engine, in_dimension
from .rule import Rule, moved


class Direct(Engine):
    """SGD in R^d; the teacher's directions are the first M unit vectors.

    Attributes:
        dim: d.
        batch_size: B, samples a step.
        dtype: "float64" or "float32", of weights and samples.
    """

    dim: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    dtype: str = eqx.field(static=True, default="float64")

    def placed(self, weights: Float[Array, "N M+N"], directions: int) -> Float[Array, "N dim"]:
        """The weights in R^d."""
        return in_dimension(weights, directions, self.dim).astype(self.dtype)

    def step(
        self,
        rule: Rule,
        teacher: Teacher,
        W: Float[Array, "N dim"],
        key: Key[Array, ""],
        rate: Float[Array, ""],
        number: Int[Array, ""],
    ) -> Float[Array, "N dim"]:
        """One step on B samples from R^d; its number does not matter."""
        X = jax.random.normal(key, (self.batch_size, W.shape[1]), W.dtype)
        rule, teacher, rate = jax.tree.map(lambda leaf: jnp.asarray(leaf, W.dtype), (rule, teacher, rate))
        return rule.retract(moved(rule, teacher, W, X, rate)[0], self.batch_size)
