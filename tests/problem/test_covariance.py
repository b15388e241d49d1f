"""Covariances of the input."""

import numpy as np
import pytest

import riccati as rc
from riccati.support import RenamedArgument


def test_eigenvalues_of_a_power_law():
    np.testing.assert_allclose(rc.Covariance.power_law(3, exponent=0.5).eigenvalues, [1, 2**-0.5, 3**-0.5])
    with pytest.raises(rc.ArgumentError, match="`exponent` must be a finite number ≥ 0, but is None"):
        rc.Covariance.power_law(3)


def test_the_old_name_of_the_exponent_says_the_new_one():
    with pytest.warns(RenamedArgument, match="power_law\\(dim, exponent=α\\)"):
        old = rc.Covariance.power_law(3, gamma=0.5)
    np.testing.assert_array_equal(old.eigenvalues, rc.Covariance.power_law(3, 0.5).eigenvalues)
    with pytest.raises(rc.ArgumentError, match="`gamma` must be left out beside `exponent`"):
        rc.Covariance.power_law(3, 0.5, gamma=0.5)


def test_coordinates_of_equal_eigenvalues_are_groups():
    groups = rc.Covariance([4.0, 1.0, 2.0, 1.0, 2.0]).groups_after(1)
    assert [(group.eigenvalue, group.indices.tolist()) for group in groups] == [(1.0, [1, 3]), (2.0, [2, 4])]
