"""Averages over pairs of Gaussians of any variances, by tensor quadrature, and the risk of a committee machine."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf, expit, ndtr

import riccati as rc
from riccati.problem import committee_risk, hermite, largest_norm, pair_average, risk_at, stretched

OWN, SHARED, OTHER = 1.7, -0.6, 0.5
Z, P = np.polynomial.hermite_e.hermegauss(150)
P = P / P.sum()

FUNCTIONS = {
    "erf": erf,
    "scaled_erf": lambda z: erf(z / np.sqrt(2)),
    "exp": np.exp,
    "cos": np.cos,
    "sin": np.sin,
    "tanh": np.tanh,
    "sigmoid": expit,
    "softplus": lambda z: np.logaddexp(0, z),
    "gelu": lambda z: z * ndtr(z),
    "silu": lambda z: z * expit(z),
    "he2": lambda z: (z**2 - 1) / np.sqrt(2),
    "he3": lambda z: (z**3 - 3 * z) / np.sqrt(6),
}


def by_quadrature(f, g, own, shared, other):
    """E f(u)g(v), by Gauss's rule along two independent directions."""
    root = np.linalg.cholesky([[own, shared], [shared, other]])
    u, v = root[0, 0] * Z[:, None], root[1, 0] * Z[:, None] + root[1, 1] * Z
    return P @ (f(u) * g(v)) @ P


@cache
def values_and_slopes(name):
    """An average, its derivatives, and that along equal variances at u = v."""
    link = rc.Link.named(name)

    def along(variance):
        return pair_average(link, variance, variance, variance)

    average = jax.value_and_grad(lambda *entries: pair_average(link, *entries), argnums=(0, 1, 2))
    return jax.jit(lambda: (average(OWN, SHARED, OTHER), jax.value_and_grad(along)(1.3)))()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_averages_by_quadrature(name):
    """The derivative in the covariance by Price's theorem, E σ'(u)σ'(v), and at u = v from E σ²."""
    f, h = FUNCTIONS[name], 1e-6

    def slope(z):
        return (f(z + h) - f(z - h)) / (2 * h)

    (value, (_, in_shared, _)), (square, along) = values_and_slopes(name)
    np.testing.assert_allclose(value, by_quadrature(f, f, OWN, SHARED, OTHER), rtol=1e-9)
    np.testing.assert_allclose(in_shared, by_quadrature(slope, slope, OWN, SHARED, OTHER), rtol=1e-6)
    np.testing.assert_allclose(square, P @ f(np.sqrt(1.3) * Z) ** 2, rtol=1e-9)
    np.testing.assert_allclose(along, P @ (f(z := np.sqrt(1.3) * Z) * slope(z) * z) / 1.3, rtol=1e-6)


@pytest.mark.parametrize(("name", "power"), [("relu", 1), ("abs", 1), ("sign", 0)])
def test_homogeneous_links_factor(name, power):
    link = rc.Link.named(name)
    (value, (in_own, in_shared, _)), (square, along) = values_and_slopes(name)
    size, cosine = np.sqrt(OWN * OTHER), SHARED / np.sqrt(OWN * OTHER)
    np.testing.assert_allclose(value, size**power * link.dual(cosine), rtol=1e-14)
    np.testing.assert_allclose(in_shared, size ** (power - 1) * link.dual_derivative(cosine), rtol=1e-14)
    slope = power * link.dual(cosine) - cosine * link.dual_derivative(cosine)
    np.testing.assert_allclose(in_own, size**power * slope / (2 * OWN), rtol=1e-13)
    np.testing.assert_allclose(square, 1.3**power * link.dual(1.0), rtol=1e-14)
    if power:  # E σ² grows as the variance does, and neurons that coincide have a derivative
        np.testing.assert_allclose(along, link.dual(1.0), rtol=1e-14)


def test_a_stretched_polynomial_is_its_own_series():
    c = np.array([0.3, -0.2, 0.5, 0.7, 0.0, 0.1])
    link = rc.Link.from_coefficients(c)
    for variance in (0.0, 0.4, 1.0, 2.5):
        table = np.asarray(stretched(link, jnp.asarray(variance))) * np.sqrt(variance) ** np.arange(6)
        for j in range(6):
            expected = P @ (np.asarray(link(np.sqrt(variance) * Z)) * np.asarray(hermite(j, Z)))
            np.testing.assert_allclose(table[j], expected, atol=1e-12)


