"""The step size beyond which SGD diverges, against SGD exact in law, FiniteStep, and the laws that say so."""

import warnings

import numpy as np
import pytest
from single_neuron import runs_of_one_neuron
from systems import problem

import riccati as rc
from riccati.laws import can_be_learned, divergence, largest_held, largest_safe, moments_of

HELD = {2: 1 / 3, 3: 6 / 135, 4: 8 / 1488}  # 2g'(1)/E σ'⁴


def ahead(k, width, neurons, dim, norm=0.2, overlap=0.3):
    """A start in which every direction has a neuron on its way."""
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(k))
    W = np.random.default_rng(0).normal(size=(neurons, dim)) / np.sqrt(dim)
    W[range(width), range(width)] = overlap
    return teacher, rc.Start.from_weights(norm * W / np.linalg.norm(W, axis=1, keepdims=True), np.eye(width, dim))


def fraction_of_sgd(teacher, start, gamma, horizon, seeds, batch=8):
    """The fraction of runs that diverge by `horizon`."""
    rate = gamma * batch / start.dim
    if start.teacher_overlaps.shape == (1, 1):
        return np.mean(
            runs_of_one_neuron(
                seeds, dim=start.dim, rate=rate, steps=int(horizon / rate), batch=batch,
                degree=teacher.link.degree, amplitude=float(teacher.a[0]),
                overlap=float(start.teacher_overlaps[0, 0]), norm=float(start.norms[0]),
            ).diverged
        )  # fmt: skip
    run = rc.sgd.Experiment(
        teacher=teacher, start=start, learning_rate=rate, batch_size=batch, steps=int(horizon / rate), rows=4
    )
    return float(np.mean(run.ensemble(range(seeds)).diverged >= 0))


def divergence_at(teacher, start, gamma):
    return divergence(rc.Problem(teacher, start), rc.SGD.from_gamma(gamma, start.dim))


@pytest.mark.parametrize("k", HELD)
def test_moments_and_the_limit_of_one_direction(k):
    """E σ'², E σ'⁴ and E σ²σ'² by Gauss and Hermite, of a link that is not of unit variance."""
    link = rc.Link.from_coefficients([0] * k + [0.7])
    z, weights = np.polynomial.hermite_e.hermegauss(4 * k)
    value, slope, mean = np.asarray(link(z)), np.asarray(link.derivative(z)), weights / weights.sum()
    moments = moments_of(link)
    expected = [0.49, mean @ slope**2, mean @ slope**4, mean @ (value**2 * slope**2)]
    np.testing.assert_allclose(moments[:4], expected, rtol=1e-9)
    np.testing.assert_allclose(largest_held(moments_of(rc.Link.hermite(k)), np.array([0.5])), 2 * HELD[k], rtol=1e-9)


@pytest.mark.parametrize(("k", "width"), [(2, 3), (3, 2), (4, 1)])
def test_the_finite_step_limit_explodes_beyond_it_and_not_below(k, width):
    """A tenth on either side, from what has been learned but for a little."""
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(k))
    start = rc.Start(np.sqrt(0.98) * np.eye(width), norms=np.sqrt(np.asarray(teacher.a)), dim=10**6)
    held = divergence_at(teacher, start, 1e-6).held
    times = np.linspace(0.5, 60, 40)
    below = rc.solve(rc.FiniteStep(0.9 * held), teacher, start, times)
    assert bool(below.outcome == rc.Outcome.complete)
    assert float(below.risk[-1]) < 1e-3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rc.IncompleteTrajectory)
        beyond = rc.solve(rc.FiniteStep(1.1 * held), teacher, start, times)
    assert float(beyond.risk[-1]) > 0.05


@pytest.mark.parametrize(
    ("k", "width", "neurons", "dim", "norm", "share", "horizon"),
    [
        (3, 1, 1, 100, 0.2, 1.2, 12),  # 0.66 of SGD for an estimate of 0.59
        (3, 1, 1, 400, 0.05, 1.5, 8),
        (4, 1, 1, 60, 0.2, 1.2, 8),
        (2, 1, 1, 400, 0.2, 0.7, 8),
        pytest.param(2, 2, 3, 200, 0.2, 1.0, 12, marks=pytest.mark.large),
        pytest.param(3, 2, 3, 200, 0.2, 0.6, 10, marks=pytest.mark.large),
        pytest.param(3, 2, 4, 200, 0.5, 0.95, 10, marks=pytest.mark.large),
    ],
)
def test_the_fraction_of_diverging_runs_against_sgd(k, width, neurons, dim, norm, share, horizon):
    """Sixty-four seeds, four standard errors of 0.06: a caution where a tenth of them diverge, and where most do."""
    teacher, start = ahead(k, width, neurons, dim, norm)
    gamma = share * divergence_at(teacher, start, 1e-6).held
    measured, estimate = fraction_of_sgd(teacher, start, gamma, horizon, 64), divergence_at(teacher, start, gamma)
    assert abs(measured - estimate.fraction) < 0.25
    assert (estimate.caution != "") == (measured > 0.05)
    assert ("most of the runs diverge" in estimate.caution) == (measured > 0.85)


