"""The chart of the initial weights: the choice of its pivot rows, and the treatment of linearly dependent neurons."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
import scipy
from jaxtyping import Float, Int

from ...problem import Link, Problem, spectrum
from ...support import is_traced, namespace_of
from .chart import Chart, settle
from .host import Numbers, fold_blocks, is_on_host, linear_algebra, namespace, order_of_pivots, put, put_block, take

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
        origin: (M+N, N), the weights in the rows of the reduced space, for charts that keep them; else None.
        share: κ = c_0²/c_2², by which the mean error counts beside the rest; None where c_0 = 0 or norms do not matter.
    """

    overlaps: Float[Numbers, "N M"]
    residual: Float[Numbers, "N N"]
    norms: Float[Numbers, " N"] | None
    rates: Float[Numbers, " M"]
    directions: Float[Numbers, "M M"] | None = None
    origin: Float[Numbers, "M+N N"] | None = None
    share: Float[Numbers, ""] | None = None

    def with_origin(self) -> InitialWeights:
        """The same with `origin`, for charts of weights that may shrink; they need norms."""
        xp = namespace_of(self.norms, self.overlaps, self.residual)
        rows = xp.concatenate([xp.asarray(self.overlaps), xp.asarray(self.residual)], axis=1)
        return self._replace(origin=(xp.asarray(self.norms)[:, None] * rows).T)


def initial_weights_of(problem: Problem, *, with_norms: bool) -> InitialWeights:
    """The student's weights at the start; without their norms where only the span matters."""
    start, basis = problem.full_start, spectrum(problem.teacher)
    norms = start.norms if with_norms else None
    overlaps = start.teacher_coordinates if basis.vectors is None else start.teacher_coordinates @ basis.vectors
    share = mean_share(problem.teacher.link) if with_norms else None
    return InitialWeights(overlaps, start.residual_factor, norms, basis.rates, basis.directions, share=share)


def mean_share(link: Link) -> Float[Numbers, ""] | None:
    """κ = c_0²/c_2² of the link c_0 + c_2 h_2; None where c_0 = 0."""
    c = namespace_of(link.coefficients).asarray(link.coefficients)
    return None if link.is_centred else (c[0] / c[2]) ** 2


def initial_chart_of(weights: InitialWeights) -> Chart:
    """The chart of the span of the initial weights, with bounded entries; on the host unless they are traced.

    Linearly dependent neurons, which span fewer than N dimensions, are replaced by independent ones first. This is
    possible outside jit only, as the number of dimensions depends on the numbers.

    Raises:
        RuntimeError: under jit, vmap and grad, if neurons are linearly dependent.
    """
    if is_traced(weights):
        chart, least = pivoted_chart(weights)
        must = "Neurons are linearly dependent: solve outside jit, vmap and grad, or leave out what repeats others."
        return eqx.error_if(chart, ~(least > _DEPENDENT), must)
    weights = jax.tree.map(np.asarray, weights)
    with np.errstate(all="ignore"):  # dependent neurons divide by zero
        chart, least = pivoted_chart(weights)
    return chart if least > _DEPENDENT else pivoted_chart(independent(weights))[0]


def pivoted_chart(weights: InitialWeights) -> tuple[Chart, Float[Numbers, ""]]:
    """The bounded chart from the pivot rows of partial pivoting; and the least diagonal entry of `chart_at`."""
    overlaps, residual = weights.overlaps, weights.residual
    if not is_on_host(overlaps):
        overlaps, residual = jax.lax.stop_gradient((overlaps, residual))
    chart, least = chart_at(weights, pivot_rows(overlaps, residual))
    return settle(chart), least


def chart_at(weights: InitialWeights, column: Int[Numbers, " N"]) -> tuple[Chart, Float[Numbers, ""]]:
    """The chart with the pivot rows `column`; and the least diagonal entry of the triangular factor of these rows."""
    overlaps, residual, norms, rates = weights[:4]
    xp, factorise = namespace(overlaps), linear_algebra(overlaps)
    neurons, directions = overlaps.shape

    # the teacher's rows fill B; the places of those that are pivots go to the residual rows that are not
    from_teacher, others = column < directions, directions + xp.arange(neurons)
    spare = xp.sort(xp.where((others[:, None] == column).any(axis=1), -1, others))[::-1]
    place = xp.where(from_teacher, column, directions)[xp.argsort(~from_teacher, stable=True)]
    row = put(xp.arange(directions + 1), place, spare)[:directions]  # a last one takes what has no place

    pivots = xp.where(
        from_teacher[:, None],
        overlaps.T[xp.minimum(column, directions - 1)],
        residual.T[xp.maximum(column - directions, 0)],
    )
    factors = factorise.lu_factor(pivots.T)
    least = xp.min(xp.abs(xp.diag(factors[0])))
    spare_rows = factorise.lu_solve(factors, residual[:, xp.maximum(spare - directions, 0)]).T

    def fill(B: Numbers, low: Numbers, fresh: Numbers) -> Numbers:
        block = take(overlaps, low, fresh, axis=-1)
        return put_block(B, factorise.lu_solve(factors, block).T, low, axis=-2)

    B = fold_blocks(overlaps, directions, fill, xp.zeros((directions + 1, neurons)))
    B = put(B, place, spare_rows)[:directions]
    J = xp.zeros((0, neurons)) if norms is None else xp.linalg.inv(pivots) / norms[:, None]
    every = xp.concatenate([rates, xp.zeros(neurons)])
    fastest = xp.max(xp.abs(rates), initial=0.0)
    return Chart(
        B, J, every[row], every[column], row, column, fastest, weights.directions, weights.origin, weights.share
    ), least


def pivot_rows(overlaps: Float[Numbers, "N M"], residual: Float[Numbers, "N N"]) -> Int[Numbers, " N"]:
    """The numbers of N well-conditioned rows of [overlaps, residual]ᵀ, by partial pivoting over one block at a time."""
    xp, (neurons, directions) = namespace(overlaps), overlaps.shape

    def play(best: tuple[Numbers, Numbers], low: Numbers, fresh: Numbers) -> tuple[Numbers, Numbers]:
        names, rows = best
        block = take(overlaps, low, fresh, axis=-1).T
        names = xp.concatenate([names, low + xp.arange(fresh.shape[0])])
        rows = xp.concatenate([rows, xp.where(fresh[:, None], block, 0.0)])
        order = order_of_pivots(rows)[:neurons]
        return names[order], rows[order]

    return fold_blocks(overlaps, directions, play, (directions + xp.arange(neurons), residual.T))[0]


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
    kept = None if weights.norms is None else norms
    fewer = InitialWeights(overlaps, residual, kept, weights.rates, weights.directions, share=weights.share)
    return fewer if weights.origin is None else fewer.with_origin()


def _triangle(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R Pᵀ of the column-pivoted decomposition W P = Q R, so (R Pᵀ)ᵀ(R Pᵀ) = WᵀW; and |diag R|, which decreases."""
    R, order = scipy.linalg.qr(W, mode="r", pivoting=True)
    rows = np.empty_like(R)
    rows[:, order] = R
    return rows, np.abs(np.diag(R))
