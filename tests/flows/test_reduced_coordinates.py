"""Students beyond the standard problem: every combination's velocity is minus the gradient of the loss, its loss falls,
and the risk is that of samples."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import riccati as rc
from riccati.flows import StudentSetting, anisotropic_velocity, quadratic_velocity, student_of
from riccati.problem import Problem, population_risk

RNG = np.random.default_rng(0)
THETA, W = RNG.normal(size=(3, 9)), RNG.normal(size=(4, 9))
GROUPS = rc.Covariance([2.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.2])
A = [1.0, -0.6, 0.4]
BOTH = rc.Link.from_coefficients([0, 0, 0.8, 0, 0.6])
SECOND, FOURTH = rc.Link.hermite(2), rc.Link.hermite(4)


def of(teacher, Theta=None, second_layer=None):
    rows = np.eye(3, 9) if Theta is None else Theta
    start = rc.Start.from_weights(0.2 * W, rows, teacher.covariance)
    return Problem(teacher, start if second_layer is None else start.with_second_layer(second_layer))


DOUBLED = rc.Link.from_coefficients([0, 0, 2.0])
B = [0.5, -0.3, 0.1, -0.8]
RELU, ABS, CUBIC = (rc.Link.named(name) for name in ("relu", "abs", "he3"))
PROBLEMS = {
    "signed": lambda: of(rc.Teacher(A, CUBIC)),
    "correlated": lambda: of(rc.Teacher.from_directions(THETA, A, RELU, lengths="divided"), THETA),
    "mixed links": lambda: of(rc.Teacher(A, BOTH, links=[SECOND, FOURTH, SECOND])),
    "mixed links, correlated": lambda: of(
        rc.Teacher.from_directions(THETA, A, BOTH, links=[SECOND, FOURTH, BOTH], lengths="divided"), THETA
    ),
    "anisotropic": lambda: of(rc.Teacher(A, FOURTH, covariance=GROUPS)),
    "anisotropic, directions given": lambda: of(rc.Teacher.from_directions(THETA, A, RELU, covariance=GROUPS), THETA),
    "preconditioned": lambda: of(
        rc.Teacher(A, CUBIC, covariance=rc.Covariance(GROUPS.eigenvalues, preconditioned=True))
    ),
    "quadratic, correlated": lambda: of(rc.Teacher.from_directions(THETA, A, DOUBLED, lengths="divided"), THETA),
    "quadratic, anisotropic": lambda: of(rc.Teacher(A, SECOND, covariance=GROUPS)),
    "quadratic, everything": lambda: of(rc.Teacher.from_directions(THETA, A, DOUBLED, covariance=GROUPS), THETA),
    "two-layer": lambda: of(rc.Teacher(A, RELU), None, B),
    "two-layer, everything": lambda: of(rc.Teacher.from_directions(THETA, A, ABS, covariance=GROUPS), THETA, B),
}


@cache
def problem_of(name):
    return PROBLEMS[name]()


def loss_of(problem):
    """½E(f* - f)² of whitened weights and second layer; the 2-homogeneous student has none."""
    teacher = problem.teacher

    def loss(w, b):
        r = jnp.linalg.norm(w, axis=1)
        s = r**2 if problem.start.second_layer is None else b * r
        return teacher.second_moment / 2 * population_risk(teacher, w / r[:, None], s)

    return loss


def moved(problem, rate=1.0):
    """dv/dt and db/dt by the flow, from its polar coordinates."""
    norms = problem.start.norms
    student = student_of(problem, 2 * jnp.log(norms), None, rate)
    velocity = student.velocity(None, student.state, student.args)
    growth = velocity[1] / 2 if problem.start.second_layer is None else velocity.log_norm
    w = norms[:, None] * (growth[:, None] * student.state.U + velocity.U)
    return w, jnp.zeros_like(norms) if problem.start.second_layer is None else velocity.b


@pytest.mark.parametrize("name", PROBLEMS)
def test_velocity_is_minus_the_preconditioned_gradient_and_dissipates(name):
    """dv/dt = -Λ∇_v L and db/dt = -∂L/∂b, hence dL/dt = -∇_v·Λ∇_v - |∂L/∂b|² ≤ 0."""
    problem = problem_of(name)
    start, loss = problem.start, loss_of(problem)
    b = jnp.zeros(4) if start.second_layer is None else start.second_layer
    speeds = np.ones(start.directions.shape[1]) if problem.speeds is None else np.asarray(problem.speeds)
    slope_w, slope_b = jax.grad(loss, argnums=(0, 1))(start.weights, b)
    w_rate, b_rate = moved(problem)
    np.testing.assert_allclose(w_rate, -speeds * slope_w, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(b_rate, -slope_b, rtol=1e-8, atol=1e-13)
    _, rate = jax.jvp(loss, (start.weights, b), (w_rate, b_rate))
    np.testing.assert_allclose(rate, -np.sum(speeds * slope_w**2) - np.sum(slope_b**2), rtol=1e-9)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_second_layer_with_a_rate_of_its_own_keeps_b2_less_that_times_w2(rate):
    problem = problem_of("two-layer")
    plain, own = moved(problem), moved(problem, rate)
    np.testing.assert_array_equal(own[0], plain[0])
    np.testing.assert_allclose(own[1], rate * plain[1], rtol=1e-15)
    w, b = problem.start.weights, problem.start.second_layer
    kept = 2 * b * own[1] - rate * 2 * jnp.sum(w * own[0], axis=1)
    np.testing.assert_allclose(kept, 0, atol=1e-14)
    with pytest.raises(rc.ArgumentError, match="`second_layer_rate` must be left out for a student without"):
        rc.solve(rc.Coupled(second_layer_rate=rate), problem_of("signed").teacher, problem_of("signed").start, [1.0])
    with pytest.raises(rc.ArgumentError, match="`second_layer_rate` must be ≥ 0"):
        rc.Coupled(second_layer_rate=-1.0)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_loss_falls(name):
    problem = problem_of(name)
    solved = rc.solve(rc.Coupled(rtol=1e-7), problem.teacher, problem.start, np.geomspace(0.05, 200, 30))
    assert bool(solved.outcome == rc.Outcome.complete)
    assert np.all(np.diff(solved.risk) <= 1e-10)
    assert solved.risk[-1] < 0.95 * solved.risk[0]


@pytest.mark.parametrize("name", ["quadratic, correlated", "quadratic, everything"])
def test_the_cheaper_quadratic_velocity_is_that_of_any_link(name):
    problem = problem_of(name)
    student = student_of(problem, 2 * jnp.log(problem.start.norms))
    speeds = jnp.ones(student.state.U.shape[1]) if problem.speeds is None else problem.speeds
    general = anisotropic_velocity(None, student.state, StudentSetting(problem.teacher, speeds))
    assert student.velocity is quadratic_velocity
    for one, other in zip(student.velocity(None, student.state, student.args), general, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_a_two_layer_student_keeps_what_is_conserved():
    """b² - |w|² of every neuron, on isotropic input."""
    problem = problem_of("two-layer")
    student = student_of(problem, 2 * jnp.log(problem.start.norms))
    rate = student.velocity(None, student.state, student.args)
    squares = jnp.exp(2 * student.state.log_norm)
    np.testing.assert_allclose(student.state.b * rate.b, squares * rate.log_norm, rtol=1e-12)


@pytest.mark.parametrize(
    "name", ["correlated", "mixed links, correlated", "anisotropic, directions given", "two-layer"]
)
def test_the_risk_is_that_of_samples(name):
    """E(f* - f)² over 2¹⁷ draws of x, to five standard errors."""
    problem = problem_of(name)
    teacher, start = problem.teacher, problem.start
    root = np.ones(9) if teacher.covariance is None else np.sqrt(np.asarray(teacher.covariance.eigenvalues))
    x = np.random.default_rng(1).normal(size=(2**17, 9)) * root
    Theta = THETA if teacher.frame is not None else np.eye(3, 9)
    links = teacher.links or (teacher.link,) * 3
    along = x @ Theta.T / np.linalg.norm(Theta * root, axis=1)
    target = sum(a * np.asarray(link(z)) for a, link, z in zip(np.asarray(teacher.a), links, along.T, strict=True))
    norms = 0.2 * np.linalg.norm(W * root, axis=1)
    s = norms**2 if start.second_layer is None else norms * np.asarray(start.second_layer)
    squares = (target - np.asarray(teacher.link(x @ (0.2 * W).T / norms)) @ s) ** 2
    expected = float(population_risk(teacher, start.directions, jnp.asarray(s)) * teacher.second_moment)
    assert abs(squares.mean() - expected) < 5 * squares.std() / 2**8.5


def sampled_gradient(problem, x, Theta):
    """-∂/∂w of ½(f* - f)² of each sample, (samples, N, d); a 2-homogeneous student on isotropic input."""
    teacher, w = problem.teacher, 0.2 * W
    norms = np.linalg.norm(w, axis=1)
    z = x @ w.T / norms
    along = x @ (Theta / np.linalg.norm(Theta, axis=1)[:, None]).T
    value, slope = (np.asarray(f(z)) for f in (teacher.link, teacher.link.derivative))
    wrong = np.asarray(teacher.link(along)) @ np.asarray(teacher.a) - value @ norms**2
    pushed = (2 * value - z * slope)[:, :, None] * w + (norms * slope)[:, :, None] * x[:, None, :]
    return wrong[:, None, None] * pushed


def test_a_correlated_teachers_velocity_is_the_mean_gradient_of_samples():
    """Over 2¹⁵ samples, every component to five standard errors."""
    problem = problem_of("correlated")
    x = np.random.default_rng(2).normal(size=(2**15, 9))
    each = sampled_gradient(problem, x, THETA)
    # reduced coordinates are an isometry's: overlaps of velocities with weights and directions are the same in both
    velocity, _ = moved(problem)
    ours = np.concatenate([velocity @ problem.start.weights.T, problem.teacher.overlaps(velocity)], axis=1)
    units = THETA / np.linalg.norm(THETA, axis=1)[:, None]
    sampled = each @ np.concatenate([0.2 * W, units]).T
    error = sampled.std(axis=0) / 2**7.5
    assert np.abs((sampled.mean(axis=0) - ours) / error).max() < 5


def test_equal_eigenvalues_are_the_isotropic_flow():
    plain = of(rc.Teacher([1.0, 0.6, 0.4], FOURTH))
    flat = of(rc.Teacher([1.0, 0.6, 0.4], FOURTH, covariance=rc.Covariance.power_law(9, 0)))
    times = np.geomspace(0.1, 30, 12)
    one, two = (rc.solve(rc.Coupled(rtol=1e-9), p.teacher, p.start, times) for p in (plain, flat))
    np.testing.assert_allclose(two.risk, one.risk, rtol=1e-10)
    np.testing.assert_allclose(two.alignment, one.alignment, rtol=1e-8, atol=1e-12)


def test_preconditioned_steps_are_the_isotropic_flow_of_the_whitened_start():
    problem = problem_of("preconditioned")
    whitened = problem.start
    start = rc.Start(whitened.teacher_overlaps, whitened.student_gram, whitened.norms)
    plain = Problem(rc.Teacher(A, CUBIC), start)
    one, two = moved(problem)[0], moved(plain)[0]
    np.testing.assert_allclose(one[:, :3], two[:, :3], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(one @ one.T, two @ two.T, rtol=1e-9, atol=1e-13)
    times = np.geomspace(0.1, 30, 12)
    left, right = (rc.solve(rc.Coupled(rtol=1e-9), p.teacher, p.start, times) for p in (problem, plain))
    assert left.risk[-1] < 0.9 * left.risk[0]
    np.testing.assert_allclose(left.risk, right.risk, rtol=1e-9)
    np.testing.assert_allclose(left.alignment, right.alignment, rtol=1e-7)
    np.testing.assert_allclose(left.radius, right.radius, rtol=1e-7)


def test_a_neuron_whose_norm_falls_to_zero_ends_the_flow_with_that_outcome():
    """A frozen b < 0 beside a positive teacher shrinks |w| to 0 in finite time; b > 0 does not."""
    teacher = rc.Teacher([1.0, 1.0, 1.0], RELU)
    start = rc.Start([[0.5, 0.1, 0.0], [0.3, 0.0, 0.2]], norms=0.5, dim=9)
    flow, times = rc.Coupled(second_layer_rate=0.0, rtol=1e-6), np.linspace(0.2, 20, 30)
    with pytest.warns(rc.IncompleteTrajectory, match="a neuron's norm falls to 0"):
        solved = rc.solve(flow, teacher, start.with_second_layer([-0.3, -0.2]), times)
    assert bool(solved.outcome == rc.Outcome.norm_vanished)
    assert 0 < solved.reached < 30
    assert bool(rc.solve(flow, teacher, start.with_second_layer(0.3), times).outcome == rc.Outcome.complete)
