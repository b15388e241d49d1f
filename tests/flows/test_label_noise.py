"""The limits of SGD on labels with noise: plateaus in closed form, and one neuron's equations written in three ways."""

import numpy as np
import pytest

import riccati as rc
from riccati.scaling import samples_to_learn

GAMMA, NOISE = 0.05, 1.5


def problem(k, noise=NOISE, a=0.8):
    teacher = rc.Teacher([a], rc.Link.hermite(k), noise=noise)
    return teacher, rc.Start([[0.7]], norms=0.8, dim=400)


def test_one_quadratic_neuron_rests_at_the_plateau_of_the_closed_form():
    """With Ω = a and K = a - ν at rest, ν = (γ/4)[2(2aν + Δa²) + 8aν], so that the risk 2ν/a is γΔa/(1 - 3γa)."""
    teacher, start = problem(2)
    risk = rc.solve(rc.FiniteStep(GAMMA), teacher, start, [60.0]).risk[0]
    np.testing.assert_allclose(risk, GAMMA * NOISE * 0.8 / (1 - 3 * GAMMA * 0.8), rtol=1e-6)


def test_one_neuron_on_the_stiefel_manifold_rests_where_its_velocity_is_zero():
    """a = K + ν with Ω = c = a, ν = (γ/4)(1 - 1/d)[2(2a² - 2aK + Δa²) + 8(a² - aK)], and the risk is 1 - (K/a)²."""
    teacher, start = problem(2)
    risk = rc.solve(rc.FiniteStep(GAMMA, constraint="stiefel"), teacher, start, [60.0]).risk[0]
    share = GAMMA / 4 * (1 - 1 / 400)
    lost = share * 2 * NOISE * 0.8**2 / (1 - 12 * share * 0.8)  # ν = a - K
    np.testing.assert_allclose(risk, 1 - (1 - lost / 0.8) ** 2, rtol=1e-6)


def test_a_pair_alone_obeys_the_equations_of_all_pairs():
    teacher, start = problem(3)
    own, every = (
        rc.solve(rc.FiniteStep(0.01, pairs=pairs, rtol=1e-9), teacher, start, [1.0, 4.0]) for pairs in ("own", "all")
    )
    np.testing.assert_allclose(own.risk, every.risk, rtol=1e-6)
    np.testing.assert_allclose(own.alignment, every.alignment, rtol=1e-6)


def test_gradient_flow_does_not_see_the_noise_of_labels():
    noisy, clean = ((*problem(2, noise), [3.0]) for noise in (NOISE, None))
    assert rc.solve(rc.Quadratic(), *noisy).risk == rc.solve(rc.Quadratic(), *clean).risk
    with pytest.raises(rc.ArgumentError, match="`teacher` must have labels without noise for samples_to_learn"):
        samples_to_learn(noisy[0], 1, dim=400, student_width=1)
    with pytest.raises(rc.ArgumentError, match="`noise` must be ≥ 0"):
        rc.Teacher([1.0], rc.Link.hermite(2), noise=-1.0)
