"""riccati sweep: a table of solves and one of simulations, and what is wrong with a file."""

import re

import pandas as pd
import pytest
from terminal import run_cli

import riccati as rc
from riccati.cli import say_renamed

PROBLEM = "teacher_width = 2\nstudent_width = 3\ndim = 64\n"
SOLVE = f'verb = "solve"\n{PROBLEM}beta = [0.5, 1]\npoints = 5\n'
SIMULATE = f'verb = "simulate"\n{PROBLEM}learning_rate = 1e-3\nsteps = 50\nseed = [1, 2]\n'


def swept(monkeypatch, capsys, folder, text, *options):
    (folder / "sweep.toml").write_text(text)
    return run_cli(monkeypatch, capsys, "sweep", folder / "sweep.toml", "--out", folder / "o", "--workers", 0, *options)


def test_solves(monkeypatch, capsys, tmp_path):
    code, printed, _ = swept(monkeypatch, capsys, tmp_path, SOLVE)
    assert code == 0
    assert "wrote sweep.parquet with 2 points" in printed
    table = pd.read_parquet(tmp_path / "o" / "sweep.parquet")
    row = table[table.beta == 1.0].iloc[0]
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    alone = rc.solve(rc.Quadratic(), teacher, rc.Start.random(teacher, 3, 64, 1e-2, seed=0), row.times)
    assert row.outcome == "complete"
    assert row.final_risk == pytest.approx(float(alone.risk[-1]), rel=1e-12)
    assert list(row.emergence_times) == pytest.approx(alone.emergence_times().tolist())


def test_simulations(monkeypatch, capsys, tmp_path):
    code, _, _ = swept(monkeypatch, capsys, tmp_path, SIMULATE + 'constraint = "stiefel"')
    assert code == 0
    table = pd.read_parquet(tmp_path / "o" / "sweep.parquet")
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 64, 1e-2, seed=2)
    alone = rc.sgd.simulate(teacher, start, learning_rate=1e-3, steps=50, seed=2, constraint="stiefel")
    assert table.final_risk[1] == alone.risk[-1]
    assert list(table.logged_steps[1]) == list(alone.steps)


def test_an_engine_is_read_as_constraint_and_coordinates(monkeypatch, capsys, tmp_path):
    say_renamed.cache_clear()
    code, _, err = swept(monkeypatch, capsys, tmp_path, SIMULATE + 'engine = "direct"')
    assert code == 0
    assert 'engine = "direct" is now coordinates = "direct"; ' in err
    table = pd.read_parquet(tmp_path / "o" / "sweep.parquet")
    assert set(table.coordinates) == {"direct"}
    assert "engine" not in table


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (SIMULATE + 'engine = ["stiefel", "direct"]', {"constraint", "coordinates"}),
        (SOLVE + 'flow = "FiniteStep"\ngamma = 0.1\nalgorithm = "stiefel"', {"constraint"}),
    ],
)
def test_a_table_of_old_options_has_no_columns_that_contradict_them(monkeypatch, capsys, tmp_path, text, without):
    code, _, _ = swept(monkeypatch, capsys, tmp_path, text)
    assert code == 0
    assert not without & set(pd.read_parquet(tmp_path / "o" / "sweep.parquet").columns)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("verb = ", 2, "`config` must be a TOML file"),
        ('verb = "compare"', 2, "`config` must name a verb, solve or simulate"),
        (SOLVE + "steps = 3", 2, "`config` must give options of solve only, but is .*, with steps"),
        ('verb = "solve"', 2, "`config` must give teacher_width, which solve needs"),
        (SOLVE + 'norm = [0.1, -1]\nflow = "Quadratic"', 1, "2 of 4 points failed, the first at .*`norm` must be > 0"),
        (SOLVE + 'flow = "Euler"', 1, "`flow` must be one of Riccati"),
    ],
)
def test_what_is_wrong_is_said(monkeypatch, capsys, tmp_path, text, code, message):
    ended, _, err = swept(monkeypatch, capsys, tmp_path, text)
    assert ended == code
    assert re.search(message, err)
