"""Groups of coordinates that move alike: which are reduced, and that a step on them is the step in R^d."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest
from sgd_runs import ConstantPush

import riccati as rc
from riccati import sgd
from riccati.sgd import (
    STEPS_A_CALL,
    DirectNoise,
    Projections,
    ReducedEngine,
    ReducedNoise,
    State,
    Weights,
    take_steps,
)  # fmt: skip

NEURONS = 4
SECOND, RELU = rc.Link.hermite(2), rc.Link.named("relu")
B = np.array([0.5, -0.5, 0.3, -0.7])
# past two directions: eigenvalue, coordinates, whether four neurons leave some of them out
GROUPS = [(0.5, 13, True), (1.3, 3, False), (2.0, 9, True), (0.3, 6, False), (0.8, 1, False), (1.7, 8, True)]
SIZES, LARGE = np.array([size for _, size, _ in GROUPS]), np.array([large for *_, large in GROUPS])
PLACES = np.split(2 + np.arange(SIZES.sum()), np.cumsum(SIZES)[:-1])
DIM = 2 + int(SIZES.sum())


def covariance(**settings):
    return rc.Covariance(np.r_[1.5, 0.7, np.repeat([value for value, *_ in GROUPS], SIZES)], **settings)


def experiment(batch_size, link=SECOND, **settings):
    teacher = rc.Teacher([1.0, -0.6], link, covariance=covariance(**settings))
    W = np.random.default_rng(3).normal(size=(NEURONS, DIM)) / np.sqrt(DIM)
    start = rc.Start.from_weights(W, np.eye(2, DIM), teacher.covariance)
    start = start if link is SECOND else start.with_second_layer(B)
    return sgd.Experiment(teacher=teacher, start=start, learning_rate=0.1, steps=5, batch_size=batch_size)


REDUCED = [places for places, is_large in zip(PLACES, LARGE, strict=True) if is_large]
WHOLE = [places for places, is_large in zip(PLACES, LARGE, strict=True) if not is_large]
ALL_ALIKE = [2 + np.arange(DIM - 2)]  # of isotropic input


def in_use(engine, since, reduced=REDUCED, whole=WHOLE, rows=NEURONS):
    """Of each of the engine's coordinates in use `since` steps after a fold, the place in R^d."""
    fresh = min(engine.batch_size, NEURONS)
    added = [places[rows + n * fresh :][:fresh] for n in range(since) for places in reduced]
    return np.concatenate([np.arange(2), *whole, *[places[:rows] for places in reduced], *added])


def grams(W, places, reduced=REDUCED):
    """W Wᵀ within each reduced group, of weights whose columns lie at these places."""
    return [W[:, inside] @ W[:, inside].T for inside in (np.isin(places, group) for group in reduced)]


def drawn_in(engine, since, push, X, groups, rows=NEURONS):
    """Samples in R^d as the engine's randomness: their coordinates in use, and factors of the others of each group."""
    used = in_use(engine, since, *groups, rows)
    Q = np.eye(len(X)) if len(X) <= NEURONS else np.linalg.qr(np.asarray(push))[0]
    left = [group[~np.isin(group, used)] for group in groups[0]]
    xi = np.full((len(X), engine.coordinates), 1e3)  # what is not in use must not be read
    xi[:, : len(used)] = X[:, used]
    return ReducedNoise(xi, np.stack([np.linalg.qr((Q.T @ X[:, places]).T, mode="r").T for places in left]))


@eqx.filter_jit
def one_step(dynamics, weights, noise, since, velocity=None):
    state, rate = State(weights, velocity), jnp.asarray(0.1)
    after = dynamics.engine.step(dynamics.rule, dynamics.descent, dynamics.teacher, state, noise, rate, since)
    return after.weights if velocity is None else after


@eqx.filter_jit
def one_update(dynamics, weights, X):
    return dynamics.rule.update(dynamics.teacher, weights, Projections(X[:, :2], X @ weights.W.T), jnp.asarray(0.1))


def held(W, used, coordinates):
    return np.pad(W[:, used], ((0, 0), (0, coordinates - len(used))))


