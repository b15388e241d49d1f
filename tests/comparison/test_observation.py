"""The run as it is compared: the rows that are used, and what it shows of itself."""

import numpy as np
import pytest
from comparison_draws import TIMES, risk_at

import riccati as rc
from riccati.comparison import DrawSetting, Observation

RISK = risk_at(TIMES, 1.0)
CONFIG = {"information_exponent": 2, "second_layer": [0.8, 0.6], "learning_rate": 0.1, "batch_size": 8, "dim": 50,
          "student_width": 2, "loss": "risk", "training_loss": "0.5*(f*-f)^2"}  # fmt: skip


def run_of(risk=RISK, clock=None, **keys):
    config = {key: value for key, value in (CONFIG | keys).items() if value is not None}
    return rc.Run(np.arange(1, 61), risk, np.full((60, 2), 1.0), config, clock=clock)


def test_a_stiefel_run_has_a_scale_and_a_run_without_a_batch_size_no_step():
    keys = {"kind": "stiefel_quadratic", "riccati_step": 0.1, "student_scale": 0.5}
    stiefel = Observation(run_of(**keys, learning_rate=None, training_loss=None))
    assert stiefel.on_stiefel
    assert stiefel.student_scale == 0.5
    free = Observation(run_of())
    assert free.student_scale is None
    assert free.unknown_step(None) == ""
    assert Observation(run_of(batch_size=None)).unknown_step(None) == "the run does not give batch_size"


def test_draws_for_a_run_with_a_clock_of_its_own_are_on_that_clock():
    clock = np.sqrt(np.arange(1.0, 61.0))
    observation = Observation(run_of(clock=clock, learning_rate=None))
    setting = DrawSetting.of(observation, observation.run.teacher, None, replicas=64)
    np.testing.assert_array_equal(setting.times, clock)


def test_of_many_rows_some_evenly_in_the_logarithm_are_held_against_draws():
    few = Observation(run_of())
    np.testing.assert_array_equal(few.rows, np.arange(60))
    many = Observation(rc.Run(np.arange(10**4), np.ones(10**4), None, CONFIG))
    assert len(many.rows) <= 200
    assert many.run.steps[many.rows[0]] == 1
    assert many.run.steps[many.rows[-1]] == 10**4 - 1


def test_emergence_times_are_read_off_the_overlaps_that_are_given():
    observation = Observation(run_of())
    assert observation.readings(None).emerged is None
    rising = np.linspace(0, 1, 60)[:, None] * [1.0, 0.4]
    emerged = observation.readings(rising).emerged
    assert emerged[0] == pytest.approx(np.interp(0.5, rising[:, 0], observation.run.times))
    assert emerged[1] == np.inf


def test_a_recorder_says_that_its_risk_is_exact_and_what_the_last_norms_are(tmp_path):
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    log = rc.Recorder(teacher, np.eye(2, 10), learning_rate=0.1, batch_size=4, training_loss="(f*-f)^2")
    W = np.random.default_rng(0).standard_normal((3, 10)) / 5
    log(0, W)
    log(1, W + 0.01 * W[:, ::-1])
    log.save(tmp_path / "run.csv")
    for run in (log.run(), rc.Run.load(tmp_path / "run.csv")):
        observation = Observation(run)
        assert observation.exact
        assert not observation.diverged
        assert not run.notes
        np.testing.assert_allclose(run.config["final_norms"], np.linalg.norm(W + 0.01 * W[:, ::-1], axis=1))
    assert not Observation(run_of()).exact


def test_a_risk_that_ends_far_above_where_it_began_is_diverged():
    assert Observation(run_of(np.r_[RISK[:-1], 3e9])).diverged
    assert not Observation(run_of(np.r_[RISK[:-1], 30.0])).diverged
    assert Observation(run_of(diverged_at_step=70)).diverged
