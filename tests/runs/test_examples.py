"""The examples in the docstrings of a run, its config, the recorder and the sample runs."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("module", ["config", "formats.files", "recorder", "run"])
def test_examples_give_what_they_say(module):
    tried = doctest.testmod(import_module(f"riccati.runs.{module}"))
    assert tried.attempted > 0
    assert tried.failed == 0
