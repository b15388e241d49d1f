"""k = 2: the noise of a step of SGD, its covariance and a factor of it.

A step moves the weights by -η mean_b e(xxᵀ - 1)W, e = xᵀDx - tr D, D = S - S*, whose mean is -2ηDW. The noise is a
random symmetric matrix, Ξ = e(xxᵀ - 1) - 2D, and by Wick's theorem for symmetric E and F, with R = tr D²,

    Cov(tr EΞ, tr FΞ) = 4R tr EF + 4 tr DE tr DF + 16[tr D²(EF + FE) + tr DEDF].

A Gaussian matrix with this covariance needs no eigenvectors of D: with g, X, X' independent standard normals,

    Ξ = 2gD + √R(X + Xᵀ) + DB + BᵀD,      B = (√3 + 1)X' + (√3 - 1)X'ᵀ.

It is the noise in every direction: a direction not yet learned, which it kicks out of its start, one that is learned,
which it keeps away from its place, and the rest of the space. Derived in derivations/gradient_noise_k2.py.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

_ALONG, _ACROSS = np.sqrt(3.0) + 1, np.sqrt(3.0) - 1


class Draws(NamedTuple):
    """Standard normals that one kick is made of.

    Attributes:
        scalar: (), g.
        plain: (D, D), X.
        shaped: (D, D), X'.
    """

    scalar: Float[Array, ""]
    plain: Float[Array, "D D"]
    shaped: Float[Array, "D D"]


def draws(key: Key[Array, ""], rows: int) -> Draws:
    """Draws of a kick in D = `rows` coordinates; in single precision, which a noise does not notice."""
    numbers = jax.random.normal(key, (2 * rows**2 + 1,), jnp.float32).astype(float)
    plain, shaped = numbers[1:].reshape(2, rows, rows)
    return Draws(numbers[0], plain, shaped)


def kick(
    drawn: Draws,
    V: Float[Array, "D N"],
    Omega: Float[Array, "N N"],
    a: Float[Array, " M"],
    misfit: Float[Array, ""],
) -> Float[Array, "D N"]:
    """ΞV for D = VΩVᵀ - S*, R = `misfit`; the first M of the D coordinates are the teacher's."""
    X, shaped = drawn.plain, drawn.shaped

    def form(U: Float[Array, "D N"]) -> Float[Array, "D N"]:
        return (V @ (Omega @ (V.T @ U))).at[: a.shape[0]].add(-a[:, None] * U[: a.shape[0]])

    DV = form(V)
    BV = _ALONG * (shaped @ V) + _ACROSS * (shaped.T @ V)
    shaped_form = _ALONG * (shaped.T @ DV) + _ACROSS * (shaped @ DV)
    return 2 * drawn.scalar * DV + jnp.sqrt(misfit) * (X @ V + X.T @ V) + form(BV) + shaped_form
