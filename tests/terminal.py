"""The command line, called as a user calls it."""

import sys

import pytest

from riccati.cli import main

PROBLEM = ("--teacher-width", 6, "--student-width", 3, "--dim", 64)


def run_cli(monkeypatch, capsys, *arguments):
    monkeypatch.setenv("RICCATI_CACHE", "off")  # which would change the environment of other tests
    monkeypatch.setattr(sys, "argv", ["riccati", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err
