"""The step size beyond which a direction is lost: FiniteStep and SGD on both sides of it."""

import jax.numpy as jnp
import numpy as np
import pytest
from single_neuron import runs_of_one_neuron
from systems import problem

import riccati as rc
from riccati.support import RenamedArgument


def test_stiefel_limits_are_those_of_the_finite_step_limit():
    """In turn, 3 % on either side."""
    teacher, start = problem(16, 4, 10**9, 0.5, seed=1)
    limits = rc.largest_step(teacher, start, constraint="stiefel")
    assert np.all(limits.gamma[4:] == 0)
    np.testing.assert_allclose(limits.learning_rate, limits.gamma / 10**9)
    for m in (0, 2):
        below, above = (
            rc.solve(
                rc.FiniteStep(f * float(limits.gamma[m]), constraint="stiefel"), teacher, start, [3000.0]
            ).alignment[0, m]
            for f in (0.97, 1.03)
        )
        assert below > 0.02
        assert above < 1e-3


def test_limits_on_the_weights_are_those_of_the_finite_step_limit():
    """A second direction beside many small ones, in a run that settles."""
    a = np.array([0.6, 0.12, *np.full(30, np.sqrt((1 - 0.36 - 0.0144) / 30))])
    a[1], a[2:] = a[2:].max() + 0.03, np.sqrt((1 - 0.36 - (a[2:].max() + 0.03) ** 2) / 30)
    teacher = rc.Teacher(a, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 10**6, norm=0.1, seed=1)
    limits = rc.largest_step(teacher, start)
    settled = float(limits.settled[1])
    assert settled < float(limits.gamma[1])
    for factor, learned in ((0.9, True), (1.1, False)):
        end = rc.solve(rc.FiniteStep(factor * settled), teacher, start, jnp.array([600.0]))
        assert (float(end.alignment[0, 1]) > 0.02) == learned


def test_sgd_learns_below_and_not_above():
    """Stiefel SGD with one neuron: γ = 1/3 is the limit for c = 1."""
    teacher = rc.Teacher([1.0], rc.Link.hermite(2))
    start = rc.Start([[0.1]], dim=200)
    limit = rc.largest_step(teacher, start, constraint="stiefel")
    np.testing.assert_allclose(limit.gamma[0], 2 / 6 / (1 - 1 / 200))
    for factor, learned in ((0.5, True), (1.5, False)):
        rate = factor * float(limit.learning_rate[0])
        runs = runs_of_one_neuron(8, dim=200, rate=rate, steps=int(12 / rate), overlap=0.1, stiefel=True)
        assert np.mean(runs.overlaps > 0.5) == (1.0 if learned else 0.0)


def test_higher_exponents_and_what_is_refused():
    teacher, start = problem(2, 2, 400, 1.0, degree=3, seed=2)
    overlaps, _ = rc.Problem(teacher, start).assigned()
    limits = rc.largest_step(teacher, start, batch_size=4)
    np.testing.assert_allclose(limits.gamma, np.minimum(2 * teacher.a * np.abs(overlaps), limits.held))
    assert limits.gamma[0] == limits.held[0]  # what it would learn beyond it does not hold
    np.testing.assert_allclose(limits.held[0], 6 / (135 * teacher.a[0]))
    np.testing.assert_allclose(limits.learning_rate, 4 * limits.gamma / 400)
    assert "2a_p" in repr(limits)
    quadratic, _ = problem(2, 2, 400, 1.0)
    for settings, message in (
        ({"constraint": "polar"}, "constraint"),
        ({"algorithm": "polar"}, "algorithm"),
        ({"student_scale": 1.0}, "student_scale.*left out"),
        ({"batch_size": 0}, "batch_size"),
    ):
        with pytest.raises(rc.ArgumentError, match=message):
            rc.largest_step(quadratic, start, **settings)
    with pytest.raises(rc.ArgumentError, match=r"teacher.*h_2 for largest_step of Stiefel SGD"):
        rc.largest_step(teacher, start, constraint="stiefel")


def test_one_direction_is_looked_up_by_its_number():
    teacher, start = problem(3, 2, 400, 1.0)
    limits = rc.largest_step(teacher, start, batch_size=2)
    assert len(limits) == len(list(limits)) == 3
    assert limits[-1] == limits[2] == (0.0, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(limits[1].learning_rate, 2 * limits[1].gamma / 400)
    np.testing.assert_allclose(rc.FiniteStep.of(rc.SGD(limits[1].learning_rate, 2), 400).gamma, limits[1].gamma)
    with pytest.raises(IndexError):
        limits[3]
    assert rc.largest_step(teacher, rc.Start(start.teacher_overlaps))[0].learning_rate is None


def test_the_old_name_of_the_constraint():
    teacher, start = problem(3, 2, 400, 1.0)
    new = rc.largest_step(teacher, start, constraint="stiefel")
    with pytest.warns(RenamedArgument, match="constraint='stiefel', with γ = ηd/B, half of the former εd/B"):
        old = rc.largest_step(teacher, start, algorithm="stiefel")
    np.testing.assert_array_equal(old.gamma, new.gamma)
    with pytest.warns(RenamedArgument, match="constraint"):
        assert new.algorithm == "stiefel"


def test_the_sphere_has_no_limit_of_free_weights():
    teacher = rc.Teacher([1.0], rc.Link.hermite(2))
    with pytest.raises(rc.ArgumentError, match=r"`constraint` must be None or .stiefel., but is 'sphere'"):
        rc.largest_step(teacher, rc.Start([[0.1]], norms=0.1, dim=100), constraint="sphere")


@pytest.mark.parametrize("constraint", [None, "stiefel"])
def test_under_label_noise_a_direction_is_lost_where_the_limit_loses_it(constraint):
    """While nothing is learned, the first row of Y grows at the rate a_1 less the noise's, which vanishes there."""
    dim, teacher = 10**10, rc.Teacher([0.8, 0.6], rc.Link.hermite(2), noise=4.0)
    start = rc.Start.random(teacher, 2, dim, norm=1e-9)
    gamma = float(rc.largest_step(teacher, start, constraint=constraint).gamma[0])
    for share, sign in ((0.97, 1), (1.03, -1)):
        flow = rc.FiniteStep(share * gamma, constraint=constraint)
        first = np.asarray(rc.solve(flow, teacher, start, np.linspace(0, 1, 64)).alignment)[:, 0]
        assert np.all(sign * np.diff(first) > 0)
    if constraint is None:
        # R + v with the first direction learned, by the sum over its plateau
        second = float(rc.largest_step(teacher, start).gamma[1])
        excess = (0.36 + 4.0) / (1 - second * 0.8 / (1 - 2 * second * 0.8))
        assert second * excess == pytest.approx(2 * 0.6)
