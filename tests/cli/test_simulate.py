"""riccati simulate, and riccati compare on what it wrote."""

import os

from terminal import run_cli


def test_cli_simulate_then_compare(monkeypatch, capsys, tmp_path):
    out = tmp_path / "o"
    problem = ("--teacher-width", 4, "--student-width", 3, "--dim", 200, "--steps", 3000, "--out", out)
    settings = ("--constraint", "stiefel", "--learning-rate", 1e-3, "--batch-size", 4, "--second-phase-samples", 500)
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
