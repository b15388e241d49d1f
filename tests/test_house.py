"""The package is built as it says: arrows lead down, files carry a subject, names are the field's and stand once."""

from statistics import median

import house
import pytest

MOST_ROOMS, MOST_ARROWS = 18, 88
SHORT, LONG, FEW, TYPICAL = 60, 300, 10, 110


def test_imports_lead_down_and_are_no_more_than_they_were():
    between = house.arrows()
    assert house.upward() == set()
    assert len({room for pair in between for room in pair}) <= MOST_ROOMS
    assert len(between) <= MOST_ARROWS


def test_files_carry_a_subject_and_fit_in_the_head():
    sizes = house.lengths()
    assert median(sizes.values()) >= TYPICAL
    assert sum(size < SHORT for size in sizes.values()) <= FEW
    assert max(sizes.values()) <= LONG


@pytest.mark.parametrize(
    "count",
    [
        house.circles,
        house.double_classes,
        house.grown_arguments,
        house.retired_names,
        house.retired_words,
        house.dead_paths,
    ],
)
def test_there_are_none(count):
    assert count() == []


def test_dictionaries_have_types():
    assert len(house.untyped_dictionaries()) <= 5
