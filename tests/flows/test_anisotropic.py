"""Anisotropic input: a growth rate from the literature, the two-parameter law, typical starts, and the decoupled flow;
and decoupled directions with a second layer of either sign."""

import jax
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import zeta

import riccati as rc

FOURTH = rc.Link.hermite(4)


@pytest.mark.parametrize("power", [1.5, 2.0])
def test_growth_rate_of_the_search(power):
    """One neuron, σ(z) = z², λ_i = i^-power: ρ is the largest root of 1 = 8 Σ (w*_i λ_i)²/(ρ - 4λ_i), s* = 1
    (arXiv 2511.18661, whose clock is twice as slow, so that s = |w|_Σ² grows at ρ here)."""
    dim = 60
    eigenvalues = np.arange(1, dim + 1.0) ** -power
    rng = np.random.default_rng(0)
    w, star = rng.normal(size=(1, dim)), rng.normal(size=(1, dim))
    star /= np.sqrt(np.sum(eigenvalues * star**2))
    rho = brentq(lambda x: 1 - 8 * np.sum((star * eigenvalues) ** 2 / (x - 4 * eigenvalues)), 4 + 1e-9, 100, xtol=1e-13)
    input_ = rc.Covariance(eigenvalues)
    link = rc.Link.from_coefficients([1, 0, np.sqrt(2)])
    teacher = rc.Teacher.from_directions(star, [1.0], link, covariance=input_)
    start = rc.Start.from_weights(1e-60 * w, star, input_)
    times = np.array([24.0, 25.0])
    s = np.asarray(rc.solve(rc.Coupled(rtol=1e-10), teacher, start, times).radius)[:, 0]
    assert s[-1] < 1e-8
    np.testing.assert_allclose(np.log(s[1] / s[0]), rho, rtol=1e-6)


def power_law(M, d, beta, gamma):
    return rc.Teacher.power_law(M, beta, FOURTH, covariance=rc.Covariance.power_law(d, gamma))


def test_directions_emerge_by_the_two_parameter_law():
    """k = 4, M = N = 8: exponent β + 2γ within 0.1, and the decoupled times within 12 %."""
    M, d, beta, gamma = 8, 150, 1.0, 0.3
    teacher = power_law(M, d, beta, gamma)
    W = np.random.default_rng(0).normal(size=(M, d)) / np.sqrt(d)
    W[:, :M] *= 0.2
    W[np.arange(M), np.arange(M)] = 2.5 / np.sqrt(d)
    W *= 1e-2 / np.linalg.norm(W, axis=1, keepdims=True)
    start = rc.Start.from_weights(W, np.eye(M, d), teacher.covariance)
    expected = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    solved = rc.solve(
        rc.Coupled(rtol=1e-6), teacher, start, np.geomspace(0.5 * expected.min(), 1.5 * expected.max(), 20)
    )
    T = np.asarray(solved.emergence_times())
    np.testing.assert_allclose(T, expected, rtol=0.12)
    assert abs(np.polyfit(np.log(np.arange(1, M + 1)), np.log(T), 1)[0] - (beta + 2 * gamma)) < 0.1


@pytest.mark.parametrize(("k", "beta", "gamma"), [(4, 1.0, 0.5), (4, 0.8, 0.5), (4, 1.2, 0.25), (3, 1.0, 0.5)])
def test_risk_falls_by_the_two_parameter_law(k, beta, gamma):
    """(1 - 2β)/(β + γk/2) within 0.03 at M = 1000, between the emergence of directions 10 and 100.

    The law is that of a teacher without end, so what lies beyond the M-th direction is added; and of a search that is
    long beside the growth of norms, so d is large. γ = 0 or another k are off by 0.05 or more.
    """
    M, d = 1000, 10**6
    teacher = rc.Teacher.power_law(M, beta, rc.Link.hermite(k), covariance=rc.Covariance.power_law(d, gamma))
    start = rc.Start.typical(teacher, M, d)
    T = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    times = np.geomspace(T[9], T[99], 30)
    beyond = zeta(2 * beta, M + 1) / np.sum(np.arange(1, M + 1.0) ** (-2 * beta))
    risk = np.asarray(rc.solve(rc.Decoupled(), teacher, start, times).risk) + beyond
    slope = np.polyfit(np.log(times), np.log(risk), 1)[0]
    assert abs(slope - (1 - 2 * beta) / (beta + gamma * k / 2)) < 0.03
    for rival in ((1 - 2 * beta) / beta, (1 - 2 * beta) / (beta + gamma * k)):
        assert abs(slope - rival) > 0.05


