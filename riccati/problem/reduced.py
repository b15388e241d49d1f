"""Student directions in reduced coordinates: K that hold the teacher's directions, then as few as suffice for the rest.

On isotropic input one factor of N columns holds everything orthogonal to the teacher. Under anisotropic input each
group of equal eigenvalues has a factor of its own, with N columns or as many as the group has coordinates, whichever is
less; where all eigenvalues differ that is all d coordinates, and the state is N x d.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from ..numerics import bartlett, compiled_quickly
from ..support import ArgumentError, is_traced, require, require_finite
from .covariance import Covariance
from .directions import GRAM_TOLERANCE
from .teacher import Teacher

_SHARED = 64  # neurons and directions up to which all numbers share one compiled program
_INDEPENDENT = 1e-10  # least eigenvalue of q - m mᵀ at which Cholesky keeps its accuracy


class Reduced(NamedTuple):
    """The unit directions u_i of neurons, in reduced coordinates.

    Attributes:
        along: (N, K), the coordinates that hold the teacher's directions.
        factor: (N, R), all others.
        eigenvalues: (R,), of the covariance along each of the others; None for isotropic input.
        frame: (M, K), the teacher's directions in the first K; None where they are the axes.
    """

    along: Float[Array, "N K"]
    factor: Float[Array, "N R"]
    eigenvalues: Float[Array, " R"] | None
    frame: Float[Array, "M K"] | None


def drawn(key: Array, teacher: Teacher, neurons: int, dim: int) -> Reduced:
    """Random directions, w uniform on the sphere of R^d: Gaussian along the teacher's, a Bartlett factor for the rest.

    The factor is lower triangular, N(0, 1) below the diagonal, χ_(d-K-i) on it. Under a covariance a group of more than
    N equal eigenvalues has a factor of its own, the other coordinates are Gaussian, all are stretched by √λ, and
    directions are those of Σ^½ w.
    """
    axes, covariance = teacher.frame_dim, teacher.covariance
    if covariance is None:
        return Reduced(*isotropic(key, dim - axes, neurons, axes), None, teacher.frame)
    groups = covariance.groups_after(axes)
    sizes = np.array([len(group.indices) for group in groups], int)
    columns, factored = np.minimum(sizes, neurons), sizes > neurons
    eigenvalues = np.repeat([group.eigenvalue for group in groups], columns)
    # factors come first, then all others; a group's columns are in the order of its coordinates
    order = np.argsort(np.argsort(np.repeat(~factored, columns), kind="stable"), kind="stable")
    along, rest = _anisotropic(
        key, jnp.asarray(sizes[factored]), jnp.asarray(np.sqrt(covariance.eigenvalues[:axes])),
        jnp.asarray(np.sqrt(eigenvalues)), jnp.asarray(order), neurons,
    )  # fmt: skip
    return Reduced(along, rest, jnp.asarray(eigenvalues), teacher.frame)


def located(
    U: Float[np.ndarray, "N d"],
    directions: Float[np.ndarray, "M d"],
    frame: Float[Array, "M K"] | None,
    covariance: Covariance | None,
) -> Reduced:
    """The unit directions U (N, d) in reduced coordinates of the teacher's `directions` (M, d).

    Under a covariance both are whitened. `frame` is what `frame_of` gives for the teacher's directions.

    The residual factor comes from QR decompositions of the orthogonal parts, so that nearly dependent neurons keep
    their digits.
    """
    if covariance is None:
        basis = directions if frame is None else _polar_factor(directions)
        along = U @ basis.T
        residual = U - along @ basis
        residual -= (residual @ basis.T) @ basis  # once more: the first projection leaves rounding of size |m|
        if len(basis) >= U.shape[1]:  # nothing is orthogonal to a teacher that spans the space, not even rounding
            residual = np.zeros_like(residual)
        factor = np.linalg.qr(residual.T, mode="r").T  # type: ignore[attr-defined]
        return Reduced(jax.device_put(along), jax.device_put(factor), None, frame)
    axes = len(directions) if frame is None else covariance.dim
    parts, eigenvalues = [np.zeros((len(U), 0))], [np.zeros(0)]
    for group in covariance.groups_after(axes):
        parts.append(np.linalg.qr(U[:, group.indices].T, mode="r").T)  # type: ignore[attr-defined]
        eigenvalues.append(np.full(parts[-1].shape[1], group.eigenvalue))
    held = (U[:, :axes], np.concatenate(parts, axis=1), np.concatenate(eigenvalues))
    first, rest, values = jax.device_put(held)
    return Reduced(first, rest, values, frame)


def _polar_factor(directions: Float[np.ndarray, "M d"]) -> Float[np.ndarray, "M d"]:
    """The orthonormal rows E closest to the directions, Θ = C^½ E."""
    left, _, right = np.linalg.svd(directions, full_matrices=False)
    return left @ right


def in_eigenbasis(weights: Float[Array, "N K+R"], axes: int, covariance: Covariance) -> Float[Array, "N d"]:
    """Weights in all d coordinates of the covariance's eigenbasis, from weights in reduced coordinates.

    The first K = `axes` reduced coordinates are kept as they are. The columns of a group of equal eigenvalues become
    its first coordinates; SGD and the flows do not depend on which ones are taken.
    """
    given, used = np.asarray(weights), axes
    every = np.zeros((len(given), covariance.dim))
    every[:, :axes] = given[:, :axes]
    for group in covariance.groups_after(axes):
        places = group.indices[: len(given)]
        every[:, places] = given[:, used : used + len(places)]
        used += len(places)
    return jax.device_put(every)


def isotropic(key: Array, outside: ArrayLike, neurons: int, axes: int) -> tuple[Array, Array]:
    """Coordinates of random directions along `axes` of the teacher's, and residual factor for `outside` others."""
    if is_traced(key) or max(neurons, axes) > _SHARED:
        return _in_law(key, outside, neurons, axes, neurons, axes)
    along, factor = map(np.asarray, _in_law(key, outside, neurons, axes, _SHARED, _SHARED))
    return jax.device_put(along[:neurons, :axes].copy()), jax.device_put(factor[:neurons, :neurons].copy())


