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

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .chart import Chart
from .host import (
    Numbers,
    cholesky,
    fold_blocks,
    gram,
    inverse_of_lower,
    is_on_host,
    namespace,
    put,
    put_block,
    take,
    times_lower,
)  # fmt: skip


class Subspace(NamedTuple):
    """The N x N matrices of a chart that its observables are made of, at each of its times.

    Attributes:
        S: (*T, N, N), BᵀB.
        C: (*T, N, N), Bᵀ diag(α_r) B.
        L: (*T, N, N), the Cholesky factor of I + S.
        inverse: (*T, N, N), L^{-1}.
        W: (*T, N, N), (I + S)^{-1}.
    """

    S: Float[Numbers, "*T N N"]
    C: Float[Numbers, "*T N N"]
    L: Float[Numbers, "*T N N"]
    inverse: Float[Numbers, "*T N N"]
    W: Float[Numbers, "*T N N"]


def subspace(S: Float[Numbers, "*T N N"], C: Float[Numbers, "*T N N"]) -> Subspace:
    """The matrices that all observables share, from S and C."""
    xp = namespace(S)
    L = cholesky(xp.eye(S.shape[-1]) + S)
    inverse = inverse_of_lower(L)
    return Subspace(S, C, L, inverse, gram(inverse))


def weighted_grams(B: Float[Numbers, "*T M N"], *weights: Float[Numbers, "*T M"]) -> list[Float[Numbers, "*T N N"]]:
    """BᵀB, and Bᵀ diag(w) B for each of the weights w."""
    if is_on_host(B):
        return [gram(B), *(_weighted_gram(B, w) for w in weights)]
    neurons, every = B.shape[1], jnp.stack([jnp.ones(B.shape[0]), *weights], axis=1)

    def add(total: Numbers, low: Numbers, fresh: Numbers) -> Numbers:
        block = take(B, low, fresh, axis=-2)
        parts = jnp.where(fresh[:, None], take(every, low, fresh, axis=-2), 0.0)
        weighted = (parts[:, :, None] * block[:, None, :]).reshape(block.shape[0], -1)
        # fused into the product, either factor costs XLA twice the product itself
        left, right = jax.lax.optimization_barrier((block.T, weighted))
        return total + left @ right

    grams = fold_blocks(B, B.shape[0], add, jnp.zeros((neurons, every.shape[1] * neurons)))
    return list(jnp.moveaxis(grams.reshape(neurons, -1, neurons), 1, 0))


def _weighted_gram(B: Float[Numbers, "*T M N"], w: Float[Numbers, "*T M"]) -> Float[Numbers, "*T N N"]:
    """The Gram matrix of √w B on the host; of weights of both signs that of what they are above the least."""
    least = min(float(w.min(initial=0.0)), 0.0)
    root = np.sqrt(w - least)[..., None]

    def add(total: Numbers, low: Numbers, fresh: Numbers) -> Numbers:
        return total + gram(take(B, low, fresh, axis=-2) * take(root, low, fresh, axis=-2))

    weighted = fold_blocks(B, B.shape[-2], add, 0.0)
    return weighted + least * gram(B) if least < 0 else weighted


def row_sizes(B: Float[Numbers, "*T M N"], inverse: Float[Numbers, "*T N N"]) -> Float[Numbers, "*T M"]:
    """||L^{-1} b||² for each row b of B, that is diag B (L Lᵀ)^{-1} Bᵀ."""
    xp = namespace(B)

    def fill(sizes: Numbers, low: Numbers, fresh: Numbers) -> Numbers:
        scaled = times_lower(take(B, low, fresh, axis=-2), inverse)
        return put_block(sizes, xp.vecdot(scaled, scaled), low, axis=-1)

    return fold_blocks(B, B.shape[-2], fill, xp.zeros(B.shape[:-1]))


def in_teachers_order(
    chart: Chart, rows: Float[Numbers, "*T M"], columns: Float[Numbers, "*T N"]
) -> Float[Numbers, "*T M"]:
    """Values of the chart's rows and pivots in the order of the teacher's directions, without residual rows."""
    xp, M = namespace(rows), rows.shape[-1]
    every = put(xp.zeros((*rows.shape[:-1], M + columns.shape[-1])), (..., chart.row), rows)
    return put(every, (..., chart.column), columns)[..., :M]


def along_directions(
    chart: Chart, inverse: Float[Numbers, "*T N N"], diagonal: Float[Numbers, "*T N"]
) -> Float[Numbers, "*T M"]:
    """θ_mᵀ X (L Lᵀ)^{-1} Xᵀ θ_m of every direction, from L^{-1} and the diagonal of (L Lᵀ)^{-1}."""
    if chart.directions is None:
        return in_teachers_order(chart, row_sizes(chart.B, inverse), diagonal)
    xp, (M, N) = namespace(chart.B), chart.B.shape[-2:]
    X = put(xp.zeros((*chart.B.shape[:-2], M + N, N)), (..., chart.row, slice(None)), chart.B)
    X = put(X, (..., chart.column, slice(None)), xp.eye(N))[..., :M, :]
    return xp.sum((chart.directions @ X @ inverse.mT) ** 2, axis=-1)


def relative(chart: Chart, excess: Float[Numbers, "*T"]) -> Float[Numbers, "*T"]:
    """E(f* - f)²/E f*² from E(f* - f)² in units of c_2², in which E f*² is Σρ² + κ(Σρ)²."""
    whole = chart.row_rate @ chart.row_rate + chart.column_rate @ chart.column_rate
    return excess / (whole if chart.share is None else whole + chart.share * target_trace(chart) ** 2)


def target_trace(chart: Chart) -> Float[Numbers, ""]:
    """tr S* = Σρ."""
    xp = namespace(chart.row_rate)
    return xp.sum(chart.row_rate) + xp.sum(chart.column_rate)


def subspace_risk(chart: Chart, space: Subspace) -> Float[Numbers, "*T"]:
    """Σa² - tr(AGAG): what the best symmetric radial fit, of any sign, leaves of the target."""
    xp, W, C, a = namespace(space.S), space.W, space.C, chart.column_rate
    missed, mixed = a[:, None] * (space.S @ W), C @ W
    return (
        2 * xp.sum(a * diagonal(missed), axis=-1)
        - trace_of_product(missed, missed)
        + chart.row_rate @ chart.row_rate
        - trace_of_product(2 * a[:, None] * W + mixed, mixed)
    )


def trace_of_product(left: Float[Numbers, "*T N N"], right: Float[Numbers, "*T N N"]) -> Float[Numbers, "*T"]:
    """tr(left right)."""
    return namespace(left).einsum("...ij,...ji->...", left, right)


def diagonal(matrices: Float[Numbers, "*T N N"]) -> Float[Numbers, "*T N"]:
    """The diagonal of each matrix."""
    return namespace(matrices).diagonal(matrices, axis1=-2, axis2=-1)