@pytest.mark.parametrize(
    ("batch_size", "since", "link", "preconditioned"),
    [(1, 0, SECOND, False), (1, 2, SECOND, False), (1, 3, RELU, False), (2, 1, SECOND, True), (7, 0, RELU, False)],
)
def test_a_step_has_the_gram_matrices_of_the_step_in_all_coordinates(batch_size, since, link, preconditioned):
    """Samples in R^d, and the engine given their coordinates in use and factors of the others."""
    dynamics = experiment(batch_size, link, preconditioned=preconditioned).simulation.dynamics
    engine = dynamics.engine
    assert isinstance(engine, ReducedEngine)
    random, used = np.random.default_rng(since), in_use(engine, since)
    W, X, b = np.zeros((NEURONS, DIM)), random.normal(size=(batch_size, DIM)), np.zeros(0) if link is SECOND else B
    W[:, used] = random.normal(size=(NEURONS, len(used))) / 5

    kept, push = one_update(dynamics, Weights(W, b), X)
    speeds = np.ones(DIM) if preconditioned else np.asarray(covariance().eigenvalues)
    expected = W + speeds * (np.asarray(kept.W) + np.asarray(push).T @ X - W)
    noise = drawn_in(engine, since, push, X, (REDUCED, WHOLE))
    new = one_step(dynamics, Weights(held(W, used, engine.coordinates), b), noise, np.asarray(since))
    whole = 2 + SIZES[~LARGE].sum()
    np.testing.assert_allclose(new.W[:, :whole], expected[:, used[:whole]], atol=1e-13)
    np.testing.assert_allclose(new.b, kept.b, rtol=1e-14)
    after, W = in_use(engine, since + 1), np.asarray(new.W)
    np.testing.assert_allclose(grams(W[:, : len(after)], after), grams(expected, np.arange(DIM)), atol=1e-13)
    assert not W[:, len(after) :].any()
    folded = since == engine.cycle - 1
    assert np.any(W[:, whole + 3 * NEURONS :]) != folded


@pytest.mark.parametrize(("batch_size", "since"), [(1, 2), (1, 3), (2, 0), (7, 0)])
def test_a_step_of_stiefel_sgd_has_the_gram_matrix_of_the_step_in_all_coordinates(batch_size, since):
    teacher = rc.Teacher([1.0, 0.6], SECOND)
    start = rc.Start.random(teacher, NEURONS, DIM, seed=0)
    dynamics = sgd.Experiment(teacher, start, rc.SGD(0.1, batch_size, "stiefel"), steps=5).simulation.dynamics
    engine, groups, random = dynamics.engine, (ALL_ALIKE, []), np.random.default_rng(since)
    used = in_use(engine, since, *groups)
    W, X = np.zeros((NEURONS, DIM)), random.normal(size=(batch_size, DIM))
    W[:, used] = np.linalg.qr(random.normal(size=(len(used), NEURONS)))[0].T

    kept, push = one_update(dynamics, Weights(W, np.zeros(0)), X)
    left, size, right = np.linalg.svd(np.asarray(kept.W) + np.asarray(push).T @ X, full_matrices=False)
    expected, noise = left @ right, drawn_in(engine, since, push, X, groups)
    assert size.max() > 1.05  # the retraction had something to do
    new = one_step(dynamics, Weights(held(W, used, engine.coordinates), np.zeros(0)), noise, np.asarray(since))
    after, W = in_use(engine, since + 1, *groups), np.asarray(new.W)
    np.testing.assert_allclose(W[:, :2], expected[:, :2], atol=1e-13)
    own = grams(W[:, : len(after)], after, ALL_ALIKE)
    np.testing.assert_allclose(own, grams(expected, np.arange(DIM), ALL_ALIKE), atol=1e-13)


