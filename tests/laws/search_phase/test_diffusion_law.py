"""The law of emergence times for k > 2: its limits, its grid, and what it refuses."""

import equinox as eqx
import numpy as np
import pytest
from systems import problem

import riccati as rc
from riccati.laws import Resolution
from riccati.laws.search_phase import diffusion_at, grid, step_size

X0 = 2.4


def one(overlaps, dim, degree=3, a=(1.0,), norms=1e-2):
    """A teacher and one neuron (or a row for each) at overlaps given in units of 1/√d."""
    teacher = rc.Teacher(a, rc.Link.hermite(degree))
    return teacher, rc.Start(np.atleast_2d(overlaps) / np.sqrt(dim), norms=norms, dim=dim)


def rate(strength, dim, degree=3):
    return strength * dim ** (-degree / 2)


def exit_moments(teacher, start, sgd, level=0.5):
    """E T and E T² of one pair: with u = -dE T/dm, du/dm = 2/V - 2bu/V from the end that reflects, and E T = ∫ u dm."""
    low, root, top = (0.0 if teacher.link.is_even else -1.0), np.sqrt(start.dim), np.sqrt(level)
    edges = np.linspace(np.arcsinh(low * root), np.arcsinh(top * root), 4001)
    m, middle = (np.sinh(y) / root for y in (edges, (edges[1:] + edges[:-1]) / 2))
    way, h = diffusion_at(teacher.link, middle, step_size(sgd, start.dim)), np.diff(m)
    variance = np.asarray(way.variance(1.0, 0.0))
    pull = 2 * np.asarray(way.drift(1.0, 0.0)) / variance

    def integral(source):
        kept, fed, slopes = np.exp(-pull * h), 2 * source / variance * -np.expm1(-pull * h) / pull, [0.0]
        for share, more in zip(kept, fed, strict=True):
            slopes.append(slopes[-1] * share + more)
        steps = (np.add(slopes[1:], slopes[:-1]) / 2 * h)[::-1]
        return np.append(np.cumsum(steps)[::-1], 0.0)

    first = integral(np.ones(len(h)))
    second = integral(first[1:] + first[:-1])
    at = float(start.teacher_overlaps[0, 0])
    return np.interp(at, m, first), np.interp(at, m, second)


@pytest.mark.parametrize(("degree", "strength"), [(3, 0.5), (4, 0.3)])
def test_one_pair_has_the_exit_times_of_its_diffusion(degree, strength):
    """Mean and spread by quadrature of its generator; test_simulated_diffusion.py has the whole law."""
    teacher, start = one(X0, 1200, degree)
    sgd = rc.SGD(rate(strength, 1200, degree))
    law = rc.emergence_law(teacher, start, sgd)
    times, left = np.asarray(law.times), 1 - np.asarray(law.distribution)[:, 0]
    mean, square = np.trapezoid(left, times), np.trapezoid(2 * times * left, times)
    exact, exact_square = exit_moments(teacher, start, sgd)
    np.testing.assert_allclose(mean, exact, rtol=1e-3)
    np.testing.assert_allclose(np.sqrt(square - mean**2), np.sqrt(exact_square - exact**2), rtol=1e-2)


@pytest.mark.parametrize("degree", [3, 4])
def test_without_noise_it_is_the_decoupled_flow(degree):
    """Odd k: directions whose neuron has a negative overlap stay unlearned. To first order in η."""
    teacher, start = problem(4, 5, 400, 1.0, degree=degree, seed=2)
    exact = np.asarray(rc.Decoupled().emergence_times_of(teacher, start, 0.3))
    errors = []
    for strength in (1e-8, 1e-10):
        law = rc.emergence_law(teacher, start, learning_rate=rate(strength, 400, degree), level=0.3)
        middle, quarter = (np.asarray(law.quantile(q)) for q in (0.5, 0.25))
        np.testing.assert_array_equal(np.isinf(middle), np.isinf(exact))
        finite = np.isfinite(exact)
        errors.append(np.max(np.abs(middle / exact - 1)[finite]))
        assert np.all(quarter[finite] < middle[finite])
    assert errors[0] < 1e-6
    assert errors[1] < 2e-2 * errors[0] + 1e-12


