"""The decoupled flow: master curve, exact inverse and plain integration agree; starts, links and derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from systems import problem

import riccati as rc
from riccati.flows import decoupled
from riccati.flows.master_curve import (
    collapsed_time,
    evaluate_curve,
    growth_integral,
    leading_collapsed_time,
    master_curve_of,
    position_of,
)
from riccati.numerics import integrate

EXPONENTS = [3, 4, 5, 6, 8]
OVERLAPS = [0.3, 0.05, 1e-3, 1e-5, 1e-8]


@pytest.mark.parametrize("k", EXPONENTS)
def test_the_closed_form_is_an_integration(k):
    """Against a tight integration of dm/dy = k m^(k-1)(1 - m²), to 1e-8."""
    closed = collapsed_time(rc.Link.hermite(k), np.array(OVERLAPS))
    np.testing.assert_allclose([_integrated_time(k, m0) for m0 in OVERLAPS], closed, rtol=1e-8)


@pytest.mark.parametrize("k", [3, 8])
def test_the_master_curve_at_the_closed_forms_time_is_the_overlap_it_began_with(k):
    """In time, to 1e-8 of T."""
    link, m0 = rc.Link.hermite(k), np.array(OVERLAPS)
    closed = np.asarray(collapsed_time(link, m0))
    position = np.asarray(evaluate_curve(link, master_curve_of(link, 1e60), closed)[0])
    slope = k * m0 ** (k - 2)
    assert np.all(np.abs(position - position_of(m0)) / slope < 1e-8 * closed)


def _integrated_time(k, m0):
    """y at m² = ½ from dy/dm inverted: a solve for (log m, y/y_0) with steps that follow m."""
    scale, span = float(m0) ** (2 - k), np.log(np.sqrt(0.5) / m0)
    args = np.array(float(k)), np.array(m0)
    out = integrate(_inverse_velocity, np.zeros(1), args, np.array([span]), 1e-12, 1e-14)
    return float(out.states[0, 0]) * scale


def _inverse_velocity(log_ratio, state, args):
    """d(y/m_0^(2-k)) / d log m = (m/m_0)^(2-k)/(k(1 - m²)): the plain equation with m as the clock."""
    k, m0 = args
    m = m0 * jnp.exp(log_ratio)
    return jnp.exp((2 - k) * log_ratio)[None] / (k * (1 - m**2))


@pytest.mark.parametrize("k", EXPONENTS)
def test_closed_form_is_the_integral(k):
    link = rc.Link.hermite(k)
    for m0 in (0.05, 0.3, 0.9):
        expected = quad(lambda v: 1 / (k * v ** (k - 1) * (1 - v**2)), m0, np.sqrt(0.5), epsabs=0, epsrel=1e-12)[0]
        np.testing.assert_allclose(collapsed_time(link, m0), expected, rtol=1e-10)
    small = 1e-4
    np.testing.assert_allclose(leading_collapsed_time(link, small), collapsed_time(link, small), rtol=1e-3)


def duals(link):
    """g and g' as polynomials of NumPy."""
    g = np.polynomial.Polynomial(np.asarray(link.coefficients) ** 2)
    return g, g.deriv()


def test_mixed_links_are_integrated_numerically():
    link = rc.Link.from_coefficients([0, 0, 0, 0.8, 0.5, 0.2])
    g, slope = duals(link)
    overlaps = np.array([1e-4, 0.01, 0.4])
    expected = [
        quad(lambda x: (m := (1 + np.exp(-2 * x)) ** -0.5) / slope(m), np.log(m0 / np.sqrt(1 - m0**2)), 0,
             epsabs=0, epsrel=1e-11, limit=500)[0]
        for m0 in overlaps
    ]  # fmt: skip
    np.testing.assert_allclose(collapsed_time(link, overlaps), expected, rtol=1e-9)
    expected = quad(lambda v: g(v) / (slope(v) * (1 - v**2)), 0, 0.8, epsrel=1e-12)[0]
    np.testing.assert_allclose(growth_integral(link, position_of(jnp.asarray(0.8))), expected, rtol=1e-10)


