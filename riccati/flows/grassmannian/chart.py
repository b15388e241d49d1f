"""Affine charts of the Grassmannian, in which a subspace that moves by e^{ρτ} is followed exactly for every τ.

A subspace is spanned by the columns of X = [I; B]: N pivot rows form the identity, the other rows are B. When
row i of the space grows like e^{ρ_i τ}, the entries of B move independently,

    B_ij(τ) = B_ij(0) exp((ρ_i - ρ_j) τ),        ρ_i the rate of row i, ρ_j that of the pivot row of column j,

so there is no time step, no truncation error and no overflow, as long as B stays bounded. It does: an entry that
outgrows a constant becomes a pivot. Exchanging row i with the pivot of column j, b = B_ij, is the principal pivot
transform

    B_ij -> 1/b,   B_il -> -B_il/b,   B_kj -> B_kj/b,   B_kl -> B_kl - B_kj B_il/b      (k ≠ i, l ≠ j).

An exchange for a faster row raises the sum of the pivots' rates, so there are finitely many of them up to τ = ∞: after
the last one every entry stands still or decays, and any time is one step away.

Source: BEVW25 (arXiv 2508.03688), the Riccati flow; derivations/grassmannian.py shows that the chart solves it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

BOUND = 4.0  # an entry above it becomes a pivot
_LONGEST = 250.0  # growth e^250 in one stride; the product of two such entries is still finite
_FADED = 1e150  # a pivot whose column of J is this large has weights below 1e-150
_NOTHING = 1e-300  # entries below have lost their digits, and are zero where a stride is long


T = TypeVar("T")

BLOCK = 16384  # rows taken at a time, so that a chart of 10⁶ rows needs no second array of its size


class Fading(eqx.Module):
    """The part of the initial weights that the solution with negative rates still depends on at later times.

    e^{-ρτ}X = W_0 J. Where ρ < 0, Ψ = (e^{-2ρτ} - 1)/|ρ| weights a row of X and overflows; the same quantity in terms
    of W_0 J is weighted by (1 - e^{2ρτ})/|ρ|, which does not.

    Attributes:
        origin: (M, N), W_0 along the teacher's coordinates.
        rates: (M,), of these.
    """

    origin: Float[Array, "M N"]
    rates: Float[Array, " M"]

    def memory(self, time: Float[Array, ""]) -> Float[Array, "N N"]:
        """W_0ᵀ diag((1 - e^{2ρτ})/|ρ|) W_0 over the rows with ρ < 0."""
        fades = self.rates < 0
        weight = jnp.where(fades, jnp.expm1(2 * self.rates * time) / jnp.where(fades, self.rates, 1.0), 0.0)
        return self.origin.T @ (weight[:, None] * self.origin)


class Chart(eqx.Module):
    """A subspace, the span of [I; B], with the rates and numbers of its rows.

    Rows 0 … M-1 of the reduced space are the teacher's, rows M … M+N-1 the residual ones.

    Attributes:
        B: (M, N), the rows that are no pivots.
        J: (N, N), the inverse of the pivot rows of the weights, which keeps W Wᵀ = X (Jᵀ J)^{-1} Xᵀ in the linear
            part of the flow; without rows where only the span matters.
        row_rate: (M,), the rate of each row of B.
        column_rate: (N,), the rate of each pivot.
        row: (M,), which row of the reduced space each row of B is.
        column: (N,), which row of the reduced space each pivot is.
        directions: (M, M), the teacher's directions in its rows; None where they are those rows.
        fading: what negative rates need; None where there are none, or only the span matters.
    """

    B: Float[Array, "M N"]
    J: Float[Array, "K N"]
    row_rate: Float[Array, " M"]
    column_rate: Float[Array, " N"]
    row: Int[Array, " M"]
    column: Int[Array, " N"]
    directions: Float[Array, "M M"] | None = None
    fading: Fading | None = None


def stride(chart: Chart, left: Float[Array, ""]) -> Float[Array, ""]:
    """The largest part of the time `left` within which no entry outgrows e^250."""
    return jax.lax.cond(_is_short(chart, left), lambda: left, lambda: jnp.minimum(left, _room(chart)))


def drift(chart: Chart, interval: Float[Array, ""]) -> Chart:
    """The chart after `interval`, with the pivots as they are: every entry of B moves on its own."""
    shrink = jnp.exp(-chart.column_rate * interval)

    def by_factors() -> Array:
        return chart.B * jnp.exp(chart.row_rate * interval)[:, None] * shrink

    def by_entries() -> Array:
        gain = chart.row_rate[:, None] - chart.column_rate
        there = jnp.abs(chart.B) >= _NOTHING
        return jnp.where(there, chart.B, 0.0) * jnp.exp(jnp.where(there, gain * interval, 0.0))

    # one exponential a row and column where none of them overflows, else one an entry
    B = jax.lax.cond(_is_short(chart, interval), by_factors, by_entries)
    return eqx.tree_at(lambda c: (c.B, c.J), chart, (B, _inverse_pivots(chart, shrink)))


def _inverse_pivots(chart: Chart, shrink: Float[Array, " N"]) -> Float[Array, "K N"]:
    """J after its columns have shrunk; the column of a pivot with ρ < 0 grows without end, and is bounded here."""
    if chart.fading is None:
        return chart.J * shrink
    J = chart.J * jnp.minimum(shrink, _FADED)
    held = jnp.minimum(1.0, _FADED / jnp.max(jnp.abs(J), axis=0))
    return jnp.where(chart.column_rate < 0, J * held, J)


def largest_entry(chart: Chart) -> tuple[Array, Array, Array]:
    """The size, row and column of the largest entry of B."""
    sizes = jnp.max(jnp.abs(chart.B), axis=1)
    i = jnp.argmax(sizes)
    return sizes[i], i, jnp.argmax(jnp.abs(chart.B[i]))


def exchange(chart: Chart, i: Int[Array, ""], j: Int[Array, ""]) -> Chart:
    """The chart of the same subspace in which row i is the pivot of column j."""
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
        chart.directions,
        chart.fading,
    )


def settle(chart: Chart) -> Chart:
    """The chart of the same subspace after exchanges of pivots that bring every entry of B within the bound."""
    return jax.lax.while_loop(
        lambda c: jnp.max(jnp.abs(c.B), initial=0.0) > BOUND,
        lambda c: exchange(c, *largest_entry(c)[1:]),
        chart,
    )


def carry(chart: Chart, interval: Float[Array, ""]) -> Chart:
    """The subspace after `interval`, in a chart with bounded entries; `chart` must have bounded entries too."""

    def go(state: tuple[Chart, Array]) -> tuple[Chart, Array]:
        chart, left = state
        step = stride(chart, left)
        return settle(drift(chart, step)), left - step

    return jax.lax.while_loop(lambda state: state[1] > 0, go, (chart, jnp.asarray(interval, float)))[0]


def _is_short(chart: Chart, interval: Array) -> Array:
    """Whether the exponentials of all rates over `interval` stay in range, and their products with them."""
    fastest = jnp.maximum(jnp.max(chart.row_rate), jnp.max(chart.column_rate))
    fading = -jnp.minimum(jnp.min(chart.row_rate), jnp.min(chart.column_rate))
    return jnp.maximum(fastest, fading) * interval <= _LONGEST


def _room(chart: Chart) -> Float[Array, ""]:
    """The time until the first entry has grown to e^250; inf where no entry grows any more."""
    gain, size = chart.row_rate[:, None] - chart.column_rate, jnp.abs(chart.B)
    grows = (gain > 0) & (size >= _NOTHING)
    room = (_LONGEST - jnp.log(jnp.where(grows, size, 1.0))) / jnp.where(grows, gain, 1.0)
    return jnp.min(jnp.where(grows, room, jnp.inf), initial=jnp.inf)


def fold_blocks(rows: int, add: Callable[[T, Int[Array, ""], Bool[Array, " b"]], T], first: T) -> T:
    """Fold `add(state, low, fresh)` over blocks of min(rows, BLOCK) rows that begin at row `low`, from `first` on.

    The last block overlaps the one before; `fresh` marks the rows that no earlier block contains.
    """
    size = min(rows, BLOCK)
    if size == rows:
        return add(first, jnp.zeros((), int), jnp.ones(rows, bool))

    def block(n: Array, state: T) -> T:
        low = jnp.minimum(n * size, rows - size)
        return add(state, low, low + jnp.arange(size) >= n * size)

    return jax.lax.fori_loop(0, -(-rows // size), block, first)


def take(rows: Array, low: Int[Array, ""], fresh: Bool[Array, " b"]) -> Array:
    """The block of `rows` that begins at row `low`."""
    return jax.lax.dynamic_slice_in_dim(rows, low, fresh.shape[0])


def put(rows: Array, block: Array, low: Int[Array, ""]) -> Array:
    """`rows` with `block` in the place of the rows from `low` on."""
    return jax.lax.dynamic_update_slice_in_dim(rows, block, low, axis=0)
