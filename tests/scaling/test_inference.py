"""β, the second layer and the clock from a measured risk curve."""

import dataclasses

import numpy as np
import pytest

import riccati as rc
from riccati.scaling import infer_beta, infer_second_layer
from riccati.support import RenamedArgument


def run_of(teacher, steps, rows):
    """Of three directions and neurons, so that every run and law shares its programs."""
    start = rc.Start.random(teacher, 3, 300, 0.1, seed=2)
    return rc.sgd.simulate(teacher, start, learning_rate=0.1 / 300, steps=steps, seed=2, rows=rows)


@pytest.fixture(scope="module")
def run():
    return run_of(rc.Teacher.power_law(3, 1.2, rc.Link.hermite(2)), 12_000, 60)


def with_config(run, **changes):
    return dataclasses.replace(run, config=run.config | changes)


def test_beta_of_a_run_is_inferred_without_looking_at_its_own(run):
    config = {key: value for key, value in run.config.items() if key != "second_layer"}
    inferred = infer_beta(dataclasses.replace(run, config=config | {"beta": 0.3, "teacher_width": 3}))
    assert inferred.interval[0] <= 1.2 <= inferred.interval[1]
    assert 0.005 < inferred.interval[1] - inferred.interval[0] < 0.4
    assert np.abs(np.log(inferred.fitted / inferred.risk)).max() < 0.3
    assert inferred.clock_interval is None
    assert "a_m ∝ m^-β" in repr(inferred)


def test_the_clock_of_a_run_is_inferred_where_its_configuration_is_wrong(run):
    inferred = infer_beta(with_config(run, learning_rate=0.6 * run.config["learning_rate"]), clock=True)
    assert inferred.clock_interval[0] <= 1 / 0.6 <= inferred.clock_interval[1]
    assert inferred.clock_interval[1] / inferred.clock_interval[0] < 1.5
    assert inferred.interval[0] <= 1.2 <= inferred.interval[1]
    assert "times the configuration's" in repr(inferred)


def test_the_second_layer_of_a_run_is_inferred_as_far_as_the_curve_tells(run):
    teacher = rc.Teacher([1.0, 0.6, 0.05], rc.Link.hermite(2))  # no power law
    inferred = infer_second_layer(run_of(teacher, 10_000, 120))
    a = np.asarray(teacher.a)
    assert list(inferred.determined) == [True, True, False]
    with pytest.warns(RenamedArgument, match="told is now InferredSecondLayer.determined"):
        assert list(inferred.told) == [True, True, False]
    assert ((inferred.intervals[:, 0] <= a) & (a <= inferred.intervals[:, 1]))[:2].all()
    assert inferred.intervals[0, 0] > inferred.intervals[1, 1]
    assert "a_3      not determined by the curve" in repr(inferred)


def test_a_curve_that_cannot_tell_is_refused(run):
    early = rc.Run(run.steps[:34], run.loss[:34], None, run.config)
    with pytest.raises(rc.ArgumentError, match="reach past the first emergence"):
        infer_beta(early)
    with pytest.raises(rc.ArgumentError, match="have initial_overlaps and dim"):
        infer_beta(dataclasses.replace(run, config={k: v for k, v in run.config.items() if k != "initial_overlaps"}))
    with pytest.raises(rc.ArgumentError, match="have a pure link"):
        infer_beta(with_config(run, information_exponent=1, link="relu"))
    few = rc.Run(run.steps[:54], run.loss[:54], None, run.config)
    with pytest.raises(rc.ArgumentError, match="β within"):
        infer_beta(few, level=1 - 1e-9)
    with pytest.raises(rc.ArgumentError, match="have 5 rows or more"):
        infer_beta(rc.Run(run.steps[:53], run.loss[:53], None, run.config))
