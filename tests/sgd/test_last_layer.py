"""The second phase: the last layer fitted on fresh samples, for any link and for Stiefel SGD."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import erf
from sgd_runs import problem

import riccati as rc
from riccati import sgd

D, N = 8, 4
SIGMAS = {
    "he1": lambda z: z,
    "he2": lambda z: (z**2 - 1) / np.sqrt(2),
    "he3": lambda z: (z**3 - 3 * z) / np.sqrt(6),
    "relu": lambda z: np.maximum(z, 0),
    "erf": erf,
}
RNG = np.random.default_rng(5)
THETA, W = np.eye(3, D), RNG.standard_normal((N, D))
U = W / np.linalg.norm(W, axis=1, keepdims=True)
A = np.array([1.0, -0.6, 0.3])


def target(name, *, noise=None):
    """A teacher of three directions and a student of four neurons, as a problem."""
    teacher = rc.Teacher(A, rc.Link.named(name), noise=noise)
    return rc.Problem(teacher, rc.Start.from_weights(W, THETA))


def drawn_in_all_coordinates(name, rng, count, variance=0.0):
    """Features and labels of plain samples in R^d."""
    X, sigma = rng.standard_normal((count, D)), SIGMAS[name]
    return sigma(X @ U.T), sigma(X @ THETA.T) @ A + np.sqrt(variance) * rng.standard_normal(count)


@pytest.mark.parametrize("name", ["he2", "he3", "relu"])
def test_the_limit_is_least_squares_on_many_samples_with_more_neurons_than_directions(name):
    features, y = drawn_in_all_coordinates(name, np.random.default_rng(1), 400_000)
    for ridge in (0.0, 0.3):
        normal = features.T @ features / len(y) + ridge * np.eye(N)
        wanted = np.linalg.solve(normal, features.T @ y / len(y))
        fit = sgd.second_phase(target(name), ridge=ridge)
        np.testing.assert_allclose(fit.amplitudes, wanted, atol=0.02)
        assert fit.risk == fit.limit == pytest.approx(np.mean((y - features @ wanted) ** 2) / np.mean(y**2), abs=0.01)


@pytest.mark.parametrize("name", ["he2", "he3", "relu"])
def test_orthonormal_neurons_have_a_closed_form(name):
    m = np.linalg.qr(RNG.standard_normal((3, 3)))[0] * [
        [0.9],
        [0.5],
        [0.7],
    ]  # u_i = (m_i, the rest along axes of its own)
    teacher = rc.Teacher(A, rc.Link.named(name))
    fit = sgd.second_phase(rc.Problem(teacher, rc.Start(m, np.eye(3))))
    if name == "relu":  # g(q) = [√(1 - q²) + q(π - arccos q)]/2π: K = (1/2 - 1/2π) I + 1/2π
        g = (np.sqrt(1 - m**2) + m * (np.pi - np.arccos(m))) / (2 * np.pi)
        own, shared = 0.5 - 1 / (2 * np.pi), 1 / (2 * np.pi)
        b = g @ A
        s = (b - shared * b.sum() / (own + 3 * shared)) / own
        whole = own * np.sum(A**2) + shared * A.sum() ** 2
    else:
        s = b = m ** int(name[2:]) @ A
        whole = np.sum(A**2)
    np.testing.assert_allclose(fit.amplitudes, s, rtol=1e-10)
    assert fit.limit == pytest.approx(1 - s @ b / whole, rel=1e-10)


@pytest.mark.parametrize("name", ["he2", "relu"])
def test_the_curve_is_that_of_plain_draws_with_noisy_labels(name):
    noise, sizes, draws = 0.5, (16, 40), 800
    given = target(name, noise=noise)
    fit = sgd.second_phase(given, sizes, ridge=0.02, draws=draws)
    many, y = drawn_in_all_coordinates(name, np.random.default_rng(2), 200_000)
    K, b, whole = many.T @ many / len(y), many.T @ y / len(y), np.mean(y**2)
    rng, risks = np.random.default_rng(3), np.empty((draws, 2))
    for risk in risks:
        for at, size in enumerate(sizes):
            features, labels = drawn_in_all_coordinates(name, rng, size, noise * whole)
            s = np.linalg.solve(features.T @ features / size + 0.02 * np.eye(N), features.T @ labels / size)
            risk[at] = 1 - (2 * s @ b - s @ K @ s) / whole
    for q in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(fit.quantile(q), np.quantile(risks, q, axis=0), rtol=0.1)
    assert fit.mean[1] == pytest.approx(risks[:, 1].mean(), rel=0.05)
    assert fit.risk.shape == (draws, 2)
    assert fit.amplitudes.shape == (draws, 2, N)
    assert fit.expected is None


def test_the_mean_is_exact_where_all_is_gaussian():
    fit = sgd.second_phase(target("he1", noise=0.5), (5, 12, 50), draws=1200)
    assert fit.expected[0] == np.inf  # at n' = r + 1
    np.testing.assert_allclose(fit.mean[1:], fit.expected[1:], rtol=0.05)
    assert fit.expected[1] == pytest.approx(fit.limit + (fit.limit + 0.5) * N / (12 - N - 1))


def test_dependent_features_have_the_solution_of_least_norm():
    twice = rc.Start.from_weights(np.vstack([W[:2], 3 * W[1:2]]), THETA)
    teacher = target("he3").teacher
    for samples in (None, 50):
        fit = sgd.second_phase(rc.Problem(teacher, twice), samples, seed=4)
        one = sgd.second_phase(rc.Problem(teacher, rc.Start.from_weights(W[:2], THETA)), samples, seed=4)
        assert fit.amplitudes[1] == pytest.approx(fit.amplitudes[2], rel=1e-6)
        if samples is None:
            np.testing.assert_allclose(fit.amplitudes, one.amplitudes[[0, 1, 1]] * [1, 0.5, 0.5], rtol=1e-8)
            assert fit.limit == pytest.approx(one.limit, rel=1e-10)
    # four quadratic neurons in a plane, where there are three quadratic functions, fit a teacher in it exactly
    angles = np.array([0.1, 0.7, 1.5, 2.6])
    plane = rc.Start(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    fit = sgd.second_phase(rc.Problem(rc.Teacher([1.0, 0.5], rc.Link.hermite(2)), plane), (4, 30))
    np.testing.assert_allclose(fit.risk, 0.0, atol=1e-12)
    phi = np.stack([np.cos(angles) ** 2, np.sin(angles) ** 2, np.sqrt(2) * np.sin(angles) * np.cos(angles)])
    np.testing.assert_allclose(fit.amplitudes, [np.linalg.lstsq(phi, [1.0, 0.5, 0.0], rcond=None)[0]] * 2, atol=1e-9)


def test_committee_machines_and_anisotropic_input():
    rng, spectrum = np.random.default_rng(6), np.linspace(2.0, 0.5, D)
    committee = rc.Start.from_weights(W, THETA).with_second_layer(1.0, scale=0.5)
    fit = sgd.second_phase(rc.Problem(rc.Teacher(A, rc.Link.named("erf")), committee))
    X = rng.standard_normal((200_000, D))
    wanted = np.linalg.lstsq(erf(X @ W.T), erf(X @ THETA.T) @ A, rcond=None)[0]
    np.testing.assert_allclose(fit.amplitudes, wanted, atol=0.02)

    Theta = THETA + 0.3 * RNG.standard_normal((3, D))
    covariance = rc.Covariance(spectrum)
    teacher = rc.Teacher.from_directions(Theta, A, rc.Link.hermite(3), covariance=covariance)
    fit = sgd.second_phase(rc.Problem(teacher, rc.Start.from_weights(W, Theta, covariance)))
    X *= np.sqrt(spectrum)
    along, of = (SIGMAS["he3"](X @ V.T / np.sqrt(V**2 @ spectrum)) for V in (Theta, W))
    np.testing.assert_allclose(fit.amplitudes, np.linalg.lstsq(of, along @ A, rcond=None)[0], atol=0.03)


def test_runs_and_trajectories_are_taken_at_their_end():
    given = problem(degree=3)
    run = sgd.simulate(**given, learning_rate=1e-3, steps=300, rows=5)
    m, q = (np.asarray(run.config[key]) for key in ("final_overlaps", "final_student_gram"))
    s, teacher = np.asarray(run.config["final_norms"]) ** 2, given["teacher"]
    a = np.asarray(teacher.a)
    assert 1 - 2 * s @ m**3 @ a + s @ q**3 @ s == pytest.approx(run.risk[-1], rel=1e-10)  # the run's own state
    fit = sgd.second_phase(run)
    np.testing.assert_allclose(fit.amplitudes, np.linalg.solve(q**3, m**3 @ a), rtol=1e-8)
    assert fit.limit < run.risk[-1]

    trajectory = rc.solve(rc.Correlation(), given["teacher"], given["start"], [1.0, 3.0])
    assert sgd.second_phase(trajectory).limit == pytest.approx(float(trajectory.risk[-1]), rel=1e-7)


def test_stiefel_reaches_its_limit_with_many_samples():
    run = sgd.simulate(**problem(width=5, neurons=4), learning_rate=2e-3, steps=4000, rows=5, constraint="stiefel")
    fits = [sgd.second_phase(run, n, seed=n) for n in (400, 6400)]
    assert fits[0].limit == pytest.approx(run.risk[-1], rel=1e-10)
    K = np.asarray(run.config["final_overlaps"])
    K = K.T @ (np.asarray(run.teacher.a)[:, None] * K)
    np.testing.assert_allclose(fits[1].Omega, K, atol=0.1)
    # the excess falls as 1/n': here the mean over draws at two sizes
    fit = sgd.second_phase(run, (200, 800), draws=60)
    excess = fit.mean - fit.limit
    assert excess[0] / excess[1] == pytest.approx(4.0, rel=0.35)
    assert np.all(fit.risk >= fit.limit)
    whole, Omega = np.sum(np.asarray(run.teacher.a) ** 2), fit.Omega
    missed = whole - 2 * np.sum(Omega * K, axis=(2, 3)) + np.sum(Omega**2, axis=(2, 3))
    np.testing.assert_allclose(fit.risk, missed / whole, rtol=1e-9)
    noisy = sgd.second_phase(replace(run, config=run.config | {"label_noise": 1.0}), (200, 800), draws=60)
    assert noisy.mean[1] - fit.mean[1] == pytest.approx(10 / (800 - 10 - 1), rel=0.25)  # as of Gaussian features
    np.testing.assert_array_equal(fit.Omega[0, 1], sgd.second_phase(run, 800).Omega)


def test_the_ridge_shrinks_the_radial_part():
    run = sgd.simulate(**problem(width=5, neurons=4), learning_rate=2e-3, steps=2000, rows=5, constraint="stiefel")
    free, shrunk = (sgd.second_phase(run, 60_000, ridge=ridge) for ridge in (0.0, 2.0))
    # features have variance 2 on and off the diagonal in an orthonormal basis, so a ridge of 2 halves Ω
    np.testing.assert_allclose(shrunk.Omega, free.Omega / 2, atol=0.012)
    assert shrunk.limit == pytest.approx(shrunk.risk, rel=0.01)
    assert sgd.second_phase(run, 5, ridge=1.0).risk < 1.5


def test_what_cannot_be_fitted_is_refused():
    given = target("he3")
    refused = {
        r"`samples` must be ≥ N = 4 without a ridge, but is 3": lambda: sgd.second_phase(given, (50, 3)),
        r"`student` must be a riccati.Problem": lambda: sgd.second_phase(given.teacher, 50),
        r"`run` must be one of riccati.sgd": lambda: sgd.second_phase(rc.Run.load("hermite4"), 50),
        r"`draws` must be left out for the limit": lambda: sgd.second_phase(given, draws=5),
        r"`draws` must be given to `second_phase`": lambda: sgd.second_phase(given, 50).mean,
        r"`ridge` must be ≥ 0": lambda: sgd.second_phase(given, ridge=-1.0),
        r"`samples` must have one entry": lambda: sgd.second_phase(given, []),
        r"`flow` must follow every neuron": lambda: sgd.second_phase(rc.solve(rc.Riccati(), **problem(), times=[1.0])),
    }
    for message, call in refused.items():
        with pytest.raises(rc.ArgumentError, match=message):
            call()
    run = sgd.simulate(**problem(), learning_rate=1e-3, steps=5, constraint="stiefel")
    with pytest.raises(rc.ArgumentError, match=r"`samples` must be ≥ N\(N\+1\)/2 = 6 without a ridge, but is 5"):
        sgd.second_phase(run, 5)
