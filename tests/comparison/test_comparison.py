"""compare and the command line, as a user meets them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import riccati as rc
from riccati.cli import app as cli
from riccati.numerics import first_crossings


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
    T = several.emergence_times()[:, 0]
    assert np.mean((e.early < T) & (e.late > T)) == pytest.approx(0.5, abs=0.12)


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


def test_the_finite_step_limit_is_null_where_it_does_not_apply():
    config = {"dim": 60, "teacher_width": 3, "student_width": 2, "beta": 1, "loss": "risk", "batch_size": 4}
    steps = np.arange(20)
    risk = np.linspace(1, 0.9, 20)
    for change, why in (
        ({"link": "relu", "learning_rate": 0.01}, "pure links"),
        ({"information_exponent": 2, "learning_rate": 0.01, "batch_size": None}, "does not give batch_size"),
    ):
        given = {key: value for key, value in {**config, **change}.items() if value is not None}
        report = rc.compare(rc.Run(steps, risk, None, given))
        assert report.finite_step is None
        assert report.to_json()["finite_step"] is None
        assert any(note.startswith("no finite-step limit: ") and why in note for note in report.notes)
    clocked = rc.Run(steps, risk, None, {**config, "information_exponent": 2}, clock=np.sqrt(steps) * 0.01)
    assert "learning rate is not constant" in rc.compare(clocked).table()


def test_a_cubic_run_without_overlaps_gets_the_typical_start():
    config = {
        "information_exponent": 3, "dim": 600, "teacher_width": 3, "student_width": 5, "beta": 1,
        "learning_rate": 0.1, "loss": "risk",
    }  # fmt: skip
    report = rc.compare(rc.Run(np.arange(400), np.linspace(1, 0.1, 400), None, config))
    assert report.flow == "Decoupled"
    assert any("typical start" in note for note in report.notes)
    assert all(e.predicted == e.decoupled for e in report.emergence if e.predicted)


def test_first_crossings_interpolates_and_skips_gaps():
    times = np.array([0.0, 1.0, 2.0, 3.0])
    overlaps = np.array([[0.0, 0.6, 0.1], [0.4, 0.7, np.nan], [0.6, 0.8, 0.2], [0.9, 0.9, 0.3]])
    np.testing.assert_allclose(first_crossings(times, overlaps), [1.5, 0.0, np.inf])


def run_cli(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["riccati", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


PROBLEM = ("--teacher-width", 6, "--student-width", 3, "--dim", 64)


def test_cli_solve_and_emergence(monkeypatch, capsys, tmp_path):
    code, out, _ = run_cli(
        monkeypatch, capsys, "solve", "--link", "he2", "--beta", 1, *PROBLEM, "--out", tmp_path / "o"
    )
    assert code == 0
    assert sorted(os.listdir(tmp_path / "o")) == ["emergence.csv", "risk.png", "trajectory.npz"]
    trajectory = rc.Trajectory.load(tmp_path / "o" / "trajectory.npz")
    table = np.genfromtxt(tmp_path / "o" / "emergence.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["time"], trajectory.emergence_times())
    code, out, _ = run_cli(monkeypatch, capsys, "emergence", *PROBLEM, "--flow", "Riccati", "--horizon", 50)
    assert code == 0
    assert "never" in out
    assert len(out.splitlines()) == 7


def test_cli_simulate_then_compare(monkeypatch, capsys, tmp_path):
    out = tmp_path / "o"
    problem = ("--teacher-width", 4, "--student-width", 3, "--dim", 200, "--steps", 3000, "--out", out)
    settings = ("--engine", "stiefel", "--learning-rate", 1e-3, "--batch-size", 4, "--second-phase-samples", 500)
    code, printed, _ = run_cli(monkeypatch, capsys, "simulate", *problem, *settings)
    assert code == 0
    assert "risk after Phase II on 500 samples" in printed
    assert sorted(os.listdir(out)) == ["run.csv", "run.json", "run.png"]
    code, printed, _ = run_cli(monkeypatch, capsys, "compare", out / "run.csv", "--out", out)
    assert code == 0
    assert "FiniteStep" in printed
    power = ("--learning-rate", 1e-3, "--schedule", "power", "--exponent", 0.5, "--scale", 100)
    code, _, _ = run_cli(monkeypatch, capsys, "simulate", *problem, *power)
    assert code == 0
    assert (out / "run.csv").read_text().startswith("step,canonical_time,loss,overlap_1")


def test_cli_finite_step(monkeypatch, capsys):
    settings = ("--flow", "FiniteStep", "--gamma", 0.05, "--horizon", 20, "--points", 20)
    code, out, _ = run_cli(monkeypatch, capsys, "emergence", *PROBLEM, *settings)
    assert code == 0
    assert "never" in out


def test_cli_verify(monkeypatch, capsys):
    code, out, _ = run_cli(monkeypatch, capsys, "verify", "deflation")
    assert code == 0
    assert out.splitlines()[0].startswith("deflation")
    code, _, err = run_cli(monkeypatch, capsys, "verify", "nothing")
    assert code == 2
    assert "No derivation is called nothing" in err


def test_cli_compare(monkeypatch, capsys, tmp_path):
    code, out, _ = run_cli(monkeypatch, capsys, "compare", "quadratic-homogeneous", "--out", tmp_path / "o")
    assert code == 0
    assert "risk: rms" in out
    assert sorted(os.listdir(tmp_path / "o")) == ["comparison.json", "comparison.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("solve", *PROBLEM, "--beta", -1), "Argument `beta` must be ≥ 0, but is -1.0."),
        (("solve", *PROBLEM, "--beta", "nan"), "`beta` must be ≥ 0"),
        (
            ("solve", *PROBLEM[:2], "--student-width", -3, *PROBLEM[4:]),
            "`student_width` must be a whole number ≥ 1, but is -3.",
        ),
        (
            ("solve", *PROBLEM[:2], "--student-width", 65, *PROBLEM[4:]),
            "`student_width` must be ≤ dim = 64, but is 65.",
        ),
        (("solve", *PROBLEM, "--link", "tanhh"), "`link` must be one of"),
        (("solve", *PROBLEM, "--flow", "Euler"), "`flow` must be one of"),
        (("solve", *PROBLEM, "--horizon", 0), "`horizon` must be > 0"),
        (("solve", *PROBLEM, "--points", 1), "`points` must be a whole number ≥ 2"),
        (("solve", *PROBLEM, "--norm", 0), "`norm` must be > 0"),
        (("solve", *PROBLEM, "--seed", -1), "`seed` must be ≥ 0"),
        (("solve", *PROBLEM, "--level", 2), "`level` must be < 1"),
        (("solve", "--teacher-width", "many"), "Invalid value for '--teacher-width'"),
        (("solve",), "Missing option"),
        (("dissolve",), "No such command"),
        (("solve", *PROBLEM, "--flow", "FiniteStep"), "`gamma` must be given with, and only with, the flow FiniteStep"),
        (("solve", *PROBLEM, "--gamma", 0.1), "`gamma` must be given with, and only with, the flow FiniteStep"),
        (("simulate", *PROBLEM, "--learning-rate", 0.1, "--steps", 0), "`steps` must be a whole number ≥ 1"),
        (("simulate", *PROBLEM, "--learning-rate", -1, "--steps", 5), "`learning_rate` must be > 0"),
        (
            ("simulate", *PROBLEM, "--learning-rate", 1, "--steps", 5, "--schedule", "power"),
            "`exponent` must be given for power",
        ),
        (("simulate", *PROBLEM, "--learning-rate", 1, "--steps", 5, "--engine", "gpu"), "`engine` must be one of"),
        (("compare", "nowhere.csv"), "`path` must be a file or a sample run"),
        (("compare", "hermite4", "--beta", -2), "`beta` must be ≥ 0, but is -2.0."),
        (("compare", "hermite4", "--loss-column", "mse"), "`loss_column` must be a column, but is mse"),
    ],
)
def test_cli_refuses_in_one_line_and_writes_nothing(monkeypatch, capsys, tmp_path, arguments, message):
    out = tmp_path / "o"
    extra = ("--out", out) if arguments[0] != "dissolve" else ()
    code, printed, err = run_cli(monkeypatch, capsys, *arguments, *extra)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert printed == ""
    assert not out.exists()


def test_cli_help_does_not_import_jax():
    code = """
import sys
from riccati.cli import main

sys.argv = ["riccati", "--help"]
try:
    main()
except SystemExit as stop:
    print(stop.code, "jax" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("0 False"), done.stderr
    assert "compare" in done.stdout
