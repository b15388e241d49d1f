"""SGD beyond the standard problem: signed, correlated and mixed teachers, covariances, both layers."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

import riccati as rc
from riccati import sgd

SECOND, FOURTH, RELU = rc.Link.hermite(2), rc.Link.hermite(4), rc.Link.named("relu")
MIXED = rc.Link.from_coefficients([0, 0, 1, 0, 1])
DIM, NEURONS, A = 30, 4, [1.0, -0.7, 0.4]


def correlated():
    return np.random.default_rng(0).normal(size=(3, DIM))


def uneven(**settings):
    """Past three directions two groups of equal eigenvalues that are reduced, of nine and eight; one that is smaller
    than the student and one that is larger, both kept whole; and single ones."""
    groups = [np.full(9, 0.6), np.full(3, 1.2), np.full(8, 1.4), np.full(5, 0.4), 0.5, 0.9]
    return rc.Covariance(np.r_[1.0, 1.5, 0.8, *groups], **settings)


def problem(name):
    rng = np.random.default_rng(1)
    W = rng.normal(size=(NEURONS, DIM))
    W *= 0.5 / np.linalg.norm(W, axis=1, keepdims=True)
    Theta, covariance, b = np.eye(3, DIM), None, None
    match name:
        case "signed and correlated":
            teacher, Theta = rc.Teacher.from_directions(correlated(), A, SECOND, lengths="divided"), correlated()
        case "mixed":
            teacher = rc.Teacher([0.9, 0.6, -0.4], MIXED, links=[SECOND, FOURTH, MIXED])
        case "two-layer":
            teacher, b = rc.Teacher([1.0, 0.7, -0.5], RELU), [0.5, -0.5, 0.3, -0.7]
        case "two-layer, under a covariance":
            covariance, b = uneven(), [0.5, -0.5, 0.3, -0.7]
            teacher = rc.Teacher([1.0, 0.7, -0.5], RELU, covariance=covariance)
        case "two-layer, correlated, under a covariance":
            covariance, b, Theta = uneven(), [0.5, -0.5, 0.3, -0.7], correlated()
            teacher = rc.Teacher.from_directions(Theta, [1.0, 0.7, 0.5], RELU, covariance=covariance)
        case "covariance":
            covariance = uneven()
            teacher = rc.Teacher([1.0, 0.7, 0.5], SECOND, covariance=covariance)
        case "preconditioned":
            covariance = uneven(preconditioned=True)
            teacher = rc.Teacher([1.0, 0.7, 0.5], SECOND, covariance=covariance)
    start = rc.Start.from_weights(W, Theta, covariance)
    return teacher, start if b is None else start.with_second_layer(b)


ALL = (
    "signed and correlated", "mixed", "two-layer", "covariance", "preconditioned",
    "two-layer, correlated, under a covariance",
)  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_small_steps_follow_the_gradient_flow(name):
    """At η = 0.02 on batches of 3000 the risk is the flow's within 3 %, the overlaps within 0.03."""
    teacher, start = problem(name)
    run = sgd.simulate(teacher, start, learning_rate=0.02, steps=120, batch_size=3000, coordinates="direct", rows=12)
    flow = rc.solve(rc.Coupled(), teacher, start, run.times[1:])
    assert flow.risk[-1] < 0.75 * run.risk[0]
    np.testing.assert_allclose(run.risk[1:], flow.risk, rtol=0.03)
    np.testing.assert_allclose(run.overlaps[-1], flow.alignment[-1], atol=0.03)


@pytest.mark.parametrize(
    ("name", "rate", "batch_size"),
    [
        ("signed and correlated", 0.02, 2), ("mixed", 0.002, 2), ("two-layer", 0.02, 2),
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
    assert min(p) > 0.05 / 24


def test_a_frozen_second_layer_stays_and_the_first_follows_its_flow():
    teacher, start = problem("two-layer")
    settings = {"teacher": teacher, "start": start, "learning_rate": 0.02, "steps": 120, "batch_size": 3000}
    experiment = sgd.Experiment(coordinates="direct", rows=12, second_layer_rate=0.0, **settings)
    run = experiment.simulate()
    assert run.config["second_layer_rate"] == 0
    flow = rc.solve(rc.Coupled(second_layer_rate=0.0), teacher, start, run.times[1:])
    np.testing.assert_allclose(run.risk[1:], flow.risk, rtol=0.03)
    trained = rc.solve(rc.Coupled(), teacher, start, run.times[1:])
    assert abs(flow.risk[-1] / trained.risk[-1] - 1) > 0.1
    with pytest.raises(rc.ArgumentError, match="`second_layer_rate` must be left out for a student without"):
        sgd.Experiment(second_layer_rate=0.5, **settings | {"start": problem("mixed")[1]})
