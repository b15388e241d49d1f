"""riccati compare."""

import os

from terminal import run_cli


def test_cli_compare(monkeypatch, capsys, tmp_path):
    code, out, _ = run_cli(monkeypatch, capsys, "compare", "gaussian-rows", "--out", tmp_path / "o")
    assert code == 0
    assert "risk: rms" in out
    assert sorted(os.listdir(tmp_path / "o")) == [
        "comparison.json", "comparison.pdf", "comparison.png", "comparison_curves.csv",
    ]  # fmt: skip
