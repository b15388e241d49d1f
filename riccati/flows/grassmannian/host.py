"""What NumPy on the host and JAX under a trace write differently in the formulas of the charts.

The formulas take either. With arrays of NumPy they are computed at once, by BLAS and in place, and nothing is compiled;
traced arrays, under jit, vmap and derivatives, become part of a program.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

T = TypeVar("T")
Numbers = Any  # an array of NumPy or of JAX

BLOCK = 16384  # rows taken at a time, so that a chart of 10⁶ rows needs no second array of its size


def is_on_host(array: Numbers) -> bool:
    """Whether an array is NumPy's."""
    return isinstance(array, (np.ndarray, np.generic, float))


def namespace(array: Numbers) -> ModuleType:
    """The functions of an array: numpy, or jax.numpy."""
    return np if is_on_host(array) else jnp


def linear_algebra(array: Numbers) -> ModuleType:
    """The factorisations of an array: scipy.linalg, or jax.scipy.linalg."""
    return scipy.linalg if is_on_host(array) else jax.scipy.linalg


def branch(condition: Any, one: Callable[[], T], other: Callable[[], T]) -> T:
    """What `one` gives if the condition holds, else what `other` gives."""
    if is_on_host(condition):
        return one() if condition else other()
    return jax.lax.cond(condition, one, other)


def repeat_while(condition: Callable[[T], Any], step: Callable[[T], T], state: T) -> T:
    """The state after as many steps as the condition holds for."""
    go = condition(state)
    if not is_on_host(go):
        return jax.lax.while_loop(condition, step, state)
    while go:
        state = step(state)
        go = condition(state)
    return state


def put(array: Numbers, at: Any, values: Numbers) -> Numbers:
    """`array` with `values` at the index `at`; on the host the same array, changed."""
    if not is_on_host(array):
        return array.at[at].set(values)
    array[at] = values
    return array


def less_outer(array: Numbers, column: Numbers, row: Numbers) -> Numbers:
    """`array` less the outer product of a column and a row; on the host the same array, changed."""
    if not is_on_host(array):
        return array - column[:, None] * row
    if array.size:
        scipy.linalg.blas.dger(-1.0, row, column, a=array.T, overwrite_a=True)
    return array


def scaled(array: Numbers, rows: Numbers, columns: Numbers) -> Numbers:
    """diag(rows) `array` diag(columns), for several such pairs too; on the host for one the same array, changed."""
    if not is_on_host(array):
        return array * rows[..., None] * columns[..., None, :]
    array = np.multiply(array, rows[..., None], out=array if rows.ndim == 1 else None)
    array *= columns[..., None, :]
    return array


def gram(B: Float[Numbers, "*T M N"]) -> Float[Numbers, "*T N N"]:
    """BᵀB: on the host by BLAS's symmetric product, half of a general one."""
    if not is_on_host(B) or B.ndim > 2 or not B.size:
        return B.mT @ B
    upper = scipy.linalg.blas.dsyrk(1.0, B.T)
    upper.ravel(order="K")[:: len(upper) + 1] *= 0.5
    return upper + upper.T


def cholesky(S: Float[Numbers, "*T N N"]) -> Float[Numbers, "*T N N"]:
    """The lower triangular L with L Lᵀ = S; NaN where S is not positive definite."""
    if not is_on_host(S):
        return jnp.linalg.cholesky(S)
    return _each(_factor, S)


def inverse_of_lower(L: Float[Numbers, "*T N N"]) -> Float[Numbers, "*T N N"]:
    """L^{-1} of lower triangular matrices."""
    if not is_on_host(L):
        return jax.scipy.linalg.solve_triangular(L, jnp.eye(L.shape[0]), lower=True)
    return _each(lambda one: scipy.linalg.lapack.dtrtri(one.T, lower=0)[0].T, L)


def times_lower(B: Float[Numbers, "*T M N"], L: Float[Numbers, "*T N N"]) -> Float[Numbers, "*T M N"]:
    """B Lᵀ, L lower triangular: half of a general product by BLAS."""
    if not is_on_host(B) or B.ndim > 2:
        return B @ L.mT
    return scipy.linalg.blas.dtrmm(1.0, L.T, B.T, trans_a=True).T


# BLAS and LAPACK take a transposed matrix, which is one in the order of columns, as it is
def _factor(S: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N N"]:
    U, failed = scipy.linalg.lapack.dpotrf(S.T, lower=0)
    return np.full_like(S, np.nan) if failed else U.T


def _each(function: Callable[[np.ndarray], np.ndarray], matrices: np.ndarray) -> np.ndarray:
    return function(matrices) if matrices.ndim == 2 else np.stack([function(one) for one in matrices])


def order_of_pivots(rows: Float[Numbers, "n N"]) -> Int[Numbers, " n"]:
    """The order in which partial pivoting takes the rows of a tall matrix."""
    if not is_on_host(rows):
        return jax.lax.linalg.lu(rows)[2]
    order = np.arange(len(rows))
    for n, other in enumerate(scipy.linalg.lapack.dgetrf(rows)[1]):
        order[[n, other]] = order[[other, n]]
    return order


def fold_blocks(like: Numbers, rows: int, add: Callable[[T, Any, Bool[Numbers, " b"]], T], first: T) -> T:
    """Fold `add(state, low, fresh)` over blocks of at most BLOCK rows of an array, which begin at row `low`.

    Traced blocks are of one size, so that the last may overlap the one before; `fresh` marks the rows that no earlier
    block contains.
    """
    size = min(rows, BLOCK)
    if is_on_host(like):
        for low in range(0, rows, BLOCK):
            first = add(first, low, np.ones(min(BLOCK, rows - low), bool))
        return first
    if size == rows:
        return add(first, jnp.zeros((), int), jnp.ones(rows, bool))

    def block(n: Any, state: T) -> T:
        low = jnp.minimum(n * size, rows - size)
        return add(state, low, low + jnp.arange(size) >= n * size)

    return jax.lax.fori_loop(0, -(-rows // size), block, first)


def take(rows: Numbers, low: Int[Numbers, ""], fresh: Bool[Numbers, " b"], axis: int) -> Numbers:
    """The block of `rows`, which lie along the axis -1 or -2, that begins at row `low`."""
    if not is_on_host(rows):
        return jax.lax.dynamic_slice_in_dim(rows, low, fresh.shape[0], axis)
    return rows[_block(low, fresh.shape[0], axis)]


def put_block(rows: Numbers, block: Numbers, low: Int[Numbers, ""], axis: int) -> Numbers:
    """`rows`, which lie along the axis -1 or -2, with `block` from `low` on; on the host the same array, changed."""
    if not is_on_host(rows):
        return jax.lax.dynamic_update_slice_in_dim(rows, block, low, axis)
    rows[_block(low, block.shape[axis], axis)] = block
    return rows


def _block(low: int, size: int, axis: int) -> tuple:
    return (..., slice(low, low + size), *[slice(None)] * (-1 - axis))
