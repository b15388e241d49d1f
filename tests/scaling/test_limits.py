"""The sharp limit in its three regimes, and how curves of finite d come near it."""

import numpy as np
import pytest

import riccati as rc
from riccati.scaling import collapse, distance, fit_power_law, rates, sharp_limit
from riccati.support import RenamedArgument

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
    collapsed = collapse(curves)
    assert collapsed.distance[1, 2] < collapsed.distance[0, 1] < collapsed.spread + 1e-15
    assert collapsed.risk.shape == (3, len(collapsed.x))


def test_teachers_that_are_no_power_law():
    limit = sharp_limit(rc.Teacher([3.0, 2.5, 1.0], H2))
    assert limit.beta is None
    assert limit.exponent is None
    with pytest.raises(rc.ArgumentError, match="a_m ∝ m\\^-β"):
        limit.many_directions(1.0)
    with pytest.raises(rc.ArgumentError, match="information exponent ≥ 2"):
        sharp_limit(rc.Teacher([1.0], rc.Link.named("relu")))


def _under(exponent, link, width=4000, beta=0.8, dim=5000, **kind):
    return rc.Teacher.power_law(width, beta, link, covariance=rc.Covariance.power_law(dim, exponent, **kind))


@pytest.mark.parametrize(("link", "k"), [(H2, 2), (H4, 4)])
@pytest.mark.parametrize("exponent", [0.4, 0.9])
def test_the_two_parameter_law(link, k, exponent):
    """Times ∝ m^θ, θ = β + αk/2, and risk ∝ t^{(1-2β)/θ}; neither θ = β nor θ = β + α at k = 4."""
    limit, theta = sharp_limit(_under(exponent, link)), 0.8 + exponent * k / 2
    T = limit.emergence_times
    assert np.log(T[-1] / T[0]) / np.log(len(T)) == pytest.approx(theta, abs=1e-9)
    assert limit.exponent == pytest.approx(-0.6 / theta)
    stairs = np.unique(np.geomspace(10, 1500, 200).astype(int))
    middle = np.sqrt(T[stairs - 1] * T[stairs])
    fitted = fit_power_law(middle, limit.risk(middle), floor="free", window=(middle[0], middle[-1])).exponent
    assert fitted == pytest.approx(-0.6 / theta, abs=0.03)
    np.testing.assert_allclose(limit.many_directions(middle[:5] / limit.scale), limit.risk(middle[:5]), atol=0.02)
    assert rates(0.8, k, exponent)[1].value == pytest.approx(-0.6 / theta)


def test_the_two_parameter_law_is_that_of_the_decoupled_flow():
    """A thousand directions, d = 10⁵: emergence times by the formula, and the slope of the flow's own risk."""
    teacher, dim = _under(0.5, H4, 1000, dim=100_000), 100_000
    start, limit = rc.Start.typical(teacher, 1000, dim, 1e-2), sharp_limit(teacher, 1000)
    flow = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    np.testing.assert_allclose(limit.emergence_times[100:900] * limit.unit(dim), flow[100:900], rtol=0.01)
    times = np.geomspace(flow[10], flow[300], 60)
    risk = np.asarray(rc.solve(rc.Decoupled(), teacher, start, times).risk)
    fitted = fit_power_law(times, risk, floor="free", window=(times[0], times[-1])).exponent
    assert fitted == pytest.approx(-0.6 / 1.8, abs=0.03)


@pytest.mark.parametrize("link", [H2, H4])
def test_a_flat_covariance_changes_nothing(link):
    flat, without = (
        sharp_limit(_under(0.0, link, 64, dim=200), 16),
        sharp_limit(rc.Teacher.power_law(64, 0.8, link), 16),
    )
    np.testing.assert_allclose(flat.emergence_times, without.emergence_times, rtol=1e-13)
    assert flat.unit(200) == pytest.approx(without.unit(200), rel=1e-13)
    assert (flat.theta, flat.exponent) == (pytest.approx(without.theta), pytest.approx(without.exponent))
    x = np.geomspace(0.5, 30, 40)
    np.testing.assert_allclose(flat.many_directions(x), without.many_directions(x), rtol=1e-12)


def test_light_tails_under_a_covariance():
    """The staircase of many directions comes near 1 - (t/T_M)^{(1-2β)/θ}, and near -log(t/T_M)/(θ log M) at β = ½."""
    for beta, bound in ((0.25, 5e-3), (0.5, 0.03), (0.0, 5e-3)):
        limit = sharp_limit(_under(0.6, H2, 20_000, beta, 20_000))
        x = np.geomspace(0.1, 3, 60)
        np.testing.assert_allclose(limit.risk(x * limit.scale), limit.many_directions(x), atol=bound)


def test_covariances_and_their_dimension():
    limit = sharp_limit(_under(0.5, H4, 10, dim=20))
    assert limit.unit_name == "(tr Σ)^1"
    assert limit.unit(20) == pytest.approx(np.sum(np.arange(1.0, 21) ** -0.5))
    with pytest.raises(rc.ArgumentError, match="`dim` must be the covariance's 20"):
        limit.unit(30)
    # a whitened step leaves the start's overlaps alone to feel Σ
    theta = sharp_limit(_under(0.5, H4, 10, dim=20, preconditioned=True)).theta
    assert theta == pytest.approx(0.8 + 0.5)
    uneven = rc.Teacher.power_law(3, 1.0, H2, covariance=rc.Covariance([1.0, 0.9, 0.1, 0.1]))
    assert sharp_limit(uneven).theta is None
    with pytest.raises(rc.ArgumentError, match="λ_m ∝ m\\^-α"):
        sharp_limit(uneven).many_directions(1.0)


def test_the_covariances_exponent_has_an_old_name():
    new = rates(0.8, 4, covariance_exponent=0.5)
    with pytest.warns(RenamedArgument, match="rates\\(covariance_exponent=…\\)"):
        assert rates(0.8, 4, gamma=0.5) == new
    assert new != rates(0.8, 4)
