"""The correlation-loss flow of prior work."""

import numpy as np
import pytest
from systems import problem

import riccati as rc
from riccati.flows import destinations


@pytest.mark.parametrize("k", [3, 4])
def test_neurons_go_where_the_greedy_rule_says(k):
    teacher, start = problem(5, 6, 300, 0.4, degree=k, seed=1)
    solved = rc.solve(rc.Correlation(), teacher, start)
    goes = np.asarray(destinations(teacher, start))
    lucky = k % 2 == 0 or np.asarray(start.teacher_overlaps)[np.arange(6), goes].min() > 0
    assert lucky
    expected = np.isin(np.arange(5), goes)
    np.testing.assert_array_equal(np.asarray(solved.alignment)[-1] > 0.99, expected)
    # the second layer is fitted: what remains is what no neuron went to
    np.testing.assert_allclose(np.asarray(solved.risk)[-1], np.sum(np.asarray(teacher.a)[~expected] ** 2), atol=1e-3)
    T = np.asarray(solved.emergence_times())
    assert np.isfinite(T[expected]).all()