def test_the_two_descriptions_meet_where_the_noise_is_small():
    """The normal law and the grid, at one step size: medians to a fifth of a spread, which is 2 % of T."""
    teacher, start = one(3.0, 10**4, 4)
    grid = rc.emergence_law(teacher, start, learning_rate=rate(0.05, 10**4, 4))
    coarse = Resolution(most=64)
    normal = rc.emergence_law(teacher, start, learning_rate=rate(0.05, 10**4, 4), resolution=coarse)
    assert np.isnan(grid.mean[0])
    assert np.isfinite(normal.mean[0])
    for q in (0.25, 0.5, 0.75):
        np.testing.assert_allclose(grid.quantile(q), normal.quantile(q), atol=0.2 * normal.spread[0])


def test_a_distribution_function_and_its_inverse():
    teacher, start = problem(4, 5, 400, 1.0, degree=3, seed=1)
    law = rc.emergence_law(teacher, start, learning_rate=rate(0.5, 400), batch_size=1)
    distribution = np.asarray(law.distribution)
    assert distribution.shape == (len(law.times), 4)
    assert distribution.min() >= 0
    assert distribution.max() <= 1
    assert np.all(np.diff(distribution, axis=0) >= 0)
    for q in (0.1, 0.5, 0.9):
        for m, time in enumerate(np.asarray(law.quantile(q))):
            if np.isfinite(time):
                np.testing.assert_allclose(law.probability(time)[m], q, atol=2e-4)
            else:
                assert distribution[-1, m] < q
    assert np.all(law.probability(0.0) == 0)
    np.testing.assert_allclose(law.probability(1e9), distribution[-1])
    assert "4, emerged at squared overlap 0.5" in repr(law)


def test_batches_of_samples_act_through_their_rate_alone():
    teacher, start = one(X0, 300)
    single = rc.emergence_law(teacher, start, learning_rate=rate(0.3, 300))
    batch = rc.emergence_law(teacher, start, learning_rate=8 * rate(0.3, 300), batch_size=8)
    np.testing.assert_allclose(batch.quantile(0.5), single.quantile(0.5), rtol=1e-10)


def test_a_finer_grid_changes_nothing():
    """Quartiles to 5e-4 with twice the nodes and half the time steps."""
    teacher, start = one([[X0, 0.4], [0.7, 1.9]], 300, a=(0.8, 0.6))
    coarse = rc.emergence_law(teacher, start, learning_rate=rate(0.3, 300))
    finer = Resolution(per_width=6, fewest=512, per_spread=16, largest_ratio=0.01)
    fine = rc.emergence_law(teacher, start, learning_rate=rate(0.3, 300), resolution=finer)
    assert len(fine.times) > 1.5 * len(coarse.times)
    for q in (0.25, 0.5, 0.75):
        np.testing.assert_allclose(coarse.quantile(q), fine.quantile(q), rtol=5e-4)


def test_several_neurons_for_one_direction_survive_independently():
    overlaps = [1.5, 0.6, -0.8]
    teacher, together = one([[x] for x in overlaps], 300)
    law = rc.emergence_law(teacher, together, learning_rate=rate(0.4, 300))
    alone = [rc.emergence_law(*one(x, 300), learning_rate=rate(0.4, 300)) for x in overlaps]
    for horizon in np.asarray([law.quantile(q)[0] for q in (0.2, 0.5, 0.8)]):
        survives = np.prod([1 - float(each.probability(horizon)[0]) for each in alone])
        np.testing.assert_allclose(1 - law.probability(horizon)[0], survives, atol=1e-3)


def learned(teacher, start, strength):
    """The probability that direction 1 is learned within five noiseless times."""
    horizon = 5 * float(rc.Decoupled().emergence_times_of(teacher, start)[0])
    return float(rc.emergence_law(teacher, start, learning_rate=rate(strength, start.dim)).probability(horizon)[0])


