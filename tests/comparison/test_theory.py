"""What theory predicts for a run: the finite-step limit, the law of emergence times, and theory followed again."""

import numpy as np
import pytest

import riccati as rc


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
