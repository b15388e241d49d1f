"""Frontiers, samples and the exponents they should have."""

import numpy as np
import pytest

import riccati as rc
from riccati.scaling import (
    AdditiveModel,
    Logistic,
    StepFunction,
    fit_power_law,
    frontier,
    measured_frontier,
    rates,
    risk_in_samples,
    samples_to_learn,
)
from riccati.scaling.students import students_of

H2, H4 = rc.Link.hermite(2), rc.Link.hermite(4)
WIDTHS = [64, 128, 256, 512, 1024]


def test_frontier_of_k4_and_what_a_grid_adds():
    teacher = rc.Teacher.power_law(5000, 0.8, H4)
    front = frontier(teacher, WIDTHS, dim=10**5, norm=1e-2)
    assert front.predicted == pytest.approx(-1 / 3)
    assert front.exponent == pytest.approx(-1 / 3, abs=0.01)
    assert front.width_fit.exponent == pytest.approx(1 / 1.8, abs=0.01)
    assert (front.grid_bias >= 0).all()
    assert np.mean(front.grid_bias) > 0.05
    assert front.compute_bias(2.0) == pytest.approx(0.5 * np.log(2), rel=0.25)  # a wedge: half of log r
    assert len(front.plot().lines) == len(WIDTHS) + 1


def test_frontier_of_k2():
    front = frontier(AdditiveModel.quadratic(5000, 1.0, 14.0), WIDTHS)
    assert front.exponent == pytest.approx(-0.5, abs=0.01)
    # of weights from norm r: T_m = L_m/(4a_m), L_m = log(a_m d/r² - 1), which dies out with log d only
    teacher = rc.Teacher.power_law(5000, 1.0, H2)
    front, far = (frontier(teacher, WIDTHS, dim=dim, norm=1e-2) for dim in (10**5, 10**12))
    assert abs(far.exponent + 0.5) < min(0.01, 0.6 * abs(front.exponent + 0.5))
    sharp = front.compute / np.log(float(teacher.a[0]) / front.width * 1e9 - 1)
    fit = fit_power_law(sharp, front.risk, floor="free", window=(sharp[0], sharp[-1]))
    assert fit.exponent == pytest.approx(-0.5, abs=0.01)


def test_students_of_k2_grow_logistically_from_the_stated_overlap():
    """dS/dt = 4S(a - S) from r²/d, or r²N/d from a typical start; what no neuron learns is left."""
    teacher, dim, norm, times = rc.Teacher.power_law(3, 1.0, H2), 10**4, 1e-2, np.linspace(0, 8, 9)
    a = np.asarray(teacher.a)
    for start, overlap in (("equal", 1 / dim), ("typical", 2 / dim)):
        risk, last = students_of(teacher, dim, norm, start)
        grown = norm**2 * overlap * np.exp(4 * a[:2] * times[:, None])
        S = grown / (1 + (grown - norm**2 * overlap) / a[:2])
        expected = ((a[:2] - S) ** 2).sum(1) + a[2] ** 2
        np.testing.assert_allclose(risk(2, times), expected, rtol=1e-6)
        assert last(2) == pytest.approx(np.log(a[1] / (norm**2 * overlap) - 1) / (4 * a[1]), rel=1e-12)


def test_frontier_of_measured_curves_agrees():
    model = AdditiveModel.power_law(2000, 2.0, 1.0, Logistic(5.0))
    widths = [int(64 * 1.2**n) for n in range(14)]
    exact = frontier(model, widths)
    teacher, times = rc.Teacher.power_law(2, 1.0, H2), np.geomspace(1, 2000, 400)
    runs = [
        rc.Run(np.arange(1, 401), model.risk(times, width), None, {"loss": "risk"}, clock=times) for width in widths
    ]
    front = measured_frontier(runs, widths)
    at = np.interp(np.log(front.compute), np.log(exact.compute), np.log(exact.risk))
    inside = (front.compute > exact.compute[0]) & (front.compute < exact.compute[-1])
    np.testing.assert_allclose(np.log(front.risk)[inside], at[inside], atol=0.02)
    with pytest.raises(rc.ArgumentError, match="`dim` must be given"):
        frontier(teacher, [1, 2, 3])
    with pytest.raises(rc.ArgumentError, match="`dim` must be left out"):
        frontier(model, WIDTHS, dim=9)


