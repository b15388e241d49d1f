"""Planned learning rates against loops that are written out as torch's documentation has them."""

import math

import numpy as np
import pytest

import riccati as rc
from riccati.problem import as_schedule, schedule_named
from riccati.sgd import Cosine, Linear, Piecewise, PowerLaw, StepDecay, WarmUp


def cosine(n, eta=0.3, T=7, least=0.02):
    """By torch's recursion, which its documentation gives beside the closed form."""
    rate = eta
    for step in range(n):
        if (step - T) % (2 * T) == 0:
            rate += (eta - least) * (1 - math.cos(math.pi / T)) / 2
        else:
            rate = least + (1 + math.cos(math.pi * (step + 1) / T)) / (1 + math.cos(math.pi * step / T)) * (
                rate - least
            )
    return rate


def linear(n, eta=0.3, start=0.25, end=2.0, total=5):
    rate = eta * start
    for step in range(1, min(n, total) + 1):
        rate *= 1 + (end - start) / (total * start + (step - 1) * (end - start))
    return rate


def dropped(n, eta=0.3, every=4, gamma=0.5):
    rate = eta
    for step in range(1, n + 1):
        rate *= gamma if step % every == 0 else 1.0
    return rate


def warmed(n, W=3, start=0.1):
    return cosine(0) * (start + (1 - start) * n / W) if n < W else cosine(n - W)


SCHEDULES = {
    "cosine": (Cosine(0.3, 7, 0.02), cosine, {"name": "cosine", "T_max": 7, "eta_min": 0.02}),
    "linear": (
        Linear(0.3, 0.25, 2.0, 5), linear,
        {"name": "linear", "start_factor": 0.25, "end_factor": 2.0, "total_iters": 5},
    ),
    "step": (StepDecay(0.3, 4, 0.5), dropped, {"name": "StepLR", "step_size": 4, "gamma": 0.5}),
    "warm-up": (
        WarmUp(Cosine(0.3, 7, 0.02), 3, 0.1), warmed,
        {"name": "cosine", "T_max": 7, "eta_min": 0.02, "warmup": 3, "warmup_start_factor": 0.1},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schedule", "loop", "words"), SCHEDULES.values(), ids=SCHEDULES)
def test_rates_are_those_of_torchs_recursions(schedule, loop, words):
    expected = np.array([loop(n) for n in range(13)])
    np.testing.assert_allclose(schedule.rates(0, 13), expected, rtol=1e-12)
    np.testing.assert_allclose(schedule.rates(2, 5), expected[2:7], rtol=1e-12)
    np.testing.assert_allclose(schedule.scaled(2.0).rates(0, 13), 2 * expected, rtol=1e-12)
    np.testing.assert_allclose(schedule.rates_at([11, 0]), expected[[11, 0]], rtol=1e-12)
    assert as_schedule(words | {"learning_rate": 0.3}) == schedule
    sgd = rc.SGD(words | {"learning_rate": 0.3}, momentum=0.5)
    np.testing.assert_allclose(sgd.times([0, 4, 12]), 2 * np.array([0, expected[:4].sum(), expected[:12].sum()]))


@pytest.mark.parametrize("schedule", [each[0] for each in SCHEDULES.values()] + [WarmUp(PowerLaw(0.1, 0.5, 9.0), 4)])
def test_what_a_file_says_of_a_schedule_is_that_schedule(schedule):
    keys = schedule.describe()
    if "name" in keys["schedule"]:
        assert as_schedule(keys["schedule"] | {"learning_rate": keys["learning_rate"]}) == schedule


def test_a_warm_up_without_a_factor_begins_at_a_step_of_its_length():
    np.testing.assert_allclose(
        schedule_named("constant", 0.4, warmup=4).rates(0, 6), 0.4 * np.array([0.25, 0.4375, 0.625, 0.8125, 1, 1])
    )


def test_a_list_is_constant_between_its_steps():
    pairs = [[5, 0.1], [8, 0.02], [20, 0.3]]
    each = np.array([0.1 if n < 8 else 0.02 if n < 20 else 0.3 for n in range(30)])
    for schedule in (Piecewise(pairs), as_schedule(np.array(pairs)), rc.SGD(pairs).schedule):
        np.testing.assert_array_equal(schedule.rates(0, 30), each)
        np.testing.assert_allclose(schedule.times_at(np.array([0.0, 8, 9, 29])), [0, 0.8, 0.82, each[:29].sum()])
        np.testing.assert_array_equal(schedule.scaled(3).rates(7, 2), 3 * each[7:9])
    assert Piecewise(pairs).describe() == {"schedule": pairs}
    assert hash(rc.SGD(pairs)) == hash(rc.SGD(Piecewise(np.array(pairs))))


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ({"name": "cosine", "learning_rate": 0.1}, "`T_max` must be given for cosine"),
        ({"name": "cosine", "learning_rate": 0.1, "T_max": 2.5}, "`T_max` must be a whole number"),
        ({"name": "cosine", "T_max": 10}, "`learning_rate` must be given in the dictionary"),
        ({"name": "step", "learning_rate": 0.1, "step_size": 3, "T_max": 9}, "`T_max` must be left out for step"),
        ({"name": "exotic", "learning_rate": 0.1}, "`schedule` must be one of constant, cosine, linear"),
        ({"learning_rate": 0.1, "T_max": 9}, "`schedule` must have a name"),
        ({"name": "constant", "learning_rate": 0.1, "warmup": 0}, "`warmup` must be a whole number ≥ 1"),
        ({"name": "constant", "learning_rate": 0.1, "warmup_start_factor": 0.1}, "`warmup_start_factor` must be given"),
        ({"name": "direction", "learning_rate": 0.1, "warmup": 5}, "`after` must be a schedule that does not depend"),
        ([[0, 0.1], [0, 0.2]], "`schedule` must be a list of pairs"),
        ("cosine", "`learning_rate` must be a number > 0, a function of the step, or a schedule"),
    ],
)
def test_what_is_no_schedule_is_refused(rate, message):
    with pytest.raises(rc.ArgumentError, match=message):
        rc.SGD(rate)


def test_what_takes_one_step_size_refuses_a_schedule_by_name():
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 40, 0.3, seed=0)
    sgd = rc.SGD(Cosine(1e-4, 100))
    for call in (lambda: rc.FiniteStep.of(sgd, 40), lambda: rc.emergence_law(teacher, start, sgd)):
        with pytest.raises(
            rc.ArgumentError, match="`learning_rate` must be one number here, but is a schedule, Cosine"
        ):
            call()
