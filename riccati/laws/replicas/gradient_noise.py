"""k = 2: the gradient noise of a step of SGD, its covariance and a factor of it.

A step of SGD moves the weights by -η mean_b e(xxᵀ - 1)W, e = xᵀDx - tr D, D = S - S*, whose mean is -2ηDW. The noise
is a random symmetric matrix, Ξ = e(xxᵀ - 1) - 2D, and by Wick's theorem for symmetric E and F, with R = tr D²,

    Cov(tr EΞ, tr FΞ) = 4R tr EF + 4 tr DE tr DF + 16[tr D²(EF + FE) + tr DEDF].

A Gaussian matrix with this covariance needs no eigenvectors of D: with g, X, X' independent standard normals,

    Ξ = 2gD + √R(X + Xᵀ) + DB + BᵀD,      B = (√3 + 1)X' + (√3 - 1)X'ᵀ.

It acts in all directions: it moves the overlap of an unlearned direction by as much as the start itself, makes learned
ones fluctuate, and acts on the rest of the space. Derived in derivations/gradient_noise_k2.py.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

_ALONG, _ACROSS = np.sqrt(3.0) + 1, np.sqrt(3.0) - 1


class NoiseNormals(NamedTuple):
    """The standard normals that one draw of the noise is made of.

    Attributes:
        scalar: (), g.
        plain: (D, D), X.
        shaped: (D, D), X'.
    """

    scalar: Float[Array, ""]
    plain: Float[Array, "D D"]
    shaped: Float[Array, "D D"]


def noise_normals(key: Key[Array, ""], rows: int) -> NoiseNormals:
    """The normals of one draw in D = `rows` coordinates; single precision suffices, its rounding is below the noise."""
    numbers = jax.random.normal(key, (2 * rows**2 + 1,), jnp.float32).astype(float)
    plain, shaped = numbers[1:].reshape(2, rows, rows)
    return NoiseNormals(numbers[0], plain, shaped)


def gradient_noise(
    normals: NoiseNormals,
    V: Float[Array, "D N"],
    Omega: Float[Array, "N N"],
    a: Float[Array, " M"],
    misfit: Float[Array, ""],
) -> Float[Array, "D N"]:
    """ΞV, one draw of the noise on V, for D = VΩVᵀ - S*, R = `misfit`.

    The first M of the D coordinates are the teacher's.
    """
    X, shaped = normals.plain, normals.shaped

    def form(U: Float[Array, "D N"]) -> Float[Array, "D N"]:
        return (V @ (Omega @ (V.T @ U))).at[: a.shape[0]].add(-a[:, None] * U[: a.shape[0]])

    DV = form(V)
    BV = _ALONG * (shaped @ V) + _ACROSS * (shaped.T @ V)
    shaped_form = _ALONG * (shaped.T @ DV) + _ACROSS * (shaped @ DV)
    return 2 * normals.scalar * DV + jnp.sqrt(misfit) * (X @ V + X.T @ V) + form(BV) + shaped_form