@pytest.mark.parametrize("coefficients", [None, [0, 0, 0, 0, 0.7], [0, 0, 0, 0.6, 0, 0.8]])
def test_overlaps_radii_and_risk_against_an_integration(coefficients):
    link = rc.Link.hermite(3) if coefficients is None else rc.Link.from_coefficients(coefficients)
    g, slope = duals(link)
    teacher = rc.Teacher.power_law(3, 0.8, link)
    start = rc.Start.random(teacher, 5, 30, norm=0.2, seed=3)
    m0, s0 = (np.asarray(x) for x in rc.Problem(teacher, start).assigned())
    T = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    last = 2 * T[np.isfinite(T)].max()
    times = np.r_[0, np.geomspace(0.01, last, 25)]
    solved = rc.solve(rc.Decoupled(), teacher, start, times)
    top = g(1.0)
    idle = rc.Problem(teacher, start).spectators()
    squares, counts = np.asarray(idle.squared_norms), np.asarray(idle.counts)
    risk = top * (squares / (1 + 4 * top * times[:, None] * squares)) ** 2 @ counts
    for p, a in enumerate(np.asarray(teacher.a)):

        def velocity(_, y, a=a):
            m, s = y
            return [a * slope(m) * (1 - m**2), 4 * s * (a * g(m) - top * s)]

        y = solve_ivp(velocity, (0, last), [m0[p], s0[p]], "DOP853", times, rtol=1e-11, atol=1e-15).y
        np.testing.assert_allclose(np.asarray(solved.alignment)[:, p], y[0] ** 2, rtol=1e-7)
        np.testing.assert_allclose(np.asarray(solved.radius)[:, p], y[1], rtol=1e-7)
        risk += a**2 * top - 2 * a * y[1] * g(y[0]) + y[1] ** 2 * top
    np.testing.assert_allclose(solved.risk, risk / top, rtol=1e-7, atol=1e-12)


def test_risk_decays_exponentially_long_after_learning_and_keeps_its_digits():
    teacher = rc.Teacher.power_law(1, 0, rc.Link.hermite(4))
    start = rc.Start([[0.5]], norms=0.5)
    risk = np.asarray(rc.solve(rc.Decoupled(), teacher, start, [4.0, 5.0, 6.0, 40.0]).risk)
    # the norm is what lags: 1 - ŝ ~ e^{-4y}, squared
    np.testing.assert_allclose(risk[1:3] / risk[:2], np.exp(-8.0), rtol=0.02)
    assert 0 <= risk[3] < 1e-15


def test_times_begin_at_the_start():
    teacher, start = problem(4, 6, 60, 1.0, degree=4)
    solved = rc.solve(rc.Decoupled(), teacher, start, [0.0, 1.0])
    m0, s0 = rc.Problem(teacher, start).assigned()
    np.testing.assert_allclose(np.asarray(solved.alignment)[0], np.asarray(m0) ** 2, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(solved.radius)[0], s0, rtol=1e-12)


def test_unassigned_directions_stay_unlearned():
    teacher, start = problem(6, 2, 60, 1.0, degree=4)
    solved = rc.solve(rc.Decoupled(), teacher, start)
    T = np.asarray(solved.emergence_times())
    assert np.isfinite(T).sum() == 2
    lost = np.isinf(T)
    np.testing.assert_allclose(np.asarray(solved.risk)[-1], np.sum(np.asarray(teacher.a)[lost] ** 2), rtol=1e-3)
    assert np.all(np.asarray(solved.alignment)[-1][lost] == 0)


def test_negative_overlaps_of_odd_links_never_escape():
    start = rc.Start([[-0.2]], norms=0.1)
    teacher = rc.Teacher.power_law(1, 0, rc.Link.hermite(3))
    solved = rc.solve(rc.Decoupled(), teacher, start, [1.0, 10.0])
    assert np.isinf(solved.emergence_times()).all()
    np.testing.assert_array_equal(solved.alignment, 0)
    # a spectator: ds/dt = -4s²
    np.testing.assert_allclose(solved.risk, 1 + (0.01 / (1 + 0.04 * np.array([1.0, 10.0]))) ** 2, rtol=1e-14)


