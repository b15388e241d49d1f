"""β from a measured risk curve."""

import dataclasses

import numpy as np
import pytest

import riccati as rc
from riccati.scaling import infer_beta


@pytest.fixture(scope="module")
def run():
    teacher = rc.Teacher.power_law(4, 1.2, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 4, 300, 0.1, seed=2)
    return rc.sgd.simulate(teacher, start, learning_rate=0.1 / 300, steps=14_000, seed=1, rows=60)


def test_beta_of_a_run_is_found_without_looking_at_its_own(run):
    config = {key: value for key, value in run.config.items() if key != "second_layer"}
    found = infer_beta(dataclasses.replace(run, config=config | {"beta": 0.3, "teacher_width": 4}))
    assert found.interval[0] <= 1.2 <= found.interval[1]
    assert 0.005 < found.interval[1] - found.interval[0] < 0.4
    assert np.abs(np.log(found.fitted / found.risk)).max() < 0.3
    assert "a_m ∝ m^-β" in repr(found)


def test_a_curve_that_cannot_tell_is_refused(run):
    early = rc.Run(run.steps[:34], run.loss[:34], None, run.config)
    with pytest.raises(rc.ArgumentError, match="reach past the first emergence"):
        infer_beta(early)
    with pytest.raises(rc.ArgumentError, match="have initial_overlaps and dim"):
        infer_beta(dataclasses.replace(run, config={k: v for k, v in run.config.items() if k != "initial_overlaps"}))
    with pytest.raises(rc.ArgumentError, match="have the link h_2"):
        infer_beta(dataclasses.replace(run, config=run.config | {"information_exponent": 4, "link": "he4"}))
