"""The limit at step size γ/d beyond plain SGD on the standard problem, against the mean of one step by quadrature."""

from itertools import product
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import roots_hermitenorm

import riccati as rc
from riccati.flows import PLAIN, Training
from riccati.flows.gradient_noise import NeuronState, WeightsState, neuron_system, weights_system

VAST, GAMMA, DELTA = 10**6, 0.4, 0.7
MIXED = rc.Link.from_coefficients([0.0, 0.0, 0.8, 0.6])
QUADRATIC = rc.Link.hermite(2)
A = np.array([0.9, -0.5])  # a signed teacher
Z, WEIGHT = roots_hermitenorm(6)
X = np.array(list(product(Z, repeat=4)))  # exact to degree 11 in each of M + N coordinates
P = np.prod(list(product(WEIGHT / WEIGHT.sum(), repeat=4)), axis=1)
W = 0.6 * np.random.default_rng(0).normal(size=(2, 4))  # neurons in reduced coordinates
B = np.array([0.7, -0.4])
velocity = eqx.filter_jit(lambda system: system.velocity(0.0, system.state, system.args))


class Case(NamedTuple):
    """A teacher and what is particular about student and algorithm."""

    teacher: rc.Teacher
    training: Training = PLAIN
    b: np.ndarray | None = None
    speeds: np.ndarray | None = None  # of all coordinates, with 3/4 of the others at speeds[2], 1/4 at speeds[3]


