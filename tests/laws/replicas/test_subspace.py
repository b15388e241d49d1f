"""k = 2, the law of emergence times: its noise, against SGD exact in law, its limits, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from single_neuron import runs_of_one_neuron
from systems import problem

import riccati as rc
from riccati.laws.replicas import NoiseNormals, gradient_noise

VAST = 10**12
OVERLAPS = np.array([[0.5, 0.1, 0.2], [-0.2, 0.4, 0.1]])


def single(x0, dim, norm=0.1):
    """One direction, one neuron at overlap x0/√d."""
    return rc.Teacher([1.0], rc.Link.hermite(2)), rc.Start([[x0 / np.sqrt(dim)]], norms=norm, dim=dim)


def runs_of(teacher, start, gamma, horizon, seeds, constraint=None):
    """Runs of SGD at γ = ηd, in reduced coordinates, exact in law."""
    rate = gamma / start.dim
    steps = int(horizon / rate)
    run = rc.sgd.Experiment(
        teacher=teacher, start=start, learning_rate=rate, steps=steps, constraint=constraint, rows=400
    )
    return run.ensemble(range(seeds))


def test_the_noise_has_the_covariance_of_a_step_of_sgd():
    """Ξ = e(xxᵀ - 1) - 2D, e = xᵀDx - tr D, applied to V: all second moments by Gauss and Hermite in R³."""
    V, a = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 2)))[0], np.array([0.8])
    Omega = np.array([[0.7, 0.2], [0.2, 0.4]])
    D = V @ Omega @ V.T - np.diag([*a, 0.0, 0.0])

    def moved(numbers):
        normals = NoiseNormals(numbers[0], *numbers[1:].reshape(2, 3, 3))
        return gradient_noise(normals, jnp.asarray(V), Omega, a, np.sum(D**2)).ravel()

    factor = np.asarray(jax.jit(jax.vmap(moved))(np.eye(19)))  # it is linear in the normals
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    x = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), -1).reshape(-1, 3)
    p = np.einsum("i,j,k->ijk", weights, weights, weights).ravel() / weights.sum() ** 3
    e = np.einsum("xi,ij,xj->x", x, D, x) - np.trace(D)
    steps = (e[:, None, None] * (x[:, :, None] * x[:, None, :] - np.eye(3)) @ V).reshape(-1, 6)
    np.testing.assert_allclose(p @ steps, (2 * D @ V).ravel(), atol=1e-12)
    steps -= p @ steps
    np.testing.assert_allclose(factor.T @ factor, steps.T @ (p[:, None] * steps), atol=1e-12)


@pytest.mark.parametrize("constraint", [None, "stiefel"])
def test_in_high_dimension_a_replica_is_the_finite_step_limit(constraint):
    """From overlaps of order one, where noise moves nothing: drag and lengthening, to the error of the splitting."""
    teacher, start = rc.Teacher([0.7, 0.6, 0.3], rc.Link.hermite(2)), rc.Start(OVERLAPS, norms=[0.6, 0.9], dim=VAST)
    sgd, times = rc.SGD(0.15 / VAST, constraint=constraint), [0.0, 0.3, 1.0, 3.0, 8.0]
    law = rc.risk_law(teacher, start, sgd, times=times, replicas=2)
    np.testing.assert_allclose(law.draws, np.broadcast_to(law.flow, (2, 5)), rtol=2e-3)


@pytest.mark.parametrize("constraint", [None, "stiefel"])
def test_one_direction_against_sgd(constraint):
    """Kolmogorov and Smirnov at 400 seeds; medians to 5 %, three standard errors and what is left out at d = 200.

    And the risk once it is learned, when it fluctuates about what noise sustains.
    """
    from scipy.stats import ks_2samp

    (teacher, start), rate, steps = single(1.0, 200), 0.15 / 200, 6667
    horizon = steps * rate
    law = rc.emergence_law(teacher, start, learning_rate=rate, constraint=constraint)
    runs = runs_of_one_neuron(
        400, dim=200, rate=rate, steps=steps, overlap=200**-0.5, norm=0.1, stiefel=constraint == "stiefel"
    )
    emerged = np.minimum(np.asarray(law.emerged)[:, 0], horizon)
    assert ks_2samp(emerged, np.minimum(runs.emerged, horizon)).pvalue > 0.01
    np.testing.assert_allclose(law.quantile(0.5)[0], np.median(runs.emerged), rtol=0.05)
    band = rc.risk_law(teacher, start, learning_rate=rate, constraint=constraint, times=[horizon])
    # 8/d of what the law leaves out, and three standard errors
    np.testing.assert_allclose(np.median(band.draws), np.median(runs.risk), rtol=0.2)


@pytest.mark.large
@pytest.mark.parametrize("constraint", [None, "stiefel"])
def test_several_directions_against_sgd(constraint):
    """The first two of three directions, and whether each is learned by the end."""
    from scipy.stats import ks_2samp

    teacher, start = problem(3, 2, 150, 0.5, norm=0.2, seed=3)
    gamma, horizon = 0.1, 6.0
    law = rc.emergence_law(
        teacher, start, learning_rate=gamma / 150, constraint=constraint, horizon=horizon, replicas=384, seed=1
    )
    measured = runs_of(teacher, start, gamma, horizon, 150, constraint).emergence_times()
    drawn = np.where(np.asarray(law.emerged) <= horizon, law.emerged, np.inf)
    np.testing.assert_allclose(law.probability(horizon), np.isfinite(measured).mean(axis=0), atol=0.12)
    for m in range(2):
        assert ks_2samp(*(np.minimum(times[:, m], 2 * horizon) for times in (drawn, measured))).pvalue > 0.005


def test_without_noise_it_is_gradient_flow():
    teacher, start = problem(3, 2, 10**4, 1.0, seed=2)
    law = rc.emergence_law(teacher, start, learning_rate=1e-14, replicas=2)
    exact = rc.solve(rc.Quadratic(), teacher, start, law.times).emergence_times()
    np.testing.assert_allclose(law.quantile(0.5), exact, rtol=2e-3)


def test_at_every_d_it_is_the_same_law_later_by_a_logarithm():
    """T - log(d)/(4a - 2γ) has a limit, in which the spread stays: to three standard errors of 512 replicas."""
    laws = [rc.emergence_law(*single(1.0, d), learning_rate=0.1 / d) for d in (10**6, 10**9)]
    early, late = (np.asarray(law.emerged)[:, 0] for law in laws)
    np.testing.assert_allclose(np.median(late) - np.median(early), np.log(1e3) / 3.8, atol=0.08)
    np.testing.assert_allclose(np.std(late), np.std(early), rtol=0.15)
    assert np.std(late) > 0.1


def test_batches_count_through_their_rate_and_links_through_their_clock():
    teacher, start = single(1.0, 300)
    one = rc.emergence_law(teacher, start, learning_rate=1e-4, horizon=3.0, replicas=64)
    many = rc.emergence_law(teacher, start, learning_rate=8e-4, batch_size=8, horizon=3.0, replicas=64)
    np.testing.assert_allclose(many.emerged, one.emerged, rtol=1e-9)
    half = rc.Teacher([1.0], rc.Link.from_coefficients([0, 0, 0.5]))
    slow = rc.emergence_law(half, start, learning_rate=4e-4, horizon=12.0, replicas=64)
    np.testing.assert_allclose(slow.emerged, 4 * np.asarray(one.emerged), rtol=1e-9)


def test_draws_quantiles_and_probabilities_agree():
    teacher, start = problem(3, 2, 300, 1.0, norm=0.1, seed=1)
    law = rc.emergence_law(teacher, start, learning_rate=0.1 / 300, replicas=256)
    np.testing.assert_array_equal(law.sample(256, 0), law.emerged)
    other = np.asarray(law.sample(256, 1))
    assert not np.array_equal(other, law.emerged)
    error = law.quantile_error(0.5)
    assert np.all(np.abs(np.median(other, axis=0) - law.quantile(0.5))[:2] < 5 * error[:2])
    middle = law.quantile(0.5)
    assert np.isinf(middle[2])
    for m in range(2):
        assert abs(float(law.probability(float(middle[m]))[m]) - 0.5) < 0.01
    np.testing.assert_array_equal(law.probability(1e9), np.isfinite(law.emerged).mean(axis=0))
    assert "256, seed 0" in repr(law)
    assert "Monte Carlo" in repr(law)
    begun = rc.emergence_law(teacher, start, learning_rate=0.1 / 300, level=1e-6, horizon=0.5, replicas=8)
    assert np.all(begun.emerged == 0)


def test_near_the_explosion_it_warns_and_counts():
    teacher, start = single(1.0, 60)
    with pytest.warns(RuntimeWarning, match="near the step size at which SGD diverges"):
        law = rc.emergence_law(teacher, start, learning_rate=0.6 / 60, horizon=20.0, replicas=128)
    assert "diverges" in law.caution
    assert "caution" in repr(law)
    assert law.diverged > 0
    assert not rc.emergence_law(teacher, start, learning_rate=0.1 / 60, horizon=3.0, replicas=8).caution


def test_what_it_does_not_describe_is_refused_in_a_line():
    teacher, start = single(1.0, 300)
    given = {"learning_rate": 1e-4}
    cubic = rc.Teacher([1.0], rc.Link.hermite(3))
    cases = [
        (teacher, rc.Start.typical(teacher, 1, 300), given, "start.*all overlaps"),
        (teacher, rc.Start([[0.1]], dim=1), given, "dim.*M \\+ N"),
        (teacher, start, {**given, "constraint": "polar"}, "constraint.*stiefel"),
        (teacher, start, {**given, "algorithm": "polar"}, "algorithm.*stiefel"),
        (teacher, start, {**given, "algorithm": "stiefel", "constraint": "stiefel"}, "algorithm.*left out beside"),
        (teacher, start, {**given, "student_scale": 1.0}, "student_scale.*left out"),
        (teacher, start, {**given, "horizon": 0.0}, "horizon.*> 0"),
        (teacher, start, {**given, "replicas": 0}, "replicas.*≥ 1"),
        (cubic, start, {**given, "seed": 3}, "seed.*left out"),
        (cubic, start, {**given, "constraint": "stiefel"}, "teacher.*h_2 for Stiefel SGD"),
    ]
    for bad_teacher, bad_start, settings, message in cases:
        with pytest.raises(rc.ArgumentError, match=message) as error:
            rc.emergence_law(bad_teacher, bad_start, **settings)
        assert "\n" not in str(error.value)
