"""Numbers out of the arrays of any library; what would change its meaning by a cast is refused."""

import datetime

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from tensors import Scalar

import riccati as rc
from riccati.support import as_numbers, require_times


class HalfPrecision:
    """A tensor in a precision that numpy does not have, on a device and part of a graph."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Got unsupported ScalarType BFloat16")

    def detach(self):
        return self

    cpu = detach

    def float(self):
        return np.asarray(self.values, np.float32)


@pytest.mark.parametrize(
    "values",
    [
        HalfPrecision([1, 2, 3]),
        [Scalar(1.0), Scalar(2.0), Scalar(3.0)],
        [Scalar(1.0), 2, np.float32(3)],
        jnp.array([1, 2, 3], jnp.bfloat16),
        [jnp.float32(1), jnp.float32(2), jnp.float32(3)],
        pd.Series([1, 2, 3], dtype="Int64"),
        np.ma.masked_array([1, 2, 3], False),
        (1, 2, 3),
    ],
)
def test_numbers_of_any_library(values):
    numbers = as_numbers(values, "x")
    np.testing.assert_array_equal(numbers.data, [1.0, 2.0, 3.0])
    assert numbers.data.dtype == float
    assert not np.ma.getmaskarray(numbers).any()


@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_array([1, 2], [0, 1]),
        [1.0, None],
        [1.0, np.ma.masked],
        np.array([1.0, None], object),
        pd.Series([1, None], dtype=object),
        [Scalar(1.0), None],
    ],
)
def test_what_is_missing_is_masked(values):
    numbers = as_numbers(values, "x")
    np.testing.assert_array_equal(np.ma.getmaskarray(numbers), [False, True])
    assert numbers[0] == 1


def test_rows_of_masked_arrays_keep_their_masks():
    rows = [np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([3, 4], [1, 0])]
    np.testing.assert_array_equal(np.ma.getmaskarray(as_numbers(rows, "x")), [[False, True], [True, False]])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1j], "complex numbers"),
        (np.ones(2, np.complex64), "complex numbers"),
        (np.array([1, 2], "timedelta64[s]"), "durations"),
        ([datetime.timedelta(1), None], "durations"),
        (np.array(["2026"], "datetime64[Y]"), "dates"),
        (pd.Series(pd.to_datetime(["2026"])), "dates"),
        (["1", "2"], "strings"),
        ([1, "2"], "strings"),
        (np.array(["1", 2], object), "strings"),
        ({"a": 1}, "dict"),
        ([[1], [1, 2]], "not ("),
        ([object()], "not ("),
    ],
)
def test_what_is_no_number_is_refused_by_name(values, words):
    with pytest.raises(rc.ArgumentError) as refused:
        as_numbers(values, "x")
    assert str(refused.value).startswith("Argument `x` must be numbers in an array or a list")
    assert words in str(refused.value)


def test_weights_are_read_from_any_precision_and_refused_where_masked():
    W, Theta = np.array([[1.0, 0.5, 0.25]]), np.eye(2, 3)
    np.testing.assert_array_equal(rc.neuron_alignment(HalfPrecision(W), Theta), rc.neuron_alignment(W, Theta))
    with pytest.raises(rc.ArgumentError, match="`W` must have no masked entries, but is masked at 1"):
        rc.neuron_alignment(np.ma.masked_array(W, [[0, 0, 1]]), Theta)


@pytest.mark.parametrize(
    "times", [np.ma.masked_array([1.0, 2.0], [0, 1]), [1j], np.array([1, 2], "timedelta64[s]"), ["1", "2"]]
)
def test_times_that_are_no_numbers_are_refused(times):
    with pytest.raises(rc.ArgumentError, match=r"^Argument `times` must "):
        require_times(times)
