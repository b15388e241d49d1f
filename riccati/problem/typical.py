"""The typical random start: what greedy assignment gives each direction, without an N x M matrix.

The overlap of a uniform direction on the sphere of R^d with a fixed θ has m² ~ Beta(1/2, (d-1)/2). Directions
choose in order of a_p, so the p-th (p = 1 … min(N, M)) gets the largest of the N - p + 1 overlaps left:
P(max < x) = F(x)^(N-p+1), with F the law of |m| where either sign grows (even k), else of m. For p ≪ N this is the
largest of N, m² ≈ 2 log N / d. With a link of mixed parity and even k the overlaps are taken to be positive.
Derived in derivations/coverage.py.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float
from scipy.special import betaincinv

from ..support import require, require_integer, require_open_unit
from .norms import require_norms
from .teacher import Teacher


class TypicalStart(eqx.Module):
    """Overlaps m_p(0) of the neuron that each direction gets, at one quantile of their exact law.

    Args:
        teacher: the teacher.
        student_width: N, at most `dim`.
        dim: d.
        norm: the neurons' initial norm r.
        quantile: the quantile, in (0, 1), of each direction's overlap; 0.5 is the median.

    Attributes:
        overlaps: (M,), 0 for the directions that get no neuron (M > N).
        norms: (M,), the norm of the neuron of each direction.

    Raises:
        ArgumentError: widths or a dimension that cannot be, a norm that is not positive, a quantile outside (0, 1).
    """

    overlaps: Float[Array, " M"]
    norms: Float[Array, " M"]
    student_width: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    def __init__(self, teacher: Teacher, student_width: int, dim: int, norm: float = 1e-2, quantile: float = 0.5):
        require_integer(student_width, "student_width", 1)
        require_integer(dim, "dim", 2)
        require(student_width <= dim, "student_width", f"be ≤ dim = {dim}", student_width)
        require(teacher.width <= dim, "dim", f"be ≥ the teacher's width {teacher.width}", dim)
        require_norms(norm, "norm")
        require_open_unit(quantile, "quantile")
        rank = np.empty(teacher.width, int)
        rank[np.argsort(-np.asarray(teacher.a), kind="stable")] = np.arange(teacher.width)
        left = np.maximum(student_width - rank, 0)
        found = left > 0
        overlaps = np.zeros(teacher.width)
        overlaps[found] = largest_overlap(left[found], dim, quantile, teacher.link.either_sign)
        self.overlaps = jnp.asarray(overlaps)
        self.norms = jnp.full(teacher.width, float(norm))
        self.student_width, self.dim = int(student_width), int(dim)

    def check_against(self, teacher: Teacher) -> None:
        """Refuse a start made for another number of directions than `teacher` has."""
        directions = self.overlaps.shape[-1]
        require(directions == teacher.width, "start", f"have {teacher.width} directions", directions)

    def __repr__(self) -> str:
        return f"TypicalStart({self.student_width} neurons, {self.overlaps.shape[0]} directions, dim {self.dim})"


def largest_overlap(count: ArrayLike, dim: int, quantile: float, either_sign: bool) -> np.ndarray:
    """The `quantile` of the largest of `count` independent overlaps on the sphere of R^dim, each count's.

    Overlaps are |m| where `either_sign`, else m. Exact: m² ~ Beta(1/2, (dim-1)/2). `dim` ≥ 2.
    """
    # log F = log(quantile)/count; 1 - F through expm1, which keeps its digits at large counts
    above = -np.expm1(np.log(quantile) / np.asarray(count, float))
    if either_sign:
        return _overlap_exceeded(above, dim)
    return np.where(above <= 0.5, 1.0, -1.0) * _overlap_exceeded(2 * np.minimum(above, 1 - above), dim)


def _overlap_exceeded(probability: np.ndarray, dim: int) -> np.ndarray:
    """x with P(|m| > x) = probability: 1 - m² ~ Beta((d-1)/2, 1/2), whose lower tail is found without loss."""
    return np.sqrt(np.maximum(1 - betaincinv((dim - 1) / 2, 0.5, probability), 0.0))
