"""How well weights align with the teacher's directions, by the two definitions in use.

For k = 2 neurons share directions, and what emerges is diag G, the squared projection of θ_m on the student's span;
for k > 2 each direction has its own neuron, and what emerges is max_i cos² of the angle between w_i and θ_m.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..support import all_numbers, require, require_finite
from .start import Start
from .teacher import Teacher

_ORTHONORMAL = 1e-6  # single precision is enough
_RANK = 1e-12  # singular values of the neurons' directions below it add nothing to their span


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
    """max_i cos²(w_i, θ_m) (M,), of weights W (N, d) and orthonormal directions Θ (M, d); numpy, jax or torch.

    Raises:
        ArgumentError: shapes that disagree, a zero row of W, rows of Θ that are not orthonormal.
    """
    U = _units(W)
    return np.minimum(np.max((U @ as_directions(Theta, U.shape[1]).T) ** 2, axis=0), 1.0)


def subspace_alignment(W: Any, Theta: Any) -> Float[np.ndarray, " M"]:
    """diag G (M,), ||P θ_m||² with P the projector on the span of W's rows; arguments as in `neuron_alignment`."""
    U = _units(W)
    directions = as_directions(Theta, U.shape[1])
    return np.minimum(np.sum((directions @ _spanned(U).T) ** 2, axis=1), 1.0)


def alignments(teacher: Teacher, start: Start) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Both of a student anywhere, by subspace and by neuron; of whitened weights and directions under a covariance."""
    basis = _spanned(np.asarray(start.directions))
    of_span = np.sum(np.asarray(teacher.overlaps(jnp.asarray(basis))) ** 2, axis=0)
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