def test_even_links_do_not_mind_the_sign():
    teacher = rc.Teacher.power_law(1, 0, rc.Link.hermite(4))
    plus, minus = (rc.solve(rc.Decoupled(), teacher, rc.Start([[x]]), [1.0, 9.0]).risk for x in (0.2, -0.2))
    np.testing.assert_array_equal(plus, minus)


def test_leading_order_times_and_their_ratio():
    teacher = rc.Teacher.power_law(8, 1, rc.Link.hermite(4))
    for dim, bound in ((10**4, 0.05), (10**8, 1e-4)):
        start = rc.Start.typical(teacher, 64, dim)
        ratio = rc.Decoupled().leading_emergence_times(teacher, start) / rc.Decoupled().emergence_times_of(
            teacher, start
        )
        assert np.all(np.abs(ratio - 1) < bound)


def test_typical_starts_sit_among_random_ones():
    """The median over random starts of the first direction's time is the typical one."""
    teacher = rc.Teacher.power_law(4, 1.0, rc.Link.hermite(4))

    def first(key):
        start = rc.Start.random(teacher, 32, 4096, seed=key)
        return rc.Decoupled().emergence_times_of(teacher, start)

    T = np.asarray(jax.vmap(first)(jax.random.split(jax.random.key(0), 400)))
    low, middle, high = (
        np.asarray(rc.Decoupled().emergence_times_of(teacher, rc.Start.typical(teacher, 32, 4096, quantile=q)))
        for q in (0.75, 0.5, 0.25)
    )
    # a large overlap is an early time; sampling error of a quartile of 400 is about 0.02 in probability
    for p in range(4):
        assert abs(np.mean(T[:, p] < low[p]) - 0.25) < 0.09
        assert abs(np.mean(T[:, p] < middle[p]) - 0.5) < 0.09
        assert abs(np.mean(T[:, p] < high[p]) - 0.75) < 0.09


def test_large_problems_compute_their_overlaps_on_demand(monkeypatch):
    teacher = rc.Teacher.power_law(300, 0.8, rc.Link.hermite(4))
    start, times = rc.Start.typical(teacher, 300, 2000), np.geomspace(1, 1e5, 64)
    kept = rc.solve(rc.Decoupled(), teacher, start, times)
    monkeypatch.setattr(decoupled, "_KEPT", kept.alignment.size - 1)
    solved = rc.solve(rc.Decoupled(), teacher, start, times)
    assert solved.solution.observables.alignment is None
    np.testing.assert_allclose(solved.risk, kept.risk, rtol=1e-12)
    np.testing.assert_array_equal(solved.alignment, kept.alignment)
    np.testing.assert_array_equal(solved.radius, kept.radius)
    np.testing.assert_array_equal(solved.emergence_times(), kept.emergence_times())
    assert np.isfinite(solved.emergence_times()).sum() > 10


def test_spectators_keep_the_risk_where_the_coupled_flow_has_it():
    """k = 3, M = 4, N = 8, d = 150, norms 0.1, t = 60: the four neurons left over hold the risk at 3e-5."""
    teacher, start = problem(4, 8, 150, 0.8, degree=3, norm=0.1)
    times = np.array([30.0, 60.0])
    risk = np.asarray(rc.solve(rc.Decoupled(), teacher, start, times).risk)
    coupled = np.asarray(rc.solve(rc.Coupled(rtol=1e-6), teacher, start, times).risk)
    np.testing.assert_allclose(risk[1], 4 * (0.01 / (1 + 0.04 * 60)) ** 2, rtol=1e-3)
    np.testing.assert_allclose(risk[1], coupled[1], rtol=0.35)
    typical = rc.solve(rc.Decoupled(), teacher, rc.Start.typical(teacher, 8, 150, 0.1), times).risk
    np.testing.assert_allclose(typical[1], risk[1], rtol=1e-3)

    def last(norms):
        return rc.solve(rc.Decoupled(), teacher, rc.Start(start.teacher_overlaps, None, norms), times).risk[1]

    compiled, norms = jax.jit(jax.value_and_grad(last))(start.norms)
    np.testing.assert_allclose(compiled, risk[1], rtol=1e-12)
    idle = np.setdiff1d(np.arange(8), start.assignment(teacher))
    # d/dr of r⁴/(1 + 4tr²)², t = 60
    np.testing.assert_allclose(np.asarray(norms)[idle], 4 * 0.1**3 / 3.4**3, rtol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 9))
