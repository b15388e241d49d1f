"""Subspaces moved by e^{ρτ}, followed exactly for every τ in affine charts of the Grassmannian.

A subspace is spanned by the columns of X = [I; B]: N pivot rows form the identity, the other rows are B. When
row i of the space grows like e^{ρ_i τ}, the entries of B move independently,

    B_ij(τ) = B_ij(0) exp((ρ_i - ρ_j) τ),        ρ_i the rate of row i, ρ_j that of the pivot row of column j,

so there is no time step, no truncation error and no overflow, as long as B stays bounded. It does: an entry that
outgrows a constant becomes a pivot. Exchanging row i with the pivot of column j, b = B_ij, is the principal pivot
transform

    B_ij -> 1/b,   B_il -> -B_il/b,   B_kj -> B_kj/b,   B_kl -> B_kl - B_kj B_il/b      (k ≠ i, l ≠ j).

Source: BEVW25 (arXiv 2508.03688), the Riccati flow; derivations/chart.py shows that the chart solves it.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .blocks import fold_blocks, put

BOUND = 4.0  # an entry above it becomes a pivot
_LONGEST = 250.0  # growth e^250 in one stride; the product of two such entries is still finite


class Chart(eqx.Module):
    """span [I; B] with the rates and names of its rows, and N companion rows J that never become pivots.

    Rows 0 … M-1 of the reduced space are the teacher's, M … M+N-1 the residual ones. J starts as the inverse of
    the pivot rows of the weights and keeps W Wᵀ = X (Jᵀ J)^{-1} Xᵀ in the linear part of the flow.
    """

    B: Float[Array, "M N"]
    J: Float[Array, "K N"]
    row_rate: Float[Array, " M"]
    column_rate: Float[Array, " N"]
    row: Int[Array, " M"]
    column: Int[Array, " N"]


def first_chart(
    overlaps: Float[Array, "N M"], residual: Float[Array, "N N"], rates: Float[Array, " M"], weighted: bool
) -> Chart:
    """The chart of the span of [overlaps, residual]ᵀ whose pivot rows partial pivoting picks.

    With `weighted`, J is the inverse of the pivot rows; otherwise J has no rows.
    """
    neurons, directions = overlaps.shape
    column = pivot_rows(*jax.lax.stop_gradient((overlaps, residual)))

    # the teacher's rows fill B; the places of those that are pivots go to the residual rows that are not
    from_teacher = column < directions
    spare = jnp.sort(jnp.setdiff1d(directions + jnp.arange(neurons), column, size=neurons, fill_value=-1))[::-1]
    place = jnp.where(from_teacher, column, directions)[jnp.argsort(~from_teacher, stable=True)]
    row = jnp.arange(directions).at[place].set(spare, mode="drop")

    pivots = jnp.where(
        from_teacher[:, None],
        overlaps.T[jnp.minimum(column, directions - 1)],
        residual.T[jnp.maximum(column - directions, 0)],
    )
    factors = jax.scipy.linalg.lu_factor(pivots.T)
    spare_rows = jax.scipy.linalg.lu_solve(factors, residual[:, jnp.maximum(spare - directions, 0)]).T

    def fill(B: Array, low: Array, fresh: Array) -> Array:
        block = jax.lax.dynamic_slice_in_dim(overlaps, low, fresh.shape[0], axis=1)
        return put(B, jax.scipy.linalg.lu_solve(factors, block).T, low)

    B = fold_blocks(directions, fill, jnp.zeros((directions, neurons)))
    B = B.at[place].set(spare_rows, mode="drop")
    J = jnp.linalg.inv(pivots) if weighted else jnp.zeros((0, neurons))
    every = jnp.concatenate([rates, jnp.zeros(neurons)])
    return Chart(B, J, every[row], every[column], row, column)


def pivot_rows(overlaps: Float[Array, "N M"], residual: Float[Array, "N N"]) -> Int[Array, " N"]:
    """N well-conditioned rows of [overlaps, residual]ᵀ, by partial pivoting in turn over blocks of rows."""
    neurons, directions = overlaps.shape

    def play(best: tuple[Array, Array], low: Array, fresh: Array) -> tuple[Array, Array]:
        names, rows = best
        block = jax.lax.dynamic_slice_in_dim(overlaps, low, fresh.shape[0], axis=1).T
        names = jnp.concatenate([names, low + jnp.arange(fresh.shape[0])])
        rows = jnp.concatenate([rows, jnp.where(fresh[:, None], block, 0.0)])
        order = jax.lax.linalg.lu(rows)[2][:neurons]
        return names[order], rows[order]

    return fold_blocks(directions, play, (directions + jnp.arange(neurons), residual.T))[0]


def strides(rates: Float[Array, " M"], interval: Float[Array, ""]) -> Int[Array, ""]:
    """Into how many equal strides an interval is cut so that no entry grows by more than e^250 in one."""
    spread = jnp.maximum(rates.max(), 0.0) - jnp.minimum(rates.min(), 0.0)
    return jnp.maximum(jnp.ceil(spread * interval / _LONGEST), 1.0).astype(int)


def drift(chart: Chart, interval: Float[Array, ""]) -> Chart:
    """Let every entry move on its own for `interval`, with the pivots as they are."""
    shrink = jnp.exp(-chart.column_rate * interval)
    B = chart.B * jnp.exp(chart.row_rate * interval)[:, None] * shrink
    return eqx.tree_at(lambda c: (c.B, c.J), chart, (B, chart.J * shrink))


def largest_entry(chart: Chart) -> tuple[Array, Array, Array]:
    """The size, row and column of the largest entry of B."""
    sizes = jnp.max(jnp.abs(chart.B), axis=1)
    i = jnp.argmax(sizes)
    return sizes[i], i, jnp.argmax(jnp.abs(chart.B[i]))


def exchange(chart: Chart, i: Int[Array, ""], j: Int[Array, ""]) -> Chart:
    """The same subspace with row i in the place of the pivot of column j."""
    B, J = chart.B, chart.J
    # The row and the column are taken out by products, which are exact and which XLA does not fuse into the update:
    # a loop then changes B in place.
    at_row, at_column = (jax.nn.one_hot(n, size, dtype=B.dtype) for n, size in zip((i, j), B.shape, strict=True))
    row, column, column_J = at_row @ B, B @ at_column, J @ at_column
    b = row[j]
    here, there = at_column > 0, (at_row > 0)[:, None]
    kept = jnp.where(here, column[:, None] / b, B - column[:, None] * (row / b))
    B = jnp.where(there, jnp.where(here, 1 / b, -row / b), kept)
    J = jnp.where(here, column_J[:, None] / b, J - column_J[:, None] * (row / b))
    return Chart(
        B,
        J,
        chart.row_rate.at[i].set(chart.column_rate[j]),
        chart.column_rate.at[j].set(chart.row_rate[i]),
        chart.row.at[i].set(chart.column[j]),
        chart.column.at[j].set(chart.row[i]),
    )


def settle(chart: Chart) -> Chart:
    """Exchange pivots until every entry of B is within the bound."""
    return jax.lax.while_loop(
        lambda c: jnp.max(jnp.abs(c.B), initial=0.0) > BOUND,
        lambda c: exchange(c, *largest_entry(c)[1:]),
        chart,
    )


def advance(chart: Chart, rates: Float[Array, " M"], interval: Float[Array, ""]) -> Chart:
    """The subspace after `interval`, in a chart with bounded entries."""
    count = strides(rates, interval)
    return jax.lax.fori_loop(0, count, lambda _, c: settle(drift(c, interval / count)), settle(chart))
