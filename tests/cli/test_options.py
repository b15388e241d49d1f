"""A command takes groups of options as objects, and old words with one line that says the new ones."""

from dataclasses import dataclass, replace
from typing import Annotated

import pytest
import typer
from terminal import PROBLEM, options_taken, run_cli
from typer.testing import CliRunner

from riccati.cli import say_renamed, with_options
from riccati.cli.simulate import ExperimentOptions
from riccati.cli.solve import FlowOptions


@dataclass(frozen=True, kw_only=True)
class Ball:
    radius: Annotated[float, typer.Option(help="Radius.")]
    colour: Annotated[str, typer.Option(help="Colour.")] = "red"


def test_a_dataclass_among_the_parameters_stands_for_its_fields():
    taken = []
    app = typer.Typer()

    @app.command()
    @with_options
    def throw(times: Annotated[int, typer.Option()], ball: Ball, far: bool = False) -> None:
        taken.append((times, ball, far))

    result = CliRunner().invoke(app, ["--times", "3", "--radius", "2"])
    assert result.exit_code == 0, result.output
    assert taken == [(3, Ball(radius=2.0), False)]
    assert "Missing option '--radius'" in CliRunner().invoke(app, ["--times", "3"]).output
    shown = CliRunner().invoke(app, ["--help"]).output
    assert shown.index("--times") < shown.index("--radius") < shown.index("--colour") < shown.index("--far")


STEPS = ("--steps", 20, "--learning-rate", 1e-3)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (("--engine", "direct"), ("--coordinates", "direct"), "--engine direct is now --coordinates direct; "),
        (
            ("--engine", "stiefel"),
            ("--constraint", "stiefel"),
            "--engine stiefel is now --constraint stiefel --coordinates reduced; ",
        ),
    ],
)
def test_an_engine_is_read_as_constraint_and_coordinates(monkeypatch, capsys, tmp_path, old, new, line):
    say_renamed.cache_clear()
    taken = options_taken(monkeypatch)
    _, _, err = run_cli(monkeypatch, capsys, "simulate", *PROBLEM, *STEPS, *old, "--out", tmp_path)
    assert err.splitlines()[0].startswith(line)
    _, _, err = run_cli(monkeypatch, capsys, "simulate", *PROBLEM, *STEPS, *new, "--out", tmp_path)
    assert line not in err
    (old_words, _), (new_words, _) = taken
    assert replace(old_words, engine=None) == new_words != ExperimentOptions(steps=20, learning_rate=1e-3)


def test_an_algorithm_is_read_as_a_constraint_and_its_gamma_in_todays_unit(monkeypatch, capsys):
    say_renamed.cache_clear()
    taken = options_taken(monkeypatch)
    flow = ("emergence", *PROBLEM, "--flow", "FiniteStep")
    _, _, err = run_cli(monkeypatch, capsys, *flow, "--algorithm", "stiefel", "--gamma", 0.1)
    assert err.startswith("--algorithm stiefel --gamma γ is now --constraint stiefel --gamma γ/2, as γ = ηd/B; ")
    assert err.count("\n") == 2  # and the refusal
    _, _, err = run_cli(monkeypatch, capsys, *flow, "--constraint", "stiefel", "--gamma", 0.05)
    assert "is now" not in err
    _, _, err = run_cli(monkeypatch, capsys, *flow, "--algorithm", "homogeneous", "--gamma", 0.05)
    assert err.startswith("--algorithm homogeneous is now what is done without --constraint; ")
    old, new, free = (options for options, _ in taken)
    assert replace(old, algorithm=None) == new == FlowOptions(flow="FiniteStep", gamma=0.05, constraint="stiefel")
    assert replace(free, algorithm=None) == FlowOptions(flow="FiniteStep", gamma=0.05)


def test_old_and_new_words_together_are_refused(monkeypatch, capsys, tmp_path):
    both = ("--engine", "stiefel", "--constraint", "stiefel", "--out", tmp_path)
    code, _, err = run_cli(monkeypatch, capsys, "simulate", *PROBLEM, *STEPS, *both)
    assert code == 2
    assert "`engine` must be left out beside --constraint and --coordinates" in err


def test_old_words_are_not_shown(monkeypatch, capsys):
    for verb, old in (("simulate", "--engine"), ("solve", "--algorithm")):
        _, shown, _ = run_cli(monkeypatch, capsys, verb, "--help")
        assert old not in shown
        assert "--constraint" in shown
