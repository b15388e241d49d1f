"""Saving a comparison never costs the user a file."""

import json
import os

import numpy as np
import pytest

import riccati as rc


@pytest.fixture(scope="module")
def report():
    """A comparison of a run that theory made."""
    teacher = rc.Teacher.power_law(2, 1, rc.Link.hermite(2))
    trajectory = rc.solve(rc.Quadratic(), teacher, rc.Start.random(teacher, 1, 20), np.linspace(0.1, 3, 9))
    config = {"information_exponent": 2, "teacher_width": 2, "beta": 1, "learning_rate": 0.1, "loss": "risk"}
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
    assert sorted(os.listdir(tmp_path / "o")) == ["comparison.json", "comparison.png"]
