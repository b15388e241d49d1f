"""The moments that the flows run on, against those of an independent public code.

The data hold, for (a, b, c, d) ~ N(0, S) and He_k unnormalised, I2 = E He_k(a) He_k(b), I3 = E He_k'(a) b He_k(c) and
I4 = E He_k'(a) He_k'(b) He_k(c) He_k(d).
"""

import json
from itertools import product
from math import factorial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import roots_hermitenorm

import riccati as rc
from riccati.flows.gradient_noise import own_pair_weights, second_order

CASES = json.loads((Path(__file__).parent / "data" / "hermite_moments.json").read_text())["cases"]


def four_point(k, S):
    """I4 by the package's polynomials and quadrature, exact for their degree."""
    link = rc.Link.hermite(k)
    z, weights = roots_hermitenorm(2 * k)
    values, vectors = np.linalg.eigh(np.asarray(S))
    kept = values > 1e-12
    factor = vectors[:, kept] * np.sqrt(values[kept])
    x = factor @ np.array(list(product(z, repeat=kept.sum()))).T
    w = np.prod(list(product(weights / weights.sum(), repeat=kept.sum())), axis=1)
    a, b, c, d = x
    slopes = np.asarray(link.derivative(a)) * np.asarray(link.derivative(b))
    return factorial(k) ** 2 * float(w @ (slopes * np.asarray(link(c)) * np.asarray(link(d))))


@pytest.mark.parametrize("case", CASES[::2], ids=lambda case: f"he{case['k']}")
def test_dual_activation_and_its_slope(case):
    k, S, link = case["k"], np.array(case["covariance"]), rc.Link.hermite(case["k"])
    np.testing.assert_allclose(factorial(k) * link.dual(S[0, 1]), case["I2"], rtol=1e-12, atol=1e-14)
    # by Stein's identity E h'(a) b h(c) = S_bc g'(S_ac)
    if "I3" in case:
        slope = factorial(k) * S[1, 2] * link.dual_derivative(S[0, 2])
        np.testing.assert_allclose(slope, case["I3"], rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_own_pair_is_their_four_point_mean_where_points_meet(k):
    """The quadrature that gives their numbers gives C(m) at a = b = z, c = d = ν."""
    for case in [case for case in CASES if case["k"] == k and "I4" in case][:2]:
        np.testing.assert_allclose(four_point(k, case["covariance"]), case["I4"], rtol=1e-10)
    for m in (0.0, 0.4, -0.8, 1.0):
        S = np.array([[1, 1, m, m], [1, 1, m, m], [m, m, 1, 1], [m, m, 1, 1]])
        C = np.polynomial.Polynomial(own_pair_weights(k))(m**2)
        np.testing.assert_allclose(four_point(k, S) / factorial(k) ** 2, C, rtol=1e-10)


@pytest.mark.parametrize("case", [case for case in CASES if case["k"] == 2][:6])
def test_noise_of_quadratic_students(case):
    """E e² <a,x><b,x> for e = h(c) - h(d), whose mixed term is -2 E <a,x><b,x> h(c) h(d): bilinear, so by polarisation.

    a, b and c are in the student's subspace, d is the teacher's direction; He_2' = 2z.
    """
    L = np.linalg.cholesky(np.array(case["covariance"]))  # rows: a, b, c, d
    V = np.linalg.qr(L[:3].T)[0]
    a, b, c = (L[:3] @ V).T.T
    Y = jnp.asarray(L[3] @ V)[None]

    def noise(scale, amplitude):
        H = second_order(Y, scale * jnp.outer(c, c), jnp.array([amplitude]))[2]
        return float(a @ H @ b)

    mixed = noise(1.0, 1.0) - noise(1.0, 0.0) - noise(0.0, 1.0)
    np.testing.assert_allclose(mixed, -2 * case["I4"] / 4, rtol=1e-10)
