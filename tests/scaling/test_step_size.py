"""The best constant step of a budget, and the best schedule."""

import numpy as np
import pytest

import riccati as rc
from riccati.laws import largest_safe
from riccati.scaling import optimal_schedule, recommended_step, samples_to_learn

SAMPLES = 12_000


@pytest.fixture(scope="module")
def problem():
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    return teacher, rc.Start.random(teacher, 2, 300, 0.1, seed=0)


@pytest.fixture(scope="module")
def report(problem):
    return optimal_schedule(*problem, samples=SAMPLES)


def excess(problem, gamma):
    """By the flow itself, at a constant step."""
    teacher, start = problem
    curve = rc.solve(rc.FiniteStep(gamma), teacher, start, [gamma / start.dim * SAMPLES])
    return float(curve.risk[0]) - float(teacher.a[2] ** 2)


def test_the_constant_step_is_the_best_of_the_flow(problem, report):
    gamma = report.constant.learning_rate[0] * 300
    assert report.constant.excess == pytest.approx(excess(problem, gamma), rel=1e-4)
    assert min(excess(problem, gamma * factor) for factor in (0.9, 1.1)) > report.constant.excess


def test_freer_families_leave_less(report):
    assert report.free.excess < report.power.excess <= report.form.excess < 1.001 * report.constant.excess
    assert report.gain > 1.2
    assert report.form.power == 1.0
    assert report.free.learning_rate[-1] < 0.5 * report.free.learning_rate[0]
    assert "gain" in repr(report)


def test_sgd_runs_at_a_plan_and_ends_lower(problem, report):
    teacher, start = problem
    left = []
    for plan in (report.constant, report.free):
        experiment = rc.sgd.Experiment(teacher=teacher, start=start, learning_rate=plan, steps=SAMPLES, rows=2)
        left.append(np.median(experiment.ensemble(range(12)).risk[:, -1]) - float(teacher.a[2] ** 2))
    assert left[1] < left[0]
    assert report.free(0) == pytest.approx(report.free.learning_rate[0])
    assert report.free(SAMPLES) == pytest.approx(report.free.learning_rate[-1])


def test_the_constant_step_is_one_at_which_hardly_a_run_diverges(problem):
    """So few samples would have it larger."""
    safe = largest_safe(rc.Problem(*problem))
    plan = recommended_step(*problem, samples=2500)
    assert 0.98 * safe < plan.learning_rate[0] * 300 <= safe * (1 + 1e-9)
    assert recommended_step(*problem, samples=5000).learning_rate[0] * 300 < 0.8 * safe


def test_the_constant_step_of_k4():
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(4))
    start = rc.Start.typical(teacher, 3, 40, 0.1)
    samples = 4 * int(samples_to_learn(teacher, 2, dim=40, student_width=3).samples)
    plan = recommended_step(teacher, start, samples=samples)
    gamma = plan.learning_rate[0] * 40

    def left(gamma):
        return float(rc.solve(rc.FiniteStep(gamma), teacher, start, [gamma / 40 * samples]).risk[0])

    assert plan.excess == pytest.approx(left(gamma), rel=1e-4)
    assert min(left(gamma * factor) for factor in (0.8, 0.9)) > plan.excess  # at a larger step the weights explode


def test_batches_do_not_matter_and_what_is_not_possible_is_refused(problem):
    teacher, start = problem
    one, ten = (recommended_step(teacher, start, samples=SAMPLES, batch_size=size) for size in (1, 10))
    np.testing.assert_allclose(ten.learning_rate, 10 * one.learning_rate)
    with pytest.raises(rc.ArgumentError, match="`samples` must be so many"):
        recommended_step(teacher, start, samples=10)
    relu = rc.Teacher.power_law(3, 1.0, rc.Link.named("relu"))
    with pytest.raises(rc.ArgumentError, match="pure link"):
        recommended_step(relu, start, samples=10)


def test_a_plan_is_an_algorithm(report):
    constant, free = report.constant.sgd, report.free.sgd
    assert constant.is_constant
    assert constant.rate == report.constant.learning_rate[0]
    assert not free.is_constant
    np.testing.assert_allclose(free.schedule.rates(0, 3), [report.free(n) for n in range(3)])
