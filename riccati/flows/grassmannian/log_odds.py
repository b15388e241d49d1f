"""The log-odds of alignments within one chart, and when they reach a level there."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int
from scipy.optimize import brentq

from ...numerics import compiled_quickly
from .chart import Chart, carry
from .growing import GrowingGram

TOLERANCE = 4 * np.finfo(float).eps

carried = compiled_quickly(donate_argnums=0)(carry)


class LogOdds:
    """log G_mm/(1 - G_mm) after a time 0 ≤ x ≤ `span`, in the same chart."""

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
        """Of some directions, by number."""
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
        """Rows of correlated directions, which have coordinates along every row of the teacher's."""
        M, neurons = self._B.shape
        along = np.zeros((len(directions), M + neurons))
        along[:, :M] = self._directions[directions]  # type: ignore[index]
        along = along[:, self._names]
        b = self._B * np.exp(self._row_rate * x)[:, None] * shrink
        return along[:, :M] @ b + along[:, M:]


def crossings_in(odds: LogOdds, span: float, goal: float, directions: np.ndarray, tolerance: float) -> np.ndarray:
    """Where the log-odds of each direction reach `goal` within the span, inf where they do not."""
    roots = np.where(odds(0.0, directions) >= goal, 0.0, np.inf)  # at the span's begin, to rounding
    for n in np.flatnonzero((roots > 0) & (odds(span, directions) >= goal)):
        alone = directions[n : n + 1]
        # not a closure: SciPy keeps the function for as long as its caller runs, and a chart's rows with it
        roots[n] = brentq(_above, 0.0, span, (odds, alone, goal), xtol=tolerance, rtol=TOLERANCE)
    return roots


def _above(x: float, odds: LogOdds, direction: Int[np.ndarray, " 1"], goal: float) -> float:
    return float(odds(x, direction)[0] - goal)
