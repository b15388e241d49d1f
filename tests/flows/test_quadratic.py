"""The exact weights flow against an integration of dW/dτ = S*W - W(WᵀW)."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from systems import problem

import riccati as rc


def integrated(teacher, start, riccati_times):
    """Risk and diag ΘᵀSΘ by DOP853 on the weights in reduced coordinates."""
    W = np.asarray(start.weights).T
    rates = np.r_[np.asarray(teacher.a), np.zeros(start.student_width)]

    def velocity(_, flat):
        w = flat.reshape(W.shape)
        return (rates[:, None] * w - w @ (w.T @ w)).ravel()

    scale = np.abs(W).max()
    out = solve_ivp(
        velocity, (0, riccati_times[-1]), W.ravel(), "DOP853", riccati_times, rtol=1e-12, atol=1e-14 * scale
    )
    S = [w.reshape(W.shape) @ w.reshape(W.shape).T for w in out.y.T]
    risk = [np.sum((s - np.diag(rates)) ** 2) for s in S]
    return np.array(risk), np.array([np.diag(s)[: teacher.width] for s in S])


@pytest.mark.parametrize("norm", [1e-12, 1e-4, 0.3, 1.0])
@pytest.mark.parametrize(("width", "neurons"), [(1, 1), (4, 2), (4, 4), (4, 7)])
def test_agrees_with_an_integration_of_the_weights(width, neurons, norm):
    teacher, start = problem(width, neurons, 30, 1.0, norm=norm, seed=2)
    needed = np.log(2 / norm**2) + 10
    tau = np.linspace(0, 2 * needed / float(teacher.a[0]), 12)
    solved = rc.solve(rc.Quadratic(), teacher, start, tau / 2)
    risk, radius = integrated(teacher, start, tau)
    np.testing.assert_allclose(solved.risk, risk, rtol=1e-7, atol=1e-11)
    np.testing.assert_allclose(solved.radius, radius, rtol=1e-7, atol=1e-11)


def test_alignment_is_that_of_the_subspace_flow():
    teacher, start = problem(8, 5, 100, 0.6, norm=1e-6)
    times = np.geomspace(0.1, 100, 20)
    subspace = rc.solve(rc.Riccati(), teacher, start, times)
    weights = rc.solve(rc.Quadratic(), teacher, start, times)
    np.testing.assert_allclose(weights.alignment, subspace.alignment, rtol=1e-11)
    assert np.all(weights.risk >= subspace.risk * (1 - 1e-12))
    assert np.all(np.diff(weights.risk) <= 1e-13)


def test_risk_keeps_its_digits_when_everything_is_learned():
    """Past learning, S - S* decays at rate 2a_1 or faster along one direction: the risk must follow below 1e-16."""
    teacher, start = problem(1, 1, 20, 0.0, norm=0.5)
    times = np.array([6.0, 9.0, 12.0])
    risk = np.asarray(rc.solve(rc.Quadratic(), teacher, start, times).risk)
    assert risk[0] < 1e-8
    np.testing.assert_allclose(risk[1:] / risk[:-1], np.exp(-12.0), rtol=1e-2)


def test_idle_neurons_decay_like_one_over_time():
    """For N > M the residual part of S obeys ds/dτ = -2s², whatever the teacher does."""
    teacher, start = problem(1, 3, 40, 0.0, norm=1.0)
    times = np.array([100.0, 200.0])
    risk = np.asarray(rc.solve(rc.Quadratic(), teacher, start, times).risk)
    np.testing.assert_allclose(risk[0] / risk[1], 4.0, rtol=0.05)


def test_radius_of_each_direction_tends_to_its_coefficient():
    teacher, start = problem(4, 6, 60, 1.0)
    solved = rc.solve(rc.Quadratic(), teacher, start, [2000.0])
    np.testing.assert_allclose(solved.radius[0], teacher.a, rtol=1e-3)


def test_one_neuron_with_small_norm_reaches_half_its_radius_when_predicted():
    """s_m reaches a_m/2 at about log(2a_m/s_0m)/(2a_m)."""
    teacher, start = problem(1, 1, 500, 0.0, norm=1e-12)
    s0 = 1e-24 * float(start.teacher_overlaps[0, 0] ** 2)
    tau = np.log(2 / s0) / 2
    radius = rc.solve(rc.Quadratic(), teacher, start, [tau / 2]).radius[0, 0]
    assert 0.4 < radius < 0.75
