"""In law means in law: the reduced chain against direct simulation and against exact moments of one step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import roots_hermitenorm
from scipy.stats import ks_2samp

import riccati as rc
from riccati import sgd
from riccati.sgd import Direct, InLaw, Stiefel, TwoHomogeneous

_SEEDS = 400
_LEAST_P = 0.05 / 10  # five per cent for all ten laws together
_SIGMA = 4.5  # standard errors; a few hundred entries are compared

# link, dimension, learning rate, steps; rates at which the noise is large and few runs diverge
_HOMOGENEOUS = [("he2", 20, 0.005, 120), ("he3", 16, 0.002, 250), ("he4", 14, 2e-4, 500), ("relu", 20, 0.04, 80)]


def _ensembles(engines, **settings):
    """Direct runs and runs in law, from disjoint seeds, at three times."""
    return [
        sgd.Experiment(engine=engine, **settings).ensemble(range(first, first + _SEEDS))
        for engine, first in zip(engines, (0, _SEEDS), strict=True)
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


@pytest.mark.parametrize("batch_size", [1, 16])
@pytest.mark.parametrize(("link", "dim", "rate", "steps"), _HOMOGENEOUS)
def test_two_homogeneous_runs_have_the_law_of_direct_simulation(link, dim, rate, steps, batch_size):
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.named(link))
    start = rc.Start.random(teacher, 3, dim, norm=0.5, seed=3)
    left, right = _ensembles(
        ("direct", "in_law"), teacher=teacher, start=start, learning_rate=rate * batch_size**0.5, steps=steps,
        batch_size=batch_size, rows=3,
    )  # fmt: skip
    assert np.nanstd(right.risk[:, -1]) > 5e-3  # where the noise does not show there is nothing to compare
    assert _smallest_p(left, right) > _LEAST_P


@pytest.mark.parametrize("batch_size", [1, 16])
def test_stiefel_runs_have_the_law_of_direct_simulation(batch_size):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 24, seed=3)
    left, right = _ensembles(
        ("stiefel_direct", "stiefel"), teacher=teacher, start=start, learning_rate=0.02 * np.sqrt(batch_size),
        steps=200, batch_size=batch_size, rows=3,
    )  # fmt: skip
    assert np.std(right.risk[:, -1]) > 1e-3
    assert _smallest_p(left, right) > _LEAST_P


def _exact_moments(link, teacher, W, rate, nodes):
    """Mean and covariance of (overlaps, Gram matrix) after one step on one sample, by quadrature in R^d."""
    z, weight = roots_hermitenorm(nodes)
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
    seen = np.concatenate([weights[:, :, :width].reshape(len(weights), -1), gram[:, low[0], low[1]]], axis=1)
    mean = p @ seen
    return mean, np.einsum("n,ni,nj->ij", p, seen - mean, seen - mean), seen


@pytest.mark.parametrize(("link", "nodes"), [("he2", 7), ("he3", 9)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_one_step_has_the_exact_mean_and_covariance(link, nodes, batch_size):
    link = rc.Link.named(link)
    teacher = rc.Teacher([1.0], link)
    start = rc.Start.random(teacher, 2, 5, norm=0.8, seed=2)
    W, rate, draws = np.asarray(start.weights), 0.05, 200_000
    mean, covariance, _ = _exact_moments(link, teacher, np.pad(W, ((0, 0), (0, 2))), rate, nodes)
    keys = jax.random.split(jax.random.key(0), draws)
    engine = InLaw(outside=jnp.asarray(2.0), batch_size=batch_size)
    step = jax.jit(jax.vmap(lambda key: engine.step(TwoHomogeneous(), teacher, start.weights, key, jnp.asarray(rate))))
    sampled, spread, seen = _moments(np.asarray(step(keys)), 1, np.full(draws, 1 / draws))
    overlaps = slice(0, 2)
    if batch_size == 1:
        compared = slice(None)
        exact = covariance
    else:  # overlaps are linear in the step, which is a mean of B; Gram matrices are not
        compared, exact = overlaps, covariance / batch_size
    off = (sampled - mean)[compared] / np.sqrt(np.diag(spread)[compared] / draws)
    assert np.abs(off).max() < _SIGMA
    centred = (seen - sampled)[:, compared]
    error = np.sqrt(np.einsum("ni,nj->ij", centred**2, centred**2) / draws**2)
    assert (np.abs((spread - exact)[compared, compared]) / error).max() < _SIGMA


def test_gram_matrix_of_a_batch_has_the_exact_mean():
    link = rc.Link.hermite(2)
    teacher = rc.Teacher([1.0], link)
    start = rc.Start.random(teacher, 2, 5, norm=0.8, seed=2)
    W, rate, draws, batch = np.pad(np.asarray(start.weights), ((0, 0), (0, 2))), 0.05, 200_000, 3
    one, _, _ = _exact_moments(link, teacher, W, rate, 7)
    # E WWᵀ of a batch lies between that of one sample and that of the mean step, whose overlaps and drift are exact
    D = W.T @ W - np.diag([1.0, 0, 0, 0, 0])
    drift = W - 2 * rate * W @ D
    low = np.tril_indices(2)
    certain = (drift @ drift.T)[low]
    exact = certain + (one[2:] - certain) / batch
    keys = jax.random.split(jax.random.key(1), draws)
    engine = InLaw(outside=jnp.asarray(2.0), batch_size=batch)
    step = jax.jit(jax.vmap(lambda key: engine.step(TwoHomogeneous(), teacher, start.weights, key, jnp.asarray(rate))))
    mean, covariance, _ = _moments(np.asarray(step(keys)), 1, np.full(draws, 1 / draws))
    assert np.abs((mean[2:] - exact) / np.sqrt(np.diag(covariance)[2:] / draws)).max() < _SIGMA


@pytest.mark.parametrize("dim", [4, 6, 7])
def test_few_dimensions_fall_back_on_the_whole_space(dim):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 4, dim, norm=0.5, seed=0)
    experiment = sgd.Experiment(teacher=teacher, start=start, learning_rate=0.01, steps=50, batch_size=8, rows=5)
    assert isinstance(experiment._engine, Direct)
    W = np.asarray(experiment._engine.begin(start.weights, 3))
    assert W.shape == (4, dim)
    np.testing.assert_allclose(W @ W.T, np.asarray(start.weights @ start.weights.T), atol=1e-14)
    np.testing.assert_allclose(W[:, :3], np.asarray(start.weights)[:, :3], atol=1e-15)
    run = experiment.simulate()
    traj = rc.solve(rc.Quadratic(), teacher, start, [1e-9])
    assert run.risk[0] == pytest.approx(float(traj.risk[0]), rel=1e-6)
    assert np.isfinite(run.risk).all()


def test_risk_follows_the_gradient_flow_at_small_steps():
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.named("relu"))
    start = rc.Start.random(teacher, 3, 10**6, norm=0.5, seed=0)
    run = sgd.simulate(teacher, start, learning_rate=2e-8, steps=4, batch_size=50_000, engine="in_law")
    flow = rc.solve(rc.Coupled(rtol=1e-10), teacher, start, run.times[1:])
    np.testing.assert_allclose(run.risk[1:] - run.risk[0], flow.risk - run.risk[0], rtol=0.03)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_retraction_is_the_polar_factor(batch_size):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    rule, random = Stiefel(jnp.asarray(0.5)), np.random.default_rng(0)
    W = jnp.asarray(np.linalg.qr(random.normal(size=(30, 3)))[0].T)
    largest = 0.0
    for _ in range(50):
        X = jnp.asarray(random.normal(size=(batch_size, 30)))
        kept, push = rule.push(teacher, W, X[:, :3], X @ W.T, jnp.asarray(0.3))
        moved = kept + push.T @ X
        left, size, right = np.linalg.svd(moved, full_matrices=False)
        W = rule.retract(moved, batch_size)
        np.testing.assert_allclose(W, left @ right, atol=1e-14)
        largest = max(largest, size.max())
    assert largest > 1.1  # the retraction had something to do


@pytest.mark.parametrize(("engine", "batch_size"), [("stiefel", 1), ("stiefel", 3), ("stiefel_direct", 1)])
def test_rounding_does_not_carry_long_runs_off_the_manifold(engine, batch_size):
    teacher = rc.Teacher.power_law(4, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 4, 40, seed=0)
    experiment = sgd.Experiment(
        teacher=teacher, start=start, learning_rate=2e-3, steps=40_000, batch_size=batch_size, engine=engine, rows=3
    )
    run = experiment.ensemble([0])
    assert np.linalg.norm(run.final_overlaps[0], 2) <= 1 + 1e-14
    np.testing.assert_allclose(np.sum(run.final_overlaps[0] ** 2, axis=0), run.overlaps[0, -1], atol=1e-13)
