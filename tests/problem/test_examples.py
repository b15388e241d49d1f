"""The examples in the docstrings of what is given."""

import doctest

import pytest

import riccati as rc
from riccati.support import RenamedArgument

GIVEN = (
    "ArgumentError", "Covariance", "Link", "Problem", "SGD", "Start", "Teacher", "TypicalStart", "neuron_alignment",
    "subspace_alignment",
)  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_examples_print_what_they_say(name):
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(rc, name), name)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_old_names_of_starts_and_teachers_say_the_new_ones():
    covariance = rc.Covariance([4.0, 1.0])
    teacher = rc.Teacher([0.5], rc.Link.hermite(2), covariance=covariance)
    start = rc.Start([[0.1]], norms=0.5)
    for owner, old, new in (
        (start, "s", "amplitudes"), (start, "along", "teacher_coordinates"), (teacher, "speed", "search_rates"),
        (teacher, "axes", "frame_dim"), (rc.ArgumentError("a", "be", 1), "found", "value"),
    ):  # fmt: skip
        with pytest.warns(RenamedArgument, match=f"is now .*{new}"):
            assert getattr(owner, old) == getattr(owner, new)
