"""Drift and variance of an overlap against the exact moments of a step of SGD."""

from math import factorial

import jax.numpy as jnp
import numpy as np
import pytest

import riccati as rc
from riccati.laws.search_phase import diffusion_at, rest_energy, step_size


@pytest.mark.parametrize(("degree", "m"), [(3, 0.6), (3, -0.3), (4, 0.75)])
@pytest.mark.parametrize("a", [[0.3, 0.9], [0.95, 0.3]])
def test_drift_and_variance_of_a_step_near_the_equator(degree, m, a):
    """With e = Σ_q a_q σ(<x, θ_q>), the other direction orthogonal to both; by quadrature in R³.

    The drift is E e σ'(z) ξ - (γ/2) m E e²σ'(z)², γ = 10; the variance Var e σ'(z) ξ.
    """
    teacher = rc.Teacher(a, rc.Link.hermite(degree))
    rest, points = rest_energy(teacher.a**2, jnp.ones(2))[0], jnp.asarray([m])
    way = diffusion_at(teacher.link, points, step_size(rc.SGD(1.0), 10))
    nodes, weights = np.polynomial.hermite_e.hermegauss(2 * degree + 1)
    z, w, other = np.meshgrid(nodes, nodes, nodes, indexing="ij")
    p = np.einsum("i,j,k->ijk", weights, weights, weights) / weights.sum() ** 3
    h = np.polynomial.hermite_e.HermiteE.basis(degree) / np.sqrt(factorial(degree))
    xi = np.sqrt(1 - m**2) * w
    e = float(teacher.a[0]) * h(m * z + xi) + float(teacher.a[1]) * h(other)
    slope = e * h.deriv()(z)
    push = slope * xi
    variance, drift = np.sum(p * push**2) - np.sum(p * push) ** 2, np.sum(p * push) - 5 * m * np.sum(p * slope**2)
    np.testing.assert_allclose(way.variance(teacher.a[0], rest), variance, rtol=1e-10)
    np.testing.assert_allclose(way.drift(teacher.a[0], rest), drift, rtol=1e-10)


def test_rest_is_noise_orthogonal_to_the_neuron():
    """With the own direction learned, V = ρ (1 - m²) E σ'² exactly; E h_k'² = k."""
    link, m = rc.Link.hermite(3), jnp.asarray([0.0, 0.3, 0.6, 0.9])
    variance = diffusion_at(link, m, step_size(rc.SGD(0.5, 2), 10)).variance(0.0, 0.7)
    np.testing.assert_allclose(variance, 0.25 * 0.7 * 3 * (1 - np.asarray(m) ** 2), rtol=1e-12)