def test_the_largest_step_scales_with_the_second_layer():
    """γ_held(λa) = γ_held(a)/λ to rounding; equal a: one direction's limit over 1 + κ(M - 1), κ = g'(1)²/E σ'⁴."""
    for k, held in HELD.items():
        moments, a = moments_of(rc.Link.hermite(k)), np.array([0.9, 0.5, 0.1])
        np.testing.assert_allclose(1e6 * largest_held(moments, 1e6 * a), largest_held(moments, a), rtol=1e-13)
        kappa = k**2 / moments.fourth
        for width in (1, 2, 1000):
            same = largest_held(moments, np.ones(width))
            np.testing.assert_allclose(same, held / (1 + kappa * (width - 1)), rtol=1e-12)
    flat = moments_of(rc.Link.hermite(3))._replace(slope=1.0, fourth=1.0)  # |z|: σ'² = 1
    np.testing.assert_allclose(largest_held(flat, np.array([0.9, 0.6])), 2 / 1.5, rtol=1e-12)


def test_a_mean_that_does_not_change_climbs_with_exponent_one():
    """At `held` E A = 1 in any dimension, so that α = 1 and the fraction is C e^(-h), with other directions too."""
    for k, width in ((2, 1), (2, 2), (2, 4), (3, 4)):
        teacher, start = ahead(k, width, width, 400)
        held = divergence_at(teacher, start, 1e-6).held
        below, at, beyond = (divergence_at(teacher, start, share * held).estimate for share in (0.995, 1.0, 1.005))
        assert below < at < beyond
        assert at < np.exp(-(k - 1) / 2)


def test_a_typical_start_counts_the_other_neurons():
    """Long neurons are residual to each other: at the same norms a drawn start explodes at the same step."""
    teacher = rc.Teacher([0.8, 0.6], rc.Link.hermite(3))
    drawn = rc.Start.random(teacher, student_width=6, dim=400, norm=0.9, seed=0)
    typical = rc.Start.typical(teacher, student_width=6, dim=400, norm=0.9)
    first, second = (divergence_at(teacher, start, 0.01) for start in (drawn, typical))
    np.testing.assert_allclose([first.unlearned, first.longest], [second.unlearned, second.longest], rtol=1e-12)


def test_no_false_alarm_at_small_steps():
    for k, held in HELD.items():
        for width, neurons, norm in ((1, 1, 0.2), (4, 6, 0.01), (8, 4, 0.4)):
            for dim in (100, 10**4, 10**9):
                teacher, start = problem(width, neurons, dim, 1.0, degree=k, norm=norm)
                assert divergence_at(teacher, start, 0.25 * held).caution == ""
                assert divergence_at(teacher, start, 0.25 * held).fraction < 0.02


def test_it_grows_with_the_step_and_is_sharp_in_high_dimension():
    teacher, start = ahead(3, 1, 1, 100)
    fractions = [divergence_at(teacher, start, share * HELD[3]).fraction for share in (0.5, 0.8, 1.0, 1.1, 1.2, 1.4)]
    assert np.all(np.diff(fractions) > 0)
    assert fractions[-1] == 1
    vast = rc.Start(np.asarray(start.teacher_overlaps), norms=0.2, dim=10**7)
    assert divergence_at(teacher, vast, 0.98 * HELD[3]).fraction < 1e-3
    assert divergence_at(teacher, vast, 1.02 * HELD[3]).fraction == 1
    safe = largest_safe(rc.Problem(teacher, start))
    np.testing.assert_allclose(divergence_at(teacher, start, safe).fraction, 0.05, atol=1e-3)


def test_neurons_that_are_too_long_explode_at_once():
    """And those of any length beyond 2g(1)/√(E σ²σ'² g'(1) R), which is 0.12 for h_3; of those that know nothing."""
    teacher = rc.Teacher([1.0], rc.Link.hermite(3))
    long, short = (rc.Start([[-0.05]], norms=norm, dim=200) for norm in (1.6, 0.3))
    assert "neurons of |w| > 1.1" in divergence_at(teacher, long, 0.03).caution
    assert divergence_at(teacher, short, 0.03).caution == ""
    assert fraction_of_sgd(teacher, long, 0.03, 1.0, 64) > 0.6
    assert fraction_of_sgd(teacher, short, 0.03, 1.0, 64) == 0
    assert "neurons that have learned nothing explode from 0.12 on" in divergence_at(teacher, short, 0.13).caution
    learned = rc.Start([[0.99]], norms=1.0, dim=200)
    assert divergence_at(teacher, learned, 0.02).caution == ""


def test_directions_that_nobody_learns_do_not_count():
    """k > 2: the neuron is on its way to the second direction, which holds twice the step of the first."""
    teacher = rc.Teacher([2.0, 1.0], rc.Link.hermite(3))
    start = rc.Start([[-0.1, 0.4]], norms=0.2, dim=400)
    np.testing.assert_array_equal(can_be_learned(rc.Problem(teacher, start)), [False, True])
    alone, both = (
        divergence_at(teacher, start, 0.01),
        divergence(rc.Problem(teacher, start), rc.SGD(0.01 / 400), np.ones(2)),
    )
    np.testing.assert_allclose(alone.held, HELD[3] / float(teacher.a[1]))
    assert alone.direction == 1
    assert both.direction == 0
    assert both.held < alone.held / 1.9
    half = divergence(rc.Problem(teacher, start), rc.SGD(0.8 * alone.held / 400), np.array([0.0, 0.5]))
    np.testing.assert_allclose(half.fraction, 0.5 * half.estimate)
    steps = rc.largest_step(teacher, start)
    assert steps.held[0] == 0
    np.testing.assert_allclose(steps.held[1], alone.held)
