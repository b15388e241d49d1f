"""What is drawn of many seeds."""

import numpy as np
from matplotlib.figure import Figure

from riccati.plot import points_with_spread


def test_a_seed_without_a_finite_value_counts_as_beyond_the_others():
    """At the second abscissa the median of all five is the largest finite one; at the third it is not finite."""
    values = np.array([[1, 1, 1], [2, 2, np.inf], [3, 3, np.inf], [4, np.inf, np.inf], [5, np.inf, np.nan]])
    axes = Figure().subplots()
    points_with_spread(axes, np.arange(3.0), values)
    points, _, (bars,) = axes.containers[0].lines
    np.testing.assert_allclose(points.get_xydata(), [[0, 3], [1, 3]])
    np.testing.assert_allclose([bar[:, 1] for bar in bars.get_segments()], [[1.4, 4.6], [1.4, 3.0]])
