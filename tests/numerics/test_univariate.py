"""Functions of one variable: first crossings of a level."""

import numpy as np

from riccati.numerics import first_crossings


def test_first_crossings_interpolates_and_skips_gaps():
    times = np.array([0.0, 1.0, 2.0, 3.0])
    overlaps = np.array([[0.0, 0.6, 0.1], [0.4, 0.7, np.nan], [0.6, 0.8, 0.2], [0.9, 0.9, 0.3]])
    np.testing.assert_allclose(first_crossings(times, overlaps, 0.5), [1.5, 0.0, np.inf])
