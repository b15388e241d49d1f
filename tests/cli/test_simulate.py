"""`riccati simulate`: refuses before the first step what cannot end well, and loses nothing after the last."""

import os
import sys

import pytest
from terminal import PROBLEM, run_cli

import riccati as rc
from riccati.cli import main
from riccati.support import sole_writer


def simulate(monkeypatch, out, *options, words=("--constraint", "stiefel")):
    """The exit code of a short run."""
    step = ("--steps", 20, "--learning-rate", 1e-3, "--rows", 4)
    monkeypatch.setenv("RICCATI_CACHE", "off")
    arguments = ("simulate", *PROBLEM, *step, *words, "--out", out, *options)
    monkeypatch.setattr(sys, "argv", ["riccati", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return end.code


def test_a_failure_after_the_last_step_loses_nothing(monkeypatch, tmp_path):
    def broken(_):
        raise RuntimeError("no picture today")

    with monkeypatch.context() as patched:
        patched.setattr(rc.Run, "plot", broken)
        with pytest.raises(RuntimeError, match="no picture"):
            simulate(patched, tmp_path / "o")
    assert sorted(os.listdir(tmp_path / "o")) == ["checkpoint", "run.csv", "run.json"]
    written = (tmp_path / "o" / "run.csv").read_bytes()
    saved = (tmp_path / "o" / "checkpoint").read_bytes()
    assert len(saved) > 1000
    assert simulate(monkeypatch, tmp_path / "o") == 0
    assert sorted(os.listdir(tmp_path / "o")) == ["run.csv", "run.json", "run.png"]
    assert (tmp_path / "o" / "run.csv").read_bytes() == written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--second-phase-samples", 5), "`second_phase_samples` must be ≥ N(N+1)/2 = 6 without a ridge, but is 5"),
        (("--second-phase-samples", 2**52), "`second_phase_samples` must need no more memory"),
        (("--dim", 10**20), "`dim` must be ≤ 2^53"),
        (("--seed", 10**20), "`seed` must be ≤ 2^53"),
        (("--rows", 2**52), "`rows` must need no more memory"),
        (("--teacher-width", 2**52), "`teacher_width` must need no more memory"),
        (("--teacher-width", "9" * 25), "`teacher_width` must be ≤ 2^53"),
    ],
)
def test_what_cannot_end_well_is_refused_before_the_first_step(monkeypatch, capsys, tmp_path, options, message):
    assert simulate(monkeypatch, tmp_path, *options) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_a_place_for_results_is_tried_before_the_first_step(monkeypatch, capsys, tmp_path):
    (tmp_path / "run.png").mkdir()
    assert simulate(monkeypatch, tmp_path) == 2
    assert "`out` must leave room for a file" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert simulate(monkeypatch, tmp_path / "file") == 2
    assert "`out` must be a place that can be written to" in capsys.readouterr().err
    assert simulate(monkeypatch, tmp_path / "o", "--second-phase-samples", 2, words=()) == 2
    assert "`second_phase_samples` must be ≥ N = 3 without a ridge, but is 2" in capsys.readouterr().err


def test_a_second_writer_into_one_folder_is_refused(monkeypatch, capsys, tmp_path):
    with sole_writer(tmp_path / "run.csv"):
        assert simulate(monkeypatch, tmp_path) == 2
    assert "`out` must have one writer at a time" in capsys.readouterr().err


def test_cli_simulate_then_compare(monkeypatch, capsys, tmp_path):
    assert simulate(monkeypatch, tmp_path, "--steps", 300, "--second-phase-samples", 500) == 0
    assert "risk after Phase II on 500 samples" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path)) == ["run.csv", "run.json", "run.png"]
    assert rc.Run.load(tmp_path / "run.csv").notes == ()  # every key that was written means something
    code, printed, _ = run_cli(monkeypatch, capsys, "compare", tmp_path / "run.csv", "--out", tmp_path)
    assert code == 0
    assert "FiniteStep" in printed
    assert simulate(monkeypatch, tmp_path, "--schedule", "power", "--exponent", 0.5, "--scale", 100) == 0
    assert (tmp_path / "run.csv").read_text().startswith("step,canonical_time,loss,overlap_1")
