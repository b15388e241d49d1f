"""The coverage of directions by neurons that do not see each other, against simulation."""

import numpy as np
import pytest

import riccati as rc
from riccati.laws import (
    coverage,
    coverage_of_top,
    destination_probabilities,
    simulated_coverage,
    width_to_cover,
)


@pytest.mark.parametrize("k", [3, 4, 6])
def test_destination_probabilities(k):
    teacher = rc.Teacher.power_law(5, 0.4, rc.Link.hermite(k))
    chances = destination_probabilities(teacher)
    np.testing.assert_allclose(chances.sum(), 1 if k % 2 == 0 else 1 - 0.5**5, rtol=1e-12)
    simulated = simulated_coverage(teacher, 12, 50, 3000)
    error = 4 * np.sqrt(0.25 / 3000)
    np.testing.assert_allclose(coverage(chances, 12), simulated, atol=error)
    even = destination_probabilities(rc.Teacher.power_law(5, 0.0, rc.Link.hermite(4)))
    np.testing.assert_allclose(even, 0.2, rtol=1e-12)


def test_coverage_of_several_directions_at_once():
    chances = np.array([0.5, 0.2, 0.1])
    rng = np.random.default_rng(0)
    counts = rng.multinomial(9, [*chances, 0.2], size=100_000)
    for top in (1, 2, 3):
        exact = coverage_of_top(chances, 9, top)
        np.testing.assert_allclose(exact, (counts[:, :top] > 0).all(axis=1).mean(), atol=0.007)
    np.testing.assert_allclose(coverage_of_top(chances, 9, 1), 1 - 0.5**9, rtol=1e-10)
    assert coverage_of_top(chances, 2, 3) == 0
    np.testing.assert_allclose(coverage_of_top([0.5, 0.5], 2, 2), 0.5, rtol=1e-10)


def test_width_to_cover_is_the_least_and_grows_with_the_condition_number():
    chances = np.array([0.5, 0.2, 0.1])
    width = width_to_cover(chances, 3, 0.9)
    assert coverage_of_top(chances, width, 3) >= 0.9 > coverage_of_top(chances, width - 1, 3)
    widths = [
        width_to_cover(destination_probabilities(rc.Teacher.power_law(6, beta, rc.Link.hermite(4))), 6)
        for beta in (0.0, 0.5, 1.0, 1.5)
    ]
    assert np.all(np.diff(widths) > 0)
    assert widths[-1] > 4 * widths[0]
    with pytest.raises(rc.ArgumentError, match="`top` must be ≤"):
        width_to_cover(chances, 4)
    with pytest.raises(rc.ArgumentError, match="`probability` must be < 1"):
        width_to_cover(chances, 2, 1.0)
