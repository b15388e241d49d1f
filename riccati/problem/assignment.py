"""Which neuron learns which direction: for a given start, and for a typical random one.

Greedy maximum selection: where the overlaps decide alone, take the largest a_p |m_ip(0)|^(k-2), give neuron i
direction p, delete row i and column p, repeat (RNWL25, section 3). For odd k only overlaps of the sign of a_p grow, so
others score 0; for even k the overlap's sign is free, but nothing grows towards a direction with a_p < 0. Under
anisotropic input a_p λ_p stands for a_p.

For a typical random start this needs no N x M matrix. The overlap of a uniform direction on the sphere of R^d with a
fixed θ has m² ~ Beta(1/2, (d-1)/2). Directions choose in order of a_p, so the p-th (p = 1 … min(N, M)) gets the largest
of the N - p + 1 overlaps left: P(max < x) = F(x)^(N-p+1), with F the law of |m| where either sign grows (even k), else
of m. For p ≪ N this is the largest of N, m² ≈ 2 log N / d. With a link of mixed parity and even k the overlaps are
taken to be positive; for odd k they have the sign of a_p, and for even k directions with a_p < 0, which nothing learns,
get no neuron. Derived in derivations/coverage.py.

Under anisotropic input w is uniform on the sphere and v = Σ^½ w is what overlaps: v_p² = λ_p u_p²/Σ_i λ_i u_i², for
which the other u_i² are taken at their mean, Σ_(i≠p) λ_i u_i² = (1 - u_p²) Σ_(i≠p) λ_i/(d - 1). Directions then choose
in order of a_p λ_p^(k/2). Derived in derivations/anisotropic.py.
"""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from ..numerics import LEAF, compiled_quickly
from ..support import namespace_of, require, require_integer, require_norms, require_open_unit
from .link import Link
from .scope import require_covered
from .teacher import Teacher

_TAKEN = -1.0  # below every score, which are ≥ 0


def overlap_scores(
    a: Float[Array, " M"], overlaps: Float[Array | np.ndarray, "... N M"], link: Link
) -> Float[Array | np.ndarray, "... N M"]:
    """The scores |a_p| |m_ip|^(k-2) of greedy assignment; 0 where the signs of a_p and m_ip forbid growth."""
    xp, power = namespace_of(a, overlaps), max(link.information_exponent - 2, 0)
    a, overlaps = xp.asarray(a), xp.asarray(overlaps)
    if link.either_sign:
        return xp.maximum(a, 0.0) * xp.abs(overlaps) ** power
    return xp.abs(a) * xp.maximum(xp.sign(a) * overlaps, 0.0) ** power


@compiled_quickly(like=lambda *_: LEAF)
def _match(scores: Float[Array, "N M"]) -> Int[Array, " M"]:
    """Greedy matching by lazy maxima.

    `best` holds for each column a bound on its best score among the free rows; bounds only fall, so a column on
    top whose best row is still free is the true maximum. About M log M columns are looked at again, not N x M x M.
    """
    rows, columns = scores.shape

    def unfinished(state: tuple) -> Array:
        _, row_free, best, _ = state
        return jnp.any(row_free) & (jnp.max(best) > 0)

    def look(state: tuple) -> tuple:
        assigned, row_free, best, best_row = state
        p = jnp.argmax(best)
        i = best_row[p]

        column = jnp.where(row_free, scores[:, p], _TAKEN)
        again = jnp.argmax(column)
        free = row_free[i]
        assigned = assigned.at[p].set(jnp.where(free, i, assigned[p]))
        row_free = row_free.at[i].set(False)
        best = best.at[p].set(jnp.where(free, _TAKEN, column[again]))
        best_row = best_row.at[p].set(jnp.where(free, i, again))
        return assigned, row_free, best, best_row

    first = (
        jnp.full(columns, -1),
        jnp.ones(rows, bool),
        scores.max(axis=0),
        jnp.argmax(scores, axis=0),
    )
    return jax.lax.while_loop(unfinished, look, first)[0]


def greedy_assignment(a: Float[Array, " M"], overlaps: Float[Array, "N M"], link: Link) -> Int[Array, " M"]:
    """The neuron that greedy maximum selection gives each direction, (M,) whole numbers; -1 for those that get none.

    A score of 0, an overlap that cannot grow, gives nobody a direction. Ties go to the lower indices.
    """
    return _match(jax.lax.stop_gradient(overlap_scores(a, overlaps, link)))


