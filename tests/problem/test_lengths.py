"""Directions of any length: the function that the teacher stands for, against the one that a loop writes."""

import numpy as np
import pytest

import riccati as rc

ROWS = np.random.default_rng(5).standard_normal((3, 12))
A = np.array([1.0, -0.5, 0.7])
X = np.random.default_rng(6).standard_normal((7, 12))
SIZES = np.linalg.norm(ROWS, axis=1)
Z2 = rc.Link.from_coefficients([1, 0, np.sqrt(2)])


def value(teacher, rows):
    """f* of samples, from the rows' directions and what the teacher holds."""
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(teacher.link(X @ units.T)) @ np.asarray(teacher.a)


_ALONG = X @ ROWS.T / SIZES
CUBED = (_ALONG**3 - 3 * _ALONG) / np.sqrt(6)  # h_3
LOOPS = {
    "relu": lambda: (rc.Link.named("relu"), None, np.maximum(X @ ROWS.T, 0) @ A),
    "abs": lambda: (rc.Link.named("abs"), None, np.abs(X @ ROWS.T) @ A),
    "he1": lambda: (rc.Link.hermite(1), None, X @ ROWS.T @ A),
    "square": lambda: (Z2, None, (X @ ROWS.T) ** 2 @ A),
    "square of a function": lambda: (rc.Link.from_function(np.square, 8), None, (X @ ROWS.T) ** 2 @ A),
    "cube": lambda: (rc.Link.from_function(lambda z: z**3, 6), None, (X @ ROWS.T) ** 3 @ A),
    "he2": lambda: (rc.Link.hermite(2), None, ((X @ ROWS.T) ** 2 - SIZES**2) @ A / np.sqrt(2)),
    "he3, divided": lambda: (rc.Link.hermite(3), "divided", CUBED @ A),
    "he3, kept": lambda: (
        rc.Link.hermite(3),
        "kept",
        np.asarray(rc.Link.hermite(3)(X @ ROWS.T / SIZES)) @ (SIZES**2 * A),
    ),
    "relu, divided": lambda: (rc.Link.named("relu"), "divided", np.maximum(X @ ROWS.T / SIZES, 0) @ A),
}


@pytest.mark.parametrize("name", LOOPS)
def test_the_teacher_is_the_function_that_the_loop_writes(name):
    link, lengths, expected = LOOPS[name]()
    teacher = rc.Teacher.from_directions(ROWS, A, link, lengths=lengths)
    np.testing.assert_allclose(value(teacher, ROWS), expected, rtol=1e-9)


def test_rows_of_length_one_need_no_word_and_those_of_another_length_do_where_it_matters():
    cubic = rc.Link.hermite(3)
    units = ROWS / SIZES[:, None]
    np.testing.assert_array_equal(rc.Teacher.from_directions(units, A, cubic).a, A)
    assert rc.Teacher.from_directions(units, A, cubic).lengths is None
    with pytest.raises(
        rc.ArgumentError, match="`Theta` must have rows of length 1 for this link, or `lengths` be given"
    ):
        rc.Teacher.from_directions(ROWS, A, cubic)
    with pytest.raises(rc.ArgumentError, match='`lengths` must be "kept", "divided" or None'):
        rc.Teacher.from_directions(ROWS, A, cubic, lengths="unit")
    np.testing.assert_allclose(rc.Teacher.from_directions(ROWS, A, rc.Link.hermite(2)).lengths, SIZES)


def test_under_a_covariance_the_teacher_is_standardised_unless_told_otherwise():
    covariance, relu = rc.Covariance.power_law(12, 0.5), rc.Link.named("relu")
    plain = rc.Teacher.from_directions(ROWS, A, relu, covariance=covariance)
    np.testing.assert_array_equal(plain.a, A)
    kept = rc.Teacher.from_directions(ROWS, A, relu, covariance=covariance, lengths="kept")
    sizes = np.linalg.norm(ROWS * np.sqrt(np.asarray(covariance.eigenvalues)), axis=1)
    np.testing.assert_allclose(kept.a, A * sizes)


def test_the_power_of_a_homogeneous_link_and_none_of_others():
    powers = {"relu": 1, "abs": 1, "he1": 1, "sign": None, "erf": None, "he2": None, "he3": None}
    for name, power in powers.items():
        assert rc.Link.named(name).homogeneity == power
    assert Z2.homogeneity == 2
    assert rc.Link.from_coefficients([1, 0, 1.4]).homogeneity is None
    assert rc.Link.from_coefficients([0, 3, 0, np.sqrt(6)]).homogeneity == 3  # z³ = 3 h_1 + √6 h_3


def test_what_emerges_is_the_span_for_every_quadratic_link():
    quadratic = {"he2": True, "he1": False, "he3": False, "abs": False}
    for name, expected in quadratic.items():
        assert rc.Link.named(name).is_quadratic == expected
    assert Z2.is_quadratic
    assert not rc.Link.from_coefficients([0, 0, 1, 0, 1]).is_quadratic
