"""Theory over runs: whose flow, which start, what is said."""

import json
import os

import numpy as np
import pytest

import riccati as rc


@pytest.mark.parametrize(("name", "flow"), [("quadratic-stiefel", "Riccati"), ("quadratic-homogeneous", "Quadratic")])
def test_first_six_emergence_times_are_within_a_quarter(tmp_path, name, flow):
    report = rc.compare(rc.Run.load(name))
    assert report.flow == flow
    for e in report.emergence[:6]:
        assert abs(e.ratio - 1) < 0.25, e
    report.save(tmp_path)
    held = json.loads((tmp_path / "comparison.json").read_text())
    assert held["flow"] == flow
    assert held["risk_rms_log10"] == report.risk_rms_log10 < 0.15
    assert set(held["emergence"][0]) >= {"direction", "predicted", "measured", "ratio"}
    assert held["finite_step"]["risk_rms_log10"] == report.finite_step_deviation < 0.05
    assert held["finite_step"]["final_risk"] == pytest.approx(report.run.risk[-1], rel=0.05)
    assert (tmp_path / "comparison.png").stat().st_size > 10_000
    assert sorted(os.listdir(tmp_path)) == ["comparison.json", "comparison.png"]
    assert "direction" in report.table()


def test_a_run_made_from_theory_agrees_with_it():
    teacher = rc.Teacher.power_law(4, 1, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 60, 0.1, seed=1)
    steps = np.arange(0, 4000, 20)
    truth = rc.solve(rc.Quadratic(), teacher, start, steps * 0.01)
    config = {
        "information_exponent": 2, "dim": 60, "teacher_width": 4, "student_width": 3, "beta": 1, "learning_rate": 0.01,
        "init_norm": 0.1, "initial_overlaps": np.asarray(start.teacher_overlaps).tolist(),
        "initial_student_gram": np.asarray(start.student_gram).tolist(), "loss": "(f*-f)^2",
    }  # fmt: skip
    run = rc.Run(steps // 2, np.asarray(truth.risk)[:], np.asarray(truth.alignment), config)
    run = rc.Run(steps, np.asarray(truth.risk), np.asarray(truth.alignment), {**config, "loss": "risk"})
    report = rc.compare(run)
    assert report.risk_rms_log10 < 1e-8
    for e in report.emergence:
        assert e.ratio is None or abs(e.ratio - 1) < 1e-2
    doubled = rc.Run(steps, np.asarray(truth.risk), None, {**config, "learning_rate": 0.005})
    assert rc.compare(doubled).risk_rms_log10 < 1e-8
    assert rc.compare(run, truth).risk_rms_log10 < 1e-8
    other = rc.solve(rc.Quadratic(), *_smaller(), [1.0])
    with pytest.raises(rc.ArgumentError, match="`trajectory` must have 4 directions"):
        rc.compare(run, other)


def _smaller():
    teacher = rc.Teacher.power_law(3, 1, rc.Link.hermite(2))
    return teacher, rc.Start.random(teacher, 2, 60)


def test_a_run_without_overlaps_gets_a_random_start_and_says_so():
    config = {
        "information_exponent": 2,
        "dim": 60,
        "teacher_width": 3,
        "student_width": 2,
        "beta": 1,
        "learning_rate": 0.1,
        "loss": "risk",
    }
    run = rc.Run(np.arange(50), np.linspace(1, 0.5, 50), None, config)
    report = rc.compare(run)
    assert any("random start drawn in law" in note for note in report.notes)
    assert all(e.measured is None for e in report.emergence)
    assert "—" in report.table()
    report.plot()
    del config["dim"]
    with pytest.raises(rc.ArgumentError, match="`dim` must be given"):
        rc.compare(rc.Run(run.steps, run.loss, None, config))


def test_hermite4_is_predicted_by_the_coupled_and_the_decoupled_flow():
    report = rc.compare(rc.Run.load("hermite4"))
    assert report.flow == "Coupled"
    logs = {
        name: [abs(np.log(getattr(e, name) / e.measured)) for e in report.emergence]
        for name in ("predicted", "decoupled")
    }
    assert np.median(logs["predicted"]) <= 0.25
    assert np.median(logs["decoupled"]) <= 0.35
    assert "decoupled T" in report.table()
    assert "quartiles of T" in report.table()
    assert isinstance(report.finite_step.flow, rc.FiniteStep)
    assert report.finite_step.flow.gamma == pytest.approx(0.001 * 96 / 128)
    for e in report.emergence:
        assert e.early < e.late
        assert e.early < 1.3 * e.decoupled
    report.plot()


def test_a_diverged_run_is_reported_with_its_step(tmp_path):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 50, norm=0.5, seed=0)
    run = rc.sgd.simulate(teacher, start, learning_rate=0.3, steps=500, rows=60)
    report = rc.compare(run)
    assert f"diverged at step {run.config['diverged_at_step']}" in report.table()
    assert any("explode" in note for note in report.notes)
    report.save(tmp_path)
    held = json.loads((tmp_path / "comparison.json").read_text())
    assert any("diverged at step" in note for note in held["notes"])
    assert held["finite_step"]["final_risk"] is None


def test_a_cubic_run_without_overlaps_gets_the_typical_start():
    config = {
        "information_exponent": 3, "dim": 600, "teacher_width": 3, "student_width": 5, "beta": 1,
        "learning_rate": 0.1, "loss": "risk",
    }  # fmt: skip
    report = rc.compare(rc.Run(np.arange(400), np.linspace(1, 0.1, 400), None, config))
    assert report.flow == "Decoupled"
    assert any("typical start" in note for note in report.notes)
    assert all(e.predicted == e.decoupled for e in report.emergence if e.predicted)
