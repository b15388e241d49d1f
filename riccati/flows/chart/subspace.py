"""What a chart says of its subspace: the overlap Gram matrix's diagonal, the risk, and the pieces both share.

With X = [I; B], S = BᵀB, W = (I + S)^{-1}, and the rates α_p of the pivot rows and α_r of the others
(0 for rows outside the teacher), the projector has the blocks

    P_pp = W,   P_rp = B W,   P_rr = B W Bᵀ,   I - P_pp = S W,

and with C = Bᵀ diag(α_r) B the risk after the optimal radial fit, Σa² - tr(AGAG), becomes

    2 Σ_p α_p² (SW)_pp - ||α_p^½ SW α_p^½||² + Σ_r α_r² - 2 tr(α_p W C W) - tr(CWCW),

in which nothing cancels once a direction is learned: it is then a pivot row, and only the small SW is left of it.
Derived in derivations/risk.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .blocks import fold_blocks, put, take
from .chart import Chart


class Subspace(eqx.Module):
    """The small matrices of a chart: the Cholesky factor L of I + S, S W, and C."""

    L: Float[Array, "N N"]
    S: Float[Array, "N N"]
    W: Float[Array, "N N"]
    C: Float[Array, "N N"]


def weighted_grams(B: Float[Array, "M N"], *weights: Float[Array, " M"]) -> list[Float[Array, "N N"]]:
    """Bᵀ diag(w) B for each w."""
    neurons = B.shape[1]

    def add(total: list[Array], low: Array, fresh: Array) -> list[Array]:
        block = take(B, low, fresh)
        parts = [jnp.where(fresh, take(w, low, fresh), 0.0) for w in weights]
        return [t + block.T @ (block * w[:, None]) for t, w in zip(total, parts, strict=True)]

    return fold_blocks(B.shape[0], add, [jnp.zeros((neurons, neurons))] * len(weights))


def row_sizes(B: Float[Array, "M N"], L: Float[Array, "N N"]) -> Float[Array, " M"]:
    """||L^{-1} b||² for each row b of B, that is diag B (L Lᵀ)^{-1} Bᵀ."""

    def fill(sizes: Array, low: Array, fresh: Array) -> Array:
        scaled = jax.scipy.linalg.solve_triangular(L, take(B, low, fresh).T, lower=True)
        return put(sizes, jnp.sum(scaled**2, axis=0), low)

    return fold_blocks(B.shape[0], fill, jnp.zeros(B.shape[0]))


def subspace(chart: Chart) -> Subspace:
    """The N x N matrices that the observables share."""
    S, C = weighted_grams(chart.B, jnp.ones_like(chart.row_rate), chart.row_rate)
    identity = jnp.eye(S.shape[0])
    L = jnp.linalg.cholesky(identity + S)
    inverse = jax.scipy.linalg.solve_triangular(L, identity, lower=True)
    return Subspace(L, S, inverse.T @ inverse, C)


def teacher_diagonal(chart: Chart, rows: Float[Array, " M"], columns: Float[Array, " N"]) -> Float[Array, " M"]:
    """Values on the chart's rows and pivots put in the teacher's order; those of residual rows are left out."""
    every = jnp.zeros(rows.shape[0] + columns.shape[0])
    return every.at[chart.row].set(rows).at[chart.column].set(columns)[: rows.shape[0]]


def alignment(chart: Chart, space: Subspace) -> Float[Array, " M"]:
    """diag G = ||P θ_m||² for every direction."""
    return teacher_diagonal(chart, row_sizes(chart.B, space.L), jnp.diag(space.W))


def subspace_risk(chart: Chart, space: Subspace) -> Float[Array, ""]:
    """1 - tr(AGAG), the risk left after the best radial fit."""
    W, C, a = space.W, space.C, chart.column_rate
    missed, seen = space.S @ W, C @ W
    return (
        2 * jnp.sum(a**2 * jnp.diag(missed))
        - jnp.sum(a[:, None] * a * missed * missed.T)
        + jnp.sum(chart.row_rate**2)
        - 2 * jnp.sum(a[:, None] * W * seen.T)
        - jnp.sum(seen * seen.T)
    )
