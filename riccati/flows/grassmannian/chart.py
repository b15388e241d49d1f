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

import math
from typing import NamedTuple

import jax
from jaxtyping import Bool, Float, Int

from .host import Numbers, branch, is_on_host, less_outer, namespace, put, repeat_while, scaled

BOUND = 4.0  # an entry above it becomes a pivot
_LONGEST = 250.0  # growth e^250 in one stride; the product of two such entries is still finite
_FADED = 1e150  # a pivot whose column of J is this large has weights below 1e-150
_NOTHING = 1e-300  # entries below have lost their digits, and are zero where a stride is long


class Chart(NamedTuple):
    """A subspace, the span of [I; B], with the rates and numbers of its rows.

    Rows 0 … M-1 of the reduced space are the teacher's, rows M … M+N-1 the residual ones. B and J may hold several
    times T at which the pivots are the same.

    Attributes:
        B: (*T, M, N), the rows that are no pivots.
        J: (*T, N, N), the inverse of the pivot rows of the weights, which keeps W Wᵀ = X (Jᵀ J)^{-1} Xᵀ in the linear
            part of the flow; without rows where only the span matters.
        row_rate: (M,), the rate of each row of B.
        column_rate: (N,), the rate of each pivot.
        row: (M,), which row of the reduced space each row of B is.
        column: (N,), which row of the reduced space each pivot is.
        fastest: (), the largest |ρ|.
        directions: (M, M), the teacher's directions in its rows; None where they are those rows.
        origin: (M+N, N), the initial weights, which the solution still depends on where a row has shrunk; None where
            none ever does, or only the span matters.
        share: κ, by which the square of the mean error counts in the risk; None for 0, or where only the span matters.
    """

    B: Float[Numbers, "*T M N"]
    J: Float[Numbers, "*T K N"]
    row_rate: Float[Numbers, " M"]
    column_rate: Float[Numbers, " N"]
    row: Int[Numbers, " M"]
    column: Int[Numbers, " N"]
    fastest: Float[Numbers, ""]
    directions: Float[Numbers, "M M"] | None = None
    origin: Float[Numbers, "M+N N"] | None = None
    share: Float[Numbers, ""] | None = None


def stride(chart: Chart, left: Float[Numbers, ""]) -> Float[Numbers, ""]:
    """The largest part of the time `left` within which no entry outgrows e^250."""
    xp = namespace(chart.B)
    return branch(is_short(chart, left), lambda: left, lambda: xp.minimum(left, _room(chart)))


def drift(chart: Chart, interval: Float[Numbers, "*T"], shift: Float[Numbers, "*T"] | float = 0.0) -> Chart:
    """The chart after `interval`, with the pivots as they are: every entry of B moves on its own.

    `shift` is the mean θ over the interval that is taken off every rate; only J depends on it. On the host the chart's
    own B is changed for one interval; for several, which must be short, it is kept.
    """
    xp = namespace(chart.B)
    shrink = xp.exp(-chart.column_rate * interval[..., None])

    def by_factors() -> Numbers:
        return scaled(chart.B, xp.exp(chart.row_rate * interval[..., None]), shrink)

    def by_entries() -> Numbers:
        gain = chart.row_rate[:, None] - chart.column_rate
        there = xp.abs(chart.B) >= _NOTHING
        return xp.where(there, chart.B, 0.0) * xp.exp(xp.where(there, gain * interval, 0.0))

    # one exponential a row and column where none of them overflows, else one an entry
    B = by_factors() if interval.ndim else branch(is_short(chart, interval), by_factors, by_entries)
    if chart.origin is None:
        return chart._replace(B=B, J=chart.J * shrink[..., None, :])
    shrunk = (xp.asarray(shift)[..., None] - chart.column_rate) * interval[..., None]
    return chart._replace(B=B, J=_inverse_pivots(chart, shrunk))


def _inverse_pivots(chart: Chart, shrunk: Float[Numbers, "*T N"]) -> Float[Numbers, "*T K N"]:
    """J after pivot j has shrunk by e^(shrunk_j); the column of one that shrinks without end is bounded here."""
    xp = namespace(chart.J)
    J = chart.J * xp.exp(xp.minimum(shrunk, math.log(_FADED)))[..., None, :]
    return J * (_FADED / xp.maximum(xp.max(xp.abs(J), axis=-2, keepdims=True), _FADED))


