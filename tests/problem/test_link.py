"""Hermite polynomials, coefficients and dual activations against closed forms and quadrature."""

import copy
import pickle
from math import factorial

import jax
import numpy as np
import pytest
from numpy.polynomial import hermite_e
from scipy.special import ndtr, roots_hermitenorm

import riccati as rc
from riccati.problem import CLOSED_FORMS, hermite, hermite_series

Z, WEIGHTS = roots_hermitenorm(120)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def test_orthonormal_and_equal_to_numpys():
    h = np.stack([hermite(j, Z) for j in range(12)])
    np.testing.assert_allclose(h * WEIGHTS @ h.T, np.eye(12), atol=1e-12)
    c = np.random.default_rng(0).normal(size=9)
    scaled = c / np.sqrt([factorial(j) for j in range(9)])
    np.testing.assert_allclose(hermite_series(c, Z[40:80]), hermite_e.hermeval(Z[40:80], scaled), rtol=1e-11)


@pytest.mark.parametrize("name", sorted(CLOSED_FORMS))
def test_closed_forms_agree_with_their_series(name):
    link = rc.Link.named(name)
    q = np.linspace(-0.6, 0.6, 7)
    c2 = np.asarray(link.coefficients)[::-1] ** 2
    np.testing.assert_allclose(link.dual(q), np.polyval(c2, q), atol=1e-13)
    np.testing.assert_allclose(link.dual_derivative(q), np.polyval(np.polyder(c2), q), atol=1e-11)
    np.testing.assert_allclose(jax.vmap(jax.grad(link.dual))(q), link.dual_derivative(q), atol=1e-12)
    if name != "sign":
        z = np.array([-1.3, -0.4, 0.7, 2.1])
        np.testing.assert_allclose(jax.vmap(jax.grad(link))(z), link.derivative(z), rtol=1e-12)
    # E σ² = g(1), by quadrature away from kinks
    rest = 1e-10 if name in ("erf", "exp", "cos", "sin") else 2e-3
    np.testing.assert_allclose(np.sum(WEIGHTS * np.asarray(link(Z)) ** 2), link.dual(1.0), atol=rest)


@pytest.mark.parametrize(
    ("link", "k"),
    [
        ("relu", 1),
        ("abs", 2),
        ("sign", 1),
        ("erf", 1),
        ("exp", 1),
        ("cos", 2),
        ("sin", 1),
        ("he3", 3),
        ("he7", 7),
    ],
)
def test_information_exponents(link, k):
    assert rc.Link.named(link).information_exponent == k


def test_quadrature_recovers_coefficients_and_admits_its_error():
    link = rc.Link.from_function(lambda z: np.tanh(2 * z) ** 3 + 0.5)
    assert link.information_exponent == 1
    assert link.error < 1e-3
    smooth = rc.Link.from_function(lambda z: z**4 - 6 * z**2 + 3)
    assert smooth.information_exponent == 4
    np.testing.assert_allclose(smooth.coefficients[4], np.sqrt(24), rtol=1e-12)
    kink = rc.Link.from_function(np.abs)
    off = np.abs(np.asarray(kink.coefficients) - np.asarray(rc.Link.named("abs").coefficients)[:33]).max()
    assert off <= kink.error
    assert kink.information_exponent == 2


def test_a_series_that_misses_much_of_its_function_says_so():
    """1[z > 1] has E σ² = 0.159, of which 33 coefficients, off by 0.04 each, keep 0.123."""
    with pytest.warns(UserWarning, match=r"misses 0\.23 of its second moment"):
        jump = rc.Link.from_function(lambda z: (z > 1) * 1.0)
    np.testing.assert_allclose(jump.missing, 1 - float(jump.dual(1.0)) / ndtr(-1.0), rtol=1e-6)
    assert "misses 0.23 of E σ²" in repr(jump)
    smooth = rc.Link.from_function(np.tanh)
    assert smooth.missing < 1e-5
    assert "misses" not in repr(smooth)


@pytest.mark.parametrize("name", [*sorted(CLOSED_FORMS), "he3"])
def test_links_pickle_and_copy(name):
    link = rc.Link.named(name)
    for other in (pickle.loads(pickle.dumps(link)), copy.deepcopy(link)):
        assert jax.tree.structure(other) == jax.tree.structure(link)  # so that nothing is compiled anew
        np.testing.assert_array_equal(other.dual(0.3), link.dual(0.3))


@pytest.mark.parametrize(
    ("link", "centred", "finite"),
    [("relu", False, True), ("sign", True, False), ("cos", False, True), ("he4", True, True)],
)
def test_mean_and_slope_are_known_without_asking_an_array(link, centred, finite):
    link = rc.Link.named(link)
    assert (link.is_centred, link.has_finite_slope) == (centred, finite)
    assert link.is_centred == (abs(float(link.dual(0.0))) < 1e-15)
    assert link.has_finite_slope == bool(np.isfinite(link.dual_derivative(1.0)))


def test_pure_links_and_parity():
    assert rc.Link.hermite(4).degree == 4
    assert rc.Link.from_coefficients([0, 0, 2.0]).degree == 2
    mixed = rc.Link.from_coefficients([0, 0, 0.8, 0, 0.6])
    assert mixed.degree is None
    assert mixed.is_even
    assert not rc.Link.hermite(3).is_even
    np.testing.assert_allclose(mixed.dual(0.5), 0.64 * 0.25 + 0.36 * 0.0625)
    np.testing.assert_allclose(mixed.dual_derivative(0.5), 0.64 + 0.36 * 4 * 0.125)
    z = np.array([0.3, -2.0])
    np.testing.assert_allclose(jax.vmap(jax.grad(mixed))(z), mixed.derivative(z), rtol=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: rc.Link.from_coefficients([0.0, np.nan]),
            "`coefficients` must be finite, but is nan at entry 1",
        ),
        (lambda: rc.Link.from_coefficients([1.0]), "`coefficients` must be a vector"),
        (lambda: rc.Link.from_coefficients([1.0, 0.0]), "must have a nonzero entry"),
        (lambda: rc.Link.hermite(0), "`degree` must be a whole number ≥ 1"),
        (lambda: rc.Link.named("step"), "`link` must be one of abs"),
        (lambda: rc.Link.from_function(lambda z: 1.0), "`function` must map"),
        (lambda: rc.Link.from_function(lambda z: np.where(z > 0, np.nan, 0)), "`function` must be finite"),
        (lambda: rc.Teacher.power_law(3, -1, rc.Link.hermite(2)), "`beta` must be ≥ 0, but is -1."),
        (lambda: rc.Teacher.power_law(0, 1, rc.Link.hermite(2)), "`width` must be a whole number ≥ 1"),
        (lambda: rc.Teacher([1.0, np.inf], rc.Link.hermite(2)), "`a` must be finite"),
        (lambda: rc.Teacher([1.0, 0.0], rc.Link.hermite(2)), "`a` must have no entry that is 0"),
        (lambda: rc.Teacher([1.0], "he2"), "`link` must be a riccati.Link"),
    ],
)
def test_bad_links_and_teachers_are_refused(build, message):
    with pytest.raises(rc.ArgumentError, match=message):
        build()


def test_teacher_keeps_its_norm_and_knows_its_second_moment():
    teacher = rc.Teacher([3.0, 4.0], rc.Link.named("relu"))
    np.testing.assert_allclose(teacher.normalised_a, [0.6, 0.8])
    # E (3 σ(x) + 4 σ(y))² with E σ² = 1/2, E σ = 1/√(2π)
    np.testing.assert_allclose(teacher.second_moment, 12.5 + 2 * 12 / (2 * np.pi))
