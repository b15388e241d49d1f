"""The sharp limit in its three regimes, and how curves of finite d come near it."""

import numpy as np
import pytest

import riccati as rc
from riccati.scaling import collapse, distance, sharp_limit

H2, H4 = rc.Link.hermite(2), rc.Link.hermite(4)


def test_emergence_times_and_floor_are_those_of_the_flow():
    teacher = rc.Teacher.power_law(64, 1.2, H4)
    limit = sharp_limit(teacher, 16)
    dim = 10**9
    flow = rc.Decoupled().emergence_times_of(teacher, rc.Start.typical(teacher, 16, dim, 1e-2))
    np.testing.assert_allclose(limit.emergence_times * limit.unit(dim), flow, rtol=1e-6)
    assert limit.floor == pytest.approx(float(np.sum(teacher.a[16:] ** 2)))
    assert limit.risk([1e9])[0] == pytest.approx(limit.floor)
    assert limit.exponent == pytest.approx((1 - 2.4) / 1.2)
    quadratic = sharp_limit(rc.Teacher.power_law(4, 1.0, H2), 2)
    np.testing.assert_allclose(quadratic.emergence_times[:2], 1 / (4 * quadratic.teacher.a[:2]))
    assert np.isinf(quadratic.emergence_times[2:]).all()


@pytest.mark.parametrize(("beta", "bound"), [(1.0, 1e-3), (0.25, 3e-3), (0.5, 0.03)])
def test_many_directions(beta, bound):
    """The staircase of 10⁵ directions is within the stated distance of the limit; that of 10³ farther away."""
    apart = []
    for width in (1000, 100_000):
        limit = sharp_limit(rc.Teacher.power_law(width, beta, H2), width // 4)
        x = np.geomspace(1e-2, 3, 200) if limit.regime != "power law" else np.geomspace(0.5, 200, 201)
        apart.append(np.abs(limit.risk(x * limit.scale) - limit.many_directions(x))[x > 3 / width**beta].max())
    assert apart[1] < bound
    assert apart[1] < apart[0]


def test_flat_limit_in_closed_form():
    limit = sharp_limit(rc.Teacher.power_law(100, 0.25, H2), 25)
    np.testing.assert_allclose(limit.many_directions([0.5, 2.0]), [1 - 0.25, 0.5])  # 1 - t², 1 - √φ
    np.testing.assert_allclose(sharp_limit(rc.Teacher.power_law(100, 0.25, H2)).many_directions([2.0]), [0.0])


def test_curves_of_finite_dimension_approach_the_limit_and_each_other():
    teacher = rc.Teacher.power_law(300, 0.25, H4)
    curves = []
    for dim in (10**3, 10**4, 10**6):
        limit = sharp_limit(teacher, 600)
        times = np.linspace(0.02, 1.5, 60) * limit.scale * limit.unit(dim)
        curves.append(rc.solve(rc.Decoupled(), teacher, rc.Start.typical(teacher, 600, dim, 1e-2), times))
    means = [distance(curve).mean for curve in curves]
    assert means[0] > means[1] > means[2]
    found = collapse(curves)
    assert found.distance[1, 2] < found.distance[0, 1] < found.spread + 1e-15
    assert found.risk.shape == (3, len(found.x))


def test_teachers_that_are_no_power_law():
    limit = sharp_limit(rc.Teacher([3.0, 2.5, 1.0], H2))
    assert limit.beta is None
    assert limit.exponent is None
    with pytest.raises(rc.ArgumentError, match="a_m ∝ m\\^-β"):
        limit.many_directions(1.0)
    with pytest.raises(rc.ArgumentError, match="information exponent ≥ 2"):
        sharp_limit(rc.Teacher([1.0], rc.Link.named("relu")))
