"""k = 2 with real rates: a second layer of either sign and correlated directions, against the weights' equation."""

import numpy as np
import pytest
import scipy.linalg
from scipy.integrate import solve_ivp

import riccati as rc

LINK = rc.Link.hermite(2)
DIM = 20


def symmetric(seed=0):
    """Z* from the Gaussian orthogonal ensemble."""
    Z = np.random.default_rng(seed).normal(size=(DIM, DIM))
    return (Z + Z.T) / np.sqrt(2 * DIM)


def weights_along(S, W, times):
    """W' = 2(S - WWᵀ)W (Martin, Bach & Biroli's equation at twice the pace), W (d, N)."""
    solution = solve_ivp(
        lambda _, y: (2 * (S - (w := y.reshape(W.shape)) @ w.T) @ w).ravel(),
        (0, times[-1]), W.ravel(), "DOP853", times, rtol=1e-11, atol=1e-14,
    )  # fmt: skip
    return [y.reshape(W.shape) for y in solution.y.T]


def signed(neurons):
    """A teacher whose S* is that of the ensemble, and the same start in both; rates of unit norm."""
    rates, vectors = np.linalg.eigh(symmetric())
    rates /= np.linalg.norm(rates)
    W = 0.2 * np.random.default_rng(1).normal(size=(neurons, DIM)) / np.sqrt(DIM)
    return rc.Teacher(rates, LINK), rc.Start.from_weights(W, vectors.T), vectors.T, W


def correlated(neurons, width=6):
    rng = np.random.default_rng(2)
    Theta, a = rng.normal(size=(width, DIM)), rng.normal(size=width)
    W = 0.2 * rng.normal(size=(neurons, DIM)) / np.sqrt(DIM)
    units = Theta / np.linalg.norm(Theta, axis=1)[:, None]
    return rc.Teacher.from_directions(Theta, a, LINK, lengths="divided"), rc.Start.from_weights(W, Theta), units, W


@pytest.mark.parametrize(("case", "neurons"), [(signed, 5), (signed, DIM), (correlated, 4)])
def test_quadratic_follows_the_weights_equation(case, neurons):
    teacher, start, directions, W = case(neurons)
    times = np.array([1.0, 5.0, 12.0])
    S = directions.T @ np.diag(np.asarray(teacher.a)) @ directions
    solved = rc.solve(rc.Quadratic(), teacher, start, times)
    for n, w in enumerate(weights_along(S, W.T, times)):
        space = np.linalg.qr(w)[0]
        np.testing.assert_allclose(solved.risk[n], np.sum((S - w @ w.T) ** 2) / np.sum(S**2), rtol=1e-8)
        np.testing.assert_allclose(solved.alignment[n], np.sum((directions @ space) ** 2, axis=1), atol=1e-8)
        np.testing.assert_allclose(solved.radius[n], np.sum((directions @ w) ** 2, axis=1), atol=1e-9)
    assert np.all(np.diff(solved.risk) <= 0)


@pytest.mark.parametrize("neurons", [5, DIM])
def test_what_is_negative_stays_in_the_risk_for_ever(neurons):
    """With more neurons than positive rates, a student of S ≽ 0 is left with Σ_{a_m<0} a_m² at every later time."""
    teacher, start, _, _ = signed(neurons)
    a = np.asarray(teacher.a)
    learned = np.sort(a)[-neurons:]
    left = 1 - np.sum(learned[learned > 0] ** 2)
    solved = rc.solve(rc.Quadratic(), teacher, start, [1e6, 1e12, 1e100])
    np.testing.assert_allclose(solved.risk, left, rtol=1e-9)


def test_the_subspace_is_refitted_by_radial_parts_of_either_sign():
    teacher, start, directions, W = signed(5)
    times = np.array([1.0, 8.0])
    solved = rc.solve(rc.Riccati(), teacher, start, times)
    S = directions.T @ np.diag(np.asarray(teacher.a)) @ directions
    for n, time in enumerate(times):
        space = np.linalg.qr(scipy.linalg.expm(2 * time * S) @ W.T)[0]
        np.testing.assert_allclose(solved.risk[n], 1 - np.sum((space.T @ S @ space) ** 2), rtol=1e-9)


def test_emergence_times_are_first_crossings_where_alignments_fall_again():
    """Correlated directions on output times too coarse to see it, against the projector at 4000 times."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        Theta, W = rng.normal(size=(4, 12)), rng.normal(size=(2, 12))
        units = Theta / np.linalg.norm(Theta, axis=1)[:, None]
        teacher = rc.Teacher.from_directions(Theta, [1.0, -0.8, 0.6, 0.5], LINK, lengths="divided")
        S = units.T @ np.diag(np.asarray(teacher.a)) @ units
        rates, V = np.linalg.eigh(S)
        fine = np.linspace(0, 12, 4000)
        aligned = []
        for time in fine:
            space = np.linalg.qr(np.exp(2 * time * rates)[:, None] * (V.T @ W.T))[0]
            aligned.append(np.sum((units @ V @ space) ** 2, axis=1))
        aligned = np.array(aligned)
        level = 0.4
        above = aligned >= level
        expected = np.where(above.any(axis=0), fine[np.argmax(above, axis=0)], np.inf)
        crossed = np.asarray(
            rc.solve(rc.Riccati(), teacher, rc.Start.from_weights(W, Theta), [12.0]).emergence_times(level)
        )
        np.testing.assert_allclose(crossed, expected, atol=12 / 4000)
        if seed == 0:
            assert (np.diff(aligned, axis=0) < 0).any()


def test_signed_emergence_times_are_on_the_equation():
    teacher, start, _, _ = signed(5)
    solved = rc.solve(rc.Quadratic(), teacher, start, np.linspace(0.5, 60, 40))
    T = np.asarray(solved.emergence_times())
    emerged = np.isfinite(T) & (T > 0)
    assert emerged.any()
    at = np.sort(T[emerged])
    again = np.asarray(rc.solve(rc.Riccati(), teacher, start, at).alignment)
    order = np.argsort(T[emerged])
    np.testing.assert_allclose(np.diag(again[:, np.flatnonzero(emerged)[order]]), 0.5, atol=1e-9)


def test_default_times_end_with_the_positive_rates():
    teacher, start, _, _ = signed(DIM)
    times = np.asarray(rc.default_times(rc.Quadratic(), teacher, start))
    assert np.isfinite(rc.solve(rc.Quadratic(), teacher, start, times).risk).all()
    with pytest.raises(rc.ArgumentError, match="nothing is expected to emerge"):
        rc.default_times(rc.Quadratic(), rc.Teacher([-1.0, -0.5], LINK), rc.Start([[0.1, 0.2]]))


def test_the_dense_equation_refuses_correlated_directions():
    teacher, start, _, _ = correlated(4)
    with pytest.raises(rc.ArgumentError, match=r'orthonormal directions for Riccati\(method="ode"\)'):
        rc.solve(rc.Riccati(method="ode"), teacher, start, [1.0])


def test_the_slowest_of_negative_rates_gains_on_nothing():
    """Aligned at the start and then forgotten: it has emerged at once, and no bound on its speed is divided by."""
    teacher, start = rc.Teacher([0.8, -0.6], LINK), rc.Start([[0.3, 0.9]], norms=0.5)
    solved = rc.solve(rc.Quadratic(), teacher, start, [1e-3, 1.0, 20.0])
    np.testing.assert_array_equal(np.asarray(solved.emergence_times()) <= 1e-3, [False, True])
    assert np.isfinite(solved.emergence_times()).all()
