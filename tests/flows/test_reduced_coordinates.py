"""Students beyond the standard problem: every combination's velocity is minus the gradient of the loss, its loss falls,
and the risk is that of samples."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import riccati as rc
from riccati.flows import StudentSetting, Training, anisotropic_velocity, quadratic_velocity, student_of
from riccati.problem import Problem, population_risk

RNG = np.random.default_rng(0)
THETA, W = RNG.normal(size=(3, 9)), RNG.normal(size=(4, 9))
A, B = [1.0, -0.6, 0.4], [0.5, -0.3, 0.1, -0.8]


def of(teacher, Theta=None, second_layer=None):
    rows = np.eye(3, 9) if Theta is None else Theta
    start = rc.Start.from_weights(0.2 * W, rows, teacher.covariance)
    return Problem(teacher, start if second_layer is None else start.with_second_layer(second_layer))


def given(link, **others):
    """A teacher of the rows Θ, whose lengths are divided out on isotropic input."""
    lengths = {} if "covariance" in others else {"lengths": "divided"}
    return rc.Teacher.from_directions(THETA, A, link, **others, **lengths)


def groups(**kind):
    return rc.Covariance([2.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.2], **kind)


def series(*coefficients):
    return rc.Link.from_coefficients(coefficients)


def links(both=False):
    second, fourth = rc.Link.hermite(2), rc.Link.hermite(4)
    return [second, fourth, series(0, 0, 0.8, 0, 0.6) if both else second]


named = rc.Link.named
# built where a test asks, not when the file is read
PROBLEMS = {
    "one sign": lambda: of(rc.Teacher(np.abs(A), named("erf"))),
    "signed": lambda: of(rc.Teacher(A, named("he3"))),
    "correlated": lambda: of(given(named("relu")), THETA),
    "mixed links": lambda: of(rc.Teacher(A, series(0, 0, 0.8, 0, 0.6), links=links())),
    "mixed links, correlated": lambda: of(given(series(0, 0, 0.8, 0, 0.6), links=links(both=True)), THETA),
    "anisotropic": lambda: of(rc.Teacher(A, named("he4"), covariance=groups())),
    "anisotropic, directions given": lambda: of(given(named("relu"), covariance=groups()), THETA),
    "preconditioned": lambda: of(rc.Teacher(A, named("he3"), covariance=groups(preconditioned=True))),
    "quadratic, correlated": lambda: of(given(series(0, 0, 2.0)), THETA),
    "quadratic, anisotropic": lambda: of(rc.Teacher(A, named("he2"), covariance=groups())),
    "quadratic, everything": lambda: of(given(series(0, 0, 2.0), covariance=groups()), THETA),
    "two-layer": lambda: of(rc.Teacher(A, named("relu")), None, B),
    "two-layer, everything": lambda: of(given(named("abs"), covariance=groups()), THETA, B),
}


@cache
def problem_named(name):
    return PROBLEMS[name]()


def loss_of(problem):
    """½E(f* - f)² of whitened weights and second layer; the 2-homogeneous student has none."""
    teacher = problem.teacher

    def loss(w, b):
        r = jnp.linalg.norm(w, axis=1)
        s = r**2 if problem.start.second_layer is None else b * r
        return teacher.second_moment / 2 * population_risk(teacher, w / r[:, None], s)

    return loss


def velocity_of(problem, training=None):
    """The student at its start, and its velocity there."""
    student = student_of(problem, 2 * np.log(problem.start.norms), None, training or Training())
    return student, jax.tree.map(np.asarray, jax.jit(student.velocity)(None, student.state, student.args))


def moved(problem, training=None):
    """dv/dt and db/dt by the flow, from its polar coordinates."""
    norms = np.asarray(problem.start.norms)
    student, velocity = velocity_of(problem, training)
    growth = velocity[1] / 2 if problem.start.second_layer is None else velocity.log_norm
    w = norms[:, None] * (growth[:, None] * np.asarray(student.state.U) + velocity.U)
    return w, np.zeros_like(norms) if problem.start.second_layer is None else velocity.b


@pytest.mark.parametrize("name", PROBLEMS)
def test_velocity_is_minus_the_preconditioned_gradient(name):
    """dv/dt = -Λ∇_v L and db/dt = -∂L/∂b, hence dL/dt = -∇_v·Λ∇_v - |∂L/∂b|² ≤ 0."""
    problem = problem_named(name)
    start, loss = problem.start, loss_of(problem)
    b = np.zeros(4) if start.second_layer is None else np.asarray(start.second_layer)
    speeds = np.ones(start.directions.shape[1]) if problem.speeds is None else np.asarray(problem.speeds)
    slope_w, slope_b = map(np.asarray, jax.jit(jax.grad(loss, argnums=(0, 1)))(start.weights, b))
    w_rate, b_rate = moved(problem)
    np.testing.assert_allclose(w_rate, -speeds * slope_w, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(b_rate, -slope_b, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_second_layer_with_a_rate_of_its_own_keeps_b2_less_that_times_w2(rate):
    problem = problem_named("two-layer")
    plain, own = moved(problem), moved(problem, Training(rate))
    np.testing.assert_array_equal(own[0], plain[0])
    np.testing.assert_allclose(own[1], rate * plain[1], rtol=1e-15)
    w, b = np.asarray(problem.start.weights), np.asarray(problem.start.second_layer)
    kept = 2 * b * own[1] - rate * 2 * np.sum(w * own[0], axis=1)
    np.testing.assert_allclose(kept, 0, atol=1e-14)
    signed = problem_named("signed")
    with pytest.raises(rc.ArgumentError, match="`second_layer_rate` must be left out for a student without"):
        rc.solve(rc.Coupled(second_layer_rate=rate), signed.teacher, signed.start, [1.0])
    with pytest.raises(rc.ArgumentError, match="`second_layer_rate` must be ≥ 0"):
        rc.Coupled(second_layer_rate=-1.0)


@pytest.mark.parametrize(
    "name",
    ["mixed links, correlated", "anisotropic, directions given", "quadratic, everything", "two-layer, everything"],
)
def test_the_loss_falls_where_everything_comes_together(name):
    problem = problem_named(name)
    solved = rc.solve(rc.Coupled(rtol=1e-7), problem.teacher, problem.start, np.geomspace(0.05, 200, 30))
    assert bool(solved.outcome == rc.Outcome.complete)
    assert np.all(np.diff(solved.risk) <= 1e-10)
    assert solved.risk[-1] < 0.95 * solved.risk[0]


@pytest.mark.parametrize("name", ["quadratic, correlated", "quadratic, everything"])
def test_the_cheaper_quadratic_velocity_is_that_of_any_link(name):
    problem = problem_named(name)
    student, cheaper = velocity_of(problem)
    speeds = np.ones(student.state.U.shape[1]) if problem.speeds is None else problem.speeds
    general = jax.jit(anisotropic_velocity)(None, student.state, StudentSetting(problem.teacher, speeds))
    assert student.velocity is quadratic_velocity
    for one, other in zip(cheaper, general, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_a_two_layer_student_keeps_what_is_conserved():
    """b² - |w|² of every neuron, on isotropic input."""
    student, rate = velocity_of(problem_named("two-layer"))
    squares = np.exp(2 * np.asarray(student.state.log_norm))
    np.testing.assert_allclose(student.state.b * rate.b, squares * rate.log_norm, rtol=1e-12)


@pytest.mark.parametrize(
    "name", ["correlated", "mixed links, correlated", "anisotropic, directions given", "two-layer"]
)
def test_the_risk_is_that_of_samples(name):
    """E(f* - f)² over 2¹⁷ draws of x, to five standard errors."""
    problem = problem_named(name)
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
    expected = float(population_risk(teacher, start.directions, s) * teacher.second_moment)
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
    problem = problem_named("correlated")
    x = np.random.default_rng(2).normal(size=(2**15, 9))
    each = sampled_gradient(problem, x, THETA)
    # reduced coordinates are an isometry's: overlaps of velocities with weights and directions are the same in both
    velocity, _ = moved(problem)
    along = np.asarray(problem.teacher.overlaps(velocity))
    ours = np.concatenate([velocity @ np.asarray(problem.start.weights).T, along], axis=1)
    units = THETA / np.linalg.norm(THETA, axis=1)[:, None]
    sampled = each @ np.concatenate([0.2 * W, units]).T
    error = sampled.std(axis=0) / 2**7.5
    assert np.abs((sampled.mean(axis=0) - ours) / error).max() < 5


def at_the_start(problem):
    """The observables there, which the flow's equations are not needed for."""
    solved = rc.solve(rc.Coupled(), problem.teacher, problem.start, [0.0])
    return solved.risk, solved.alignment, solved.radius


