"""Ensembles: quantiles over runs, and their picture; replicas, whose randomness NumPy draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest

import riccati as rc
from riccati import sgd
from riccati.numerics import compiled_quickly
from riccati.sgd import STEPS_A_CALL, take_steps
from riccati.sgd.loop import DrawnAhead, take_drawn_steps

RUNS = 8


@pytest.fixture
def ensemble():
    """Five runs, one of them diverged, with known risks and crossings."""
    steps, times = np.array([0, 10, 20]), np.tile([0.0, 1.0, 2.0], (5, 1))
    risk = np.array([[1.0, 0.5, 0.1], [1.0, 0.4, 0.2], [1.0, 0.3, 0.3], [1.0, 0.2, 0.4], [1.0, np.nan, np.nan]])
    overlaps = np.zeros((5, 3, 2))
    overlaps[:3, :, 0] = [[0.0, 1.0, 1.0], [0.0, 0.5, 1.0], [0.0, 0.0, 1.0]]
    config = {"coordinates": "reduced", "kind": "two_homogeneous"}
    diverged = np.array([-1, -1, -1, -1, 7])
    return sgd.Ensemble(steps, times, risk, overlaps, diverged, np.arange(5), np.zeros((5, 2, 2)), config)


def test_quantiles_are_those_of_one_of_the_runs(ensemble):
    middle = ensemble.quantile(0.5)
    np.testing.assert_array_equal(middle.risk, [1.0, 0.4, 0.3])
    np.testing.assert_array_equal(middle.emergence_times, [1.5, np.inf])
    np.testing.assert_array_equal(ensemble.quantile(0.2).risk, [1.0, 0.2, 0.1])
    np.testing.assert_array_equal(ensemble.quantile(0.2).emergence_times, [0.5, np.inf])
    # a run that has diverged has infinite risk, and a direction that is not learned emerges never
    np.testing.assert_array_equal(ensemble.quantile(0.9).risk, [1.0, np.inf, np.inf])
    assert ensemble.quantile(0.5, level=0.9).emergence_times[0] == pytest.approx(1.9)
    for q in (0.0, 1.0):
        with pytest.raises(rc.ArgumentError, match="`q` must be"):
            ensemble.quantile(q)


def test_its_picture_is_bands(ensemble):
    left, right = ensemble.plot(coverage=0.6).axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), ensemble.quantile(0.5).risk)
    band = left.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == ensemble.quantile(0.2).risk.min()
    assert left.get_yscale() == "log"
    assert right.lines[0].get_ydata()[0] == 1.5
    assert np.isnan(right.lines[0].get_ydata()[1])
    assert "5 runs, 60%" in left.get_legend().get_texts()[0].get_text()
    with pytest.raises(rc.ArgumentError, match="`coverage` must be"):
        ensemble.plot(coverage=1.5)


def experiment(**settings):
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    return sgd.Experiment(teacher, rc.Start.random(teacher, 3, 30, norm=0.5, seed=0), **settings)


@pytest.mark.large
@pytest.mark.parametrize("coordinates", ["reduced", "direct"])
@pytest.mark.parametrize("batch_size", [1, 6])
def test_replicas_are_of_the_law_of_seeded_runs(coordinates, batch_size):
    """Risk and overlaps at the end, of 256 each, by Kolmogorov and Smirnov's distance."""
    tried = experiment(
        learning_rate=0.004 * batch_size, steps=200, batch_size=batch_size, coordinates=coordinates, logged=(0, 200)
    )
    blocks = list(tried.replicas(256))
    assert [len(block) for block in blocks] == [64] * 4
    keyed = tried.ensemble(range(256))
    drawn = np.concatenate([np.c_[block.risk[:, 1], block.overlaps[:, 1]] for block in blocks])
    for own, other in zip(drawn.T, np.c_[keyed.risk[:, 1], keyed.overlaps[:, 1]].T, strict=True):
        assert ks_2samp(own, other).pvalue > 0.01
    assert len(np.unique(drawn[:, 0])) == 256


def schedule(step):
    return 1e-3 if step < 50 else 1.0


def test_replicas_diverge_and_follow_schedules_as_seeded_runs_do():
    tried = experiment(learning_rate=schedule, steps=100, logged=(50, 100))
    (block,) = tried.replicas(RUNS)
    assert np.allclose(block.times[:, 0], 0.05)
    assert ((block.diverged > 50) & (block.diverged < 100)).all()
    assert np.isfinite(block.risk[:, 0]).all()
    assert np.isnan(block.risk[:, 1]).all()
    assert len(np.unique(block.risk[:, 0])) == RUNS


def test_replicas_take_the_steps_of_seeded_runs():
    """On the draws of the seeds, through cycles, folds and changes of the rate."""
    simulation = experiment(learning_rate=schedule, steps=100).simulation
    dynamics, keys = simulation.dynamics, jax.vmap(jax.random.key)(np.arange(RUNS))
    rates = np.where(np.arange(STEPS_A_CALL) < 40, 1e-3, 2e-3)

    @compiled_quickly()
    def noise(step):
        return jax.vmap(lambda key: dynamics.engine.noise(jax.random.fold_in(key, step), step, 3))(keys)

    every = [noise(step) for step in range(128)]  # as many as a call of replicas takes for a hundred steps
    ahead = DrawnAhead(jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *every), jnp.asarray(rates[:128]))
    states = simulation.initial_states(RUNS)
    seeded = take_steps(dynamics, keys, states, jnp.asarray(rates), jnp.asarray(60))
    replicas = take_drawn_steps(dynamics, ahead, states, jnp.asarray(0), jnp.asarray(60))
    for one, other in zip(replicas, seeded, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("batch_size", [1, 6])
def test_numpy_draws_samples_and_factors_of_the_right_law(batch_size):
    """ξ is normal; L triangular, χ on its diagonal, of d - M - N less what a cycle has added, and normal below."""
    engine = experiment(learning_rate=1e-3, steps=100, batch_size=batch_size).simulation.dynamics.engine
    numbers, fresh = 7 + np.arange(2 * engine.cycle), min(batch_size, 3)
    xi, L, _ = engine.noise_of(np.random.default_rng(0), numbers, 2000, 3)
    assert xi.shape == (len(numbers), 2000, batch_size, engine.coordinates - fresh)
    p = [kstest(xi[0].ravel(), "norm").pvalue]
    for factors, number in zip(L[:, :, 0], numbers, strict=True):
        freedom = 30 - 2 - 3 - fresh * (number % engine.cycle) - np.arange(fresh)
        diagonal = np.diagonal(factors, axis1=1, axis2=2) ** 2
        p += [kstest(square, "chi2", (n,)).pvalue for square, n in zip(diagonal.T, freedom, strict=True)]
        p += [kstest(factors[:, i, j], "norm").pvalue for i, j in zip(*np.tril_indices(fresh, -1), strict=True)]
    assert min(p) > 1e-3
    assert not np.triu(L, 1).any()
    direct = experiment(learning_rate=1e-3, steps=100, coordinates="direct").simulation.dynamics.engine
    X = direct.noise_of(np.random.default_rng(0), np.arange(20), 50, 3).samples
    assert X.shape == (20, 50, 1, 30)
    assert kstest(X.ravel(), "norm").pvalue > 1e-3


def test_a_long_wait_is_said_before_it_begins(monkeypatch, capsys):
    monkeypatch.setattr("riccati.sgd.simulation._LONG", 0.0)
    list(experiment(learning_rate=1e-3, steps=100, logged=(50, 100)).replicas(RUNS))
    assert f"{RUNS} replicas of SGD will take about" in capsys.readouterr().err
