"""k = 2 under weight decay, against matrix exponentials in many digits, the coupled flow and late limits."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from systems import problem

import riccati as rc

TIMES = np.array([0.0, 0.4, 4.0, 30.0])


def by_exponentials(teacher, start, shift, riccati_times):
    """Risk and diag S of dS/dτ = RS + SR - 2S², R = S* - θ, by Radon's lemma in 120 digits.

    S = V U^{-1} where dU/dτ = 2V - RU and dV/dτ = RV are linear, with U = I and V = S at the start.
    """
    a, N = np.asarray(teacher.a), start.student_width
    K, risks, diagonals = len(a) + N, [], []
    with mp.workdps(120):
        target = mp.diag([mp.mpf(x) for x in [*a.tolist(), *[0] * N]])
        W = mp.matrix(np.asarray(start.weights).T.tolist())
        R, linear = target - mp.mpf(shift) * mp.eye(K), mp.zeros(2 * K)
        linear[:K, :K], linear[:K, K:], linear[K:, K:] = -R, 2 * mp.eye(K), R
        for tau in riccati_times:
            moved = mp.expm(linear * mp.mpf(float(tau)))
            S = W * W.T
            U, V = moved[:K, :K] + moved[:K, K:] * S, moved[K:, K:] * S
            S = V * U**-1
            risks.append(float(mp.fsum(x**2 for x in S - target) / mp.fsum(x**2 for x in target)))
            diagonals.append([float(S[m, m]) for m in range(len(a))])
    return np.array(risks), np.array(diagonals)


@pytest.mark.parametrize(("width", "neurons", "norm"), [(4, 2, 1e-12), (3, 3, 1e-2), (2, 4, 0.6)])
@pytest.mark.parametrize("decay", [0.1, 0.9, 3.0])  # θ below, between and above the rates
def test_weight_decay_against_matrix_exponentials(width, neurons, norm, decay):
    c = 0.8
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.from_coefficients([0, 0, c]))
    start = rc.Start.random(teacher, neurons, 40, norm, seed=1)
    solved = rc.solve(rc.Quadratic(weight_decay=decay), teacher, start, TIMES / (2 * c**2))
    risk, radius = by_exponentials(teacher, start, decay / (2 * c**2), TIMES)
    np.testing.assert_allclose(solved.risk, risk, rtol=1e-12)
    np.testing.assert_allclose(solved.radius, radius, rtol=1e-12)


def test_weight_decay_against_the_coupled_flow():
    teacher, start = problem(3, 4, 30, 1.0, norm=0.3)
    times = [0.5, 2.0, 6.0]
    exact = rc.solve(rc.Quadratic(weight_decay=0.6), teacher, start, times)
    coupled = rc.solve(rc.Coupled(weight_decay=0.6, rtol=1e-10), teacher, start, times)
    for name in ("risk", "alignment", "radius"):
        np.testing.assert_allclose(getattr(exact, name), getattr(coupled, name), rtol=1e-7, err_msg=name)


def signed():
    return rc.Teacher([0.9, 0.3, -0.5], rc.Link.hermite(2))


def correlated():
    return rc.Teacher.from_directions(np.eye(3, 12) + 0.2, [0.8, 0.5, -0.3], rc.Link.hermite(2), lengths="divided")


@pytest.mark.parametrize("teacher", [signed(), correlated()])
def test_weight_decay_for_negative_rates_and_correlated_directions(teacher):
    start = rc.Start.random(teacher, 2, 12, norm=0.2, seed=4)
    times = [1.0, 3.0, 9.0]
    exact = rc.solve(rc.Quadratic(weight_decay=0.5), teacher, start, times)
    coupled = rc.solve(rc.Coupled(weight_decay=0.5, rtol=1e-10), teacher, start, times)
    for name in ("risk", "alignment", "radius"):
        np.testing.assert_allclose(getattr(exact, name), getattr(coupled, name), rtol=1e-6, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(("norm", "neurons"), [(1e-150, 3), (1e-3, 2), (1e-3, 5), (1e70, 3)])
def test_what_decay_leaves_in_the_end(norm, neurons):
    """Learned norms a_m - θ, nothing along the others, and Σ min(a_m, θ)² of the risk for N ≥ M; c_2 = 0.6."""
    teacher = rc.Teacher([0.9, 0.6, 0.2], rc.Link.from_coefficients([0, 0, 0.6]))
    start = rc.Start.random(teacher, neurons, 50, norm, seed=2)
    a, decay = np.asarray(teacher.a), 0.36
    shift = decay / (2 * 0.36)
    solved = rc.solve(rc.Quadratic(weight_decay=decay), teacher, start, [1e5, 1e100, 1e300])
    np.testing.assert_allclose(solved.radius, np.tile(np.maximum(a - shift, 0), (3, 1)), rtol=1e-13, atol=1e-200)
    np.testing.assert_allclose(solved.risk, np.sum(np.minimum(a, shift) ** 2) / np.sum(a**2), rtol=1e-13)


def test_the_subspace_and_its_emergence_do_not_see_decay():
    teacher, start = problem(5, 3, 60, 0.8)
    times = np.geomspace(0.3, 60, 30)
    plain, decayed = (rc.solve(flow, teacher, start, times) for flow in (rc.Quadratic(), rc.Quadratic(0.7)))
    np.testing.assert_array_equal(decayed.alignment, plain.alignment)
    np.testing.assert_array_equal(decayed.emergence_times(), plain.emergence_times())
    assert np.all(decayed.radius[-1] < plain.radius[-1])


def test_decay_at_rest_with_its_rate_decays_like_one_over_time():
    """a_1 = θ, where ds/dτ = -2s²: s = 1/(1/s_0 + 2τ)."""
    teacher, start = rc.Teacher([0.5], rc.Link.hermite(2)), rc.Start([[1.0]], norms=0.4)
    radius = rc.solve(rc.Quadratic(weight_decay=1.0), teacher, start, [3.0, 1e6]).radius[:, 0]
    np.testing.assert_allclose(radius, [1 / (1 / 0.16 + 12), 1 / (1 / 0.16 + 4e6)], rtol=1e-14)


def test_dependent_neurons_decay_as_independent_ones_with_the_same_sum():
    """W and RW with R orthogonal have one S, and so have [W; 0] and what a rotation of three rows makes of it."""
    rng, dim = np.random.default_rng(0), 12
    W = 0.2 * rng.normal(size=(2, dim))
    three = np.linalg.qr(rng.normal(size=(3, 3)))[0][:, :2] @ W
    teacher = rc.Teacher([0.9, 0.4], rc.Link.hermite(2))
    flow, times = rc.Quadratic(weight_decay=0.3), [1.0, 8.0]
    two, dependent = (rc.solve(flow, teacher, rc.Start.from_weights(w, np.eye(2, dim)), times) for w in (W, three))
    np.testing.assert_allclose(dependent.risk, two.risk, rtol=1e-12)
    np.testing.assert_allclose(dependent.radius, two.radius, rtol=1e-12)


def test_gradients_under_decay_at_late_times_too():
    teacher, start = problem(3, 2, 30, 1.0, norm=0.2)
    times, flow = np.array([1.0, 6.0, 400.0]), rc.Quadratic(weight_decay=0.8)

    def risk(a, norms):
        begin = rc.Start(start.teacher_overlaps, start.student_gram, norms, 30)
        return rc.solve(flow, rc.Teacher(a, teacher.link), begin, times).risk @ jnp.array([1.0, -2.0, 3.0])

    a, norms, h = teacher.a, start.norms, 1e-5
    slopes = jax.jit(jax.grad(risk, argnums=(0, 1)))(a, norms)
    along = np.array([0.3, -0.5, 0.2]), np.array([0.4, -0.1])
    ahead, behind = (risk(a + s * h * along[0], norms + s * h * along[1]) for s in (1, -1))
    expected = (ahead - behind) / (2 * h)
    np.testing.assert_allclose(slopes[0] @ along[0] + slopes[1] @ along[1], expected, rtol=1e-8)


def test_the_flow_of_an_algorithm():
    assert rc.Quadratic.of(rc.SGD(1e-3, weight_decay=0.2, momentum=0.5)) == rc.Quadratic(weight_decay=0.2)
    with pytest.raises(rc.ArgumentError, match="`sgd` must be another algorithm than Stiefel SGD"):
        rc.Quadratic.of(rc.SGD(1e-3, constraint="stiefel"))
    with pytest.raises(rc.ArgumentError, match="`sgd` must be of the squared loss for Quadratic"):
        rc.Quadratic.of(rc.SGD(1e-3, loss="correlation"))
    with pytest.raises(rc.ArgumentError, match="`weight_decay` must be ≥ 0"):
        rc.Quadratic(weight_decay=-0.1)


def test_default_times_last_until_norms_have_grown_against_the_decay():
    teacher, start = problem(2, 2, 30, 1.0, norm=1e-6)
    a, decay = np.asarray(teacher.a), 0.6
    times = rc.default_times(rc.Quadratic(decay), teacher, start)
    assert float(times[-1]) > float(rc.default_times(rc.Quadratic(), teacher, start)[-1])
    radius = rc.solve(rc.Quadratic(decay), teacher, start, times).radius[-1]
    np.testing.assert_allclose(radius, a - decay / 2, rtol=1e-2)
    assert np.isfinite(rc.default_times(rc.Quadratic(5.0), teacher, start)).all()
