"""Saving a comparison never costs the user a file."""

import dataclasses
import json
import os

import numpy as np
import pandas as pd
import pytest
from comparison_draws import drawn
from matplotlib.figure import Figure

import riccati as rc
from riccati.support import RenamedArgument


@pytest.fixture(scope="module")
def report():
    """A comparison of a run that theory made."""
    teacher = rc.Teacher.power_law(3, 1, rc.Link.hermite(2))
    trajectory = rc.solve(rc.Quadratic(), teacher, rc.Start.random(teacher, 3, 20), np.linspace(0.1, 3, 9))
    config = {"information_exponent": 2, "teacher_width": 3, "beta": 1, "learning_rate": 0.1, "loss": "risk"}
    return rc.compare(rc.Run(np.arange(1, 10), np.ones(9), None, config), trajectory)


def everything_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refuse(report, folder):
    before = everything_in(folder)
    with pytest.raises(rc.ArgumentError, match=r"^Argument `directory` must be another folder: comparison\.json"):
        report.save(folder)
    assert everything_in(folder) == before


@pytest.mark.parametrize("name", ["comparison.csv", "comparison.csv.gz", "comparison.npz", "comparison.jsonl"])
@pytest.mark.parametrize("sidecar", [True, False])
def test_a_run_named_comparison_keeps_its_json_file(report, tmp_path, name, sidecar):
    (tmp_path / name).write_text("step,loss\n0,1\n")
    if sidecar:
        (tmp_path / "comparison.json").write_text('{"dim": 3}')
    refuse(report, tmp_path)


@pytest.mark.parametrize("text", ['{"dim": 3}', "[1]", "not JSON", "[" * 10**5, ""])
def test_a_json_file_of_the_users_is_kept(report, tmp_path, text):
    (tmp_path / "comparison.json").write_text(text)
    refuse(report, tmp_path)


def test_links_to_the_users_files_are_kept(report, tmp_path):
    mine, there, linked = tmp_path / "mine", tmp_path / "there", tmp_path / "linked"
    mine.mkdir()
    there.mkdir()
    (mine / "run.csv").write_text("step,loss\n0,1\n")
    (mine / "run.json").write_text("{}")
    os.symlink(mine / "run.csv", there / "comparison.csv")
    refuse(report, there)
    os.unlink(there / "comparison.csv")
    os.symlink(mine / "run.json", there / "comparison.json")
    refuse(report, there)
    os.unlink(there / "comparison.json")
    os.symlink(there / "nowhere", there / "comparison.json")
    refuse(report, there)
    os.unlink(there / "comparison.json")
    (mine / "comparison.csv").write_text("step,loss\n0,1\n")
    os.symlink(mine, linked)
    refuse(report, linked)


def test_an_earlier_comparison_is_replaced(report, tmp_path):
    for _ in range(2):
        report.save(tmp_path / "o")
    held = json.loads((tmp_path / "o" / "comparison.json").read_text(encoding="utf-8"))
    assert held["flow"] == "Quadratic"
    assert sorted(os.listdir(tmp_path / "o")) == [
        "comparison.json", "comparison.pdf", "comparison.png", "comparison_curves.csv",
    ]  # fmt: skip


def test_a_table_of_the_users_is_kept(report, tmp_path):
    (tmp_path / "comparison_curves.csv").write_text("step,loss\n0,1\n")
    with pytest.raises(rc.ArgumentError, match=r"must be another folder: comparison_curves\.csv there was not written"):
        report.save(tmp_path)
    assert os.listdir(tmp_path) == ["comparison_curves.csv"]


@pytest.fixture(scope="module")
def partial():
    """A run whose third direction emerges in theory alone, and its comparison."""
    teacher = rc.Teacher.power_law(3, 0.5, rc.Link.hermite(2))
    trajectory = rc.solve(rc.Quadratic(), teacher, rc.Start.random(teacher, 3, 40, 0.1), np.linspace(0.1, 20, 40))
    overlaps = np.array(trajectory.alignment)
    overlaps[:, 2] = 0.1
    config = {"information_exponent": 2, "teacher_width": 3, "beta": 0.5, "learning_rate": 0.1, "loss": "risk"}
    run = rc.Run(np.arange(1, 41) * 5, np.asarray(trajectory.risk), overlaps, config)
    return rc.compare(run, trajectory)


