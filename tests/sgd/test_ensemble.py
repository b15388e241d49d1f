"""Ensembles: quantiles over runs, and their picture."""

import numpy as np
import pytest

import riccati as rc
from riccati import sgd


@pytest.fixture
def ensemble():
    """Five runs, one of them diverged, with known risks and crossings."""
    steps, times = np.array([0, 10, 20]), np.tile([0.0, 1.0, 2.0], (5, 1))
    risk = np.array([[1.0, 0.5, 0.1], [1.0, 0.4, 0.2], [1.0, 0.3, 0.3], [1.0, 0.2, 0.4], [1.0, np.nan, np.nan]])
    overlaps = np.zeros((5, 3, 2))
    overlaps[:3, :, 0] = [[0.0, 1.0, 1.0], [0.0, 0.5, 1.0], [0.0, 0.0, 1.0]]
    config = {"engine": "in_law", "kind": "two_homogeneous"}
    diverged = np.array([-1, -1, -1, -1, 7])
    return sgd.Ensemble(steps, times, risk, overlaps, diverged, np.arange(5), np.zeros((5, 2, 2)), config)


def test_quantiles_are_those_of_one_of_the_runs(ensemble):
    middle = ensemble.quantile(0.5)
    np.testing.assert_array_equal(middle.risk, [1.0, 0.4, 0.3])
    np.testing.assert_array_equal(middle.emergence_times, [1.5, np.inf])
    np.testing.assert_array_equal(ensemble.quantile(0.2).risk, [1.0, 0.2, 0.1])
    np.testing.assert_array_equal(ensemble.quantile(0.2).emergence_times, [0.5, np.inf])
    # a run that has diverged has infinite risk, and a direction that is not learned emerges never
    np.testing.assert_array_equal(ensemble.quantile(0.9).risk, [1.0, np.inf, np.inf])
    assert ensemble.quantile(0.5, level=0.9).emergence_times[0] == pytest.approx(1.9)
    for q in (0.0, 1.0):
        with pytest.raises(rc.ArgumentError, match="`q` must be"):
            ensemble.quantile(q)


def test_its_picture_is_bands(ensemble):
    left, right = ensemble.plot(coverage=0.6).axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), ensemble.quantile(0.5).risk)
    band = left.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == ensemble.quantile(0.2).risk.min()
    assert left.get_yscale() == "log"
    assert right.lines[0].get_ydata()[0] == 1.5
    assert np.isnan(right.lines[0].get_ydata()[1])
    assert "5 runs, 60%" in left.get_legend().get_texts()[0].get_text()
    with pytest.raises(rc.ArgumentError, match="`coverage` must be"):
        ensemble.plot(coverage=1.5)
