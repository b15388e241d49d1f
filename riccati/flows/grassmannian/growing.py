"""A chart's Gram matrix at every time of a short span, from one pass over its rows.

An emergence time asks for Bᵀ diag(e^{2ρx}) B at many x, where each costs a product with all M rows. Rows are taken in
the order of their rates, in classes of nearly equal rate ρ_c, and within a class

    Σ_i e^{2ρ_i x} b_i b_iᵀ = e^{2ρ_c x} Σ_k (2x)^k/k! Σ_i (ρ_i - ρ_c)^k b_i b_iᵀ,       ρ_i ≥ ρ_c,

whose terms are all positive semidefinite, so no digit is lost, and few: the rows of a wide teacher are mostly slow.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from .blocks import BLOCK

_CLASS = 0.5  # growth exponents of rows in one class differ by so much over the span
_ROUNDING = 1e-17


class GrowingGram:
    """Bᵀ diag(e^{2ρx}) B for 0 ≤ x ≤ `span`, to rounding.

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
        """The Gram matrix after the time x."""
        part = x / self.span if self.span else 0.0
        weights = np.exp(part * self.lowest)[:, None] * part ** np.arange(self.moments.shape[1])
        return np.tensordot(weights, self.moments, axes=2)


def _terms(excess: float) -> int:
    """How many terms of Σ_k δ^k/k! rounding leaves for δ ≤ `excess`."""
    count, term = 1, max(excess, 0.0)
    while term > _ROUNDING:
        count += 1
        term *= excess / count
    return count
