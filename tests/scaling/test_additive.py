"""The additive model against its exact sums, its asymptote and the decoupled flow."""

import numpy as np
import pytest

import riccati as rc
from riccati import scaling
from riccati.scaling import AdditiveModel, Escape, Logistic, Skill, StepFunction, mellin, power_sum
from riccati.support import RenamedArgument

H4 = rc.Link.hermite(4)


def test_power_sums_on_both_sides_of_the_pole():
    m = np.arange(1.0, 41)
    for s in (0.3, 1.0, 1.7, 3.0):
        assert power_sum(s, 5, 40) == pytest.approx(np.sum(m[4:] ** -s), rel=1e-12)
        assert power_sum(s, 5, 4) == 0
    assert power_sum(2.0, 1) == pytest.approx(np.pi**2 / 6)
    with pytest.raises(rc.ArgumentError, match=r"`last` must be finite for exponents ≤ 1"):
        power_sum(1.0, 1)


@pytest.mark.parametrize("beta", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("name", ["logistic", "skill", "escape"])
def test_constants_are_exact(beta, name):
    """A smooth shape leaves less than any power of t: 40 to 200 of 10⁴ directions learned."""
    shape = {"logistic": Logistic(14.0), "skill": Skill(14.0)}.get(name) or Escape(H4, 0.2)
    model = AdditiveModel.power_law(10_000, 2 * beta, beta, shape)
    times = np.geomspace(40.0, 200.0, 5) ** beta
    np.testing.assert_allclose(model.risk(times), model.asymptote(times), rtol=3e-5)


def test_a_step_has_the_law_up_to_its_stairs():
    model = AdditiveModel.power_law(10_000, 1.6, 0.8, StepFunction())
    assert model.asymptote.constant == pytest.approx(1 / (0.6 * np.sum(np.arange(1.0, 10_001) ** -1.6)))
    for learned in (10, 100, 1000):
        middle = (learned + 0.5) ** 0.8
        assert model.risk([middle])[0] == pytest.approx(model.asymptote(middle), rel=0.1 / learned**2)


def test_escape_is_the_decoupled_overlap():
    teacher = rc.Teacher([1.0], H4)
    start = rc.Start([[0.1]], norms=1e-2)
    last = float(rc.Decoupled().emergence_times_of(teacher, start)[0])
    x = np.array([0.0, 0.5, 0.95, 1.0, 1.01, 1.05, 1.2])
    m2 = np.asarray(rc.solve(rc.Decoupled(), teacher, start, x * last).alignment)[:, 0]
    np.testing.assert_allclose(Escape(H4, 0.1)(x), 1 - m2**4, rtol=1e-7)  # g(m) = m⁴
    assert Escape(H4, 0.1)(np.array([1.0]))[0] == pytest.approx(1 - 1 / 16)


def test_logistic_is_the_riccati_alignment():
    dim = 1e4
    model = AdditiveModel([1.0], [np.log(dim - 1) / 4], Logistic(np.log(dim - 1)))  # T = log(1/G_0 - 1)/(2a), τ = 2t
    times = np.linspace(0, 5, 11)
    start = rc.Start([[dim**-0.5]], norms=1e-3)
    flow = rc.solve(rc.Riccati(), rc.Teacher([1.0], rc.Link.hermite(2)), start, times)
    np.testing.assert_allclose(model.risk(times), flow.risk, rtol=1e-9)


def test_mellin_transforms():
    assert mellin(StepFunction(), 0.4) == 2.5
    # ∫ (1 - p²) dx = 1 + 1/L up to e^{-L}
    assert mellin(Logistic(30.0), 1.0) == pytest.approx(1 + 1 / 30, rel=1e-7)
    assert mellin(Skill(30.0), 1.0) == pytest.approx(1 - 1 / 30, rel=1e-7)


def test_papers_are_choices_of_it():
    skills, quanta = AdditiveModel.skills(500, 0.6), AdditiveModel.quanta(500, 0.6)
    for model in (skills, quanta):
        assert model.asymptote.exponent == pytest.approx(-0.6 / 1.6)
        assert model.floor(100) == pytest.approx(model.risk([1e30], learned=100)[0])
    assert skills.risk([0.0])[0] == pytest.approx(1)
    # R(t) = S/(1 + (S/R_0 - 1) e^{-…}): half of S at T_1
    assert skills.shape(np.array([1.0])) == pytest.approx((0.5 / 0.98) ** 2)


def test_refusals():
    with pytest.raises(rc.ArgumentError, match=r"`times` must have 2 entries"):
        AdditiveModel([1.0, 1.0], [1.0], StepFunction())
    with pytest.raises(rc.ArgumentError, match=r"`weight_exponent` must be > 1"):
        _ = AdditiveModel.power_law(10, 0.8, 0.4, StepFunction()).asymptote
    with pytest.raises(rc.ArgumentError, match=r"`overlap` must be below √½"):
        Escape(H4, 0.8)


def test_the_step_function_has_an_old_name():
    with pytest.warns(RenamedArgument, match="Step is now riccati.scaling.StepFunction"):
        assert scaling.Step is StepFunction
    with pytest.raises(AttributeError, match="nothing"):
        _ = scaling.nothing
