"""k = 2 under decay that depends on time and for links with a constant: many digits, quadrature, SGD."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import scipy
from systems import problem

import riccati as rc

Z2 = rc.Link.from_coefficients([1, 0, np.sqrt(2)])
TIMES = np.array([0.0, 0.3, 0.8, 2.0])


def cooling(t):
    """A decay that ends."""
    return 0.8 * jnp.exp(-t)


def test_one_neuron_of_z2_has_a_closed_form():
    """ds/dτ = 2(ν - (1 + κ)s)s, ν = (1 + κ)a - λ/(2c_2²), of a neuron along the teacher; κ = ½, c_2² = 2."""
    teacher, start = rc.Teacher([0.7], Z2), rc.Start([[1.0]], norms=1e-6)
    times, grown = np.array([0.0, 2.0, 4.0, 8.0, 30.0]), 1.5 * 0.7 - 0.3 / 4
    solved = rc.solve(rc.Quadratic(weight_decay=0.3), teacher, start, times)
    s = grown / (1.5 + (grown / 1e-12 - 1.5) * np.exp(-2 * grown * 4 * times))
    np.testing.assert_allclose(solved.radius[:, 0], s, rtol=1e-9)
    np.testing.assert_allclose(solved.risk, (s / 0.7 - 1) ** 2, rtol=1e-9)


@pytest.mark.parametrize("decay", [0.0, 1.5])
def test_z2_against_an_integration_in_many_digits(decay):
    """dW/dt = -2c_2²(D + κ tr D)W - λW of one neuron by Taylor series of 25 digits."""
    a, u, c, mean = [0.9, 0.5], [0.3, -0.4], 0.8, 0.5
    teacher = rc.Teacher(a, rc.Link.from_coefficients([mean, 0, c]))
    solved = rc.solve(rc.Quadratic(weight_decay=decay), teacher, rc.Start([u], norms=0.1), TIMES)
    whole = c**2 * sum(x**2 for x in a) + mean**2 * sum(a) ** 2
    with mp.workdps(25):
        rates, square, constant = [*map(mp.mpf, a), mp.mpf(0)], mp.mpf(c) ** 2, mp.mpf(mean) ** 2
        w = [mp.mpf(x) / 10 for x in u] + [mp.sqrt(1 - mp.fsum(mp.mpf(x) ** 2 for x in u)) / 10]

        def velocity(_, w):
            size = mp.fsum(x**2 for x in w)
            mean_error = constant * (size - mp.fsum(rates))
            return [
                2 * (square * (r - size) - mean_error - mp.mpf(decay) / 2) * x for r, x in zip(rates, w, strict=True)
            ]

        follow = mp.odefun(velocity, 0, w)
        for n, t in enumerate(TIMES):
            w = follow(mp.mpf(float(t)))
            D = mp.matrix(w) * mp.matrix(w).T - mp.diag(rates)
            risk = square * mp.fsum(x**2 for x in D) + constant * mp.fsum(D[m, m] for m in range(3)) ** 2
            np.testing.assert_allclose(float(solved.risk[n]), float(risk / whole), rtol=1e-9)
            np.testing.assert_allclose(solved.radius[n], [float(x**2) for x in w[:2]], rtol=1e-9)


def test_z2_of_correlated_directions_with_a_negative_one_against_the_coupled_flow():
    teacher = rc.Teacher.from_directions(np.eye(2, 12) + 0.2, [0.8, -0.3], Z2, lengths="divided")
    start = rc.Start.random(teacher, 3, 12, norm=0.2, seed=4)
    flows = rc.Quadratic(weight_decay=0.6), rc.Coupled(weight_decay=0.6, rtol=1e-10)
    exact, coupled = (rc.solve(flow, teacher, start, TIMES) for flow in flows)
    for name in ("risk", "alignment", "radius"):
        np.testing.assert_allclose(getattr(exact, name), getattr(coupled, name), rtol=1e-7, err_msg=name)


def test_z2_against_sgd_in_plain_numpy():
    """f = Σ <x, w_i>², y = Σ a_m <x, θ_m>², steps of 10⁻³ on ½(f - y)² with 400 samples, 20 dimensions."""
    rng, dim, step, a = np.random.default_rng(0), 20, 1e-3, np.array([1.0, 0.5])
    W = 0.5 * rng.normal(size=(3, dim)) / np.sqrt(dim)
    start = rc.Start.from_weights(W, np.eye(2, dim))
    seen = {}
    for n in range(1501):
        if n in (250, 500, 1500):
            D = W.T @ W - np.diag(np.pad(a, (0, dim - 2)))
            seen[n] = (2 * np.sum(D**2) + np.trace(D) ** 2) / (2 * np.sum(a**2) + np.sum(a) ** 2)
        x = rng.normal(size=(400, dim))
        z = x @ W.T
        error = np.sum(z**2, axis=1) - x[:, :2] ** 2 @ a
        W = W - step * (2 * (error[:, None] * z).T @ x / 400 + 0.3 * W)
    solved = rc.solve(rc.Quadratic(weight_decay=0.3), rc.Teacher(a, Z2), start, step * np.array(list(seen)))
    np.testing.assert_allclose(solved.risk, list(seen.values()), rtol=0.05)


def test_a_decay_that_depends_on_time_by_quadrature():
    """1/s = e^{-2(aτ - Θ)}(1/s_0 + 2∫e^{2(au - Θ)}du), Θ = ∫λ dt, of one neuron along the teacher."""
    teacher, start, a = rc.Teacher([0.6], rc.Link.hermite(2)), rc.Start([[1.0]], norms=1e-2), 0.6
    times = np.array([0.5, 3.0, 12.0])
    solved = rc.solve(rc.Quadratic(weight_decay=cooling), teacher, start, times)

    def grown(tau):
        return np.exp(2 * a * tau - 1.6 * (1 - np.exp(-tau / 2)))

    for n, tau in enumerate(2 * times):
        s = grown(tau) / (1e4 + 2 * scipy.integrate.quad(grown, 0, tau, epsabs=0, epsrel=1e-12)[0])
        np.testing.assert_allclose(solved.radius[n, 0], s, rtol=1e-9)
        np.testing.assert_allclose(solved.risk[n], (s / a - 1) ** 2, rtol=1e-8, atol=1e-10)  # of digits that cancel


def test_a_decay_in_pieces_is_that_of_its_pieces():
    """λ = 0.9 up to t = 1.5, then 0.2: the second piece starts from the weights that the first, exact, ends with."""
    teacher, start = problem(2, 3, 20, 1.0, norm=0.3)
    end, W = np.array([1.5, 4.0]), np.asarray(start.weights).T
    two = rc.solve(rc.Quadratic(weight_decay=lambda t: jnp.where(t < 1.5, 0.9, 0.2)), teacher, start, end)
    target = np.diag(np.r_[np.asarray(teacher.a), np.zeros(3)])
    for decay, interval in ((0.9, 1.5), (0.2, 2.5)):
        grown = scipy.linalg.expm(interval * (2 * target - decay * np.eye(5)))
        rates = 2 * np.diag(target) - decay
        kernel = np.eye(3) + 2 * W.T @ (((np.expm1(2 * rates * interval)) / rates)[:, None] * W)
        W = grown @ W @ np.linalg.inv(np.linalg.cholesky(kernel)).T
    np.testing.assert_allclose(two.radius[1], np.sum(W[:2] ** 2, axis=1), rtol=1e-8)
    np.testing.assert_allclose(two.risk[1], np.sum((W @ W.T - target) ** 2), rtol=1e-8)


def test_a_function_that_is_constant_is_the_number():
    teacher, start = rc.Teacher([0.8, 0.3, -0.4], rc.Link.hermite(2)), problem(3, 2, 30, 1.0, norm=1e-3)[1]
    times = np.geomspace(0.2, 60, 7)
    number, function = (rc.solve(rc.Quadratic(decay), teacher, start, times) for decay in (0.8, lambda t: 0.8))
    np.testing.assert_allclose(function.risk, number.risk, rtol=1e-9)
    np.testing.assert_allclose(function.radius, number.radius, rtol=1e-8)
    np.testing.assert_array_equal(function.alignment, number.alignment)
    np.testing.assert_array_equal(function.emergence_times(), number.emergence_times())


def test_z2_emerges_as_its_square_alone_does():
    """G does not see the constant: emergence times are those of √2 h_2, half those of h_2."""
    a, start = [0.8, 0.5], problem(2, 2, 40, 1.0)[1]
    times = np.geomspace(0.05, 20, 40)
    problems = (Z2, 0.5), (rc.Link.hermite(2), 1.0)
    with_constant, without = (
        rc.solve(rc.Quadratic(), rc.Teacher(a, link), start, clock * times).emergence_times()
        for link, clock in problems
    )
    np.testing.assert_allclose(2 * with_constant, without, rtol=1e-12)


@pytest.mark.large
def test_under_jit_as_outside():
    teacher, start = problem(2, 2, 30, 1.0, norm=0.1)
    times, flow = np.array([1.0, 5.0, 9.0]), rc.Quadratic(weight_decay=cooling)
    jitted = jax.jit(lambda a: rc.solve(flow, rc.Teacher(a, teacher.link), start, times).risk)(teacher.a)
    np.testing.assert_allclose(jitted, rc.solve(flow, teacher, start, times).risk, rtol=1e-9)


def test_what_is_no_decay_is_refused():
    teacher, start = problem(2, 2, 30, 1.0, norm=0.1)
    for decay, said in (
        (lambda t: 0.5 - t, "`weight_decay` must be ≥ 0 and finite at every time, but is -0.5 at t = 1"),
        (lambda t: 0.5 if t < 1 else 0.1, "that JAX can trace .* one that fails"),
        (lambda t: jnp.stack([t, t]), r"that JAX can trace .* one of shape \(2,\)"),
    ):
        with pytest.raises(rc.ArgumentError, match=said):
            rc.solve(rc.Quadratic(weight_decay=decay), teacher, start, [0.0, 1.0])
    with pytest.raises(rc.ArgumentError, match="files keep the name alone"):
        rc.Quadratic(weight_decay="cooling")
    with pytest.raises(rc.ArgumentError, match=r"`teacher` must have a link c_0 \+ c_2 h_2 for Quadratic"):
        rc.solve(rc.Quadratic(), rc.Teacher([1.0, 0.5], rc.Link.from_coefficients([1, 0, 1, 1])), start, [1.0])
    solved = rc.solve(rc.Quadratic(weight_decay=cooling), teacher, start, [1.0])
    assert solved.flow.settings() == {"weight_decay": "cooling"}