def test_the_decoupled_flow_of_equal_eigenvalues_is_the_isotropic_one():
    flat = power_law(4, 40, 1.0, 0.0)
    plain = rc.Teacher(flat.a, FOURTH)
    one, two = (rc.Start.random(teacher, 6, 40, seed=1) for teacher in (plain, flat))
    np.testing.assert_allclose(one.directions, two.directions, atol=1e-15)
    first, second = (rc.Start.typical(teacher, 3, 40).overlaps for teacher in (plain, flat))
    np.testing.assert_allclose(first, second, rtol=1e-14)
    a, b = (rc.solve(rc.Decoupled(), t, s, np.geomspace(1, 1e3, 20)) for t, s in ((plain, one), (flat, two)))
    np.testing.assert_allclose(b.risk, a.risk, rtol=1e-12)
    np.testing.assert_allclose(b.alignment, a.alignment, rtol=1e-12)


def test_random_and_typical_starts_have_the_law_of_whitened_directions():
    """Overlaps v_p of the greatest of N neurons, against weights uniform on the sphere."""
    d, N = 60, 8
    teacher = rc.Teacher.power_law(3, 0.5, FOURTH, covariance=rc.Covariance.power_law(d, 0.5))
    eigenvalues = np.asarray(teacher.covariance.eigenvalues)
    keys = jax.random.split(jax.random.key(0), 500)
    drawn = np.asarray(jax.vmap(lambda key: rc.Start.random(teacher, N, d, seed=key).teacher_overlaps)(keys))
    w = np.random.default_rng(1).normal(size=(500, N, d)) * np.sqrt(eigenvalues)
    v = w / np.linalg.norm(w, axis=2, keepdims=True)
    for p in range(3):
        ours, theirs = np.sort(np.abs(drawn[:, :, p]).max(axis=1)), np.sort(np.abs(v[:, :, p]).max(axis=1))
        np.testing.assert_allclose(np.median(ours), np.median(theirs), rtol=0.06)
    typical = float(rc.Start.typical(teacher, N, d).overlaps[0])
    np.testing.assert_allclose(typical, np.median(np.abs(v[:, :, 0]).max(axis=1)), rtol=0.06)


def test_spectators_decay_at_their_own_speed():
    """ds/dt = -4 g(1) uᵀΣu s² of a neuron without a direction."""
    teacher = rc.Teacher([1.0], FOURTH, covariance=rc.Covariance([1.0, 0.5, 0.5, 0.5]))
    W = np.array([[0.3, 0.1, 0.0, 0.0], [0.0, 0.0, 0.3, 0.1]])
    start = rc.Start.from_weights(W, np.eye(1, 4), teacher.covariance)
    left = rc.Problem(teacher, start).spectators()
    np.testing.assert_allclose(left.counts, [0, 1])
    np.testing.assert_allclose(left.speeds[1], 0.5)
    np.testing.assert_allclose(left.energy(4 * 2.0), (0.05 / (1 + 0.05 * 4 * 0.5 * 2.0)) ** 2)


def test_an_odd_link_learns_a_negative_amplitude_backwards_and_an_even_one_never():
    overlaps = [[0.3, 0.02], [-0.02, -0.25]]
    times = np.geomspace(0.5, 300, 25)
    for degree, learned in ((3, [True, True]), (4, [True, False])):
        teacher, start = rc.Teacher([1.0, -0.7], rc.Link.hermite(degree)), rc.Start(overlaps, norms=0.1)
        one = rc.solve(rc.Decoupled(), teacher, start, times)
        np.testing.assert_array_equal(np.asarray(one.alignment)[-1] > 0.9, learned)
        np.testing.assert_array_equal(np.isfinite(one.emergence_times()), learned)
        assert abs(np.asarray(one.risk)[-1] - (0 if degree == 3 else 0.7**2 / 1.49)) < 1e-3
    typical = rc.Start.typical(rc.Teacher([1.0, -0.7], rc.Link.hermite(3)), 4, 50)
    assert typical.overlaps[1] < 0 < typical.overlaps[0]
