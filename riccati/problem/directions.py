"""Coordinates of teacher directions: from rows of any length, from a Gram matrix, and in the eigenbasis of S*.

Unit directions with Gram matrix C = ΘΘᵀ have the rows of C^½ as coordinates in the orthonormal basis that is closest
to them, the polar factor of Θ. The root depends on C alone, so a teacher and a start that know C agree on it. Under
anisotropic input the coordinates are all d whitened ones, Θ Σ^½ with rows scaled to length one.

For k = 2 every teacher is orthonormal in the eigenbasis of S* = Σ_m a_m θ_m θ_mᵀ, with real rates: with the directions'
coordinates F (rows), S* = FᵀAF = V diag(ρ) Vᵀ, the teacher is Σ_k ρ_k h_2(<x, v_k>), and the directions have the
coordinates FV. Derived in derivations/teachers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import ArgumentError, all_numbers, is_traced, require, require_finite
from .covariance import Covariance
from .link import Link

GRAM_TOLERANCE = 1e-6  # logs carry seven digits or more


def root_of_gram(gram: ArrayLike, width: int, name: str) -> Float[np.ndarray, "M M"]:
    """The symmetric root C^½ of a Gram matrix C of unit directions, (M, M).

    Raises:
        ArgumentError: under `name`, if C is no symmetric positive semidefinite matrix with ones on its diagonal.
    """
    if is_traced(gram):
        raise TypeError(f"{name} is factored when it is given: give it outside jit.")
    C = np.asarray(gram, float)
    require(C.shape == (width, width), name, f"be of shape {(width, width)}", C.shape)
    require_finite(C, name)
    require(bool(np.abs(C - C.T).max() < GRAM_TOLERANCE), name, "be symmetric", "not")
    off = float(np.abs(np.diag(C) - 1).max())
    require(off < GRAM_TOLERANCE, name, "have ones on its diagonal", f"off by {off:.2g}")
    eigenvalues, vectors = np.linalg.eigh((C + C.T) / 2)
    if eigenvalues[0] < -GRAM_TOLERANCE:
        raise ArgumentError(name, "be positive semidefinite", f"not: its least eigenvalue is {eigenvalues[0]:.3g}")
    root = (vectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ vectors.T
    return root / np.linalg.norm(root, axis=1, keepdims=True)


def is_orthonormal(gram: ArrayLike) -> bool:
    """Whether a Gram matrix of unit directions counts as the identity: within 10⁻⁶, as that of a log."""
    return bool(np.abs(np.asarray(gram) - np.eye(np.shape(gram)[0])).max() < GRAM_TOLERANCE)


def unit_rows(
    rows: Any, name: str, covariance: Covariance | None = None
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """The rows, whitened and scaled to length one, and the lengths that they had, |θ|_Σ under a covariance.

    Raises:
        ArgumentError: under `name`, for rows that are no matrix of finite numbers, of another length than the
            covariance's dimension, or zero.
    """
    array = all_numbers(rows, name)
    require(array.ndim == 2 and array.size > 0, name, "be a matrix, a row for each direction", array.shape)
    require_finite(array, name)
    if covariance is not None:
        require(array.shape[1] == covariance.dim, name, f"have rows of length {covariance.dim}", array.shape)
        array = array * np.sqrt(np.asarray(covariance.eigenvalues))
    norms = np.linalg.norm(array, axis=1)
    require(bool(norms.min() > 0), name, "have no zero row", f"zero at row {int(norms.argmin())}")
    return array / norms[:, None], norms


def frame_of(directions: Float[np.ndarray, "M d"], covariance: Covariance | None) -> Float[Array, "M K"] | None:
    """The coordinates of unit directions, (M, K); None where they are orthonormal, or the first M axes of the input."""
    width = len(directions)
    if covariance is not None:
        along = directions.shape[1] >= width and np.abs(directions - np.eye(*directions.shape)).max() < GRAM_TOLERANCE
        return None if along else jnp.asarray(directions)
    gram = directions @ directions.T
    return None if is_orthonormal(gram) else jnp.asarray(root_of_gram(gram, width, "Theta"))


def coordinates_of(m: Array, teacher_gram: ArrayLike) -> Array | None:
    """The coordinates, (N, M), whose overlaps with the rows of C^½ are m; None where C is the identity.

    Raises:
        ArgumentError: a C that is no Gram matrix of unit directions, or overlaps that directions cannot have with it.
    """
    root = root_of_gram(teacher_gram, m.shape[1], "teacher_gram")
    if is_orthonormal(root @ root.T):
        return None
    part = m @ jnp.asarray(np.linalg.pinv(root))
    if not is_traced(m):
        off = float(np.abs(np.asarray(part) @ root - np.asarray(m)).max())
        must = "be overlaps with directions of that Gram matrix"
        require(off < GRAM_TOLERANCE, "teacher_overlaps", must, f"off by {off:.2g}")
    return part


def power_of_lengths(
    link: Link,
    links: Sequence[Link] | None,
    covariance: Covariance | None,
    lengths: str | None,
    sizes: Float[np.ndarray, " M"],
) -> int | None:
    """The power p with which lengths count, a_m |θ_m|^p; None where they do not. See `Teacher.from_directions`.

    Raises:
        ArgumentError: another word for `lengths`, or rows whose lengths have no meaning for this link.
    """
    known = lengths in (None, "kept", "divided")
    require(known, "lengths", 'be "kept", "divided" or None', repr(lengths))
    own = link.homogeneity if links is None else None
    if lengths == "kept":
        return 2 if own is None else own
    if lengths == "divided" or covariance is not None:
        return None
    if links is None and link.degree == 2:
        return 2
    if own is None:
        must = (
            'have rows of length 1 for this link, or `lengths` be given: "divided" for f* = Σ a_m σ(<x, θ_m>/|θ_m|), '
            '"kept" for Σ a_m |θ_m|² σ(<x, θ_m>/|θ_m|)'
        )
        off = int(np.abs(sizes - 1).argmax())
        require(bool(np.abs(sizes - 1).max() < GRAM_TOLERANCE), "Theta", must, f"{sizes[off]:.6g} long at row {off}")
    return own