@pytest.mark.parametrize(
    ("batch_size", "since", "settings"),
    [
        (1, 3, {"momentum": 0.9}),
        (2, 1, {"momentum": 0.5, "nesterov": True, "weight_decay": 0.3}),
        (7, 0, {"momentum": 0.9, "dampening": 0.5, "loss": "correlation"}),
        (2, 0, {"momentum": 0.8, "constraint": "sphere"}),
        (7, 0, {"constraint": "sphere"}),
        (1, 1, {"weight_decay": 0.4}),
    ],
)
def test_a_step_of_any_algorithm_has_the_gram_matrix_of_the_step_in_all_coordinates(batch_size, since, settings):
    """Of weights and the momentum's buffer together, on labels with noise."""
    teacher = rc.Teacher([1.0, -0.6], SECOND, noise=0.5)
    start = rc.Start.random(teacher, NEURONS, DIM, norm=0.7, seed=0)
    algorithm = rc.SGD(0.1, batch_size, **settings)
    reduced, direct = (
        sgd.Experiment(teacher, start, algorithm, steps=5, coordinates=coordinates).simulation.dynamics
        for coordinates in ("reduced", "direct")
    )
    engine, groups, random = reduced.engine, (ALL_ALIKE, []), np.random.default_rng(since)
    rows = NEURONS * (1 + (algorithm.momentum > 0))
    used = in_use(engine, since, *groups, rows)
    both, X = np.zeros((rows, DIM)), random.normal(size=(batch_size, DIM))
    both[:, used] = random.normal(size=(rows, len(used))) / 5
    both[:NEURONS] *= 0.7 / np.linalg.norm(both[:NEURONS], axis=1)[:, None]
    labels = random.normal(size=batch_size)

    def stepped(dynamics, columns, noise):
        weights = Weights(columns[:NEURONS], np.zeros(0))
        velocity = Weights(columns[NEURONS:], np.zeros(0)) if algorithm.momentum else None
        after = one_step(dynamics, weights, noise, np.asarray(since), velocity)
        return np.asarray(after.W) if velocity is None else np.concatenate([after.weights.W, after.velocity.W])

    expected = stepped(direct, both, DirectNoise(X, labels))
    push = push_on(reduced, both[:NEURONS], X, labels)
    noise = drawn_in(engine, since, push, X, groups, rows)._replace(labels=labels)
    after = stepped(reduced, held(both, used, engine.coordinates), noise)
    np.testing.assert_allclose(after[:, :2], expected[:, :2], atol=1e-13)
    np.testing.assert_allclose(after @ after.T, expected @ expected.T, atol=1e-12)


@eqx.filter_jit
def push_on(dynamics, W, X, labels):
    samples = Projections(X[:, :2], X @ W.T, labels)
    return dynamics.rule.update(dynamics.teacher, Weights(W, jnp.zeros(0)), samples, jnp.asarray(1.0)).push


def test_steps_of_a_constant_push_have_independent_wishart_gram_matrices():
    """In group g W Wᵀ ~ Wishart_(d_g)(n λ_g² pushᵀpush) after n steps from nothing, whatever the folds."""
    steps, runs, by = 11, 400, np.random.default_rng(0).normal(size=(2, NEURONS))
    tried = experiment(2).simulation
    dynamics = eqx.tree_at(lambda d: (d.rule, d.largest), tried.dynamics, (ConstantPush(jnp.asarray(by)), jnp.inf))
    states, keys = tried.initial_states(runs), jax.vmap(jax.random.key)(jnp.arange(runs))
    states = states._replace(W=0 * states.W)
    W = np.asarray(take_steps(dynamics, keys, states, jnp.ones(STEPS_A_CALL), jnp.asarray(steps)).W)
    used = in_use(dynamics.engine, steps % dynamics.engine.cycle)
    variance, logs, p = steps * np.sum(by**2, axis=0), [], []
    for (value, size, large), places in zip(GROUPS, PLACES, strict=True):
        squares = np.sum(W[:, :, : len(used)][:, :, np.isin(used, places)] ** 2, axis=2) / (value**2 * variance)
        p += [kstest(squares[:, i], "chi2", (size,)).pvalue for i in range(NEURONS)]
        if large:
            logs.append(np.log(squares).mean(axis=1))
    assert min(p) > 1e-4
    assert np.abs(np.corrcoef(logs) - np.eye(3)).max() < 4 / np.sqrt(runs)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_start_keeps_its_overlaps_and_gram_matrices_in_every_engine(batch_size):
    simulation = experiment(batch_size).simulation
    W = np.asarray(simulation.initial_states(1).W[0])
    full = np.random.default_rng(3).normal(size=(NEURONS, DIM)) * np.sqrt(np.asarray(covariance().eigenvalues) / DIM)
    used = in_use(simulation.dynamics.engine, 0)
    np.testing.assert_allclose(W[:, :2], full[:, :2], atol=1e-14)
    np.testing.assert_allclose(grams(W[:, : len(used)], used), grams(full, np.arange(DIM)), atol=1e-13)
    np.testing.assert_allclose(W @ W.T, full @ full.T, atol=1e-13)
    assert not W[:, len(used) :].any()


