"""riccati solve and riccati emergence."""

import os

import numpy as np
from terminal import PROBLEM, run_cli

import riccati as rc


def test_cli_solve_and_emergence(monkeypatch, capsys, tmp_path):
    code, out, _ = run_cli(
        monkeypatch, capsys, "solve", "--link", "he2", "--beta", 1, *PROBLEM, "--out", tmp_path / "o"
    )
    assert code == 0
    assert sorted(os.listdir(tmp_path / "o")) == ["emergence.csv", "risk.png", "trajectory.npz"]
    trajectory = rc.Trajectory.load(tmp_path / "o" / "trajectory.npz")
    table = np.genfromtxt(tmp_path / "o" / "emergence.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["time"], trajectory.emergence_times())
    code, out, _ = run_cli(monkeypatch, capsys, "emergence", *PROBLEM, "--flow", "Riccati", "--horizon", 1.3)
    assert code == 0
    assert "never" in out
    assert len(out.splitlines()) == 3


def test_cli_finite_step(monkeypatch, capsys):
    settings = ("--flow", "FiniteStep", "--gamma", 0.05, "--horizon", 1.3, "--points", 20)
    code, out, _ = run_cli(monkeypatch, capsys, "emergence", *PROBLEM, *settings)
    assert code == 0
    assert "never" in out