class TypicalStart(eqx.Module):
    """The overlaps m_p(0) of the neuron that each direction gets in a random start, at one quantile of their exact law.

    It takes O(M) memory where a `Start` takes O(NM), and holds no other overlaps: `Decoupled` and the laws for k > 2
    need no more (problem/scope.py). Derived in derivations/coverage.py.

    Args:
        teacher: the teacher.
        student_width: N, at most `dim`.
        dim: d.
        norm: the neurons' initial norm r, |w|_Σ under a covariance.
        quantile: the quantile, in (0, 1), of each direction's overlap; 0.5 is the median.

    Attributes:
        overlaps: (M,), 0 for the directions that get no neuron (M > N).
        norms: (M,), the norm of the neuron of each direction.

    Raises:
        ArgumentError: widths or a dimension that cannot be, a norm that is not positive, a quantile outside (0, 1), a
            teacher with correlated directions or a link for each.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=3, beta=1.0, link=rc.Link.hermite(4))
        >>> start = rc.Start.typical(teacher, student_width=16, dim=10**6)
        >>> [round(float(m), 6) for m in start.overlaps]
        [0.00203, 0.002003, 0.001975]
    """

    is_typical: ClassVar[bool] = True
    second_layer: ClassVar[None] = None

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
        require_covered("Start.typical", teacher)
        if teacher.covariance is not None:
            require(dim == teacher.covariance.dim, "dim", f"be the covariance's {teacher.covariance.dim}", dim)
        a, link = np.asarray(teacher.a), teacher.link
        rank = np.empty(teacher.width, int)
        rank[np.argsort(-pull(teacher), kind="stable")] = np.arange(teacher.width)
        left = np.maximum(student_width - rank, 0)
        given = (left > 0) & ((a > 0) | (not link.either_sign))
        overlaps = np.zeros(teacher.width)
        overlaps[given] = np.sign(a[given]) * largest_overlap(left[given], dim, quantile, link.either_sign)
        self.overlaps = jnp.asarray(overlaps if teacher.covariance is None else _stretched(overlaps, teacher))
        self.norms = jnp.asarray(np.full(teacher.width, float(norm)))
        self.student_width, self.dim = int(student_width), int(dim)

    def __repr__(self) -> str:
        return f"TypicalStart({self.student_width} neurons, {self.overlaps.shape[0]} directions, dim {self.dim})"


def pull(teacher: Teacher) -> np.ndarray:
    """The strength with which each direction attracts neurons, (M,): |a_p| λ_p^(k/2), for even k with the sign of a_p.

    It is a_p on isotropic input, and a_p λ_p^(k/2-1) where steps are preconditioned. T_p goes as its inverse.
    """
    a = np.asarray(teacher.a if teacher.link.either_sign else jnp.abs(teacher.a))
    if teacher.covariance is None:
        return a
    eigenvalues = np.asarray(teacher.covariance.eigenvalues)[: teacher.width]
    speeds = np.asarray(teacher.covariance.speeds(jnp.asarray(eigenvalues)))
    return a * speeds * eigenvalues ** (teacher.link.information_exponent / 2 - 1)


def _stretched(u: np.ndarray, teacher: Teacher) -> np.ndarray:
    """v_p of u_p, with the other coordinates at their mean."""
    eigenvalues = np.asarray(teacher.covariance.eigenvalues)  # type: ignore[union-attr]
    own = eigenvalues[: len(u)]
    others = (eigenvalues.sum() - own) / max(len(eigenvalues) - 1, 1)
    return u / np.sqrt(u**2 + (1 - u**2) * others / own)


def largest_overlap(count: ArrayLike, dim: int, quantile: float, either_sign: bool) -> np.ndarray:
    """The `quantile` of the largest of `count` independent overlaps on the sphere of R^dim, for each count.

    Overlaps are |m| where `either_sign`, else m. Exact: m² ~ Beta(1/2, (dim-1)/2). `dim` ≥ 2.
    """
    # log F = log(quantile)/count; 1 - F through expm1, which keeps its digits at large counts
    above = -np.expm1(np.log(quantile) / np.asarray(count, float))
    if either_sign:
        return _overlap_exceeded(above, dim)
    return np.where(above <= 0.5, 1.0, -1.0) * _overlap_exceeded(2 * np.minimum(above, 1 - above), dim)


def _overlap_exceeded(probability: np.ndarray, dim: int) -> np.ndarray:
    """x with P(|m| > x) = probability: 1 - m² ~ Beta((d-1)/2, 1/2), whose lower tail is found without loss."""
    return np.sqrt(np.maximum(1 - scipy.special.betaincinv((dim - 1) / 2, 0.5, probability), 0.0))
