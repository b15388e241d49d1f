"""What runs tell by curves that are linear in their parameters: intervals that hold them, refusals."""

import numpy as np

from riccati.scaling import best_shift, profile_of, threshold, whitened

ROWS = 20
X = np.linspace(0, 1, ROWS)
COVARIANCE = 0.001 * np.exp(-np.abs(np.subtract.outer(X, X)) / 0.3)
SLOPE = np.column_stack([X, X**2 - 0.5])


def test_intervals_hold_each_component():
    """Sixty curves; binomial bounds let 95 % pass and refuse 80 %."""
    rng, held = np.random.default_rng(0), np.zeros(2)
    factor, delta = np.linalg.cholesky(COVARIANCE + 0.02**2 * np.eye(ROWS)), np.array([0.5, -0.5])
    for _ in range(60):
        cases = whitened(SLOPE @ delta + factor @ rng.normal(size=ROWS), SLOPE, COVARIANCE)
        for component in range(2):
            low, high = profile_of(cases, component, threshold(ROWS, 2, 0.95))
            held[component] += low <= delta[component] <= high
    assert (held >= 52).all()


def test_what_rows_of_their_own_suppose_is_kept_where_the_curve_is_silent():
    slope = np.column_stack([X, np.zeros(ROWS)])
    cases = whitened(0.3 * X, slope, COVARIANCE).with_rows(np.zeros(2), np.eye(2) / 0.5)
    shift, _ = best_shift(cases, np.full(2, -1.0), np.full(2, 1.0))
    assert 0.2 < shift[0] < 0.3
    assert abs(shift[1]) < 1e-9
    assert best_shift(cases, np.array([-1.0, 0.1]), np.full(2, 1.0))[0][1] > 0.099


def test_a_component_that_nothing_bounds_has_no_interval():
    cases = whitened(0.3 * X, np.column_stack([X, 1e-6 * X**2]), COVARIANCE)
    assert profile_of(cases, 1, threshold(ROWS, 2, 0.95)) is None
