"""The exact subspace flow against multi-precision arithmetic, its own equation, and the dense equation."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import exact_subspace, problem, relative_error

import riccati as rc
from riccati.flows import dense_velocity
from riccati.numerics import compiled_quickly

SMALL = [(1, 1), (1, 4), (2, 1), (5, 2), (5, 5), (5, 13)]
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


@pytest.mark.parametrize(("neurons", "beta"), list(itertools.product([1, 8, 31, 40], [0.3, 1])))
def test_agrees_with_multiprecision_at_width_32(neurons, beta):
    teacher, start = problem(32, neurons, 400, beta, seed=neurons)
    # thousands of digits times N³ products: the whole horizon where N is small
    tau = np.array([0, 5.0, 27.0, 120.0, 1e4][: 5 if neurons <= 8 else 4]) / float(teacher.a[0])
    solved = rc.solve(rc.Riccati(), teacher, start, tau / 2)
    diagonal, risk = exact_subspace(teacher, start, tau)
    assert relative_error(solved.alignment, diagonal) < 1e-11
    assert relative_error(solved.risk, [risk]) < 1e-10


@pytest.mark.parametrize(("neurons", "dim"), [(6, 40), (20, 40), (24, 30), (30, 30)])
def test_invariants(neurons, dim):
    teacher, start = problem(16, neurons, dim, 1.0)
    times = np.geomspace(0.01, 1e4, 40)
    solved = rc.solve(rc.Riccati(), teacher, start, times)
    assert np.all(np.diff(solved.risk) <= 1e-13)
    assert np.all(solved.alignment >= 0)
    assert np.all(solved.alignment <= 1 + 1e-12)
    trace = np.sum(solved.alignment, axis=1)
    assert np.all(np.diff(trace) >= -1e-12)
    np.testing.assert_allclose(trace[-1], min(neurons, 16), rtol=1e-9)
    # where nothing is left to refit, the risk of the last times is the teacher's unreachable part
    np.testing.assert_allclose(solved.risk[-1], np.sum(teacher.a[neurons:] ** 2), atol=1e-12)


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


@pytest.mark.parametrize("neurons", [3, 9])
def test_residual_of_the_riccati_equation(neurons):
    """d diag G/dτ by differentiating the solution, against AG + GA - 2GAG of an independent G."""
    teacher, start = problem(6, neurons, 40, 0.7)
    time = 1.3
    _, slope = jax.jvp(
        lambda t: rc.solve(rc.Riccati(), teacher, start, t).alignment[0], (jnp.array([time]),), (jnp.ones(1),)
    )
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
    teacher, start = problem(12, 5, 100, 1.0)
    times = np.linspace(0, 8, 20)
    exact = rc.solve(rc.Riccati(), teacher, start, times)
    dense = rc.solve(rc.Riccati(method="ode", rtol=1e-10), teacher, start, times)
    np.testing.assert_allclose(dense.alignment, exact.alignment, atol=1e-8)
    np.testing.assert_allclose(dense.risk, exact.risk, atol=1e-8)
    expected, found = exact.emergence_times(), dense.emergence_times()
    both = np.isfinite(expected)
    np.testing.assert_array_equal(both, np.isfinite(found))
    np.testing.assert_allclose(found[both], expected[both], rtol=1e-2)


def test_phantom_emergence_of_the_dense_equation():
    """Tolerance error turns into rank: the dense equation would leave tr G ≤ N, so it ends; the exact flow goes on."""
    teacher, start = problem(128, 32, 512, 1.0, seed=1)
    times = np.linspace(5, 200, 20)
    with pytest.warns(rc.PhantomEmergence, match="has turned into rank"):
        dense = rc.solve(rc.Riccati(method="ode", rtol=1e-6), teacher, start, times)
    exact = rc.solve(rc.Riccati(), teacher, start, times)
    assert dense.outcome == rc.Outcome.rank_lost
    assert 50 < dense.times[-1] < 150
    reached = len(dense.times)
    assert np.all(np.sum(dense.alignment, axis=1) <= 32.01)
    np.testing.assert_allclose(dense.alignment, exact.alignment[:reached], atol=0.02)
    assert np.sum(exact.alignment[-1]) <= 32 * (1 + 1e-12)


@pytest.mark.parametrize("neurons", [2, 8])
def test_dense_equation_ends_where_its_rank_is_lost(neurons):
    """To t = 10⁴, N < M, and N > M where a direction has no overlap: what is left is right, the rest refused."""
    teacher, start = problem(6, neurons, 40, 1.0)
    start = rc.Start(start.teacher_overlaps.at[:, 2].set(0.0))
    times = np.r_[np.linspace(0, 20, 5), 1e3, 1e4]
    with pytest.warns(rc.PhantomEmergence):
        dense = rc.solve(rc.Riccati(method="ode"), teacher, start, times)
    exact = rc.solve(rc.Riccati(), teacher, start, times)
    reached = len(dense.times)
    assert dense.outcome == rc.Outcome.rank_lost
    assert 3 <= reached < len(times)
    np.testing.assert_allclose(dense.alignment, exact.alignment[:reached], atol=1e-4)
    np.testing.assert_array_equal(exact.alignment[:, 2], 0)


def test_dense_equation_without_overlap_stands_still():
    teacher = rc.Teacher.power_law(3, 1, rc.Link.hermite(2))
    dense = rc.solve(rc.Riccati(method="ode"), teacher, rc.Start(np.zeros((5, 3))), [0.0, 1e4])
    assert dense.outcome == rc.Outcome.complete
    np.testing.assert_array_equal(dense.alignment, 0)


def test_emergence_times_lie_on_the_exact_solution_and_ignore_the_output_grid():
    teacher, start = problem(24, 10, 300, 0.6, seed=4)
    found = [
        rc.solve(rc.Riccati(), teacher, start, np.geomspace(first, 400, count)).emergence_times(0.4)
        for first, count in ((0.01, 300), (3.0, 40))
    ]
    emerged = np.isfinite(found[0])
    assert emerged.sum() >= 10
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
    order = np.argsort(found[0])[: emerged.sum()]
    on_time = rc.solve(rc.Riccati(), teacher, start, np.asarray(found[0])[order])
    np.testing.assert_allclose(on_time.alignment[np.arange(len(order)), order], 0.4, rtol=1e-10)


def test_emergence_before_the_first_time_and_at_zero():
    start = rc.Start([[0.9, 0.1]])
    teacher = rc.Teacher.power_law(2, 1, rc.Link.hermite(2))
    solved = rc.solve(rc.Riccati(), teacher, start, [5.0])
    T = np.asarray(solved.emergence_times(0.5))
    assert T[0] == 0
    assert np.isinf(T[1])
    late = float(solved.emergence_times(0.9)[0])
    np.testing.assert_allclose(rc.solve(rc.Riccati(), teacher, start, [late]).alignment[0, 0], 0.9, rtol=1e-12)


@pytest.mark.parametrize("flow", [rc.Riccati(), rc.Quadratic(), rc.Riccati(method="ode", rtol=1e-11)])
def test_derivatives_match_finite_differences(flow):
    teacher, start = problem(5, 3, 30, 1.0, norm=0.3)
    times = jnp.array([0.2, 2.0, 6.0])

    def risk(a, m, norms):
        begin = rc.Start(m, start.student_gram, norms)
        return rc.solve(flow, rc.Teacher(a, teacher.link), begin, times).risk @ jnp.array([0.3, 1.0, -0.7])

    at = (teacher.a, start.teacher_overlaps, start.norms)
    gradient = compiled_quickly()(jax.grad(risk, argnums=(0, 1, 2)))(*at)
    rng = np.random.default_rng(0)
    for n, slope in enumerate(gradient):
        v, h = rng.normal(size=slope.shape), 1e-5
        moved = [risk(*at[:n], at[n] + s * h * v, *at[n + 1 :]) for s in (1, -1)]
        np.testing.assert_allclose(np.sum(slope * v), (moved[0] - moved[1]) / (2 * h), rtol=2e-5, atol=1e-8)


def test_derivatives_survive_many_changes_of_chart():
    """Forward and reverse mode agree where the pivots have all been exchanged."""
    teacher, start = problem(12, 6, 60, 0.5)

    def last(a):
        return rc.solve(rc.Riccati(), rc.Teacher(a, teacher.link), start, jnp.array([1.0, 40.0])).risk.sum()

    np.testing.assert_allclose(jax.jacfwd(last)(teacher.a), jax.grad(last)(teacher.a), rtol=1e-9, atol=1e-13)
    v, h = np.random.default_rng(1).normal(size=12), 1e-6
    slope = (last(teacher.a + h * v) - last(teacher.a - h * v)) / (2 * h)
    np.testing.assert_allclose(jax.grad(last)(teacher.a) @ v, slope, rtol=1e-6)


def test_vmap_over_starts_equals_a_loop(h2):
    teacher = rc.Teacher.power_law(5, 1, h2)
    times = jnp.array([0.5, 4.0])
    keys = jax.random.split(jax.random.key(3), 4)

    def run(key):
        return rc.solve(rc.Riccati(), teacher, rc.Start.random(teacher, 3, 30, seed=key), times).risk

    np.testing.assert_allclose(jax.vmap(run)(keys), np.stack([run(key) for key in keys]), rtol=1e-12)


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
    teacher, start = problem(16, 2, 40, 1.0)
    with pytest.warns(rc.PhantomEmergence):
        solved = rc.solve(rc.Riccati(method="ode", rtol=1e-3), teacher, start, np.linspace(1, 3000, 5))
    assert len(solved.times) == len(solved.risk) == solved.reached < 5
    assert np.isfinite(solved.risk).all()
