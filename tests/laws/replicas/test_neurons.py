"""Replicas of every student, teacher and algorithm: their noise by quadrature, their limit d → ∞, and runs of SGD."""

from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import roots_hermitenorm

import riccati as rc
from riccati.laws.replicas import NeuronDynamics, neuron_dynamics

VAST, DRAWS = 10**12, 6000
QUADRATIC, MIXED = rc.Link.hermite(2), rc.Link.from_coefficients([0.0, 0.0, 0.8, 0.4])
OVERLAPS, NORMS, A = np.array([[0.6, 0.1], [-0.2, 0.5]]), np.array([0.7, 0.9]), np.array([0.8, 0.6])
SIGNED, OBLIQUE = A * [1, -1], [[1.0, 0.4], [0.4, 1.0]]


def start_of(teacher, dim, b=None):
    gram = None if teacher.frame is None else teacher.gram
    start = rc.Start(OVERLAPS, norms=NORMS, dim=dim, teacher_gram=gram)
    return start if b is None else start.with_second_layer(b)


STUDENTS = {
    "free": (None, {}),
    "sphere": (None, {"constraint": "sphere"}),
    "correlation": (None, {"loss": "correlation"}),
    "two layers": (np.array([0.6, -0.5]), {"second_layer_rate": 0.7}),
}
LINKS = {"two layers": rc.Link.hermite(1)}


@pytest.mark.parametrize("name", STUDENTS)
def test_the_noise_has_the_covariance_of_a_step_of_sgd(name):
    """Along the teacher's coordinates, and of the second layer: by quadrature in M + N dimensions, to the points."""
    b, fields = STUDENTS[name]
    teacher = rc.Teacher(A, LINKS.get(name, MIXED), noise=0.5)
    start, sgd = start_of(teacher, 4, b), rc.SGD(1e-12, **fields)  # d = M + N: no other coordinates
    dynamics = neuron_dynamics(rc.Problem(teacher, start), sgd, 0.5)
    length = 1e-2

    @jax.jit
    def drawn(keys):
        return jax.lax.map(lambda key: dynamics.noise(dynamics.begun, jnp.asarray(length), key)[1], keys)

    after = drawn(jax.random.split(jax.random.key(0), DRAWS))
    moved = np.asarray(after.W - dynamics.begun.W)[:, :, :2].reshape(DRAWS, -1)
    if b is not None:
        moved = np.hstack([moved, np.asarray(after.b - dynamics.begun.b)])
    expected = covariance(teacher, start, b, fields)
    found = moved.T @ moved / DRAWS / (length * 1e-12)
    scale = np.sqrt(np.diag(expected))
    # three standard errors of the draws; a lost term of φ is a third
    np.testing.assert_allclose(found / np.outer(scale, scale), expected / np.outer(scale, scale), atol=0.1)


def covariance(teacher, start, b, fields):
    """That of a gradient, in the teacher's coordinates and b, with E over label noise."""
    z, weights = roots_hermitenorm(8)
    x, p = np.array(list(product(z, repeat=4))), np.prod(list(product(weights / weights.sum(), repeat=4)), axis=1)
    U = np.asarray(start.directions)
    r, link = np.asarray(start.norms), teacher.link
    z = x @ U.T
    value, slope = np.asarray(link(z)), np.asarray(link.derivative(z))
    layer = r if b is None else b
    clean = np.asarray(link(x[:, :2])) @ A - (0.0 if "loss" in fields else value @ (layer * r))
    push, along = layer * slope, r * (2 * value - z * slope) if b is None else np.zeros_like(z)
    if "constraint" in fields:
        along = -push * z
    rows = [(push[:, :, None] * x[:, None, :2] + along[:, :, None] * U[:, :2]).reshape(len(x), -1)]
    if b is not None:
        rows.append(fields["second_layer_rate"] * r * value)
    rows = np.hstack(rows)
    mean = (p * clean) @ rows
    return rows.T @ ((p * (clean**2 + float(teacher.label_variance)))[:, None] * rows) - np.outer(mean, mean)


spikes = rc.Covariance(np.repeat([2.0, 1.5, 1.0, 0.5], [1, 1, 300, 100]))
LIMITS = {
    "decay": (rc.Teacher(A, QUADRATIC, noise=0.5), {"weight_decay": 0.2}),
    "correlation": (rc.Teacher(A, QUADRATIC, noise=0.5), {"loss": "correlation"}),
    "signed, correlated": (rc.Teacher(SIGNED, QUADRATIC, gram=OBLIQUE), {}),
    "sphere": (rc.Teacher(A, QUADRATIC, noise=0.5), {"constraint": "sphere"}),
    "links": (rc.Teacher(A, MIXED, links=[QUADRATIC, MIXED]), {"weight_decay": 0.2}),
    "two layers": (rc.Teacher(A, rc.Link.hermite(1), gram=OBLIQUE), {"second_layer_rate": 0.5}),
}


