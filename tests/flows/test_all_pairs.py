"""The limit at step size γ/d of all neurons, any link: against the k = 2 limit, own pairs, outside moments, SGD."""

import json
from math import factorial
from pathlib import Path

import jax
import numpy as np
import pytest
from systems import weights_rates

import riccati as rc
from riccati.flows.gradient_noise import (
    counted_moments,
    graphs_of,
    multigraphs,
    neuron_system,
    pair_system,
    weights_system,
)
from riccati.problem import series_derivative

MIXED = rc.Link.from_coefficients([0.0, 0.0, 0.8, 0.6])
OUTSIDE = json.loads((Path(__file__).parent / "data" / "hermite_moments.json").read_text())["cases"]


@pytest.mark.parametrize("case", [case for case in OUTSIDE if "I4" in case][::4], ids=lambda case: f"he{case['k']}")
def test_four_point_means_are_those_of_an_independent_code(case):
    # E He_k'(a) He_k'(b) He_k(c) He_k(d), unnormalised polynomials: n = c, n' = d, i = a, l = b
    k, S = case["k"], np.array(case["covariance"])
    R = (S[2, 3], S[2, 0], S[2, 1], S[3, 0], S[3, 1], S[0, 1])
    terms = [
        np.prod([r**count / factorial(count) for r, count in zip(R, edges, strict=True)])
        for edges in multigraphs((k, k, k - 1, k - 1))
    ]
    assert factorial(k) ** 2 * factorial(k - 1) ** 2 * k**2 * sum(terms) == pytest.approx(case["I4"], rel=1e-12)


def test_counted_moments_are_those_of_quadrature():
    # one direction, one neuron: E (sσ(z) - aσ(ν))²σ'(z)² by Gauss-Hermite
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    m, a, s = 0.4, 0.8, 0.5
    nu = m * nodes[:, None] + np.sqrt(1 - m**2) * nodes
    residual = s * np.asarray(MIXED(nodes))[:, None] - a * np.asarray(MIXED(nu))
    exact = weights * np.asarray(MIXED.derivative(nodes)) ** 2 @ residual**2 @ weights
    R = np.array([[1.0, m], [m, 1.0]])
    layer = np.outer(np.asarray(MIXED.coefficients), [-a, s])
    slopes = np.asarray(series_derivative(MIXED.coefficients))[:, None]
    counted = jax.jit(counted_moments)(graphs_of(MIXED), layer, slopes, R)
    assert float(counted[0, 0]) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.1])
def test_for_h2_it_is_the_limit_of_the_weights(h2, gamma):
    teacher = rc.Teacher.power_law(4, 1.0, h2)
    problem = rc.Problem(teacher, rc.Start.random(teacher, 3, 20, 0.7, seed=1))
    of_neurons, of_weights = (weights_rates(system(problem, gamma)) for system in (neuron_system, weights_system))
    for one, other in zip(of_neurons, of_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("k", [3, 4])
def test_one_pair_is_the_own_pair(k):
    teacher = rc.Teacher([1.0], rc.Link.hermite(k))
    for m, norm in ((0.5, 0.3), (0.9, 1.2)):
        problem = rc.Problem(teacher, rc.Start([[m]], norms=norm))
        own, every = (
            jax.jit(system.velocity)(0.0, system.state, system.args)
            for system in (pair_system(problem, 0.1), neuron_system(problem, 0.1))
        )
        np.testing.assert_allclose(2 * every.log_norm, own.log_radius, rtol=1e-12)
        np.testing.assert_allclose(every.along[0], own.odds * m * (1 - m**2) / 2, rtol=1e-12)


def test_without_noise_it_is_gradient_flow():
    teacher = rc.Teacher.power_law(2, 1.0, MIXED)
    start, times = rc.Start.random(teacher, 3, 20, 0.1, seed=0), np.linspace(0.5, 20, 64)
    limit, flow = (rc.solve(f, teacher, start, times) for f in (rc.FiniteStep(1e-13), rc.Coupled()))
    np.testing.assert_allclose(limit.risk, flow.risk, rtol=1e-6)
    np.testing.assert_allclose(limit.alignment, flow.alignment, rtol=1e-5)
    assert flow.risk[-1] < 0.5
    np.testing.assert_array_equal(rc.solve(rc.FiniteStep(0.0), teacher, start, times).risk, flow.risk)


@pytest.mark.large
def test_sgd_on_a_mixed_link_follows_it_where_gradient_flow_does_not():
    """The means of its steps are those of quadrature (test_gradient_noise.py), at small sizes."""
    teacher = rc.Teacher.power_law(2, 1.0, MIXED)
    start = rc.Start.random(teacher, 3, 400, 0.3, seed=0)
    gamma, horizon = 0.05, 12.0
    rate = gamma / 400
    experiment = rc.sgd.Experiment(teacher=teacher, start=start, learning_rate=rate, steps=int(horizon / rate), rows=30)
    runs = experiment.ensemble(range(16))
    late = runs.times[0] > 8
    measured = np.median(runs.risk[:, late].mean(axis=1))
    limit, flow = (
        float(rc.solve(f, teacher, start, runs.times[0, late]).risk.mean())
        for f in (rc.FiniteStep(gamma), rc.Coupled())
    )
    assert limit == pytest.approx(measured, rel=0.1)
    assert flow < 0.8 * measured


def test_relu_averages_over_points_and_says_how_well():
    relu = rc.Link.named("relu")
    teacher = rc.Teacher.power_law(2, 1.0, relu)
    start = rc.Start.random(teacher, 2, 300, 0.3, seed=0)
    system = neuron_system(rc.Problem(teacher, start), 0.05)
    state, moments = system.state, system.args.moments
    s = np.exp(2 * state.log_norm)
    C = np.asarray(jax.jit(lambda *given: moments(*given))(teacher, state.along, state.rest[0], s))
    x = np.random.default_rng(0).standard_normal((2_000_000, 4))
    z = x @ np.asarray(start.directions).T
    e = np.maximum(z, 0) @ np.asarray(start.norms) ** 2 - np.maximum(x[:, :2], 0) @ np.asarray(teacher.a)
    slopes = e[:, None] * (z > 0)
    np.testing.assert_allclose(C, slopes.T @ slopes / len(x), rtol=5e-3)


@pytest.mark.parametrize(
    ("flow", "link", "message"),
    [
        (
            rc.FiniteStep(0.1, pairs="own"),
            MIXED,
            '`teacher` must have a pure link h_k, k > 2 for FiniteStep(pairs="own")',
        ),
        (rc.FiniteStep(0.1, pairs="all"), rc.Link.hermite(2), "`pairs` must be left out for the link h_2"),
        (rc.FiniteStep(0.1), rc.Link.named("sign"), "`teacher` must have a link with finite g'"),
        (rc.FiniteStep(0.05, constraint="stiefel"), MIXED, "`teacher` must have the pure link h_2 for FiniteStep"),
    ],
)
def test_what_it_does_not_describe_is_refused(flow, link, message):
    teacher = rc.Teacher.power_law(2, 1.0, link)
    with pytest.raises(rc.ArgumentError) as refused:
        rc.solve(flow, teacher, rc.Start.random(teacher, 2, 50, 0.1, seed=0), [1.0])
    assert message in str(refused.value)
