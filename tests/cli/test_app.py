"""The command line refuses in one line, its help is light, and its cache of compiled programs is never a failure."""

import os
import subprocess
import sys

import pytest
import typer
from terminal import PROBLEM, run_cli

import riccati as rc
from riccati import ArgumentError
from riccati.cli import main, use_cache, written_to_out

HUGE = 10**40
ASK = "from riccati.cli import use_cache; print(use_cache()); import jax; print(jax.config.jax_compilation_cache_dir)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("solve", *PROBLEM, "--beta", -1), "Argument `beta` must be ≥ 0, but is -1.0."),
        (("solve", *PROBLEM, "--beta", "nan"), "`beta` must be a finite number ≥ 0"),
        (
            ("solve", *PROBLEM[:2], "--student-width", -3, *PROBLEM[4:]),
            "`student_width` must be a whole number ≥ 1, but is -3.",
        ),
        (
            ("solve", *PROBLEM[:2], "--student-width", 65, *PROBLEM[4:]),
            "`student_width` must be ≤ dim = 64, but is 65.",
        ),
        (("solve", *PROBLEM, "--link", "tanhh"), "`link` must be one of"),
        (("solve", *PROBLEM, "--flow", "Euler"), "'Euler' is not one of 'Riccati'"),
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
        (("simulate", *PROBLEM, "--learning-rate", 1, "--steps", 5, "--engine", "gpu"), "'gpu' is not one of 'in_law'"),
        (
            ("simulate", *PROBLEM, "--learning-rate", 1, "--steps", 5, "--coordinates", "polar"),
            "'polar' is not one of 'reduced', 'direct'",
        ),
        (("solve", *PROBLEM, "--constraint", "stiefel"), "`constraint` must be left out but for the flow FiniteStep"),
        (("compare", "nowhere.csv"), "`path` must be a file or a sample run"),
        (("compare", "hermite4", "--beta", -2), "`beta` must be ≥ 0, but is -2.0."),
        (("compare", "hermite4", "--loss-column", "mse"), "`loss_column` must be a column, but is mse"),
        (("compare", "hermite4", "--loss", "mae"), "Argument `loss` must be one of 0.5*(f*-f)^2, (f*-f)^2, risk"),
        (("solve", *PROBLEM, "--seed", HUGE), "`seed` must be ≤ 2^53"),
        (("solve", *PROBLEM[:4], "--dim", HUGE), "`dim` must be ≤ 2^53"),
        (("solve", "--teacher-width", HUGE, *PROBLEM[2:]), "`teacher_width` must be ≤ 2^53"),
        (("solve", "--teacher-width", 10**13, *PROBLEM[2:]), "`teacher_width` must need no more memory than"),
        (("solve", *PROBLEM[:2], "--student-width", 10**8, "--dim", 10**9), "`student_width` must need no more memory"),
        (("solve", *PROBLEM, "--points", 10**13), "`points` must need no more memory than"),
        (("solve", *PROBLEM[:4], "--dim", "9" * 5000), "Invalid value for '--dim'"),
        (("solve", *PROBLEM, "--link", "he99999"), "`link` must be at most he1000, but is he99999."),
        (("solve", *PROBLEM, "--link", "he" + "9" * 5000), "`link` must be at most he1000"),
        (("compare", "hermite4", "--dim", HUGE), "`dim` must be ≤ 2^53"),
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


@pytest.mark.parametrize("verb", [("solve", *PROBLEM), ("emergence", *PROBLEM), ("compare", "hermite4")])
def test_a_folder_that_cannot_be_is_refused_as_out_before_any_work(monkeypatch, capsys, tmp_path, verb):
    (tmp_path / "file").write_text("mine")
    code, _, err = run_cli(monkeypatch, capsys, *verb, "--out", tmp_path / "file" / "o")
    assert code == 2
    assert err.startswith("Argument `out` must be a folder that can be made and written to, but is ")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_place_that_fails_later_is_refused_as_out():
    with pytest.raises(ArgumentError, match=r"^Argument `out` must be written to, but is full"), written_to_out():
        raise ArgumentError("path", "be written to", "full")
    with pytest.raises(ArgumentError, match=r"^Argument `beta` "), written_to_out():
        raise ArgumentError("beta", "be ≥ 0", -1)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")]
)
def test_memory_that_cannot_be_had_is_one_line(monkeypatch, capsys, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(typer.Typer, "__call__", fail)
    code, _, err = run_cli(monkeypatch, capsys, "solve")
    assert (code, err) == (
        2,
        "The problem needs more memory than there is: take smaller widths, or fewer times or rows.\n",
    )


def test_other_errors_are_not_hidden(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(typer.Typer, "__call__", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main()


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "riccati", "--version"], capture_output=True, text=True)
    assert done.stdout == f"riccati {rc.__version__}\n"


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


JAXS = "JAX_COMPILATION_CACHE_DIR"


def environment(monkeypatch, **given):
    """What is left to JAX by an environment with these variables of the cache's; they go with the test."""
    mine = ("RICCATI_CACHE", "XDG_CACHE_HOME", JAXS, "LOCALAPPDATA")
    env = {key: value for key, value in os.environ.items() if key not in mine} | given
    monkeypatch.setattr(os, "environ", env)
    return env


@pytest.mark.parametrize("inside", ["", "a/b"])
def test_a_named_folder_is_made_and_used(monkeypatch, tmp_path, inside):
    env = environment(monkeypatch, RICCATI_CACHE=str(tmp_path / inside))
    assert use_cache() == tmp_path / inside
    assert env[JAXS] == str(tmp_path / inside)
    assert os.path.isdir(tmp_path / inside)


def test_jax_keeps_its_programs_there(monkeypatch, tmp_path):
    env = environment(monkeypatch, RICCATI_CACHE=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True)
    assert done.stdout.splitlines() == [str(tmp_path), str(tmp_path)]


def test_the_users_folder_by_default(monkeypatch, tmp_path):
    env = environment(monkeypatch, **{name: str(tmp_path) for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")})
    ours = str(use_cache())
    assert ours == env[JAXS]
    assert ours.startswith(str(tmp_path))
    assert f"{os.sep}riccati{os.sep}" in ours


def test_off_and_a_users_own_choice(monkeypatch, tmp_path):
    env = environment(monkeypatch, RICCATI_CACHE="off")
    assert use_cache() is None
    assert JAXS not in env
    theirs = str(tmp_path / "theirs")
    env = environment(monkeypatch, RICCATI_CACHE=str(tmp_path / "ours"), **{JAXS: theirs})
    assert use_cache() == tmp_path / "ours"
    assert env[JAXS] == theirs


def test_a_folder_that_cannot_be_made_is_no_failure(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "o"):
        monkeypatch.setenv("RICCATI_CACHE", str(folder))
        assert use_cache() is None