def test_a_link_holds_its_function_where_it_can_be_traced():
    """A polynomial needs none; of a kink the series is too far off, and what numpy alone can call is not traced."""
    ufunc, traced = rc.Link.from_function(np.tanh), rc.Link.from_function(jnp.tanh)
    far = np.array([-9.0, 0.3, 7.0])
    for link in (ufunc, traced):
        np.testing.assert_allclose(link(far), np.tanh(far), rtol=1e-14)
        np.testing.assert_allclose(link.derivative(far), 1 / np.cosh(far) ** 2, rtol=1e-7, atol=1e-15)
        assert largest_norm(link) == largest_norm(rc.Link.named("tanh"))
    for function in (np.square, lambda z: z**3 - z):
        link = rc.Link.from_function(function)
        assert link.function is None
        assert largest_norm(link) == np.inf
    for function in (np.abs, lambda z: np.tanh(z)):
        link = rc.Link.from_function(function)
        assert link.function is None
        assert largest_norm(link) == 0


def test_the_largest_norm_is_where_the_series_still_holds_for_neurons_that_coincide():
    link = rc.Link.named("tanh")
    norm = largest_norm(link)
    assert 2 < norm < 4
    x = np.linspace(-12, 12, 200_001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * (x[1] - x[0])
    in_shared = jax.jit(jax.grad(lambda shared: pair_average(link, norm**2, shared, norm**2)))(norm**2)
    np.testing.assert_allclose(in_shared, np.cosh(norm * x) ** -4.0 @ density, rtol=2e-5)
    assert largest_norm(rc.Link.named("softplus")) > 5


def test_the_risk_of_a_committee_machine_by_samples_of_a_rule():
    """Two directions and three neurons in two dimensions, where a tensor rule is the law of the input."""
    a, W, b = np.array([1.0, -0.6]), np.array([[0.3, 0.5], [-0.4, 0.6], [1.2, 0.1]]), np.array([0.7, -0.5, 0.2])
    X, weights = np.stack(np.meshgrid(Z, Z, indexing="ij"), axis=-1).reshape(-1, 2), np.outer(P, P).ravel()
    for name in ("scaled_erf", "tanh", "he3"):
        f, teacher = FUNCTIONS[name], rc.Teacher(a, rc.Link.named(name))
        e, target = f(X) @ a - f(X @ W.T) @ b, f(X) @ a
        expected = weights @ e**2 / (weights @ target**2)
        np.testing.assert_allclose(committee_risk(teacher, jnp.asarray(W), jnp.asarray(b)), expected, rtol=1e-8)
        exact = committee_risk(teacher, jnp.eye(2), jnp.asarray(a))
        assert abs(exact) < 1e-15
    relu = rc.Teacher(a, rc.Link.named("relu"))
    start = rc.Start.from_weights(np.pad(W, ((0, 0), (0, 1))), np.eye(2, 3)).with_second_layer(b)
    s, U, q = np.asarray(start.amplitudes), np.asarray(start.teacher_overlaps), np.asarray(start.student_gram)
    g = relu.link.dual
    excess = s @ np.asarray(g(q)) @ s - 2 * s @ np.asarray(g(U)) @ a
    np.testing.assert_allclose(risk_at(relu, start), 1 + excess / float(relu.second_moment), rtol=1e-13)


def test_a_link_that_is_not_known_far_out_is_refused_for_two_layers():
    start = rc.Start([[0.5]], norms=0.9, dim=9).with_second_layer(1.0)
    with pytest.raises(rc.ArgumentError, match="`teacher` must have a link known at arguments of any size"):
        rc.Problem(rc.Teacher([1.0], rc.Link.from_function(lambda z: np.tanh(z))), start)
    long = rc.Start([[0.5]], norms=5.0, dim=9).with_second_layer(1.0)
    with pytest.raises(rc.ArgumentError, match=r"`start` must have norms ≤ 2\.\d+, up to which averages over tanh are"):
        rc.Problem(rc.Teacher([1.0], rc.Link.named("tanh")), long)
