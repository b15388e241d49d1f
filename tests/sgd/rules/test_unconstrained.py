"""SGD beyond the standard problem: signed, correlated and mixed teachers, covariances, both layers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import roots_hermitenorm
from scipy.stats import ks_2samp

import riccati as rc
from riccati import sgd
from riccati.sgd import DirectNoise, State, Weights

SECOND, FOURTH, RELU = rc.Link.hermite(2), rc.Link.hermite(4), rc.Link.named("relu")
CUBIC = rc.Link.from_coefficients([0.1, 0.3, 0, 0.5])
MIXED = rc.Link.from_coefficients([0, 0, 1, 0, 1])
DIM, NEURONS, A, B = 30, 4, [1.0, -0.7, 0.4], [0.5, -0.5, 0.3, -0.7]


def correlated(width=3, dim=DIM):
    return np.random.default_rng(0).normal(size=(width, dim))


def uneven(dim=DIM, **settings):
    """Past three directions two groups of equal eigenvalues that are reduced, of nine and eight; one that is smaller
    than the student and one that is larger, both kept whole; and single ones."""
    groups = [np.full(9, 0.6), np.full(3, 1.2), np.full(8, 1.4), np.full(5, 0.4), 0.5, 0.9]
    return rc.Covariance(np.r_[1.0, 1.5, 0.8, *groups][:dim], **settings)


def problem(name, width=3, neurons=NEURONS, dim=DIM):
    rng = np.random.default_rng(1)
    W = rng.normal(size=(neurons, dim))
    W *= 0.5 / np.linalg.norm(W, axis=1, keepdims=True)
    Theta, covariance, b = np.eye(width, dim), None, None
    match name:
        case "signed and correlated":
            Theta = correlated(width, dim)
            teacher = rc.Teacher.from_directions(Theta, A[:width], SECOND, lengths="divided")
        case "mixed":
            teacher = rc.Teacher([0.9, 0.6, -0.4], MIXED, links=[SECOND, FOURTH, MIXED])
        case "two-layer":
            teacher, b = rc.Teacher([1.0, 0.7, -0.5][:width], RELU), B[:neurons]
        case "two-layer, under a covariance":
            covariance, b = uneven(dim), B[:neurons]
            teacher = rc.Teacher([1.0, 0.7, -0.5][:width], RELU, covariance=covariance)
        case "two-layer, any link":
            W, teacher, b = 2 * W, rc.Teacher([1.0, 0.7, -0.5][:width], CUBIC), B[:neurons]
        case "two-layer, correlated, under a covariance":
            covariance, b, Theta = uneven(dim), B[:neurons], correlated(width, dim)
            teacher = rc.Teacher.from_directions(Theta, [1.0, 0.7, 0.5][:width], RELU, covariance=covariance)
        case "covariance":
            covariance = uneven(dim)
            teacher = rc.Teacher([1.0, 0.7, 0.5], SECOND, covariance=covariance)
        case "preconditioned":
            covariance = uneven(dim, preconditioned=True)
            teacher = rc.Teacher([1.0, 0.7, 0.5], SECOND, covariance=covariance)
    start = rc.Start.from_weights(W, Theta, covariance)
    return teacher, start if b is None else start.with_second_layer(b)


ALL = (
    "signed and correlated", "mixed", "two-layer", "two-layer, any link", "covariance", "preconditioned",
    "two-layer, correlated, under a covariance",
)  # fmt: skip


def quadrature(teacher, W):
    """Samples and weights with which means of a step are those over the input's law.

    Gauss's rule along each axis is exact for polynomials. A step for ReLU is homogeneous of degree two in the sample,
    so in two dimensions a circle of radius √2 will do, and Gauss's rule from kink to kink, at right angles to neurons.
    """
    if teacher.link.closed_form is not None:
        kinks = np.vstack([W, np.eye(2) if teacher.frame is None else teacher.frame])
        ends = np.sort((np.arctan2(*kinks.T[::-1])[:, None] + np.pi * np.array([0.5, 1.5])).ravel() % (2 * np.pi))
        lengths = np.diff(np.append(ends, ends[0] + 2 * np.pi))
        z, p = np.polynomial.legendre.leggauss(12)
        angle = (ends[:, None] + lengths[:, None] * (z + 1) / 2).ravel()
        return np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1), np.outer(lengths, p).ravel() / (4 * np.pi)
    z, p = roots_hermitenorm(5)
    dim = W.shape[1]
    X, P = (np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim) for axis in (z, p / p.sum()))
    return X, P.prod(axis=1)


@eqx.filter_jit
def mean_step_and_gradient(dynamics, weights, X, p):
    """The mean over samples of a step over its rate, the step on a batch of four, and the gradient of ½E(f* - f)²."""
    engine, rule, teacher = dynamics.engine, dynamics.rule, dynamics.teacher

    def change(batch):
        noise, state = DirectNoise(batch, None), State(weights, None)
        new = engine.step(rule, None, teacher, state, noise, jnp.asarray(0.1), jnp.asarray(0)).weights
        return jax.tree.map(lambda new, old: (new - old) / 0.1, new, weights)

    each = jax.vmap(change)(X[:, None])
    mean = jax.tree.map(lambda leaf: jnp.tensordot(p, leaf, 1), each)
    of_four = jax.tree.map(lambda leaf: leaf[:4].mean(axis=0), each)
    loss = jax.grad(lambda weights: 0.5 * teacher.second_moment * rule.risk(teacher, weights))
    return mean, (of_four, change(X[:4])), loss(weights)


@pytest.mark.parametrize("name", ALL)
def test_the_mean_step_is_down_the_gradient_of_the_population_risk(name):
    """Under a covariance by λ times as much along each axis of whitened weights; the second layer at its own rate."""
    two_layer = name.startswith("two-layer")
    teacher, start = problem(name, *(2, 2, 2) if two_layer else (3, 4, 5))
    rate = 0.3 if two_layer else 1.0
    experiment = sgd.Experiment(
        teacher, start, steps=1, learning_rate=0.1, second_layer_rate=rate, coordinates="direct"
    )
    dynamics, states = experiment.simulation.dynamics, experiment.simulation.initial_states(1)
    weights = Weights(np.asarray(states.W[0]), np.asarray(states.b[0]))
    X, p = quadrature(dynamics.teacher, weights.W)
    mean, (one_by_one, at_once), slope = mean_step_and_gradient(dynamics, weights, X, p)
    speeds = np.asarray(teacher.covariance.eigenvalues) if "under" in name or name == "covariance" else 1.0
    np.testing.assert_allclose(mean.W, -speeds * np.asarray(slope.W), atol=1e-12)
    np.testing.assert_allclose(mean.b, -rate * np.asarray(slope.b), atol=1e-12)
    assert np.abs(slope.W).max() > 0.05
    for one, other in zip(one_by_one, at_once, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-13)


@pytest.mark.parametrize("name", [ALL[0], *(pytest.param(name, marks=pytest.mark.large) for name in ALL[1:])])
def test_small_steps_follow_the_gradient_flow(name):
    """At η = 0.02 on batches of 3000 the risk is the flow's within 3 %, the overlaps within 0.03."""
    teacher, start = problem(name)
    run = sgd.simulate(teacher, start, learning_rate=0.02, steps=120, batch_size=3000, coordinates="direct", rows=12)
    flow = rc.solve(rc.Coupled(), teacher, start, run.times[1:])
    assert flow.risk[-1] < 0.75 * run.risk[0]
    np.testing.assert_allclose(run.risk[1:], flow.risk, rtol=0.03)
    np.testing.assert_allclose(run.overlaps[-1], flow.alignment[-1], atol=0.03)


