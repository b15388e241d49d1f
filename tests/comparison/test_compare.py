"""Theory over runs: whose flow, which start, what is said."""

import contextlib
import dataclasses
import json
import os
import signal

import numpy as np
import pytest

import riccati as rc
from riccati.comparison import Comparison
from riccati.flows import FLOWS
from riccati.support import StopRequest

CUBIC = {
    "kind": "two_homogeneous", "information_exponent": 3, "dim": 600, "teacher_width": 3, "student_width": 5,
    "beta": 1, "learning_rate": 0.1, "loss": "risk", "training_loss": "0.5*(f*-f)^2", "overlap": "neuron",
}  # fmt: skip
SQUARE = CUBIC | {"information_exponent": 2, "dim": 60, "student_width": 2, "overlap": "subspace"}


def run_of(config, rows=50, overlaps=None, **changes):
    given = {key: value for key, value in (config | changes).items() if value is not None}
    return rc.Run(np.arange(rows), np.linspace(1, 0.5, rows), overlaps, given)


@pytest.mark.parametrize(("name", "flow"), [("quadratic-stiefel", "Riccati"), ("quadratic-homogeneous", "Quadratic")])
def test_first_six_emergence_times_are_within_a_quarter(tmp_path, name, flow):
    report = rc.compare(rc.Run.load(name))
    assert report.flow == flow
    for e in report.emergence[:6]:
        assert abs(e.predicted / e.measured - 1) < 0.25, e
        assert e.ratio == e.median / e.measured
        assert abs(e.ratio - 1) < 0.25, e
    report.save(tmp_path)
    held = json.loads((tmp_path / "comparison.json").read_text())
    assert held["flow"] == flow
    assert held["risk_rms_log10"] == report.risk_rms_log10 < 0.15
    assert held["ratio"] == "median T / measured T"
    assert "median T / measured T" in report.table()
    assert set(held["emergence"][0]) >= {"direction", "predicted", "measured", "ratio"}
    assert held["finite_step"]["risk_rms_log10"] == report.finite_step_deviation < 0.05
    assert held["finite_step"]["final_risk"] == pytest.approx(report.run.risk[-1], rel=0.05)
    assert (tmp_path / "comparison.png").stat().st_size > 10_000
    assert sorted(os.listdir(tmp_path)) == [
        "comparison.json", "comparison.pdf", "comparison.png", "comparison_curves.csv",
    ]  # fmt: skip
    assert "direction" in report.table()


def test_a_run_made_from_theory_agrees_with_it():
    teacher = rc.Teacher.power_law(4, 1, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 60, 0.1, seed=1)
    steps = np.arange(0, 4000, 20)
    truth = rc.solve(rc.Quadratic(), teacher, start, steps * 0.01)
    config = SQUARE | {
        "teacher_width": 4, "student_width": 3, "learning_rate": 0.01, "init_norm": 0.1,
        "initial_overlaps": np.asarray(start.teacher_overlaps).tolist(),
        "initial_student_gram": np.asarray(start.student_gram).tolist(),
    }  # fmt: skip
    run = rc.Run(steps, np.asarray(truth.risk), np.asarray(truth.alignment), config)
    report = rc.compare(run)
    assert report.assumed == ()
    assert report.risk_rms_log10 < 1e-8
    for e in report.emergence:
        assert e.ratio is None or abs(e.ratio - 1) < 1e-2
    doubled = rc.Run(steps, run.loss, None, {**config, "learning_rate": 0.005, "training_loss": "(f*-f)^2"})
    assert rc.compare(doubled, truth).risk_rms_log10 < 1e-8
    without_loss = rc.Run(steps, None, run.overlaps, config)
    report = rc.compare(without_loss, truth)
    assert [e.ratio for e in report.emergence] == [e.ratio for e in rc.compare(run, truth).emergence]
    assert report.to_json()["risk_rms_log10"] is None
    assert "risk: not logged" in report.table()
    report.plot()
    smaller = rc.Teacher.power_law(3, 1, rc.Link.hermite(2))
    other = rc.solve(rc.Quadratic(), smaller, rc.Start.random(smaller, 2, 60), [1.0])
    with pytest.raises(rc.ArgumentError, match="`trajectory` must have 4 directions"):
        rc.compare(run, other)


def test_a_run_without_overlaps_gets_a_random_start_and_says_so():
    report = rc.compare(run_of(SQUARE))
    assert report.assumed == (
        "no init_norm: 0.01 taken",
        "no initial_overlaps: a random start (seed 0) is taken",
    )
    held = report.to_json()
    assert held["assumed"] == list(report.assumed)
    assert held["provenance"]["start_settings"]["seed"] == 0
    assert "assumed: no init_norm: 0.01 taken" in report.table().splitlines()
    assert all(e.measured is None for e in report.emergence)
    assert "—" in report.table()
    assert report.verdict.sentence.startswith("none: initial_overlaps are not given")
    assert not any("takes replicas" in note for note in report.notes)
    report.plot()
    assert not any("init_norm" in line for line in rc.compare(run_of(SQUARE, init_norm=0.1)).assumed)


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


