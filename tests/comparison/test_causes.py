"""The table of known causes: what each changes, and that none of them is what a run has already."""

import math

import numpy as np
import pytest

import riccati as rc
from riccati.comparison.causes import agrees, causes_near, causes_of_clock, causes_of_loss, loss_factor
from riccati.comparison.clock import Clock
from riccati.problem import population_risk

START = {"init_norm": 0.5, "initial_overlaps": [[0.1, 0.2], [0.2, 0.1]], "initial_student_gram": [[1, 0], [0, 1]]}
CONFIG = {"information_exponent": 2, "beta": 1.0, "teacher_width": 2, "learning_rate": 0.1, "batch_size": 8, "dim": 50,
          "student_width": 2, "loss": "(f*-f)^2", "training_loss": "0.5*(f*-f)^2"} | START  # fmt: skip


def run_of(scale=1.0, **keys):
    config = {key: value for key, value in (CONFIG | keys).items() if value is not None}
    steps = np.arange(0, 80, 4)
    run = rc.Run(steps, np.linspace(1, 0.5, 20), np.full((20, 2), 0.3), config)
    begun = float(population_risk(run.teacher, run.start.directions, run.start.amplitudes))
    return rc.Run(steps, scale * begun * run.loss, run.overlaps, config)


def test_no_cause_is_what_the_run_says_already():
    for said, other in (("0.5*(f*-f)^2", "(f*-f)^2"), ("(f*-f)^2", "0.5*(f*-f)^2")):
        causes = causes_of_clock(run_of(training_loss=said))
        assert [c.keys["training_loss"] for c in causes if "training_loss" in c.keys] == [other]
    for said in ("0.5*(f*-f)^2", "(f*-f)^2", "risk"):
        run = run_of(loss=said)
        assert said not in [c.keys["loss"] for c in causes_of_loss(run, run.teacher, run.start) if "loss" in c.keys]
    assert all(c.keys.get("learning_rate") != 0.1 for c in causes_of_clock(run_of()))


def test_a_clock_is_what_the_changed_run_says():
    """The run's times over theory's: with the cause, a step lasts so many times less."""
    run = run_of()
    for cause in causes_of_clock(run):
        changed = cause.changed(run)
        if cause.divided > 1:
            np.testing.assert_array_equal(changed.steps * cause.divided, run.steps[:: cause.divided // 4])
        elif "second_layer" not in cause.keys:
            assert changed.time_per_step == pytest.approx(run.time_per_step / cause.clock)


def test_a_loss_twice_too_large_has_the_other_conventions_as_its_causes():
    halved = run_of(scale=2.0, loss="0.5*(f*-f)^2")
    factor = loss_factor(halved, halved.teacher, halved.start)
    assert factor == pytest.approx(4.0, rel=1e-3)  # the column holds twice (f* - f)², which is four times half of it
    assert loss_factor(run_of(), run_of().teacher, run_of().start) is None
    named = run_of(scale=1.0, loss="0.5*(f*-f)^2")
    near = [c for c in causes_of_loss(named, named.teacher, named.start) if agrees(2.0, 0.0, c.loss)]
    assert [c.keys["loss"] for c in near] == ["(f*-f)^2"]


def test_momentum_and_a_sum_over_the_batch_are_told_apart_by_their_errors():
    """10 and 8 times as fast: both are near a clock of 0.11, and a proof takes one or both."""
    names = [str(c) for c in causes_near(run_of(), Clock(0.11, 0.02), exact=False)]
    assert any("momentum = 0.9" in name for name in names)
    assert any("summed over the batch" in name for name in names)
    assert not any("momentum = 0.5" in name for name in names)
    assert not agrees(0.1, 0.02, 0.125)
    assert agrees(0.11, 0.1, 0.1)
    assert agrees(0.11, 0.1, 0.125)


def test_an_exact_risk_was_computed_with_the_second_layer():
    clock = Clock(2 / math.sqrt(5), 0.02)
    assert any("second_layer" in c.keys for c in causes_near(run_of(), clock, exact=False))
    assert not any("second_layer" in c.keys for c in causes_near(run_of(), clock, exact=True))


def test_steps_that_count_samples_are_divided():
    (cause,) = [c for c in causes_of_clock(run_of()) if c.divided > 1]
    assert (cause.clock, cause.divided) == (8, 8)
    assert "count samples" in str(cause)
    assert not [c for c in causes_of_clock(run_of(batch_size=1)) if c.divided > 1]
