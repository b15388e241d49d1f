"""Reduced coordinates have the law of direct simulation, and the exact moments of one step."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma, polygamma, roots_hermitenorm
from scipy.stats import ks_2samp, kstest
from sgd_runs import ConstantPush

import riccati as rc
from riccati import sgd
from riccati.numerics import compiled_quickly
from riccati.sgd import STEPS_A_CALL, ReducedEngine, State, TwoHomogeneous, Update, Weights, folded, take_steps

_SEEDS = 400
_LEAST_P = 0.05 / 10  # five per cent for all ten laws together
_DRAWS = 200_000
_SIGMA = 4.5  # standard errors; a few hundred entries are compared
_DIM, _RATE = 5, 0.05  # of one step whose exact moments are known

# link, dimension, learning rate, steps, batch size; rates at which the noise is large and few runs diverge. A batch has
# one new coordinate in a fold of three steps, two in each step, or as many as there are neurons
_HOMOGENEOUS = [
    ("he2", 20, 0.005, 120, 1),
    *(
        pytest.param(*case, marks=pytest.mark.large)
        for case in (
            ("he2", 20, 0.02, 120, 16),
            ("he3", 16, 0.002, 250, 1),
            ("he3", 16, 0.003, 250, 2),
            ("he4", 14, 2e-4, 500, 1),
            ("relu", 20, 0.04, 80, 1),
            ("relu", 20, 0.16, 80, 16),
        )
    ),
]


def _ensembles(**settings):
    """Runs in all coordinates and in reduced ones, from disjoint seeds, at three times."""
    return [
        sgd.Experiment(coordinates=coordinates, **settings).ensemble(range(first, first + _SEEDS))
        for coordinates, first in (("direct", 0), ("reduced", _SEEDS))
    ]


def _smallest_p(left, right):
    """The least of the Kolmogorov-Smirnov p-values of risk and every overlap at three logged steps, times their number.

    Runs that diverged count as infinite.
    """
    columns = []
    for one in (left, right):
        values = np.concatenate([one.risk[:, 1:, None], one.overlaps[:, 1:]], axis=2)
        columns.append(np.nan_to_num(values.reshape(_SEEDS, -1), nan=np.inf))
    p = [ks_2samp(a, b).pvalue for a, b in zip(columns[0].T, columns[1].T, strict=True)]
    assert len(p) >= 9
    return min(p) * len(p)


@pytest.mark.parametrize(("link", "dim", "rate", "steps", "batch_size"), _HOMOGENEOUS)
def test_two_homogeneous_runs_have_the_law_of_direct_simulation(link, dim, rate, steps, batch_size):
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.named(link))
    start = rc.Start.random(teacher, 3, dim, norm=0.5, seed=3)
    left, right = _ensembles(
        teacher=teacher, start=start, learning_rate=rate, steps=steps, batch_size=batch_size, rows=3
    )
    assert np.nanstd(right.risk[:, -1]) > 5e-3  # where the noise does not show there is nothing to compare
    assert _smallest_p(left, right) > _LEAST_P


@pytest.mark.large
@pytest.mark.parametrize("batch_size", [1, 16])
def test_stiefel_runs_have_the_law_of_direct_simulation(batch_size):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 24, seed=3)
    left, right = _ensembles(
        teacher=teacher, start=start, learning_rate=0.02 * np.sqrt(batch_size), constraint="stiefel",
        steps=200, batch_size=batch_size, rows=3,
    )  # fmt: skip
    assert np.std(right.risk[:, -1]) > 1e-3
    assert _smallest_p(left, right) > _LEAST_P


def _exact_moments(link, teacher, W, rate):
    """Mean and covariance of (overlaps, Gram matrix) after one step on one sample, by quadrature in R^d."""
    z, weight = roots_hermitenorm(9)  # exact to degree 17, that of a covariance of Gram matrices is 16
    dim = W.shape[1]
    x = np.stack([axis.ravel() for axis in np.meshgrid(*[z] * dim, indexing="ij")], axis=1)
    p = np.prod(np.stack([axis.ravel() for axis in np.meshgrid(*[weight / weight.sum()] * dim, indexing="ij")]), axis=0)
    r = np.linalg.norm(W, axis=1)
    u = W / r[:, None]
    h = x @ u.T
    value, slope = np.asarray(link(h)), np.asarray(link.derivative(h))
    e = np.asarray(link(x[:, : teacher.width])) @ np.asarray(teacher.a) - value @ r**2
    across = x[:, None, :] - h[:, :, None] * u
    new = W + rate * e[:, None, None] * (2 * value[:, :, None] * W + (r * slope)[:, :, None] * across)
    return _moments(new, teacher.width, p)


def _moments(weights, width, p):
    gram = weights @ np.swapaxes(weights, 1, 2)
    low = np.tril_indices(weights.shape[1])
    values = np.concatenate([weights[:, :, :width].reshape(len(weights), -1), gram[:, low[0], low[1]]], axis=1)
    mean = p @ values
    return mean, np.einsum("n,ni,nj->ij", p, values - mean, values - mean), values


@compiled_quickly(eqx.filter_jit)
def _after_draws(engine, teacher, W, keys, number):
    def after(key):
        noise = engine.noise(key, number, W.shape[0])
        state = State(Weights(W, jnp.zeros(0)), None)
        return engine.step(TwoHomogeneous(), None, teacher, state, noise, jnp.asarray(_RATE), number).weights.W

    return jax.vmap(after)(keys)


def _sampled_moments(teacher, start, batch_size, number, key):
    """Mean, covariance and values of (overlaps, Gram matrix) after many draws of one step, all of them `number`."""
    outside, cycle = jnp.asarray([_DIM - 3.0]), 2 if batch_size == 1 else 1
    engine = ReducedEngine(
        outside=outside, places=jnp.arange(3), speeds=None, label_noise=None, coordinates=5, batch_size=batch_size,
        cycle=cycle,
    )  # fmt: skip
    W, keys = engine.placed(start.weights, teacher), jax.random.split(jax.random.key(key), _DRAWS)
    W = np.asarray(_after_draws(engine, teacher, W, keys, jnp.asarray(number)))
    return _moments(W, 1, np.full(_DRAWS, 1 / _DRAWS))


def _one_direction():
    teacher = rc.Teacher([1.0], rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, _DIM, norm=0.8, seed=2)
    return teacher, start, np.pad(np.asarray(start.weights), ((0, 0), (0, _DIM - 3)))


@pytest.mark.parametrize(("batch_size", "number"), [(1, 0), (1, 1), (3, 0)])
def test_one_step_has_the_exact_mean_and_covariance(batch_size, number):
    """The second step of a fold sees d - M - N - 1 new dimensions and one that the first has left empty here."""
    teacher, start, W = _one_direction()
    mean, covariance, _ = _exact_moments(teacher.link, teacher, W, _RATE)
    sampled, spread, values = _sampled_moments(teacher, start, batch_size, number, 0)
    if batch_size == 1:
        compared, exact = slice(None), covariance
    else:  # overlaps are linear in the step, which is a mean of B; Gram matrices are not
        compared, exact = slice(0, 2), covariance / batch_size
    off = (sampled - mean)[compared] / np.sqrt(np.diag(spread)[compared] / _DRAWS)
    assert np.abs(off).max() < _SIGMA
    centred = (values - sampled)[:, compared]
    error = np.sqrt(np.einsum("ni,nj->ij", centred**2, centred**2) / _DRAWS**2)
    assert (np.abs((spread - exact)[compared, compared]) / error).max() < _SIGMA


def test_gram_matrix_of_a_batch_has_the_exact_mean():
    teacher, start, W = _one_direction()
    batch = 3
    one, _, _ = _exact_moments(teacher.link, teacher, W, _RATE)
    # E WWᵀ of a batch lies between that of one sample and that of the mean step, whose overlaps and drift are exact
    D = W.T @ W - np.diag([1.0, 0, 0, 0, 0])
    drift = W - 2 * _RATE * W @ D
    low = np.tril_indices(2)
    certain = (drift @ drift.T)[low]
    exact = certain + (one[2:] - certain) / batch
    mean, covariance, _ = _sampled_moments(teacher, start, batch, 0, 1)
    assert np.abs((mean[2:] - exact) / np.sqrt(np.diag(covariance)[2:] / _DRAWS)).max() < _SIGMA


@pytest.mark.parametrize(("batch_size", "dim"), [(7, 400), (1, 9)])
def test_steps_of_a_constant_push_have_wishart_gram_matrices(batch_size, dim):
    """W Wᵀ ~ Wishart_d(n pushᵀpush) after n steps: diagonal entries and the determinant, whatever the folds."""
    steps, by = 11, np.random.default_rng(0).normal(size=(batch_size, 4))
    teacher = rc.Teacher([0.8, 0.6], rc.Link.hermite(2))
    start = rc.Start(np.zeros((4, 2)), dim=dim)
    experiment = sgd.Experiment(teacher=teacher, start=start, learning_rate=1.0, steps=steps, batch_size=batch_size)
    simulation = experiment.simulation
    dynamics = eqx.tree_at(lambda d: (d.rule, d.largest), simulation.dynamics, (ConstantPush(jnp.asarray(by)), jnp.inf))
    assert isinstance(dynamics.engine, ReducedEngine)
    states = simulation.initial_states(_SEEDS)
    states = states._replace(W=0 * states.W)
    keys = jax.vmap(jax.random.key)(jnp.arange(_SEEDS))
    W = np.asarray(take_steps(dynamics, keys, states, jnp.ones(STEPS_A_CALL), jnp.asarray(steps)).W)
    gram, covariance = W @ np.swapaxes(W, 1, 2), steps * by.T @ by
    p = [kstest(gram[:, i, i] / covariance[i, i], "chi2", (dim,)).pvalue for i in range(4)]
    along = np.sum(W[:, :, :2] ** 2, axis=2) / np.diag(covariance)
    p += [kstest(along[:, i], "chi2", (2,)).pvalue for i in range(4)]
    if batch_size >= 4:  # log det of a Wishart matrix is a sum of log χ² with d, d - 1, … degrees of freedom
        logs = np.linalg.slogdet(gram)[1] - np.linalg.slogdet(covariance)[1]
        freedom = dim - np.arange(4)
        mean, variance = np.sum(digamma(freedom / 2) + np.log(2)), np.sum(polygamma(1, freedom / 2))
        assert abs(logs.mean() - mean) < 4 * np.sqrt(variance / len(logs))
    assert min(p) > 1e-4


class Stretched(TwoHomogeneous):
    """W -> W (I + η x xᵀ), which reads every coordinate of the weights."""

    def update(self, teacher, weights, samples, rate):
        return Update(weights, rate * samples.student)


def test_samples_see_the_coordinates_that_steps_have_added():
    """E W Wᵀ grows by 1 + 2η + η²(d + 2) a step, to four standard errors through several folds.

    The rest is folded at the end of each cycle and not before: a cycle that began unfolded would draw samples blind to
    the coordinates beyond the first N of the rest.
    """
    dim, rate, runs = 400, 0.025, 2000
    start = rc.Start(np.zeros((4, 2)), dim=dim)
    teacher = rc.Teacher([0.8, 0.6], rc.Link.hermite(2))
    experiment = sgd.Experiment(teacher=teacher, start=start, learning_rate=rate, steps=9)
    simulation = experiment.simulation
    dynamics = eqx.tree_at(lambda d: (d.rule, d.largest), simulation.dynamics, (Stretched(), jnp.inf))
    keys, rates = jax.vmap(jax.random.key)(jnp.arange(runs)), jnp.full(STEPS_A_CALL, rate)
    states, cycle = simulation.initial_states(runs), dynamics.engine.cycle
    steps = 2 * cycle + 1
    for step in range(1, steps + 1):
        states = take_steps(dynamics, keys, states, rates, jnp.asarray(1))
        W = np.asarray(states.W)
        beyond = np.abs(W[0, :, 2 + 4 :]).max(axis=0) > 0
        np.testing.assert_array_equal(beyond, np.arange(len(beyond)) < step % cycle)
    assert cycle > 2
    size = np.mean(np.sum(W**2, axis=2), axis=1) / (1 + 2 * rate + rate**2 * (dim + 2)) ** steps
    error = size.std() / np.sqrt(runs)
    assert error < 0.03
    assert abs(size.mean() - 1) < 4 * error


def test_a_fold_keeps_overlaps_and_gram_matrix():
    W = np.random.default_rng(0).normal(size=(3, 2 + 6))
    new = np.asarray(jax.jit(folded, static_argnums=(1, 2, 3))(W, 2, 1, 1))
    np.testing.assert_array_equal(new[:, :2], W[:, :2])
    np.testing.assert_allclose(new @ new.T, W @ W.T, atol=1e-13)
    np.testing.assert_array_equal(new[:, 5:], 0.0)


@pytest.mark.large
def test_risk_follows_the_gradient_flow_at_small_steps():
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.named("relu"))
    start = rc.Start.random(teacher, 3, 10**6, norm=0.5, seed=0)
    run = sgd.simulate(teacher, start, learning_rate=2e-8, steps=4, batch_size=50_000)
    flow = rc.solve(rc.Coupled(rtol=1e-10), teacher, start, run.times[1:])
    np.testing.assert_allclose(run.risk[1:] - run.risk[0], flow.risk - run.risk[0], rtol=0.03)
