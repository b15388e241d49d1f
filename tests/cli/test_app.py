"""The command line refuses in one line, and its help is light."""

import subprocess
import sys

import pytest
from terminal import PROBLEM, run_cli


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
        (("solve", *PROBLEM, "--seed", -1), "`seed` must be a whole number ≥ 0"),
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
