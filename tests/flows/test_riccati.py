"""The exact subspace flow against multi-precision arithmetic, its own equation, and the dense equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import exact_subspace, problem, relative_error

import riccati as rc
from riccati.flows import dense_velocity
from riccati.numerics import compiled_quickly

SMALL = [(1, 1), (1, 4), (2, 1), (5, 3), (5, 5), (5, 13)]
COUNT = 20  # output times of the dense equation, whose program depends on it
HORIZON = np.array([0, 1e-3, 0.3, 3.0, 27.0, 300.0, 1e4])


def gram(teacher, start, time):
    """G itself, by evaluating the exact diagonal for rotated teachers: <v, G v> for unit v = e_m and e_m ± e_n."""
    X = np.exp(float(2 * time) * np.r_[np.asarray(teacher.a), np.zeros(start.student_width)])[:, None]
    Q = np.linalg.qr(X * np.asarray(start.directions).T)[0][: teacher.width]
    return Q @ Q.T


@pytest.mark.parametrize(("width", "neurons"), SMALL)
@pytest.mark.parametrize("beta", [0, 0.3, 1, 2])
def test_agrees_with_multiprecision_to_ten_digits_and_more(width, neurons, beta):
    for dim in (max(width, neurons) + 1, 50, 10**9):
        teacher, start = problem(width, neurons, dim, beta, seed=width + neurons)
        last = 7 if width * neurons <= 10 else 5
        tau = HORIZON[:last] / float(teacher.a[0])
        solved = rc.solve(rc.Riccati(), teacher, start, tau / 2)
        diagonal, risk = exact_subspace(teacher, start, tau)
        assert relative_error(solved.alignment, diagonal) < 1e-11
        assert relative_error(solved.risk, [risk]) < 1e-10


@pytest.mark.parametrize("neurons", [6, 20])
@pytest.mark.parametrize("beta", [0.3, 1])
def test_agrees_with_multiprecision_after_many_changes_of_chart(neurons, beta):
    teacher, start = problem(16, neurons, 400, beta, seed=neurons)
    tau = np.array([0, 5.0, 27.0, 1e4]) / float(teacher.a[0])
    solved = rc.solve(rc.Riccati(), teacher, start, tau / 2)
    diagonal, risk = exact_subspace(teacher, start, tau)
    assert relative_error(solved.alignment, diagonal) < 1e-11
    assert relative_error(solved.risk, [risk]) < 1e-10


@pytest.mark.parametrize(("neurons", "dim"), [(6, 40), (20, 40), (20, 22), (20, 20)])
def test_invariants(neurons, dim):
    teacher, start = problem(16, neurons, dim, 1.0)
    times = np.geomspace(0.01, 1e4, 40)
    solved = rc.solve(rc.Riccati(), teacher, start, times)
    risk, alignment = np.asarray(solved.risk), np.asarray(solved.alignment)
    assert np.all(np.diff(risk) <= 1e-13)
    assert np.all(alignment >= 0)
    assert np.all(alignment <= 1 + 1e-12)
    trace = np.sum(alignment, axis=1)
    assert np.all(np.diff(trace) >= -1e-12)
    np.testing.assert_allclose(trace[-1], min(neurons, 16), rtol=1e-9)
    # where nothing is left to refit, the risk of the last times is the teacher's unreachable part
    np.testing.assert_allclose(risk[-1], np.sum(np.asarray(teacher.a)[neurons:] ** 2), atol=1e-12)


def test_whole_gram_matrix_obeys_its_bounds_and_matches_the_diagonal():
    teacher, start = problem(5, 3, 40, 1.0)
    times = np.array([0.0, 1.0, 3.0])
    solved = rc.solve(rc.Riccati(), teacher, start, times)
    for time, diagonal in zip(times, solved.alignment, strict=True):
        G = gram(teacher, start, time)
        eigenvalues = np.linalg.eigvalsh(G)
        assert eigenvalues.min() >= -1e-12
        assert eigenvalues.max() <= 1 + 1e-12
        np.testing.assert_allclose(np.diag(G), diagonal, rtol=1e-10)


@pytest.mark.parametrize("neurons", [3, 13])
def test_residual_of_the_riccati_equation(neurons):
    """d diag G/dτ by differences of the solution, to fourth order, against AG + GA - 2GAG of an independent G."""
    teacher, start = problem(5, neurons, 40, 0.7)
    time, step = 1.3, 1e-3
    near = rc.solve(rc.Riccati(), teacher, start, time + step * np.array([-2, -1, 1, 2])).alignment
    slope = np.array([1, -8, 8, -1]) / (12 * step) @ np.asarray(near)
    expected = 2 * np.diag(dense_velocity(None, gram(teacher, start, time), np.asarray(teacher.a)))
    np.testing.assert_allclose(slope, expected, rtol=1e-8, atol=1e-10)


def test_logistic_for_one_neuron_and_one_direction():
    teacher, start = problem(1, 1, 1000, 0.0)
    times = np.linspace(0, 8, 9)
    G0 = float(start.teacher_overlaps[0, 0] ** 2)
    solved = rc.solve(rc.Riccati(), teacher, start, times)
    np.testing.assert_allclose(solved.alignment[:, 0], 1 / (1 + (1 / G0 - 1) * np.exp(-4 * times)), rtol=1e-12)
    T = solved.emergence_times()
    np.testing.assert_allclose(T, np.log(1 / G0 - 1) / 4, rtol=1e-12)


def test_dense_equation_agrees_on_a_short_horizon():
    teacher, start = problem(6, 3, 100, 1.0)
    times = np.linspace(0, 8, COUNT)
    exact = rc.solve(rc.Riccati(), teacher, start, times)
    dense = rc.solve(rc.Riccati(method="ode", rtol=1e-10), teacher, start, times)
    np.testing.assert_allclose(dense.alignment, exact.alignment, atol=1e-8)
    np.testing.assert_allclose(dense.risk, exact.risk, atol=1e-8)
    expected, found = np.asarray(exact.emergence_times()), np.asarray(dense.emergence_times())
    both = np.isfinite(expected)
    np.testing.assert_array_equal(both, np.isfinite(found))
    np.testing.assert_allclose(found[both], expected[both], rtol=1e-2)


def test_phantom_emergence_of_the_dense_equation():
    """Tolerance error turns into rank: the dense equation would leave tr G ≤ N, so it ends; the exact flow goes on."""
    teacher, start = problem(32, 8, 128, 1.0, seed=1)
    times = np.linspace(5, 60, COUNT)
    with pytest.warns(rc.PhantomEmergence, match="has turned into rank"):
        dense = rc.solve(rc.Riccati(method="ode", rtol=1e-6), teacher, start, times)
    exact = rc.solve(rc.Riccati(), teacher, start, times)
    assert dense.outcome == rc.Outcome.rank_lost
    assert 15 < dense.times[-1] < 45
    reached = len(dense.times)
    assert np.all(np.sum(np.asarray(dense.alignment), axis=1) <= 8.01)
    np.testing.assert_allclose(dense.alignment, np.asarray(exact.alignment)[:reached], atol=0.02)
    assert np.sum(np.asarray(exact.alignment)[-1]) <= 8 * (1 + 1e-12)


@pytest.mark.parametrize("neurons", [2, 8])
def test_dense_equation_ends_where_its_rank_is_lost(neurons):
    """To t = 10⁴, N < M, and N > M where a direction has no overlap: what is left is right, the rest refused."""
    teacher, start = problem(6, neurons, 40, 1.0)
    start = rc.Start(np.where(np.arange(6) == 2, 0.0, start.teacher_overlaps))
    times = np.r_[np.linspace(0, 20, COUNT - 2), 1e3, 1e4]
    with pytest.warns(rc.PhantomEmergence):
        dense = rc.solve(rc.Riccati(method="ode"), teacher, start, times)
    exact = rc.solve(rc.Riccati(), teacher, start, times)
    reached = len(dense.times)
    assert dense.outcome == rc.Outcome.rank_lost
    assert COUNT / 2 <= reached < COUNT
    np.testing.assert_allclose(dense.alignment, np.asarray(exact.alignment)[:reached], atol=1e-4)
    np.testing.assert_array_equal(np.asarray(exact.alignment)[:, 2], 0)


def test_dense_equation_without_overlap_stands_still():
    teacher = rc.Teacher.power_law(6, 1, rc.Link.hermite(2))
    dense = rc.solve(rc.Riccati(method="ode"), teacher, rc.Start(np.zeros((3, 6))), np.linspace(0, 1e4, COUNT))
    assert dense.outcome == rc.Outcome.complete
    np.testing.assert_array_equal(dense.alignment, 0)


def test_emergence_times_lie_on_the_exact_solution_and_ignore_the_output_grid():
    teacher, start = problem(16, 6, 300, 0.6, seed=4)
    found = [
        rc.solve(rc.Riccati(), teacher, start, np.geomspace(first, 400, count)).emergence_times(0.4)
        for first, count in ((0.01, 300), (3.0, 40))
    ]
    emerged = np.isfinite(found[0])
    assert emerged.sum() >= 6
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
    order = np.argsort(found[0])[: emerged.sum()]
    on_time = rc.solve(rc.Riccati(), teacher, start, np.asarray(found[0])[order])
    np.testing.assert_allclose(np.asarray(on_time.alignment)[np.arange(len(order)), order], 0.4, rtol=1e-10)


def test_emergence_before_the_first_time_and_at_zero():
    start = rc.Start([[0.9, 0.1]])
    teacher = rc.Teacher.power_law(2, 1, rc.Link.hermite(2))
    solved = rc.solve(rc.Riccati(), teacher, start, [5.0])
    T = np.asarray(solved.emergence_times(0.5))
    assert T[0] == 0
    assert np.isinf(T[1])
    late = float(solved.emergence_times(0.9)[0])
    np.testing.assert_allclose(rc.solve(rc.Riccati(), teacher, start, [late]).alignment[0, 0], 0.9, rtol=1e-12)


@pytest.mark.parametrize("flow", [rc.Quadratic(), rc.Riccati(method="ode", rtol=1e-11)])
def test_derivatives_match_finite_differences(flow):
    teacher, start = problem(5, 3, 30, 1.0, norm=0.3)
    times, weights = np.array([0.2, 2.0, 6.0]), np.array([0.3, 1.0, -0.7])

    def risk(a, m, norms):
        begin = rc.Start(m, start.student_gram, norms)
        return rc.solve(flow, rc.Teacher(a, teacher.link), begin, times).risk

    at = (teacher.a, start.teacher_overlaps, start.norms)
    gradient = compiled_quickly()(jax.grad(lambda *x: risk(*x) @ weights, argnums=(0, 1, 2)))(*at)
    rng = np.random.default_rng(0)
    for n, slope in enumerate(gradient):
        v, h = rng.normal(size=slope.shape), 1e-5
        moved = [np.asarray(risk(*at[:n], np.asarray(at[n]) + s * h * v, *at[n + 1 :])) @ weights for s in (1, -1)]
        np.testing.assert_allclose(np.sum(slope * v), (moved[0] - moved[1]) / (2 * h), rtol=2e-5, atol=1e-8)


def test_derivatives_survive_many_changes_of_chart():
    """Forward and reverse mode agree where the pivots have all been exchanged."""
    teacher, start = problem(12, 6, 60, 0.5)

    def last(a):
        return rc.solve(rc.Riccati(), rc.Teacher(a, teacher.link), start, np.array([1.0, 40.0])).risk.sum()

    forward, reverse = compiled_quickly()(lambda a: (jax.jacfwd(last)(a), jax.grad(last)(a)))(teacher.a)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-13)
    a, v, h = np.asarray(teacher.a), np.random.default_rng(1).normal(size=12), 1e-6
    slope = (last(a + h * v) - last(a - h * v)) / (2 * h)
    np.testing.assert_allclose(np.asarray(reverse) @ v, slope, rtol=1e-6)


def test_settings_that_would_be_ignored_are_refused():
    with pytest.raises(rc.ArgumentError, match="`rtol` must be left out"):
        rc.Riccati(rtol=1e-6)
    with pytest.raises(rc.ArgumentError, match="`method` must be"):
        rc.Riccati(method="euler")


def test_emergence_times_under_jit_say_what_to_do():
    teacher, start = problem(5, 3, 30, 1.0)
    times = jnp.array([0.2, 2.0, 6.0])
    with pytest.raises(TypeError, match="outside jit"):
        jax.jit(lambda s: rc.solve(rc.Riccati(), teacher, s, times).emergence_times())(start)


def test_dense_equation_that_blows_up_warns_and_ends():
    teacher, start = problem(6, 3, 40, 1.0)
    with pytest.warns(rc.PhantomEmergence):
        solved = rc.solve(rc.Riccati(method="ode", rtol=1e-3), teacher, start, np.linspace(1, 3000, COUNT))
    assert len(solved.times) == len(solved.risk) == solved.reached < COUNT
    assert np.isfinite(solved.risk).all()