def test_every_drawn_curve_is_in_the_table_beside_the_picture(partial, tmp_path):
    partial.save(tmp_path)
    table = pd.read_csv(tmp_path / "comparison_curves.csv")
    assert set(table["panel"]) == {"risk", "overlap", "emergence times"}
    theory = table[(table["panel"] == "risk") & (table["curve"] == "gradient flow")]
    np.testing.assert_array_equal(theory["y"], partial.trajectory.risk)
    assert set(table[table["panel"] == "overlap"]["direction"]) == {1, 2, 3}
    times = table[table["panel"] == "emergence times"]
    np.testing.assert_allclose(times["x"], [e.predicted for e in partial.emergence])
    assert times["y"].isna().tolist() == [False, False, True]
    assert (tmp_path / "comparison.pdf").read_bytes().startswith(b"%PDF")


def test_the_picture_shows_who_emerged_in_one_alone_and_the_directions_asked_for(partial):
    figure = partial.plot(directions=[3, 1])
    risk, overlaps, scatter = figure.axes
    assert [text.get_text() for text in overlaps.get_legend().get_texts()] == ["$m=3$", "$m=1$"]
    assert "never in SGD" in [text.get_text() for text in scatter.get_legend().get_texts()]
    assert scatter.get_aspect() == 1.0
    assert scatter.get_xlim() == scatter.get_ylim()
    first = min(line.get_xdata()[0] for line in risk.lines)
    assert risk.get_xlim()[0] >= first
    with pytest.raises(rc.ArgumentError, match="`directions` must be ≤ 3"):
        partial.plot(directions=[4])


def test_it_draws_on_axes_of_the_users(partial):
    axes = Figure().subplots(1, 3)
    assert partial.plot(axes) is axes[0].get_figure()
    assert all(panel.lines for panel in axes)


def test_page_and_table_say_what_they_are_of(partial):
    figure = partial.plot(directions=[3, 1])
    risk, overlaps, _ = figure.axes
    assert figure.get_suptitle() == partial.problem
    assert "link he2, M = 3, N = 3, d = 40, η = 0.1" in partial.table()
    assert "squared overlap with the student's span reaches ½" in partial.table()
    assert overlaps.get_ylabel() == partial.overlap
    assert "of 2 of 3 directions" in overlaps.get_title()
    assert risk.get_title().endswith("to gradient flow")
    whole = partial.plot()
    assert " of 3 directions" not in whole.axes[1].get_title()
    held = partial.to_json()
    assert held["nearest"]["flow_label"] == "gradient flow"
    assert held["problem"] == partial.problem


def test_users_axes_get_no_heading(partial):
    figure = Figure()
    partial.plot(figure.subplots(1, 3))
    assert figure.get_suptitle() == ""


def test_the_theory_that_is_nearest_is_named_first(partial):
    """The run is gradient flow itself; a limit that is off is not its best theory, and one that is right is."""
    solution = partial.trajectory.solution
    twice = solution.observables._replace(risk=2 * solution.observables.risk)
    off = dataclasses.replace(partial.trajectory, solution=solution._replace(observables=twice))
    report = dataclasses.replace(partial, finite_step=off)
    assert report.nearest[0] is partial.trajectory
    other = dataclasses.replace(partial, trajectory=off, finite_step=partial.trajectory)
    assert other.nearest[0] is partial.trajectory
    assert other.nearest[1] == other.finite_step_deviation < other.risk_rms_log10
    lines = [line for line in other.table().splitlines() if line.startswith("risk: rms")]
    assert lines[0].startswith(f"risk: rms of log10(predicted/measured) = {other.nearest[1]:.3f}")


def test_the_old_name_of_verdict_and_draws_warns(partial):
    with pytest.warns(RenamedArgument, match=r"Comparison\.judgement is now verdict and draws"):
        assert partial.judgement is None
    report = dataclasses.replace(partial, draws=drawn(0))
    with pytest.warns(RenamedArgument):
        old = report.judgement
    assert old.draws is report.draws
    assert old.verdict is report.verdict
