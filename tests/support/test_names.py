"""The names that are written once are those that the rooms offer."""

from itertools import product

import pytest

import riccati as rc
from riccati import problem, sgd
from riccati.flows import FLOWS
from riccati.runs import CONVENTIONS, KINDS, OVERLAPS
from riccati.sgd import engine_words
from riccati.support import (
    CONSTRAINTS,
    COORDINATES,
    ENGINE_NAMES,
    FLOW_NAMES,
    LINK_NAMES,
    LOSS_NAMES,
    OVERLAP_NAMES,
    RUN_KINDS,
    STUDENT_KINDS,
    TRAINED_LOSSES,
)


def test_names_are_those_of_the_rooms():
    assert set(FLOW_NAMES) == set(FLOWS)
    assert problem.CONSTRAINTS == CONSTRAINTS
    assert sgd.COORDINATES == COORDINATES
    assert [name for name in CONSTRAINTS if problem.SGD(0.1, constraint=name).on_stiefel] == ["stiefel"]
    assert [problem.SGD(0.1, loss=name).loss for name in TRAINED_LOSSES] == ["squared", "correlation"]
    assert {engine_words(name) for name in ENGINE_NAMES} == set(product((None, "stiefel"), COORDINATES))
    assert set(RUN_KINDS) == set(KINDS)
    assert set(STUDENT_KINDS) < set(RUN_KINDS)
    assert set(OVERLAP_NAMES) == set(OVERLAPS)
    assert LOSS_NAMES == CONVENTIONS
    assert all(rc.Link.named(name).label == name for name in LINK_NAMES)
    with pytest.raises(rc.ArgumentError, match=f"one of {', '.join(sorted(LINK_NAMES))}, or he1"):
        rc.Link.named("none")