def test_groups_that_save_nothing_are_kept_whole():
    """Two directions, ten coordinates of groups kept whole, and four and a cycle's of each of three others."""
    for batch_size, cycle in ((1, 4), (2, 2), (3, 1), (8, 1)):
        engine = experiment(batch_size).simulation.dynamics.engine
        assert engine.cycle == cycle
        assert engine.coordinates == 2 + 10 + 3 * (4 + cycle * min(batch_size, 4)) < DIM
        np.testing.assert_array_equal(engine.outside, [9, 5, 4])


def test_the_dimension_does_not_enter_what_is_compiled():
    """Two large eigenvalues along the teacher and equal ones otherwise, in 10³ and 10⁵ dimensions."""
    dynamics = []
    for dim in (10**3, 10**5):
        spiked = rc.Covariance(np.r_[4.0, 3.0, np.ones(dim - 2)])
        start = rc.Start.from_weights(np.eye(NEURONS, dim, k=1), np.eye(2, dim), spiked)
        teacher = rc.Teacher([1.0, 0.6], SECOND, covariance=spiked)
        tried = sgd.Experiment(teacher=teacher, start=start, learning_rate=1e-9, steps=5)
        dynamics.append(jax.tree.map(jnp.shape, tried.simulation.dynamics))
        assert tried.simulation.initial_states(1).W.shape == (1, NEURONS, 2 + 2 * NEURONS)
    assert eqx.tree_equal(*dynamics)


def test_equal_eigenvalues_of_one_give_the_isotropic_run_to_the_bit():
    runs = []
    start = rc.Start.random(rc.Teacher([1.0, 0.6], SECOND), 3, 40, norm=0.5)
    under = eqx.tree_at(lambda s: s.residual_eigenvalues, start, jnp.ones(3), is_leaf=lambda leaf: leaf is None)
    for covariance, at in ((None, start), (rc.Covariance(np.ones(40)), under)):
        teacher = rc.Teacher([1.0, 0.6], SECOND, covariance=covariance)
        run = sgd.simulate(teacher, at, learning_rate=0.01, steps=20, batch_size=2, rows=5)
        assert run.config["coordinates"] == "reduced"
        runs.append(run)
    np.testing.assert_array_equal(runs[0].risk, runs[1].risk)
    np.testing.assert_array_equal(runs[0].overlaps, runs[1].overlaps)


@pytest.mark.parametrize(
    ("values", "Theta", "why"),
    [
        (np.arange(1.0, 21.0), None, "without 5 equal eigenvalues past the teacher's all coordinates are needed"),
        (np.r_[np.ones(17), 2.0, 2.0, 2.0], np.ones((1, 20)), "directions off its eigenvectors need all coordinates"),
    ],
)
def test_a_covariance_without_large_groups_is_simulated_directly_and_the_run_says_so(values, Theta, why):
    under, Theta = rc.Covariance(values), np.eye(1, 20) if Theta is None else Theta
    teacher = rc.Teacher.from_directions(Theta, [1.0], SECOND, covariance=under)
    start = rc.Start.from_weights(np.random.default_rng(0).normal(size=(4, 20)) / 50, Theta, under)
    tried = sgd.Experiment(teacher=teacher, start=start, learning_rate=1e-3, steps=3)
    assert tried.config()["coordinates"] == "direct"
    assert tried.simulation.notes == (f"under a covariance {why}: simulated directly, the same law",)