@pytest.mark.large
@pytest.mark.parametrize(
    ("name", "rate", "batch_size"),
    [
        ("signed and correlated", 0.02, 2), ("mixed", 0.002, 2), ("two-layer", 0.02, 2),
        ("two-layer, any link", 0.02, 2),
        ("covariance", 0.01, 1), ("covariance", 0.04, 7), ("two-layer, under a covariance", 0.03, 4),
    ],
)  # fmt: skip
def test_reduced_coordinates_have_the_law_of_direct_simulation(name, rate, batch_size):
    teacher, start = problem(name)
    settings = {"teacher": teacher, "start": start, "learning_rate": rate, "steps": 60, "rows": 3}
    left, right = (
        sgd.Experiment(coordinates=coordinates, batch_size=batch_size, **settings).ensemble(range(first, first + 200))
        for coordinates, first in (("direct", 0), ("reduced", 200))
    )
    assert [e.config["coordinates"] for e in (left, right)] == ["direct", "reduced"]
    assert np.nanstd(right.risk[:, -1]) > 5e-3
    ends = [np.nan_to_num(np.c_[e.risk[:, -1], e.overlaps[:, -1]], nan=np.inf) for e in (left, right)]
    p = [ks_2samp(one, other).pvalue for one, other in zip(ends[0].T, ends[1].T, strict=True)]
    assert min(p) > 0.05 / 28


def test_a_second_layers_own_rate_is_of_runs_with_one():
    settings = {"learning_rate": 0.02, "steps": 120, "second_layer_rate": 0.0}
    teacher, start = problem("two-layer")
    experiment = sgd.Experiment(teacher, start, **settings)
    assert experiment.config()["second_layer_rate"] == 0
    teacher, start = problem("mixed")
    with pytest.raises(rc.ArgumentError, match="`second_layer_rate` must be left out for a student without"):
        sgd.Experiment(teacher, start, **settings)
