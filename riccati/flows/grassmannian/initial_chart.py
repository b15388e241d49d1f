"""The chart of the initial weights: the choice of its pivot rows, and the treatment of linearly dependent neurons."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Float, Int

from ...numerics import LEAF, compiled_quickly
from ...problem import Problem, spectrum
from ...support import is_traced
from .chart import Chart, Fading, fold_blocks, put, settle

_DEPENDENT = 1e-13  # a unit vector this close to a combination of the others is one


class InitialWeights(NamedTuple):
    """The student's initial weights in reduced coordinates, with the rates at which the teacher's directions grow.

    Attributes:
        overlaps: (N, M), the teacher's coordinates of the neurons' directions.
        residual: (N, N), the others.
        norms: (N,), the neurons' norms; None where only the span matters.
        rates: (M,), a, or the eigenvalues of S* where directions are correlated; the residual coordinates have rate 0.
        directions: (M, M), the teacher's directions in the eigenbasis of S*, which `overlaps` are with then; None where
            they are that basis.
        origin: (M, N), the weights along the teacher's coordinates, kept where a rate is negative and norms matter;
            None elsewhere, and under jit, where signs cannot be read.
    """

    overlaps: Float[Array, "N M"]
    residual: Float[Array, "N N"]
    norms: Float[Array, " N"] | None
    rates: Float[Array, " M"]
    directions: Float[Array, "M M"] | None = None
    origin: Float[Array, "M N"] | None = None


def initial_weights_of(problem: Problem, *, with_norms: bool) -> InitialWeights:
    """The student's weights at the start; without their norms where only the span matters."""
    start, basis = problem.full_start, spectrum(problem.teacher)
    norms = start.norms if with_norms else None
    overlaps = start.teacher_coordinates if basis.vectors is None else start.teacher_coordinates @ basis.vectors
    weights = InitialWeights(overlaps, start.residual_factor, norms, basis.rates, basis.directions)
    if norms is None or is_traced(weights) or not bool((np.asarray(basis.rates) < 0).any()):
        return weights
    return weights._replace(origin=(norms[:, None] * overlaps).T)


def initial_chart_of(weights: InitialWeights) -> Chart:
    """The chart of the span of the initial weights, with bounded entries.

    Linearly dependent neurons, which span fewer than N dimensions, are replaced by independent ones first. This is
    possible outside jit only, as the number of dimensions depends on the numbers.

    Raises:
        RuntimeError: under jit, vmap and grad, if neurons are linearly dependent.
    """
    chart, least = _compiled_pivoted_chart(weights)
    if is_traced(least):
        must = "Neurons are linearly dependent: solve outside jit, vmap and grad, or leave out what repeats others."
        return eqx.error_if(chart, ~(least > _DEPENDENT), must)
    return chart if float(least) > _DEPENDENT else _compiled_pivoted_chart(independent(weights))[0]


def pivoted_chart(weights: InitialWeights) -> tuple[Chart, Float[Array, ""]]:
    """The bounded chart from the pivot rows of partial pivoting; and the least diagonal entry of `chart_at`."""
    column = pivot_rows(*jax.lax.stop_gradient((weights.overlaps, weights.residual)))
    chart, least = chart_at(weights, column)
    return settle(chart), least


def _like_a_chart(weights: InitialWeights) -> tuple[Chart, int]:
    fading = None if weights.origin is None else Fading(weights.origin, weights.rates)
    return Chart(LEAF, LEAF, LEAF, LEAF, LEAF, LEAF, weights.directions, fading), LEAF


_compiled_pivoted_chart = compiled_quickly(like=_like_a_chart)(pivoted_chart)


def chart_at(weights: InitialWeights, column: Int[Array, " N"]) -> tuple[Chart, Float[Array, ""]]:
    """The chart with the pivot rows `column`; and the least diagonal entry of the triangular factor of these rows."""
    overlaps, residual, norms, rates = weights[:4]
    neurons, directions = overlaps.shape

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
    least = jnp.min(jnp.abs(jnp.diag(factors[0])))
    spare_rows = jax.scipy.linalg.lu_solve(factors, residual[:, jnp.maximum(spare - directions, 0)]).T

    def fill(B: Array, low: Array, fresh: Array) -> Array:
        block = jax.lax.dynamic_slice_in_dim(overlaps, low, fresh.shape[0], axis=1)
        return put(B, jax.scipy.linalg.lu_solve(factors, block).T, low)

    B = fold_blocks(directions, fill, jnp.zeros((directions, neurons)))
    B = B.at[place].set(spare_rows, mode="drop")
    J = jnp.zeros((0, neurons)) if norms is None else jnp.linalg.inv(pivots) / norms[:, None]
    every = jnp.concatenate([rates, jnp.zeros(neurons)])
    fading = None if weights.origin is None else Fading(weights.origin, rates)
    return Chart(B, J, every[row], every[column], row, column, weights.directions, fading), least


def pivot_rows(overlaps: Float[Array, "N M"], residual: Float[Array, "N N"]) -> Int[Array, " N"]:
    """The numbers of N well-conditioned rows of [overlaps, residual]ᵀ, by partial pivoting over one block at a time."""
    neurons, directions = overlaps.shape

    def play(best: tuple[Array, Array], low: Array, fresh: Array) -> tuple[Array, Array]:
        names, rows = best
        block = jax.lax.dynamic_slice_in_dim(overlaps, low, fresh.shape[0], axis=1).T
        names = jnp.concatenate([names, low + jnp.arange(fresh.shape[0])])
        rows = jnp.concatenate([rows, jnp.where(fresh[:, None], block, 0.0)])
        order = jax.lax.linalg.lu(rows)[2][:neurons]
        return names[order], rows[order]

    return fold_blocks(directions, play, (directions + jnp.arange(neurons), residual.T))[0]


def independent(weights: InitialWeights) -> InitialWeights:
    """Fewer, linearly independent neurons with the same Σ_i w_i w_iᵀ; the flow depends on this sum alone."""
    U = np.hstack([weights.overlaps, weights.residual])
    sizes = _triangle(U)[1]
    rank = int(np.sum(sizes > _DEPENDENT * sizes[0]))
    W = U if weights.norms is None else np.asarray(weights.norms)[:, None] * U
    rows = _triangle(W)[0][:rank]
    norms = np.linalg.norm(rows, axis=1)
    overlaps, residual = np.split(rows / norms[:, None], [weights.overlaps.shape[1]], axis=1)
    # residual directions all have rate 0, so as many as there are neurons are enough
    residual = np.linalg.qr(residual.T, mode="r").T  # type: ignore[attr-defined]
    kept = None if weights.norms is None else jnp.asarray(norms)
    origin = None if weights.origin is None else jnp.asarray((norms[:, None] * overlaps).T)
    basis = weights.rates, weights.directions
    return InitialWeights(jnp.asarray(overlaps), jnp.asarray(residual), kept, *basis, origin)


def _triangle(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R Pᵀ of the column-pivoted decomposition W P = Q R, so (R Pᵀ)ᵀ(R Pᵀ) = WᵀW; and |diag R|, which decreases."""
    R, order = scipy.linalg.qr(W, mode="r", pivoting=True)
    rows = np.empty_like(R)
    rows[:, order] = R
    return rows, np.abs(np.diag(R))