@pytest.mark.parametrize("name", LIMITS)
def test_in_high_dimension_a_replica_is_the_finite_step_limit(name):
    """From overlaps of order one, where noise moves nothing: drag and lengthening, to the error of points and steps."""
    teacher, fields = LIMITS[name]
    b = np.array([0.6, -0.5]) if name == "two layers" else None
    start, times = start_of(teacher, VAST, b), [0.0, 0.2, 0.6, 1.2]
    law = rc.risk_law(teacher, start, rc.SGD(0.08 / VAST, **fields), times=times, replicas=2)
    np.testing.assert_allclose(law.draws, np.broadcast_to(law.flow, (2, 4)), rtol=1e-2)


def test_groups_of_equal_eigenvalues_grow_by_their_share():
    """A Gram matrix in the other coordinates of each group, by its mean over many draws."""
    teacher = rc.Teacher(A, QUADRATIC, covariance=spikes)
    start = rc.Start.random(teacher, 2, spikes.dim, norm=0.5, seed=0)
    dynamics = neuron_dynamics(rc.Problem(teacher, start), rc.SGD(1e-5), 0.5)
    assert isinstance(dynamics, NeuronDynamics)
    np.testing.assert_array_equal(dynamics.columns, [[2, 3], [4, 5]])
    np.testing.assert_allclose(dynamics.others, [298.0, 98 * 0.25])
    length = 4.0  # short, so that norms grow by a few per cent
    keys = jax.random.split(jax.random.key(1), 4000)
    after = jax.jit(lambda keys: jax.lax.map(lambda key: dynamics.noise(dynamics.begun, length, key)[1].W, keys))(keys)
    begun = np.asarray(dynamics.begun.W)
    growth = np.asarray(eqx.filter_jit(lambda d: d.growth(d.begun, d.points))(dynamics))
    for columns, sizes, value in zip(np.asarray(dynamics.columns), (300, 100), (1.0, 0.5), strict=True):
        W = np.asarray(after)[:, :, columns]
        grown = np.mean(W @ np.swapaxes(W, 1, 2), axis=0) - begun[:, columns] @ begun[:, columns].T
        np.testing.assert_allclose(grown / (1e-5 * length * sizes * value**2), growth, atol=0.1 * growth.max())


@pytest.mark.large
@pytest.mark.parametrize(
    ("teacher", "b", "fields"),
    [
        (rc.Teacher(A, QUADRATIC, noise=1.0), None, {"weight_decay": 0.2}),
        (rc.Teacher(A, QUADRATIC, gram=OBLIQUE), None, {"momentum": 0.9, "nesterov": True}),
        (rc.Teacher(A, QUADRATIC, noise=0.5), None, {"constraint": "sphere"}),
        (rc.Teacher(A, QUADRATIC), None, {"loss": "correlation"}),
        (rc.Teacher(A, QUADRATIC, covariance=rc.Covariance(np.repeat([2.0, 1.0], [2, 198]))), None, {}),
        (rc.Teacher(A, rc.Link.named("abs")), np.array([0.6, 0.5]), {"second_layer_rate": 0.0}),
    ],
    ids=["noise and decay", "correlated, momentum", "sphere", "correlation", "spiked", "frozen second layer"],
)
def test_emergence_times_are_those_of_sgd(teacher, b, fields):
    from scipy.stats import ks_2samp

    dim, gamma, horizon = 200, 0.1, 20.0 if b is not None else 4.0
    start = rc.Start.random(teacher, 2, dim, norm=0.4, seed=1)
    start = start if b is None else start.with_second_layer(b)
    rate = gamma / dim * (1 - fields.get("momentum", 0.0))
    sgd, steps = rc.SGD(rate, **fields), int(horizon * dim / gamma)
    measured = rc.sgd.Experiment(teacher, start, sgd, steps=steps, rows=400).ensemble(range(100)).emergence_times()
    drawn = rc.emergence_law(teacher, start, sgd, horizon=horizon, replicas=384).emerged
    for m in range(2):
        of_law, of_sgd = (np.asarray(T)[:, m] for T in (drawn, measured))
        # replicas run somewhat longer than the runs
        within = (np.where(horizon > T, T, 2 * horizon) for T in (of_law, of_sgd))
        assert ks_2samp(*within).pvalue > 0.005