def largest_entry(chart: Chart) -> tuple[Numbers, Numbers]:
    """The row and the column of the largest entry of B."""
    xp = namespace(chart.B)
    i = xp.argmax(xp.maximum(xp.max(chart.B, axis=1), -xp.min(chart.B, axis=1)))
    return i, xp.argmax(xp.abs(chart.B[i]))


def is_bounded(B: Float[Numbers, "*T M N"]) -> Bool[Numbers, "*T"]:
    """Whether no entry is beyond the bound; true of what is no number, which no exchange would mend."""
    xp = namespace(B)
    return ~(xp.maximum(xp.max(B, axis=(-2, -1), initial=0.0), -xp.min(B, axis=(-2, -1), initial=0.0)) > BOUND)


def exchange(chart: Chart, i: Int[Numbers, ""], j: Int[Numbers, ""]) -> Chart:
    """The chart of the same subspace in which row i is the pivot of column j; on the host its arrays are changed."""
    row, column, column_J = _row(chart.B, i), _column(chart.B, j), _column(chart.J, j)
    b = row[j]
    B = put(less_outer(chart.B, column, row / b), (slice(None), j), column / b)
    B = put(put(B, i, -row / b), (i, j), 1 / b)
    J = put(less_outer(chart.J, column_J, row / b), (slice(None), j), column_J / b)
    slow, fast, leaves, enters = chart.column_rate[j], chart.row_rate[i], chart.column[j], chart.row[i]
    return chart._replace(
        B=B, J=J, row_rate=put(chart.row_rate, i, slow), column_rate=put(chart.column_rate, j, fast),
        row=put(chart.row, i, leaves), column=put(chart.column, j, enters),
    )  # fmt: skip


def _row(B: Numbers, i: Int[Numbers, ""]) -> Numbers:
    # traced, a row and a column are taken out by products, which are exact and which XLA does not fuse into the
    # update: a loop then changes B in place
    return B[i].copy() if is_on_host(B) else jax.nn.one_hot(i, B.shape[0], dtype=B.dtype) @ B


def _column(B: Numbers, j: Int[Numbers, ""]) -> Numbers:
    return B[:, j].copy() if is_on_host(B) else B @ jax.nn.one_hot(j, B.shape[1], dtype=B.dtype)


def settle(chart: Chart) -> Chart:
    """The chart of the same subspace after exchanges of pivots that bring every entry of B within the bound."""
    return repeat_while(lambda c: ~is_bounded(c.B), lambda c: exchange(c, *largest_entry(c)), chart)


def carry(chart: Chart, interval: Float[Numbers, ""], shift: Float[Numbers, ""] | float = 0.0) -> Chart:
    """The subspace after `interval`, in a chart with bounded entries; `chart` must have bounded entries too.

    `shift` is as in `drift`. On the host the chart's own arrays are changed.
    """

    def go(state: tuple[Chart, Numbers]) -> tuple[Chart, Numbers]:
        chart, left = state
        step = stride(chart, left)
        return settle(drift(chart, step, shift)), left - step

    left = namespace(chart.B).asarray(interval, float)[()]
    return repeat_while(lambda state: state[1] > 0, go, (chart, left))[0]


def is_short(chart: Chart, interval: Float[Numbers, ""]) -> Bool[Numbers, ""]:
    """Whether the exponentials of all rates over `interval` stay in range, and their products with them."""
    return chart.fastest * interval <= _LONGEST


def _room(chart: Chart) -> Float[Numbers, ""]:
    """The time until the first entry has grown to e^250; inf where no entry grows any more."""
    xp = namespace(chart.B)
    gain, size = chart.row_rate[:, None] - chart.column_rate, xp.abs(chart.B)
    grows = (gain > 0) & (size >= _NOTHING)
    room = (_LONGEST - xp.log(xp.where(grows, size, 1.0))) / xp.where(grows, gain, 1.0)
    return xp.min(xp.where(grows, room, xp.inf), initial=xp.inf)
