"""The gradient flow of committee machines, against gradients by a rule on samples; what its scale and rates mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import erf

import riccati as rc
from riccati.flows import CommitteeState, Training, committee_velocity, student_of, two_layer_velocity

A, B, C, KAPPA, DECAY = np.array([1.0, -0.6]), np.array([0.7, -0.5, 0.2]), 0.5, 0.3, 0.1
W = np.array([[0.3, 0.5], [-0.4, 0.6], [1.2, 0.1]])
NODES, P = np.polynomial.hermite_e.hermegauss(80)
X, P = np.stack(np.meshgrid(NODES, NODES, indexing="ij"), axis=-1).reshape(-1, 2), np.outer(P, P).ravel() / P.sum() ** 2
LINKS = {
    "scaled_erf": (lambda z: erf(z / np.sqrt(2)), lambda z: np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2)),
    "tanh": (np.tanh, lambda z: np.cosh(z) ** -2.0),
    "he3": (lambda z: (z**3 - 3 * z) / np.sqrt(6), lambda z: (3 * z**2 - 3) / np.sqrt(6)),
    "he2": (lambda z: (z**2 - 1) / np.sqrt(2), lambda z: z * np.sqrt(2)),
}


def start_of(W=W, b=B, scale=1.0, covariance=None):
    """Three neurons in two dimensions, which reduced coordinates hold in three more."""
    padded = np.pad(W, ((0, 0), (0, 2)))
    return rc.Start.from_weights(padded, np.eye(2, 4), covariance).with_second_layer(b, scale=scale)


def pulls(name, W, b, scale=1.0, interaction=1.0):
    """-∂L/∂W and -∂L/∂b of f = scale Σ b σ(<x, w>) by quadrature, with a plain loop over neurons."""
    f, slope = LINKS[name]
    z = X @ W.T
    e = P * (f(X) @ A - interaction * scale * f(z) @ b)
    return (
        np.stack([scale * b[i] * (e * slope(z[:, i])) @ X for i in range(len(b))]),
        np.array([scale * e @ f(z[:, i]) for i in range(len(b))]),
    )


def student(name, training, start, **teacher):
    problem = rc.Problem(rc.Teacher(A, rc.Link.named(name), **teacher), start)
    return student_of(problem, jnp.log(start.norms) * 2, training=training)


@pytest.mark.parametrize("name", LINKS)
def test_the_velocity_is_down_the_gradient(name):
    start = start_of(scale=C)
    training = Training(KAPPA, DECAY)
    model = student(name, training, start)
    moved = jax.jit(model.velocity)(0.0, model.state, model.args)
    W_pull, b_pull = pulls(name, W, B, C)
    np.testing.assert_allclose(moved.W[:, :2], W_pull - DECAY * W, atol=1e-10)
    # the start holds c b, whose velocity is c times that of b; its decay has κ, not κc²
    np.testing.assert_allclose(moved.b, C * (KAPPA * b_pull - KAPPA * DECAY * B), atol=1e-10)


@pytest.mark.parametrize("name", ["scaled_erf", "relu"])
def test_an_output_scale_is_a_second_layer_at_c2_times_its_rate(name):
    """c b at κ with the scale c moves as b' = c b at κc² without."""
    models = student(name, Training(KAPPA), start_of(scale=C)), student(name, Training(KAPPA * C**2), start_of(b=C * B))
    one, other = (jax.jit(model.velocity)(0.0, model.state, model.args) for model in models)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-13)
    assert models[0].args.second_layer_decay == 0


def test_the_sphere_the_correlation_loss_and_a_covariance():
    name, eigenvalues = "scaled_erf", np.array([1.6, 0.7, 1.0, 1.0])
    alone = student(name, Training(correlation=True), start_of())
    W_pull, b_pull = pulls(name, W, B, interaction=0.0)
    moved = jax.jit(alone.velocity)(0.0, alone.state, alone.args)
    np.testing.assert_allclose(moved.W[:, :2], W_pull, atol=1e-12)
    np.testing.assert_allclose(moved.b, b_pull, atol=1e-12)
    sphere = student(name, Training(on_sphere=True), start_of())
    moved = jax.jit(sphere.velocity)(0.0, sphere.state, sphere.args)
    W_pull, _ = pulls(name, W, B)
    U = W / np.linalg.norm(W, axis=1, keepdims=True)
    np.testing.assert_allclose(moved.W[:, :2], W_pull - np.sum(W_pull * U, axis=1)[:, None] * U, atol=1e-12)
    assert not np.any(np.asarray(moved.b))
    covariance = rc.Covariance(eigenvalues)
    root = np.sqrt(eigenvalues[:2])
    start = start_of(W / root, covariance=covariance)
    stretched = student(name, Training(weight_decay=DECAY), start, covariance=covariance)
    moved = jax.jit(stretched.velocity)(0.0, stretched.state, stretched.args)
    np.testing.assert_allclose(moved.W[:, :2], eigenvalues[:2] * W_pull - DECAY * W, atol=1e-12)


