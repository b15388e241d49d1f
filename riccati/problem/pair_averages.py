"""Averages E σ(u)σ(v) of jointly Gaussian u, v of any variances, and what they make of a committee machine: its risk.

The committee machine is the two-layer student f(x) = Σ_i b_i σ(<x, w_i>) with weights of any norms and any link. With
the Gram matrix Q = WWᵀ, overlaps m_im = <w_i, θ_m>, teacher directions of length one with Gram matrix C, and
K(A, B; c) = E σ(u)σ(v) at E u² = A, E v² = B, E uv = c,

    2L = Σ_mn a_m a_n K(1, 1; C_mn) - 2 Σ_im b_i a_m K(Q_ii, 1; m_im) + Σ_il b_i b_l K(Q_ii, Q_ll; Q_il).

By Mehler's formula K(A, B; c) = Σ_j c_j(√A) c_j(√B) q^j, q = c/√(AB), with the coefficients c_j(λ) = E σ(λz)h_j(z) of
the stretched link. It is computed, in this order,

    in closed form      erf, exp, cos, sin; K = (AB)^(p/2) g(q) where σ(λz) = λ^p σ(z), as for relu, abs and sign
    for polynomials     exactly: c_j(λ) = λ^j P_j(λ²), P_j(A) = Σ_k c_{j+2k} √((j+2k)!/j!) (A - 1)^k/(2^k k!), so that
                        K = Σ_j P_j(A) P_j(B) c^j has no root and no quotient
    for other links     by Mehler's series to degree 200, c_j(λ) by Gauss-Hermite quadrature; `largest_norm` says up to
                        which λ it holds.

Derived in derivations/committee.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from math import lgamma, log

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..numerics import LEAF, compiled_quickly
from .closed_forms import HOMOGENEOUS, ClosedForm
from .hermite import panels, projection
from .link import Link, coefficient_rows
from .teacher import Teacher

_MISSED = 1e-5  # share of E σ'(λz)² that the series may miss: the largest relative error of a force
_NORMS = np.geomspace(0.25, 64.0, 65)  # λ at which that is computed


def pair_average(link: Link, own: ArrayLike, shared: ArrayLike, other: ArrayLike) -> Array:
    """E σ(u)σ(v) with E u² = `own`, E uv = `shared` and E v² = `other`, which broadcast against each other.

    It is differentiable at u = ±v too, where it has a finite derivative.
    """
    A, c, B = jnp.asarray(own), jnp.asarray(shared), jnp.asarray(other)
    if link.polynomial_degree is not None:
        return jnp.sum(_powers(c, link) * stretched(link, A) * stretched(link, B), axis=-1)
    form = link.closed_form
    if form is not None and form.average is not None:
        return form.average(A, c, B)
    size = jnp.sqrt(A * B)
    if form is not None and form.name in HOMOGENEOUS:
        return jnp.power(size, HOMOGENEOUS[form.name]) * _dual(form, c / size)
    return jnp.sum(stretched(link, A) * stretched(link, B) * _powers(c / size, link), axis=-1)


def stretched(link: Link, variance: Array) -> Float[Array, "... J"]:
    """P_j = λ^-j E σ(λz)h_j(z) of a polynomial at λ² = `variance`, a last axis for j; of other links E σ(λz)h_j(z)."""
    degree = link.polynomial_degree
    if degree is None:
        nodes, onto = projection()
        return link(jnp.sqrt(variance)[..., None] * nodes) @ onto.T
    table = _table(degree)
    places = np.minimum(np.arange(degree + 1)[:, None] + 2 * np.arange(table.shape[1]), degree)
    each = table * link.coefficients[places]
    return (variance[..., None] - 1) ** np.arange(table.shape[1]) @ each.T


def _powers(q: Array, link: Link) -> Float[Array, "... J"]:
    """1, q, q², …, as many as `stretched` has entries."""
    count = len(projection()[1]) if link.polynomial_degree is None else link.polynomial_degree + 1
    return q[..., None] ** np.arange(count)


@cache
def _table(degree: int) -> Float[np.ndarray, "J K"]:
    """√((j+2k)!/j!)/(2^k k!), 0 where j + 2k exceeds the degree."""
    table = np.zeros((degree + 1, degree // 2 + 1))
    for j, k in np.argwhere(np.add.outer(np.arange(degree + 1), 2 * np.arange(degree // 2 + 1)) <= degree):
        table[j, k] = np.exp((lgamma(j + 2 * k + 1) - lgamma(j + 1)) / 2 - k * log(2) - lgamma(k + 1))
    return table


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _dual(form: ClosedForm, q: Array) -> Array:
    """The dual activation g, whose derivative at ±1 is g'(±1) in closed form and not a difference of infinities."""
    return form.dual(q)