def assert_same_flow(one, other):
    """The same velocity up to a rotation, and the same observables."""
    (velocity, _), (turned, _) = moved(one), moved(other)
    w, v = (np.asarray(problem.start.weights) for problem in (one, other))
    for left, right in ((velocity[:, :3], turned[:, :3]), (velocity @ velocity.T, turned @ turned.T)):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(w @ velocity.T, v @ turned.T, rtol=1e-9, atol=1e-13)
    for left, right in zip(at_the_start(one), at_the_start(other), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-10)


def test_equal_eigenvalues_are_the_isotropic_flow():
    a, link = [1.0, 0.6, 0.4], rc.Link.hermite(4)
    assert_same_flow(of(rc.Teacher(a, link)), of(rc.Teacher(a, link, covariance=rc.Covariance.power_law(9, 0))))


def test_preconditioned_steps_are_the_isotropic_flow_of_the_whitened_start():
    problem = problem_named("preconditioned")
    whitened = problem.start
    start = rc.Start(whitened.teacher_overlaps, whitened.student_gram, whitened.norms)
    assert_same_flow(problem, Problem(rc.Teacher(A, problem.teacher.link), start))


def test_a_neuron_whose_norm_falls_to_zero_ends_the_flow_with_that_outcome():
    """A frozen b < 0 beside a positive teacher shrinks |w| to 0 in finite time; b > 0 does not."""
    teacher = rc.Teacher([1.0, 1.0, 1.0], rc.Link.named("relu"))
    start = rc.Start([[0.5, 0.1, 0.0], [0.3, 0.0, 0.2]], norms=0.5, dim=9)
    flow, times = rc.Coupled(second_layer_rate=0.0, rtol=1e-6), np.linspace(0.2, 20, 30)
    with pytest.warns(rc.IncompleteTrajectory, match="a neuron's norm falls to 0"):
        solved = rc.solve(flow, teacher, start.with_second_layer([-0.3, -0.2]), times)
    assert bool(solved.outcome == rc.Outcome.norm_vanished)
    assert 0 < solved.reached < 30
    assert bool(rc.solve(flow, teacher, start.with_second_layer(0.3), times).outcome == rc.Outcome.complete)