def test_the_order_of_neurons_does_not_matter(order, seed):
    """k = 3, where most overlaps are negative and neurons are left over beside directions."""
    rng = np.random.default_rng(seed)
    m = 0.3 * np.where(rng.random((5, 4)) < 0.75, -1, 1) * rng.random((5, 4))
    norms, teacher = rng.uniform(0.1, 0.6, 5), rc.Teacher.power_law(4, 0.5, rc.Link.hermite(3))
    one, other = (
        rc.solve(rc.Decoupled(), teacher, rc.Start(m[i], norms=norms[i]), [1.0, 20.0, 60.0])
        for i in (np.arange(5), np.array(order))
    )
    np.testing.assert_array_equal(other.alignment, one.alignment)
    np.testing.assert_array_equal(other.radius, one.radius)
    np.testing.assert_allclose(other.risk, one.risk, rtol=1e-14)


def test_what_it_does_not_describe_is_refused_without_times_too():
    """From m = -0.3 under h_4 + 0.3 h_5 this flow would say never, and the coupled one says 1.50."""
    mixed = rc.Teacher([1.0], rc.Link.from_coefficients([0, 0, 0, 0, 1, 0.3]))
    shifted = rc.Teacher([1.0], rc.Link.from_coefficients([0.1, 0, 0, 1]))
    quadratic, flow = rc.Teacher([1.0], rc.Link.hermite(2)), rc.Decoupled()
    for teacher, start, message in (
        (mixed, rc.Start([[-0.3]]), r"positive overlaps .* \(use Coupled\(\) for others\)"),
        (shifted, rc.Start([[0.3]]), "c_0 = 0"),
        (quadratic, rc.Start([[0.3]]), "information exponent > 2"),
    ):
        for ask in (flow.emergence_times_of, flow.leading_emergence_times, lambda *p: rc.solve(flow, *p, [1.0])):
            with pytest.raises(rc.ArgumentError, match=message):
                ask(teacher, start)
    slope = duals(mixed.link)[1]
    np.testing.assert_allclose(quad(lambda m: 1 / slope(m) / (1 - m**2), -0.3, -np.sqrt(0.5))[0], 1.50, rtol=0.01)
    with pytest.raises(rc.ArgumentError, match="`level` must be < 1"):
        flow.emergence_times_of(rc.Teacher([1.0], rc.Link.hermite(3)), rc.Start([[0.3]]), 1.0)


@pytest.mark.parametrize("degree", [3, 4])
def test_emergence_times_are_differentiable_in_the_teacher_and_the_overlaps(degree):
    """Under jit, against central differences."""
    teacher, start = problem(3, 3, 150, 0.8, degree=degree, norm=0.1)
    chosen = np.asarray(start.assignment(teacher))
    own = np.abs(np.asarray(start.teacher_overlaps)[chosen, np.arange(3)])
    flow, times = rc.Decoupled(), np.array([1e6])

    def wait(a, own):
        moved = rc.Problem(eqx.tree_at(lambda t: t.a, teacher, a), rc.Start(jnp.diag(own), None, 0.1))
        return flow.emergence_times(moved, times, None, 0.5)

    at = (np.asarray(teacher.a), own)
    slopes = jax.jit(jax.grad(lambda *x: jnp.sum(wait(*x)), argnums=(0, 1)))(*at)
    compiled = jax.jit(wait)
    for which, slope in enumerate(slopes):
        for p in range(3):
            step = 1e-5 * at[which][p]
            sides = ([x + by * (np.arange(3) == p) * (n == which) for n, x in enumerate(at)] for by in (step, -step))
            high, low = (np.sum(compiled(*side)) for side in sides)
            np.testing.assert_allclose(slope[p], (high - low) / (2 * step), rtol=1e-6)