def test_the_largest_step_size_scales_as_a_over_d_to_half_k():
    """Where a direction is learned half of the time, so that a probability moves by 0.4 as the step doubles."""
    first, second, twice = (learned(*one(X0, d), g) for d, g in ((10**6, 10.0), (10**8, 10.0), (10**6, 20.0)))
    assert twice < first - 0.4
    np.testing.assert_allclose(second, first, atol=0.01)
    # M equal directions, each with a neuron at x_0: a = 1/√M is all that changes, but for 6a² of the noise
    shares = []
    for width in (16, 64):
        teacher = rc.Teacher(np.full(width, width**-0.5), rc.Link.hermite(3))
        start = rc.Start.typical(teacher, width, 10**6)
        start = eqx.tree_at(lambda start: start.overlaps, start, np.full(width, X0 / 10**3))
        shares.append(learned(teacher, start, 6 / np.sqrt(width)))
    np.testing.assert_allclose(shares[1], shares[0], atol=0.1)


def test_a_typical_start_has_a_neuron_for_each_direction():
    teacher = rc.Teacher.power_law(4, 1.0, rc.Link.hermite(3))
    typical = rc.Start.typical(teacher, 2, 300)
    law = rc.emergence_law(teacher, typical, learning_rate=rate(0.2, 300))
    assert np.all(law.probability(1e4)[:2] > 0.3)
    assert np.all(law.probability(1e4)[2:] == 0)
    assert np.all(np.isinf(law.quantile(0.5)[2:]))


def test_the_grid_stays_on_the_sphere_in_every_dimension():
    teacher = rc.Teacher([1.0], rc.Link.hermite(3))
    for dim in range(4790, 4811):
        nodes = grid(teacher, dim, 0.5, 256)
        way = diffusion_at(teacher.link, nodes.overlaps, step_size(rc.SGD(dim**-1.5), dim))
        assert np.isfinite(way.variance(1.0, 0.0)).all(), dim


def test_a_direction_past_the_level_has_emerged():
    teacher, start = one([[0.9 * np.sqrt(300), 0.1], [0.7, 0.9]], 300, a=(0.8, 0.6))
    law = rc.emergence_law(teacher, start, learning_rate=rate(0.2, 300))
    assert law.distribution[0, 0] == 1
    assert law.quantile(0.5)[0] == 0


def test_what_it_does_not_describe_is_refused_in_a_line():
    teacher, start = one(X0, 300)
    settings = {"learning_rate": 1e-4}
    shifted = rc.Teacher([1.0], rc.Link.from_coefficients([0.5, 0, 0, 1]))
    cases = [
        (shifted, rc.Start.typical(shifted, 1, 300), settings, "start.*hold all overlaps"),
        (teacher, rc.Start([[0.1]]), settings, r"start.*dim=d"),
        (teacher, rc.Start([[0.1, 0.1]], dim=300), settings, "start.*1 directions"),
        (teacher, start, {"learning_rate": 0.0}, "learning_rate.*> 0"),
        (teacher, start, {**settings, "batch_size": 0}, "batch_size.*≥ 1"),
        (teacher, start, {"learning_rate": lambda n: 1e-4}, "learning_rate.*one number"),
        (teacher, start, {}, "sgd.*be given"),
        (teacher, start, {**settings, "sgd": rc.SGD(1e-4)}, "learning_rate.*left out beside `sgd`"),
        (teacher, start, {"sgd": rc.SGD(1e-4, constraint="stiefel")}, "teacher.*h_2 for Stiefel SGD"),
        (teacher, start, {**settings, "level": 1.0}, "level.*< 1"),
    ]
    for bad_teacher, bad_start, given, message in cases:
        with pytest.raises(rc.ArgumentError, match=message) as error:
            rc.emergence_law(bad_teacher, bad_start, **given)
        assert "\n" not in str(error.value)
    law = rc.emergence_law(teacher, start, learning_rate=rate(0.3, 300))
    for call, name in ((lambda: law.quantile(1.0), "q"), (lambda: law.probability(-1.0), "horizon")):
        with pytest.raises(rc.ArgumentError, match=f"`{name}` must be"):
            call()
