"""What theory predicts for a run: the finite-step limit, the law of emergence times, and theory followed again."""

import numpy as np
import pytest

import riccati as rc
from riccati.comparison import Observation
from riccati.comparison.theory import beyond_scope, theory_of


@pytest.mark.large
def test_a_run_in_law_lies_between_the_quartiles_of_its_law_half_the_time():
    teacher = rc.Teacher([1.0], rc.Link.hermite(3))
    dim, batch = 300, 32
    start = rc.Start([[2.4 / np.sqrt(dim)]], norms=0.3, dim=dim)
    rate = 0.3 * batch * dim**-1.5
    experiment = rc.sgd.Experiment(
        teacher=teacher,
        start=start,
        learning_rate=rate,
        steps=int(0.4 * dim**0.5 / rate),
        rows=400,
        batch_size=batch,
    )
    several = experiment.ensemble(range(200))
    report = rc.compare(several.run(0))
    (e,) = report.emergence
    assert report.run.overlap == "neuron"
    assert e.measured is not None
    T = several.emergence_times()[:, 0]
    assert np.mean((e.early < T) & (e.late > T)) == pytest.approx(0.5, abs=0.12)


def test_the_finite_step_limit_is_null_where_it_does_not_apply():
    config = {
        "information_exponent": 2, "learning_rate": 0.01, "dim": 60, "teacher_width": 3, "student_width": 2, "beta": 1,
        "loss": "risk",
    }  # fmt: skip
    steps, risk = np.arange(20), np.linspace(1, 0.9, 20)
    report = rc.compare(rc.Run(steps, risk, None, config))
    assert report.finite_step is None
    assert report.to_json()["finite_step"] is None
    assert "no finite-step limit: the run does not give batch_size" in report.notes
    clocked = rc.Run(steps, risk, None, config | {"batch_size": 4}, clock=np.sqrt(steps) * 0.01)
    assert "learning rate is not constant" in rc.compare(clocked).table()


def test_theory_is_followed_again_by_the_limit_where_there_is_one_and_else_by_its_flow():
    config = {
        "information_exponent": 2, "learning_rate": 0.01, "dim": 60, "teacher_width": 3, "student_width": 2, "beta": 1,
        "loss": "risk", "batch_size": 4,
    }  # fmt: skip
    steps, risk = np.arange(20), np.linspace(1, 0.9, 20)
    twice = config | {"training_loss": "(f*-f)^2"}
    theory = theory_of(Observation(rc.Run(steps, risk, None, config)))
    again = theory.followed_again(Observation(rc.Run(steps, risk, None, twice)))
    assert theory.finite_step.flow.gamma == pytest.approx(0.01 * 60 / 4)
    assert again.trajectory.flow.gamma == pytest.approx(2 * 0.01 * 60 / 4)
    assert again.best is again.trajectory
    clock = np.sqrt(steps) * 0.01
    scheduled = theory_of(Observation(rc.Run(steps, risk, None, config, clock=clock)))
    assert scheduled.finite_step is None
    again = scheduled.followed_again(Observation(rc.Run(steps, risk, None, twice, clock=2 * clock)))
    assert isinstance(again.trajectory.flow, rc.Quadratic)


def test_overlaps_of_the_other_definition_are_compared_with_the_flow_and_not_with_the_limit():
    config = {
        "information_exponent": 2, "learning_rate": 0.01, "dim": 60, "teacher_width": 3, "student_width": 2, "beta": 1,
        "loss": "risk", "batch_size": 4, "overlap": "neuron",
    }  # fmt: skip
    steps, risk, overlaps = np.arange(20), np.linspace(1, 0.9, 20), np.linspace(0, 1, 60).reshape(20, 3)
    theory = theory_of(Observation(rc.Run(steps, risk, overlaps, config)))
    assert isinstance(theory.trajectory.flow, rc.Coupled)
    assert theory.overlaps is overlaps
    assert theory.native_overlaps is None
    assert theory.flow_alone.overlaps is None


def test_a_note_names_all_that_a_limit_does_not_cover():
    both = rc.Link.from_coefficients([0, 0, 0.8, 0.6])
    teacher = rc.Teacher([0.8, -0.6], both, links=[rc.Link.hermite(2), rc.Link.hermite(3)])
    start = rc.Start.random(teacher, 2, 40, norm=0.3)
    plain, decayed = rc.SGD(1e-3), rc.SGD(1e-3, momentum=0.5, weight_decay=0.1)
    assert beyond_scope("Decoupled", rc.Teacher([0.8, 0.6], rc.Link.hermite(3)), start, plain) == ""
    assert beyond_scope("Decoupled", rc.Teacher([0.8, 0.6], rc.Link.hermite(3)), start, decayed) == "weight decay"
    assert beyond_scope("Correlation", teacher, start, plain) == "negative a and a link for each direction"
    several = "negative a, a link for each direction and a link of several Hermite degrees"
    assert beyond_scope("infer_beta", teacher, start, plain) == several
