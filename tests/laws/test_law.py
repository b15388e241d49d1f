"""The algorithm of a law: an object or its fields, the old name of its constraint, what a law keeps of it."""

import numpy as np
import pytest

import riccati as rc
from riccati.support import RenamedArgument

TIMES = [0.5, 2.0]


def given(degree):
    return rc.Teacher([1.0], rc.Link.hermite(degree)), rc.Start([[0.2]], norms=0.1, dim=100)


@pytest.mark.parametrize("degree", [2, 3])
def test_an_algorithm_is_given_as_an_object_or_by_its_fields(degree):
    settings = {"horizon": 2.0, "replicas": 4} if degree == 2 else {}
    sgd = rc.SGD(4e-4, 2)
    one = rc.emergence_law(*given(degree), sgd, **settings)
    other = rc.emergence_law(*given(degree), learning_rate=4e-4, batch_size=2, **settings)
    np.testing.assert_array_equal(one.quantile(0.5), other.quantile(0.5))
    assert one.sgd == other.sgd == sgd
    assert (one.learning_rate, one.batch_size, one.gamma) == (4e-4, 2, sgd.gamma(100))
    laws = [one]
    if degree == 2:  # test_risk_law.py has the other
        laws.append(rc.risk_law(*given(degree), sgd, times=TIMES, replicas=4))
        other = rc.risk_law(*given(degree), learning_rate=4e-4, batch_size=2, times=TIMES, replicas=4)
        np.testing.assert_array_equal(laws[1].draws, other.draws)
        assert laws[1].sgd == other.sgd == sgd
    for law in laws:
        assert (law.learning_rate, law.batch_size) == (4e-4, 2)
        assert "learning rate 0.0004, batch of 2" in repr(law)


def test_the_old_name_of_the_constraint():
    settings = {"horizon": 2.0, "replicas": 4}
    sgd = rc.SGD(4e-4, constraint="stiefel")
    new = rc.emergence_law(*given(2), sgd, **settings)
    assert "Stiefel SGD" in repr(new)
    with pytest.warns(RenamedArgument, match="constraint='stiefel'") as warned:
        old = rc.emergence_law(*given(2), learning_rate=4e-4, algorithm="stiefel", **settings)
    assert warned[0].filename == __file__
    np.testing.assert_array_equal(old.emerged, new.emerged)
    with pytest.warns(RenamedArgument, match="constraint=None"):
        rc.emergence_law(*given(2), learning_rate=4e-4, algorithm="homogeneous", **settings)
    with pytest.warns(RenamedArgument, match="constraint='stiefel'"):
        band = rc.risk_law(*given(2), learning_rate=4e-4, algorithm="stiefel", times=TIMES, replicas=4)
    assert band.sgd == sgd
    with pytest.warns(RenamedArgument, match="constraint"):
        assert new.algorithm == "stiefel"