@_dual.defjvp
def _dual_jvp(form: ClosedForm, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (q,), (dq,) = primals, tangents
    return form.dual(q), form.dual_derivative(q) * dq


def largest_norm(link: Link) -> float:
    """The largest |w| up to which averages over σ(<x, w>) are right: inf where they are exact, 0 where never.

    The series is right while it misses at most 10⁻⁵ of λ²E σ'(λz)² = Σ_j j c_j(λ)², the largest relative error of a
    force, that between neurons which coincide.
    """
    form = link.closed_form
    if link.polynomial_degree is not None or (form is not None and (form.average or form.name in HOMOGENEOUS)):
        return np.inf
    if form is not None:
        return _largest_norm(form.value, form.derivative)
    if link.function is None:
        return 0.0
    return np.inf if link.function.is_left_out else _largest_norm(link.function, link.function.derivative)


@cache
def _largest_norm(value: Callable[[Array], Array], derivative: Callable[[Array], Array]) -> float:
    nodes, onto = projection()
    z, density = panels()
    with jax.ensure_compile_time_eval():
        coefficients = np.asarray(value(jnp.asarray(_NORMS[:, None] * nodes))) @ onto.T
        slopes = np.asarray(derivative(jnp.asarray(_NORMS[:, None] * z)))
    whole = _NORMS**2 * (slopes**2 @ density)
    missed = np.abs(1 - coefficients**2 @ np.arange(len(onto)) / whole)
    right = np.cumprod(missed <= _MISSED).sum()
    return float(_NORMS[right - 1]) if right > 0 else 0.0


def teacher_averages(teacher: Teacher, own: Float[Array, " N"], overlaps: Float[Array, "N M"]) -> Float[Array, "N M"]:
    """E σ(<x, w_i>)σ_m(<x, θ_m>) of weights with |w_i|² = `own` and overlaps <w_i, θ_m>."""
    if teacher.links is None:
        return pair_average(teacher.link, own[:, None], overlaps, 1.0)
    powers = _powers(overlaps, teacher.link)
    theirs = coefficient_rows(teacher.links, powers.shape[-1])
    return jnp.sum(powers * stretched(teacher.link, own)[:, None] * theirs, axis=-1)


def committee_excess(
    teacher: Teacher, gram: Float[Array, "N N"], overlaps: Float[Array, "N M"], b: Float[Array, " N"],
    interaction: Float[Array, ""] | float = 1.0,
) -> Float[Array, ""]:  # fmt: skip
    """E(f* - f)² - E f*² from Q and m; on the correlation loss, with `interaction` 0, without E f²."""
    own = jnp.diag(gram)
    among = pair_average(teacher.link, own[:, None], gram, own)
    return interaction * (b @ among @ b) - 2 * b @ teacher_averages(teacher, own, overlaps) @ teacher.a


def committee_moment(teacher: Teacher) -> Float[Array, ""]:
    """E f*², computed as the student's averages are, so that f = f* has the risk 0 to rounding."""
    if teacher.links is not None:
        return teacher.second_moment
    return teacher.a @ pair_average(teacher.link, 1.0, teacher.gram, 1.0) @ teacher.a


@compiled_quickly(like=lambda teacher, W, b: LEAF)
def committee_risk(teacher: Teacher, W: Float[Array, "N D"], b: Float[Array, " N"]) -> Float[Array, ""]:
    """The population risk E(f* - f)²/E f*² of the two-layer student f(x) = Σ b_i σ(<x, w_i>), W in any coordinates.

    Their first K hold the teacher's directions (`Teacher.overlaps`).
    """
    excess = committee_excess(teacher, W @ W.T, teacher.overlaps(W), b)
    return (committee_moment(teacher) + excess) / teacher.second_moment
