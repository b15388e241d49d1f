"""The command line, called as a user calls it."""

import sys

import pytest

from riccati import ArgumentError
from riccati.cli import main
from riccati.cli.simulate import ExperimentOptions
from riccati.cli.solve import FlowOptions

PROBLEM = ("--teacher-width", 2, "--student-width", 3, "--dim", 64)  # of every call, which share their programs


def run_cli(monkeypatch, capsys, *arguments):
    monkeypatch.setenv("RICCATI_CACHE", "off")  # which would change the environment of other tests
    monkeypatch.setattr(sys, "argv", ["riccati", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def options_taken(monkeypatch):
    """The options that verbs take from now on, with those of the problem; nothing is solved or simulated."""
    taken = []

    def refused(self, problem):
        taken.append((self, problem))
        raise ArgumentError("problem", "be solved elsewhere", problem)

    monkeypatch.setattr(FlowOptions, "solved", refused)
    monkeypatch.setattr(ExperimentOptions, "experiment", refused)
    return taken
