"""The observables of a student: its risk, and its alignment with the teacher, by the two definitions in use.

f(x) = Σ_i s_i σ(<x, u_i>) with directions U in any coordinates whose first K hold the teacher's (`Teacher.overlaps`),
m_im = <u_i, θ_m>, q_il = <u_i, u_l>, dual activation g of the student's link, and g_m between it and direction m's:

    E(f* - f)² = E f*² - 2 Σ_im s_i a_m g_m(m_im) + Σ_il s_i s_l g(q_il).

For k = 2 neurons share directions, and what emerges is diag G, the squared projection of θ_m on the student's span;
for k > 2 each direction has its own neuron, and what emerges is max_i cos² of the angle between w_i and θ_m.
Derived in derivations/risk.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..numerics import LEAF, compiled_quickly
from ..support import all_numbers, require, require_finite
from .pair_averages import committee_risk
from .start import Start
from .teacher import Teacher

_ORTHONORMAL = 1e-6  # single precision is enough
_RANK = 1e-12  # singular values of the neurons' directions below it add nothing to their span


class Observables(NamedTuple):
    """The risk, alignments and radii of a student at T times; at a single time the axis T is left out.

    Attributes:
        risk: (T,), E(f* - f)²/E f*².
        alignment: (T, M), the squared overlap of each direction, in [0, 1]; None where it was too large to keep.
        radius: (T, M), the squared student norm along each direction, or None where there are no norms.
    """

    risk: Float[Array, " T"]
    alignment: Float[Array, "T M"] | None
    radius: Float[Array, "T M"] | None


@compiled_quickly(like=lambda teacher, U, s: LEAF)
def population_risk(teacher: Teacher, U: Float[Array, "N D"], s: Float[Array, " N"]) -> Float[Array, ""]:
    """The population risk E(f* - f)²/E f*² of unit directions U and amplitudes s, `Start.amplitudes`."""
    a, link = teacher.a, teacher.link
    m = teacher.overlaps(U)
    excess = teacher.second_moment - 2 * s @ teacher.dual(m) @ a + s @ link.dual(U @ U.T) @ s
    return excess / teacher.second_moment


def risk_at(teacher: Teacher, start: Start) -> Float[Array, ""]:
    """The population risk E(f* - f)²/E f*² of a student at its start, of either parametrisation."""
    if start.second_layer is not None:
        return committee_risk(teacher, start.weights, start.second_layer)
    return population_risk(teacher, start.directions, start.amplitudes)


def squared_overlaps(teacher: Teacher, U: Float[Array, "N D"], overlap: str | None = None) -> Float[Array, " M"]:
    """The squared overlap of each direction, (M,), by either definition, from unit directions U.

    `overlap` is "neuron", max_i m_im², or "subspace", diag G = ||P θ_m||² with P the projector on the span of U. None
    takes the one that emerges: "subspace" for h_2 and z², where neurons share directions, else "neuron".
    """
    if overlap == "subspace" or (overlap is None and teacher.link.is_quadratic):
        Q = jnp.linalg.qr(U.T)[0]
        return jnp.sum(teacher.overlaps(Q.T).T ** 2, axis=1)
    return jnp.max(teacher.overlaps(U) ** 2, axis=0)


def subspace_population_risk(a: Float[Array, " M"], Z: Float[Array, "M N"]) -> Float[Array, ""]:
    """The risk of a quadratic student on the span of U after the best radial fit: 1 - tr(AGAG)/Σa², G = ZZᵀ."""
    return 1 - jnp.sum((Z.T @ (a[:, None] * Z)) ** 2) / jnp.sum(a**2)


def as_weights(values: Any, name: str) -> Float[np.ndarray, "rows d"]:
    """A matrix of numpy, jax or torch as float64; torch tensors are detached and brought to the host.

    Raises:
        ArgumentError: no matrix of finite numbers.
    """
    array = all_numbers(values, name, "be a matrix of numbers")
    require(
        array.ndim == 2 and array.size > 0, name, "be a matrix with a row for each neuron or direction", array.shape
    )
    require_finite(array, name)
    return array


def as_directions(Theta: Any, dim: int) -> Float[np.ndarray, "M dim"]:
    """Teacher directions Θ (M, d) with orthonormal rows.

    Raises:
        ArgumentError: rows of another length than `dim`, or not orthonormal.
    """
    array = as_weights(Theta, "Theta")
    require(array.shape[1] == dim, "Theta", f"be of shape (M, {dim})", array.shape)
    off = float(np.abs(array @ array.T - np.eye(len(array))).max())
    must = "have orthonormal rows (for others the teacher is Teacher.from_directions(Theta, a, link))"
    require(off < _ORTHONORMAL, "Theta", must, f"off by {off:.2g}")
    return array


def neuron_alignment(W: Any, Theta: Any) -> Float[np.ndarray, " M"]:
    """The neuron overlap of each direction, max_i cos²(w_i, θ_m), (M,): what emerges for k > 2.

    Args:
        W: weights (N, d), numpy, jax or torch.
        Theta: orthonormal teacher directions (M, d), likewise.

    Raises:
        ArgumentError: shapes that disagree, a zero row of W, rows of Θ that are not orthonormal.

    Example:
        >>> import riccati as rc
        >>> rc.neuron_alignment(W=[[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]], Theta=[[1.0, 0.0, 0.0]]).round(2).tolist()
        [0.36]
    """
    U = _units(W)
    return np.minimum(np.max((U @ as_directions(Theta, U.shape[1]).T) ** 2, axis=0), 1.0)


def subspace_alignment(W: Any, Theta: Any) -> Float[np.ndarray, " M"]:
    """The subspace overlap of each direction, diag G = ||P θ_m||², (M,): what emerges for k = 2.

    P is the projector on the span of W's rows; arguments and errors are those of `neuron_alignment`.

    Example:
        >>> import riccati as rc
        >>> W = [[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]]
        >>> rc.subspace_alignment(W, Theta=[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).round(2).tolist()
        [1.0, 0.0]
    """
    U = _units(W)
    directions = as_directions(Theta, U.shape[1])
    return np.minimum(np.sum((directions @ _spanned(U).T) ** 2, axis=1), 1.0)


def alignments(teacher: Teacher, start: Start) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """The alignments of a student's start, by subspace and by neuron, (M,) each; of whitened weights under Σ."""
    basis = _spanned(np.asarray(start.directions))
    along = basis[:, : teacher.frame_dim]
    of_span = np.sum((along if teacher.frame is None else along @ np.asarray(teacher.frame).T) ** 2, axis=0)
    of_neuron = np.max(np.asarray(start.teacher_overlaps) ** 2, axis=0)
    return np.minimum(of_span, 1.0), np.minimum(of_neuron, 1.0)


def _spanned(U: Float[np.ndarray, "N d"]) -> Float[np.ndarray, "rank d"]:
    """An orthonormal basis of the rows' span."""
    _, size, basis = np.linalg.svd(U, full_matrices=False)
    return basis[size > _RANK * size[0]]


def _units(W: Any) -> Float[np.ndarray, "N d"]:
    array = as_weights(W, "W")
    norms = np.linalg.norm(array, axis=1)
    require(bool(norms.min() > 0), "W", "have no zero row", f"zero at row {int(norms.argmin())}")
    return array / norms[:, None]
