"""Refusals are one line, survive pickling, and can be said in the words of another caller."""

import pickle

import pytest

import riccati as rc
from riccati.support import require_norms


def test_a_refusal_is_one_line_of_bounded_length():
    error = rc.ArgumentError("a", "be short", "x\ny\x1b" + 1000 * "z")
    assert str(error).startswith("Argument `a` must be short, but is x y�zzz")
    assert len(str(error)) <= 600


def test_a_refusal_survives_pickling_and_takes_other_names():
    error = rc.ArgumentError("eigenvalues", "be > 0", "eigenvalues of 0")
    again = pickle.loads(pickle.dumps(error))
    assert (again.argument, again.must, again.value, str(again)) == (*vars(error).values(), str(error))
    assert str(error.renamed({"eigenvalues": "covariance"})) == (
        "Argument `covariance` must be > 0, but is covariance of 0."
    )


@pytest.mark.parametrize(
    ("norms", "message"), [(0.0, "be > 0"), ([1.0, 1e-160], "be ≥ 1e-150"), ([1.0, float("nan")], "finite")]
)
def test_norms_whose_squares_are_no_numbers_are_refused(norms, message):
    with pytest.raises(rc.ArgumentError, match=f"`norm` must .*{message}"):
        require_norms(norms, "norm")
