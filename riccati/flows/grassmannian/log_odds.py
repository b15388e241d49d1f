"""The log-odds of alignments at every time of a short span, and when they reach a level in it.

Within one chart an alignment at the time x of the span needs the Gram matrix Bᵀ diag(e^{2ρx}) B, which costs a product
with all M rows. A root finder asks for it at many x. `GrowingGram` therefore passes over the rows once: it takes them
in the order of their rates, in classes of nearly equal rate ρ_c, and within a class

    Σ_i e^{2ρ_i x} b_i b_iᵀ = e^{2ρ_c x} Σ_k (2x)^k/k! Σ_i (ρ_i - ρ_c)^k b_i b_iᵀ,       ρ_i ≥ ρ_c.

All terms are positive semidefinite, so no digit is lost. Few terms suffice, as most rows of a wide teacher are slow.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import scipy
from jaxtyping import Float, Int

from .chart import Chart
from .host import BLOCK

_CLASS = 0.5  # growth exponents of rows in one class differ by so much over the span
_ROUNDING = 1e-17
TOLERANCE = 4 * np.finfo(float).eps


class LogOdds:
    """The log-odds log G_mm/(1 - G_mm) as a function of the time 0 ≤ x ≤ `span` in one chart."""

    def __init__(self, chart: Chart, span: float):
        self._B, self._row_rate = np.asarray(chart.B), np.asarray(chart.row_rate)
        self._column_rate = np.asarray(chart.column_rate)
        self._gram = GrowingGram(self._B, self._row_rate, span)
        # where each direction stands: among B's rows, or among the pivots, whose places follow
        self._names = np.concatenate([chart.row, chart.column])
        self._place = np.empty(len(self._names), int)
        self._place[self._names] = np.arange(len(self._names))
        self._directions = None if chart.directions is None else np.asarray(chart.directions)

    def __call__(self, x: float, directions: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The log-odds of some directions, given by number, after the time x, (n,)."""
        shrink = np.exp(-self._column_rate * x)
        L = np.linalg.cholesky(np.eye(len(shrink)) + shrink[:, None] * self._gram(x) * shrink)
        X = (self._rows if self._directions is None else self._combined)(x, shrink, directions)
        G = np.sum(scipy.linalg.solve_triangular(L, X.T, lower=True) ** 2, axis=0)
        with np.errstate(divide="ignore"):
            return np.log(G) - np.log1p(-np.minimum(G, 1.0))

    def _rows(self, x: float, shrink: np.ndarray, directions: np.ndarray) -> np.ndarray:
        rows, neurons = self._B.shape
        place = self._place[directions]
        at = np.minimum(place, rows - 1)
        b = self._B[at] * np.exp(self._row_rate[at] * x)[:, None] * shrink
        return np.where((place < rows)[:, None], b, np.eye(neurons)[np.maximum(place - rows, 0)])

    def _combined(self, x: float, shrink: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Rows of X for correlated directions, which have coordinates along every row of the teacher's."""
        M, neurons = self._B.shape
        along = np.zeros((len(directions), M + neurons))
        along[:, :M] = self._directions[directions]  # type: ignore[index]
        along = along[:, self._names]
        b = self._B * np.exp(self._row_rate * x)[:, None] * shrink
        return along[:, :M] @ b + along[:, M:]


def crossings_in(odds: LogOdds, span: float, goal: float, directions: np.ndarray, tolerance: float) -> np.ndarray:
    """The times within the span at which the log-odds of each direction reach `goal`, (n,); inf where they do not."""
    roots = np.where(odds(0.0, directions) >= goal, 0.0, np.inf)  # at the span's begin, to rounding
    for n in np.flatnonzero((roots > 0) & (odds(span, directions) >= goal)):
        alone = directions[n : n + 1]
        # not a closure: SciPy keeps the function for as long as its caller runs, and a chart's rows with it
        roots[n] = scipy.optimize.brentq(_above, 0.0, span, (odds, alone, goal), xtol=tolerance, rtol=TOLERANCE)
    return roots


def _above(x: float, odds: LogOdds, direction: Int[np.ndarray, " 1"], goal: float) -> float:
    return float(odds(x, direction)[0] - goal)


class GrowingGram:
    """The Gram matrix Bᵀ diag(e^{2ρx}) B as a function of the time 0 ≤ x ≤ `span`, exact to rounding.

    Attributes:
        lowest: (C,), the rate of each class, as growth exponent 2ρ_c over the span.
        moments: (C, K, N, N), Σ_i δ_i^k b_i b_iᵀ/k!, δ_i = 2(ρ_i - ρ_c) times the span.
    """

    lowest: Float[np.ndarray, " C"]
    moments: Float[np.ndarray, "C K N N"]

    def __init__(self, B: Float[np.ndarray, "M N"], rates: Float[np.ndarray, " M"], span: float):
        self.span = span
        order = np.argsort(rates)
        growth = 2 * span * rates[order]
        classes = np.floor((growth - growth[0]) / _CLASS).astype(int)
        self.lowest = growth[0] + _CLASS * np.arange(classes[-1] + 1)
        terms = _terms(_CLASS if span else 0.0)
        self.moments = np.zeros((len(self.lowest), terms, B.shape[1], B.shape[1]))
        edges = np.searchsorted(classes, np.arange(len(self.lowest) + 1))
        for c, (low, high) in enumerate(pairwise(edges)):
            for first in range(low, high, BLOCK):
                part = slice(first, min(first + BLOCK, high))
                self._add(c, B[order[part]], growth[part] - self.lowest[c])

    def _add(self, c: int, rows: np.ndarray, excess: np.ndarray) -> None:
        scale = np.sqrt(np.maximum(excess, 0.0))[:, None]
        for k in range(_terms(float(excess[-1]))):
            self.moments[c, k] += rows.T @ rows
            rows *= scale / math.sqrt(k + 1)

    def __call__(self, x: float) -> Float[np.ndarray, "N N"]:
        """The Gram matrix after the time x, (N, N)."""
        part = x / self.span if self.span else 0.0
        weights = np.exp(part * self.lowest)[:, None] * part ** np.arange(self.moments.shape[1])
        return np.tensordot(weights, self.moments, axes=2)


def _terms(excess: float) -> int:
    """How many terms of Σ_k δ^k/k! are above rounding for δ ≤ `excess`."""
    count, term = 1, max(excess, 0.0)
    while term > _ROUNDING:
        count += 1
        term *= excess / count
    return count