def test_a_homogeneous_link_has_the_flow_of_its_own_equations():
    """ReLU by the loss at any norms, and by directions and norms."""
    relu = student("relu", Training(KAPPA), start_of())
    own = jax.jit(two_layer_velocity)(0.0, relu.state, relu.args)
    state = CommitteeState(start_of().weights, start_of().second_layer)
    moved = jax.jit(committee_velocity)(0.0, state, relu.args)
    norms = np.linalg.norm(W, axis=1)
    expected = norms[:, None] * (own.U + own.log_norm[:, None] * np.asarray(relu.state.U))
    np.testing.assert_allclose(moved.W, expected, atol=1e-12)
    np.testing.assert_allclose(moved.b, own.b, atol=1e-13)


def test_correlated_and_mixed_teachers():
    """Two directions at an angle, and a link for each: the gradient by quadrature in the plane that they span."""
    Theta = np.array([[1.0, 0.0], [0.6, 0.8]])
    both = rc.Link.from_coefficients([0, 0.3, 0.8, 0.5])
    links = [rc.Link.hermite(2), both]
    for kind in ("correlated", "mixed"):
        if kind == "correlated":
            teacher, directions = rc.Teacher.from_directions(np.pad(Theta, ((0, 0), (0, 2))), A, both), Theta
        else:
            teacher, directions = rc.Teacher(A, both, links=links), np.eye(2)
        own = [both, both] if kind == "correlated" else links
        padded = np.pad(directions, ((0, 0), (0, 2)))
        start = rc.Start.from_weights(np.pad(W, ((0, 0), (0, 2))), padded).with_second_layer(B)
        model = student_of(rc.Problem(teacher, start), 2 * jnp.log(start.norms))
        moved = jax.jit(model.velocity)(0.0, model.state, model.args)
        target = sum(a * np.asarray(link(X @ theta)) for a, link, theta in zip(A, own, directions, strict=True))
        z = X @ W.T
        e = P * (target - np.asarray(both(z)) @ B)
        pull = B[:, None] * ((e[:, None] * np.asarray(both.derivative(z))).T @ X)
        np.testing.assert_allclose(teacher.overlaps(moved.W), pull @ directions.T, atol=1e-10)


def test_the_flow_is_that_of_the_loss_integrated_by_scipy():
    """f = c Σ b σ at the second layer's rate κ, with decay: risk at three times, and |w|² of the nearest neuron."""
    times = np.array([0.5, 2.0, 6.0])

    def rates(_, y):
        W, b = y[:6].reshape(3, 2), y[6:]
        W_pull, b_pull = pulls("scaled_erf", W, b, C)
        return np.r_[(W_pull - DECAY * W).ravel(), KAPPA * (b_pull - DECAY * b)]

    path = solve_ivp(rates, (0, 6), np.r_[W.ravel(), B], t_eval=times, rtol=1e-9, atol=1e-11).y.T
    f, _ = LINKS["scaled_erf"]
    target = f(X) @ A
    risks = [P @ (target - C * f(X @ y[:6].reshape(3, 2).T) @ y[6:]) ** 2 / (P @ target**2) for y in path]
    flow = rc.Coupled(second_layer_rate=KAPPA, weight_decay=DECAY)
    trajectory = rc.solve(flow, rc.Teacher(A, rc.Link.named("scaled_erf")), start_of(scale=C), times)
    np.testing.assert_allclose(trajectory.risk, risks, rtol=1e-7)
    last = path[-1, :6].reshape(3, 2)
    squares = np.sum(last**2, axis=1)
    nearest = np.argmax(last**2 / squares[:, None], axis=0)
    np.testing.assert_allclose(trajectory.radius[-1], squares[nearest], rtol=1e-7)
    np.testing.assert_allclose(trajectory.alignment[-1], (last**2 / squares[:, None]).max(axis=0), rtol=1e-7)


def test_norms_past_which_averages_are_unknown_end_the_flow():
    """A small frozen second layer of tanh makes the norms grow."""
    teacher = rc.Teacher([1.0], rc.Link.named("tanh"))
    start = rc.Start([[0.9]], norms=2.0, dim=9).with_second_layer(0.3)
    with pytest.warns(rc.IncompleteTrajectory, match="outgrown what averages over its link are resolved for"):
        trajectory = rc.solve(rc.Coupled(second_layer_rate=0.0), teacher, start, [0.5, 400.0])
    assert int(trajectory.reached) == 1
