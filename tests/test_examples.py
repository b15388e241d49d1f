"""The examples in the docstrings of the public names are run, and the names that people begin with have one."""

import doctest

import pytest

import riccati as rc

FIRST_NAMES = (
    "Link", "Teacher", "Start", "Covariance", "SGD", "Riccati", "Quadratic", "Decoupled", "Coupled", "Correlation",
    "FiniteStep", "solve", "Trajectory", "emergence_law", "risk_law", "largest_step", "Run", "Recorder", "compare",
    "sgd.simulate", "scaling.fit_power_law", "scaling.sharp_limit",
)  # fmt: skip
_PUBLIC = (
    *(name for name in rc.__all__ if name not in ("scaling", "sgd")),
    *(f"{room}.{name}" for room in ("scaling", "sgd") for name in dir(getattr(rc, room)) if not name.startswith("_")),
)


def examples_of(name):
    thing = rc
    for part in name.split("."):
        thing = getattr(thing, part)
    return [found for found in doctest.DocTestFinder().find(thing, name, globs={}) if found.examples]


@pytest.mark.parametrize("name", FIRST_NAMES)
def test_a_name_that_people_begin_with_has_an_example(name):
    assert examples_of(name)


@pytest.mark.parametrize("name", _PUBLIC)
def test_examples_do_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for example in examples_of(name):
        said = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
        assert not said, "".join(said)