@pytest.mark.parametrize("name", ["signed", "quadratic, anisotropic", "anisotropic", "two-layer, everything"])
def test_weight_decay_adds_the_gradient_of_half_its_square(name):
    """-λw for the weights themselves, so not times the covariance; -κλb for the second layer."""
    problem, decay, kappa = problem_named(name), 0.3, 0.5
    norms, has = problem.start.norms, problem.start.second_layer is not None
    training = Training(kappa if has else 1.0, weight_decay=decay)
    plain, decayed = (moved(problem, Training(kappa if has else 1.0)), moved(problem, training))
    np.testing.assert_allclose(decayed[0] - plain[0], -decay * problem.start.weights, rtol=1e-10, atol=1e-14)
    b = problem.start.second_layer if has else jnp.zeros(len(norms))
    np.testing.assert_allclose(decayed[1] - plain[1], -kappa * decay * b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["signed", "correlated", "mixed links", "two-layer"])
@pytest.mark.parametrize("correlation", [False, True])
def test_on_the_sphere_directions_follow_the_tangent_of_the_gradient(name, correlation):
    """du/dt = -∇_u L/|w|² at fixed norms, as w is u|w|, with L = ½E(f* - f)², or -E f*f."""
    problem = problem_named(name)
    teacher, start = problem.teacher, problem.start
    s = np.asarray(start.amplitudes)

    def loss(U):
        unit = U / jnp.linalg.norm(U, axis=1, keepdims=True)
        if correlation:
            return -s @ teacher.dual(teacher.overlaps(unit)) @ teacher.a
        return teacher.second_moment / 2 * population_risk(teacher, unit, s)

    training = Training(on_sphere=True, correlation=correlation)
    _, velocity = velocity_of(problem, training)
    slope = jax.jit(jax.grad(loss))(start.directions) / np.asarray(start.norms)[:, None] ** 2
    np.testing.assert_allclose(velocity.U, -slope, rtol=1e-9, atol=1e-13)
    np.testing.assert_array_equal(velocity.s, 0)


def test_on_the_correlation_loss_a_neuron_does_not_see_the_others():
    """dw/dt = ∇_w E f*f for the 2-homogeneous student, with weight decay too."""
    problem = problem_named("signed")
    teacher, w = problem.teacher, problem.start.weights

    def gain(w):
        r = jnp.linalg.norm(w, axis=1)
        return r**2 @ teacher.dual(teacher.overlaps(w / r[:, None])) @ teacher.a

    velocity, _ = moved(problem, Training(weight_decay=0.2, correlation=True))
    np.testing.assert_allclose(velocity, jax.jit(jax.grad(gain))(w) - 0.2 * w, rtol=1e-9, atol=1e-13)


def test_the_flow_of_an_algorithm_has_what_changes_its_limit():
    sgd = rc.SGD(1e-3, constraint="sphere", momentum=0.9, loss="correlation")
    assert rc.Coupled.of(sgd) == rc.Coupled(constraint="sphere", loss="correlation")
    assert rc.Coupled.of(rc.SGD(1e-3, weight_decay=0.1)) == rc.Coupled(weight_decay=0.1)
    with pytest.raises(rc.ArgumentError, match="another algorithm than Stiefel SGD"):
        rc.Coupled.of(rc.SGD(1e-3, constraint="stiefel"))
    with pytest.raises(rc.ArgumentError, match="`weight_decay` must be left out on the sphere"):
        rc.Coupled(weight_decay=0.1, constraint="sphere")
    problem = problem_named("quadratic, correlated")
    trajectory = rc.solve(rc.Coupled(weight_decay=10.0), problem.teacher, problem.start, [1.0, 5.0])
    assert trajectory.risk[-1] == pytest.approx(1.0, abs=1e-6)  # decays, as λ/2 exceeds every rate of the teacher
