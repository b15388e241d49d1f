"""Observables of a chart's subspace: the diagonal of the overlap Gram matrix, and the risk.

With X = [I; B], S = BᵀB, W = (I + S)^{-1}, and the rates α_p of the pivot rows and α_r of the others
(0 for rows outside the teacher), the projector has the blocks

    P_pp = W,   P_rp = B W,   P_rr = B W Bᵀ,   I - P_pp = S W,

and with C = Bᵀ diag(α_r) B the risk after the optimal radial fit, Σa² - tr(AGAG), becomes

    2 Σ_p α_p² (SW)_pp - ||α_p^½ SW α_p^½||² + Σ_r α_r² - 2 tr(α_p W C W) - tr(CWCW),

in which no large terms cancel once a direction is learned: it is then a pivot row, whose part is the small SW alone.
Derived in derivations/risk.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .chart import Chart, fold_blocks, put, take


class Subspace(eqx.Module):
    """The N x N matrices of a chart that its observables are made of.

    Attributes:
        S: (N, N), BᵀB.
        C: (N, N), Bᵀ diag(α_r) B.
        L: (N, N), the Cholesky factor of I + S.
        inverse: (N, N), L^{-1}.
        W: (N, N), (I + S)^{-1}.
    """

    S: Float[Array, "N N"]
    C: Float[Array, "N N"]
    L: Float[Array, "N N"]
    inverse: Float[Array, "N N"]
    W: Float[Array, "N N"]


def subspace(S: Float[Array, "N N"], C: Float[Array, "N N"]) -> Subspace:
    """The matrices that all observables share, from S and C."""
    L = jnp.linalg.cholesky(jnp.eye(S.shape[0]) + S)
    inverse = inverse_of_lower(L)
    return Subspace(S, C, L, inverse, inverse.T @ inverse)


def inverse_of_lower(L: Float[Array, "N N"]) -> Float[Array, "N N"]:
    """L^{-1} of a lower triangular matrix."""
    return jax.scipy.linalg.solve_triangular(L, jnp.eye(L.shape[0]), lower=True)


def weighted_grams(B: Float[Array, "M N"], *weights: Float[Array, " M"]) -> Float[Array, "K N N"]:
    """Bᵀ diag(w) B for each of the K weights w, in one product."""
    neurons, every = B.shape[1], jnp.stack(weights, axis=1)

    def add(total: Array, low: Array, fresh: Array) -> Array:
        block = take(B, low, fresh)
        parts = jnp.where(fresh[:, None], take(every, low, fresh), 0.0)
        weighted = (parts[:, :, None] * block[:, None, :]).reshape(block.shape[0], -1)
        # fused into the product, either factor costs XLA twice the product itself
        left, right = jax.lax.optimization_barrier((block.T, weighted))
        return total + left @ right

    grams = fold_blocks(B.shape[0], add, jnp.zeros((neurons, len(weights) * neurons)))
    return jnp.moveaxis(grams.reshape(neurons, len(weights), neurons), 1, 0)


def row_sizes(B: Float[Array, "M N"], *inverses: Float[Array, "N N"]) -> Float[Array, "K M"]:
    """||L^{-1} b||² for each row b of B and each of the K inverses, that is diag B (L Lᵀ)^{-1} Bᵀ, in one product."""
    across = jnp.concatenate(inverses).T

    def fill(sizes: Array, low: Array, fresh: Array) -> Array:
        scaled = (take(B, low, fresh) @ across).reshape(fresh.shape[0], len(inverses), -1)
        return put(sizes, jnp.sum(scaled**2, axis=2), low)

    return fold_blocks(B.shape[0], fill, jnp.zeros((B.shape[0], len(inverses)))).T


def in_teachers_order(chart: Chart, rows: Float[Array, " M"], columns: Float[Array, " N"]) -> Float[Array, " M"]:
    """Values of the chart's rows and pivots in the order of the teacher's directions, (M,), without residual rows."""
    every = jnp.zeros(rows.shape[0] + columns.shape[0])
    return every.at[chart.row].set(rows).at[chart.column].set(columns)[: rows.shape[0]]


def along_directions(
    chart: Chart, *parts: tuple[Float[Array, "N N"], Float[Array, " N"]]
) -> tuple[Float[Array, " M"], ...]:
    """θ_mᵀ X (L Lᵀ)^{-1} Xᵀ θ_m of every direction, for each pair of L^{-1} and the diagonal of (L Lᵀ)^{-1}."""
    inverses = [inverse for inverse, _ in parts]
    if chart.directions is None:
        rows = row_sizes(chart.B, *inverses)
        return tuple(in_teachers_order(chart, row, pivots) for row, (_, pivots) in zip(rows, parts, strict=True))
    M, N = chart.B.shape
    X = jnp.zeros((M + N, N)).at[chart.row].set(chart.B).at[chart.column].set(jnp.eye(N))[:M]
    return tuple(jnp.sum((chart.directions @ X @ inverse.T) ** 2, axis=1) for inverse in inverses)


def relative(chart: Chart, excess: Float[Array, ""]) -> Float[Array, ""]:
    """E(f* - f)²/E f*² from E(f* - f)² in units of g(1), in which E f*² is Σρ²."""
    return excess / (jnp.sum(chart.row_rate**2) + jnp.sum(chart.column_rate**2))


def subspace_risk(chart: Chart, space: Subspace) -> Float[Array, ""]:
    """Σa² - tr(AGAG): what the best symmetric radial fit, of any sign, leaves of the target."""
    W, C, a = space.W, space.C, chart.column_rate
    missed, mixed = space.S @ W, C @ W
    return (
        2 * jnp.sum(a**2 * jnp.diag(missed))
        - jnp.sum(a[:, None] * a * missed * missed.T)
        + jnp.sum(chart.row_rate**2)
        - 2 * jnp.sum(a[:, None] * W * mixed.T)
        - jnp.sum(mixed * mixed.T)
    )