def spiked():
    """Two groups of the other coordinates, in the ratio 3 : 1; each holds one reduced coordinate of the neurons."""
    sizes = [1, 1, 3 * VAST // 4, VAST // 4 - 2]
    return rc.Covariance(np.repeat([2.0, 0.5, 1.0, 1.5], sizes))


SPEEDS = np.array([2.0, 0.5, 1.0, 1.5])
OBLIQUE = [[1.0, 0.4], [0.4, 1.0]]
CASES = {
    "noise": Case(rc.Teacher(A, MIXED, noise=DELTA)),
    "decay": Case(rc.Teacher(A, MIXED), Training(weight_decay=0.3)),
    "correlation loss": Case(rc.Teacher(A, MIXED, noise=DELTA), Training(correlation=True)),
    "sphere": Case(rc.Teacher(A, MIXED, noise=DELTA), Training(on_sphere=True)),
    "correlated": Case(rc.Teacher(A, MIXED, gram=OBLIQUE, noise=DELTA)),
    "a link for each direction": Case(rc.Teacher(A, MIXED, links=[QUADRATIC, MIXED], noise=DELTA)),
    "two layers": Case(rc.Teacher(A, rc.Link.hermite(1), noise=DELTA), Training(0.6, 0.2), b=B),
    "covariance": Case(rc.Teacher(A, MIXED, covariance=spiked(), noise=DELTA), speeds=SPEEDS),
}


def start_of(case):
    """W as a start; along the third and the fourth coordinate are the groups of the rest."""
    teacher, norms = case.teacher, np.linalg.norm(W, axis=1)
    U = W / norms[:, None]
    overlaps = U[:, :2] if teacher.frame is None else U[:, :2] @ np.asarray(teacher.frame).T
    gram = None if teacher.frame is None else teacher.gram
    start = rc.Start(overlaps, U @ U.T, norms, dim=VAST, teacher_gram=gram)
    if case.speeds is not None:
        given = jnp.asarray(U[:, 2:]), jnp.asarray(case.speeds[2:])
        start = eqx.tree_at(
            lambda s: (s.residual_factor, s.residual_eigenvalues), start, given, is_leaf=lambda x: x is None
        )
    return start if case.b is None else start.with_second_layer(case.b)


def step(case):
    """The mean change, per η, of W along the teacher's coordinates, of the Gram matrices of all others, and of b."""
    teacher, training = case.teacher, case.training
    link, r, eta = teacher.link, np.linalg.norm(W, axis=1), GAMMA / VAST
    frame = np.eye(2) if teacher.frame is None else np.asarray(teacher.frame)
    z = X @ (W / r[:, None]).T
    value, slope = np.asarray(link(z)), np.asarray(link.derivative(z))
    layer = r if case.b is None else case.b
    links = teacher.links or (link, link)
    target = sum(a * np.asarray(own(X[:, :2] @ row)) for a, own, row in zip(A, links, frame, strict=True))
    e = target - (0.0 if training.correlation else value @ (layer * r))
    speeds = np.ones(4) if case.speeds is None else case.speeds
    # a sample's step in the reduced coordinates, without e
    across = slope * layer
    inside = across[:, :, None] * X[:, None, :]
    if case.b is None:
        inside = inside + (2 * value - z * slope)[:, :, None] * W
    if training.on_sphere:
        inside = across[:, :, None] * (X[:, None, :] - z[:, :, None] * W / r[:, None])
    inside = inside * speeds
    mean = np.einsum("n,nij->ij", P * e, inside) - training.weight_decay * W
    square = P * (e**2 + float(teacher.label_variance))
    beyond = np.einsum("n,ni,nl->il", square, across, across)
    shares = np.array([0.0, 0.0, 0.75, 0.25]) if case.speeds is not None else np.array([0.0, 0.0, 0.0, 1.0])
    gram = np.einsum("ik,lk->kil", mean, W) + np.einsum("ik,lk->kil", W, mean)
    gram += eta * np.einsum("n,nik,nlk->kil", square, inside, inside)
    gram += GAMMA * (shares * speeds**2)[:, None, None] * beyond
    along, layer_rate = mean[:, :2], None
    if case.b is not None:
        layer_rate = training.second_layer_rate * (P * e @ (value * r) - training.weight_decay * case.b)
    if training.on_sphere:  # |w̃|² grows by this, and the retraction takes it back
        longer = np.einsum("kii->i", gram) / r**2 / 2
        along = along - longer[:, None] * W[:, :2]
        gram = gram - (longer[:, None] + longer) * np.einsum("ik,lk->kil", W, W)
    groups = gram[2:] if case.speeds is not None else np.sum(gram[2:], axis=0)[None]
    return along, groups, layer_rate


@pytest.mark.parametrize("name", CASES)
def test_one_step_of_sgd(name):
    case = CASES[name]
    system = neuron_system(rc.Problem(case.teacher, start_of(case)), GAMMA, case.training)
    state, moved = (jax.tree.map(np.asarray, x) for x in (system.state, velocity(system)))
    assert isinstance(state, NeuronState)
    r, grown = np.exp(state.log_norm), moved.log_norm
    along, groups, layer_rate = step(case)
    np.testing.assert_allclose(r[:, None] * (moved.along + grown[:, None] * state.along), along, rtol=5e-5, atol=1e-5)
    rest = r[:, None] * r * (moved.rest + (grown[:, None] + grown) * state.rest)
    np.testing.assert_allclose(rest, groups, rtol=5e-5, atol=1e-5)
    if case.training.on_sphere:
        assert np.all(grown == 0)
    if layer_rate is not None:
        np.testing.assert_allclose(moved.b, layer_rate, atol=1e-10)


@pytest.mark.parametrize("training", [Training(weight_decay=0.3), Training(correlation=True, weight_decay=0.1)])
@pytest.mark.parametrize("gram", [None, OBLIQUE])
def test_the_subspace_of_a_quadratic_student_moves_as_all_neurons_do(training, gram):
    """ΘᵀW and WᵀW, and what is observed, of signed directions that are correlated or not."""
    teacher = rc.Teacher(A, rc.Link.from_coefficients([0, 0, 1.3]), gram=gram, noise=DELTA)
    problem = rc.Problem(teacher, start_of(Case(teacher)))
    neurons, weights = (system(problem, GAMMA, training) for system in (neuron_system, weights_system))
    assert isinstance(weights.state, WeightsState)
    (dZ, dQ), (dY, dR) = _gram_rates(neurons), _gram_rates(weights)
    np.testing.assert_allclose(dY, dZ, atol=1e-11)
    np.testing.assert_allclose(dR, dQ, atol=1e-11)
    for one, other in zip(*(jax.jit(s.observe)(s.state, s.args) for s in (neurons, weights)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7)


def _gram_rates(system):
    """Rates of ΘᵀW in the directions, and of WᵀW."""
    state, moved = (jax.tree.map(np.asarray, x) for x in (system.state, velocity(system)))
    if isinstance(state, WeightsState):
        T, dT, rate = float(system.args.unit) * state.T, float(system.args.unit) * moved.T, float(system.rate)
        directions = np.eye(2) if system.args.directions is None else np.asarray(system.args.directions)
        return rate * directions @ (moved.Y @ T + state.Y @ dT), rate * (dT.T @ T + T.T @ dT)
    r, grown, teacher = np.exp(state.log_norm), moved.log_norm, system.args.teacher
    along, d_along = r[:, None] * state.along, r[:, None] * (moved.along + grown[:, None] * state.along)
    rest = r[:, None] * r * np.sum(moved.rest + (grown[:, None] + grown) * state.rest, axis=0)
    frame = np.eye(2) if teacher.frame is None else np.asarray(teacher.frame)
    return frame @ d_along.T, d_along @ along.T + along @ d_along.T + rest


def test_a_covariance_of_ones_is_isotropic_input():
    teacher = rc.Teacher(A, MIXED)
    flat = rc.Teacher(A, MIXED, covariance=rc.Covariance(np.ones(VAST)))
    start = start_of(Case(teacher))
    same = eqx.tree_at(lambda s: s.residual_eigenvalues, start, jnp.ones(2), is_leaf=lambda x: x is None)
    moved, other = (
        velocity(neuron_system(rc.Problem(*given), GAMMA)) for given in ((teacher, start), (flat, same))
    )  # fmt: skip
    for one, another in zip(jax.tree.leaves(moved), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(one, another, atol=1e-14)