@compiled_quickly(static_argnums=(4, 5))
def _in_law(
    key: Array, outside: ArrayLike, neurons: ArrayLike, axes: ArrayLike, rows: int, columns: int
) -> tuple[Float[Array, "rows columns"], Float[Array, "rows rows"]]:
    """The same, in the corners of larger arrays, so that `neurons` and `axes` are not compiled in."""
    overlap_key, below_key, diagonal_key = jax.random.split(key, 3)
    factor = bartlett(below_key, diagonal_key, rows, outside, neurons)
    roots = jnp.where(np.arange(columns) < axes, 1.0, 0.0)
    return _on_sphere(overlap_key, jnp.where(np.arange(rows) < neurons, factor, 0.0), roots)


@compiled_quickly(static_argnums=5)
def _anisotropic(
    key: Array, sizes: Int[Array, " G"], along: Float[Array, " K"], across: Float[Array, " R"], order: Int[Array, " R"],
    neurons: int,
) -> tuple[Array, Array]:  # fmt: skip
    """Coordinates along the teacher's and all others, stretched by `along` and `across`."""
    overlap_key, below_key, diagonal_key = jax.random.split(key, 3)
    factors = bartlett(below_key, diagonal_key, neurons, sizes)
    rest = jax.random.normal(jax.random.fold_in(below_key, 1), (neurons, across.size - sizes.size * neurons))
    every = jnp.concatenate([jnp.moveaxis(factors, 0, 1).reshape(neurons, -1), rest], axis=1)
    return _on_sphere(overlap_key, every[:, order] * across, along)


def _on_sphere(key: Array, factor: Array, roots: Array) -> tuple[Array, Array]:
    """Gaussian overlaps, stretched by `roots`, beside a factor, each neuron scaled to length one, one at a time."""

    def neuron(pair: tuple[Array, Array]) -> tuple[Array, Array]:
        row_key, residual = pair
        m = jax.random.normal(row_key, roots.shape) * roots
        length = jnp.sqrt(jnp.sum(m**2) + jnp.sum(residual**2))
        return m / length, residual / length

    return jax.lax.map(neuron, (jax.random.split(key, factor.shape[0]), factor))


def factor_of_gram(m: Float[Array, "N K"], student_gram: ArrayLike) -> Float[Array, "N N"]:
    """The factor ρ with ρ ρᵀ = q - m mᵀ, of given Gram matrices.

    Raises:
        ArgumentError: a q that no directions of unit length with these coordinates can have.
    """
    neurons = m.shape[0]
    shape = np.shape(student_gram)
    require(shape == (neurons, neurons), "student_gram", f"be of shape {(neurons, neurons)}", shape)
    require_finite(student_gram, "student_gram")
    if is_traced(m, student_gram):
        q = jnp.asarray(student_gram, float)
        return jnp.linalg.cholesky((q + q.T) / 2 - m @ m.T)
    return jax.device_put(_concrete_factor(np.asarray(m), np.asarray(student_gram, float)))


def _concrete_factor(m: np.ndarray, q: np.ndarray) -> np.ndarray:
    """ρ of `factor_of_gram` by numpy, which has nothing to compile at the first call."""
    residual = (q + q.T) / 2 - m @ m.T
    require(bool(np.abs(q - q.T).max() < GRAM_TOLERANCE), "student_gram", "be symmetric", "not")
    diagonal = float(np.abs(np.diag(q) - 1).max())
    require(diagonal < GRAM_TOLERANCE, "student_gram", "have ones on its diagonal", f"off by {diagonal:.2g}")
    eigenvalues, vectors = np.linalg.eigh(residual)
    low = float(eigenvalues[0])
    if low < -GRAM_TOLERANCE:
        must = "leave student_gram - teacher_overlaps @ teacher_overlaps.T positive semidefinite"
        raise ArgumentError("student_gram", must, f"not: its least eigenvalue is {low:.3g}")
    if low > _INDEPENDENT:
        return np.linalg.cholesky(residual)
    return vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