def test_everything_that_is_missing_is_named_at_once():
    with pytest.raises(rc.ArgumentError, match="`dim` must be given"):
        rc.compare(run_of(SQUARE, dim=None))
    with pytest.raises(
        rc.ArgumentError, match=r"must give learning_rate, beta \(or second_layer.*\), dim \(d\), in the"
    ):
        rc.compare(run_of(SQUARE, dim=None, beta=None, learning_rate=None))


def test_a_cubic_run_without_overlaps_gets_the_typical_start():
    report = rc.compare(run_of(CUBIC, 400))
    assert report.flow == "Decoupled"
    assert any("typical start" in line for line in report.assumed)
    assert all(e.predicted == e.decoupled for e in report.emergence if e.predicted)


@pytest.fixture(scope="module")
def followed():
    """A trajectory whose flow can be renamed."""
    teacher = rc.Teacher.power_law(3, 1, rc.Link.hermite(2))
    return rc.solve(rc.Quadratic(), teacher, rc.Start.random(teacher, 2, 60), np.linspace(0.05, 5, 50))


@pytest.mark.parametrize("flow", FLOWS)
def test_table_picture_and_json_name_the_flow_that_was_followed(followed, flow):
    chosen = FLOWS[flow](**({"gamma": 0.03} if flow == "FiniteStep" else {}))
    report = Comparison(run_of(SQUARE), dataclasses.replace(followed, flow=chosen), (), ())
    held = report.to_json()
    assert (held["flow"], held["flow_label"]) == (flow, chosen.label)
    assert f"{flow} ({chosen.label})" in report.table()
    (first, *_) = report.plot().axes[0].get_legend().get_texts()
    assert first.get_text() == chosen.label


def test_overlaps_of_another_definition_are_not_compared(followed):
    overlaps = np.linspace(0, 1, 150).reshape(50, 3)
    same = rc.compare(run_of(SQUARE, overlaps=overlaps), followed)
    assert same.emergence[0].measured is not None
    neuron = run_of(SQUARE, overlaps=overlaps, overlap="neuron")
    other = rc.compare(neuron, same.trajectory)
    assert all(e.measured is None for e in other.emergence)
    assert any("logged its overlaps as neuron" in note for note in other.notes)
    unsaid = rc.compare(run_of(SQUARE, overlaps=overlaps, overlap=None), same.trajectory)
    assert unsaid.emergence == same.emergence
    assert any(line.startswith("overlap does not say") for line in unsaid.assumed)


@contextlib.contextmanager
def stopped_at_once():
    yield StopRequest(signal.SIGINT)


@pytest.mark.parametrize("first", [0, 1])
def test_an_interrupt_is_not_compared_with(monkeypatch, first):
    monkeypatch.setattr("riccati.flows.reduced_coordinates.chunked_solve.orderly_stop", stopped_at_once)
    config = CUBIC | {"initial_overlaps": np.full((5, 3), 0.1).tolist(), "init_norm": 0.1}
    run = rc.Run(np.arange(first, 9), np.ones(9 - first), None, config)
    with pytest.raises(KeyboardInterrupt):
        rc.compare(run)


def test_a_diverged_run_is_reported_with_its_step(tmp_path):
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 50, norm=0.5, seed=0)
    run = rc.sgd.simulate(teacher, start, learning_rate=0.3, steps=500, rows=60)
    report = rc.compare(run)
    assert f"diverged at step {run.config['diverged_at_step']}" in report.table()
    assert any("explode" in note for note in report.notes)
    report.save(tmp_path)
    held = json.loads((tmp_path / "comparison.json").read_text())
    assert any("diverged at step" in note for note in held["notes"])
    assert held["finite_step"]["final_risk"] is None
    assert held["finite_step"]["outcome"] == "exploded"
    assert held["outcome"] == "complete"


def test_a_trajectory_that_ended_early_is_noted():
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 50, norm=0.5)
    with pytest.warns(UserWarning, match="The flow ends"):
        trajectory = rc.solve(rc.Coupled(max_steps=3), teacher, start, [0.0, 1.0, 500.0])
    report = rc.compare(run_of(SQUARE, teacher_width=2), trajectory)
    assert any("gradient flow ends after t = " in note and "max_steps" in note for note in report.notes)
    assert report.to_json()["outcome"] == "max_steps_reached"