def test_the_envelope_between_measured_widths():
    """risk = N/C + 1/N is least at N = √C, where it is 2/√C."""
    widths, times = [10, 15, 22, 33, 50, 75, 110], np.geomspace(1, 1000, 800)
    runs = [rc.Run(np.arange(1, 801), 1 / times + 1 / width, None, {"loss": "risk"}, clock=times) for width in widths]
    front = measured_frontier(runs, widths)
    np.testing.assert_allclose(front.risk, 2 / np.sqrt(front.compute), rtol=2e-3)
    np.testing.assert_allclose(front.width, np.sqrt(front.compute), rtol=0.05)
    assert np.max(front.grid_bias) > 0.01
    assert front.exponent == pytest.approx(-0.5, abs=0.02)


def test_samples_of_one_direction_are_the_formula():
    """d^{k-1} z²/(2k(k-2)a²) · 2.4554, least over the step (derivations/sharp_limit.py)."""
    teacher = rc.Teacher.power_law(64, 1.0, H4)
    cost = samples_to_learn(teacher, 16, dim=10_000, student_width=256)
    z = 1 / (1e4 * rc.Start.typical(teacher, 256, 10_000).overlaps[15] ** 2)
    assert cost.samples == pytest.approx(float(1e12 * z**2 / (16 * teacher.a[15] ** 2) * 2.455407), rel=1e-4)
    assert cost.learning_rate == pytest.approx(float(0.715332 * 2 * teacher.a[15] / z * 1e-8), rel=1e-2)
    falling = samples_to_learn(teacher, 16, dim=10_000, student_width=256, step="proportional")
    assert falling.samples > cost.samples  # a large step early costs later directions their start
    assert falling.learning_rate[0] == pytest.approx(16 * falling.learning_rate[15])


def test_exponents_in_samples():
    teacher = rc.Teacher.power_law(20_000, 1.0, H4)
    tops = np.unique(np.geomspace(10, 100, 14).astype(int))
    samples, risk = risk_in_samples(teacher, tops, dim=10**6, student_width=20_000)
    assert fit_power_law(tops, samples, window=(10, 100)).exponent == pytest.approx(2, abs=0.02)
    in_samples = fit_power_law(samples, risk, window=(samples[0], samples[-1])).exponent
    assert in_samples == pytest.approx(-0.5, abs=0.03)
    named = {rate.name: rate for rate in rates(1.0, 4)}
    assert named["risk in samples, SGD at the best constant step"].value == -0.5
    assert all(rate.formula and rate.source for rate in named.values())
    with pytest.raises(rc.ArgumentError, match=r"`beta` must be > 0\.5"):
        rates(0.5, 2)


def test_samples_of_k2_grow_with_d_log_d():
    teacher = rc.Teacher.power_law(64, 1.0, H2)
    costs = [samples_to_learn(teacher, 8, dim=dim, student_width=64).samples for dim in (10**4, 10**6)]
    assert costs[1] / costs[0] == pytest.approx(100 * np.log(1e6 / 64) / np.log(1e4 / 64), rel=1e-6)
    # two directions by hand: the noise of the second stage is that of the risk that is left
    pair, odds = rc.Teacher.power_law(2, 1.0, H2), np.log(1e4 / 2)
    a, g = np.asarray(pair.a), np.geomspace(0.05, 1.75, 4001)
    first = odds / (4 * a[0] - 2 * g)
    reached = np.maximum((4 * a[1] - 2 * g) * first, 0.0) - odds
    second = -reached / (4 * a[1] - 2 * g * a[1] ** 2)
    cost = samples_to_learn(pair, 2, dim=10**4, student_width=2)
    assert cost.samples == pytest.approx(1e4 * np.min((first + second) / g), rel=1e-6)
    with pytest.raises(rc.ArgumentError, match="`top` must be ≤"):
        samples_to_learn(teacher, 65, dim=10**4, student_width=100)


def test_steps_of_an_additive_model_are_their_own_frontier():
    model = AdditiveModel.power_law(3000, 2.0, 1.0, StepFunction())
    front = frontier(model, [32, 64, 128, 512])
    at = len(front.compute) // 2
    every = np.arange(32, 513)
    brute = min(model.risk([front.compute[at] / n], int(n))[0] for n in every)
    assert front.risk[at] == pytest.approx(brute, rel=0.02)
