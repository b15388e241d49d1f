"""Ensembles: quantiles over runs, and their picture."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

import riccati as rc
from riccati import sgd


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


@pytest.mark.parametrize("coordinates", ["reduced", "direct"])
@pytest.mark.parametrize("batch_size", [1, 6])
def test_replicas_are_of_the_law_of_seeded_runs(coordinates, batch_size):
    """Risk and overlaps at the end, of 256 each, by Kolmogorov and Smirnov's distance."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 30, norm=0.5, seed=0)
    experiment = rc.sgd.Experiment(
        teacher=teacher, start=start, learning_rate=0.004 * batch_size, steps=200, batch_size=batch_size,
        coordinates=coordinates, logged=(0, 200),
    )  # fmt: skip
    blocks = list(experiment.replicas(256))
    assert [len(block) for block in blocks] == [64] * 4
    keyed = experiment.ensemble(range(256))
    drawn = np.concatenate([np.c_[block.risk[:, 1], block.overlaps[:, 1]] for block in blocks])
    for own, other in zip(drawn.T, np.c_[keyed.risk[:, 1], keyed.overlaps[:, 1]].T, strict=True):
        assert ks_2samp(own, other).pvalue > 0.01
    assert len(np.unique(drawn[:, 0])) == 256


def test_replicas_diverge_and_follow_schedules_as_seeded_runs_do():
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 30, norm=0.5, seed=0)
    experiment = rc.sgd.Experiment(
        teacher=teacher, start=start, learning_rate=lambda n: 1e-3 if n < 50 else 1.0, steps=100, logged=(50, 100)
    )
    (block,) = experiment.replicas(8)
    assert np.allclose(block.times[:, 0], 0.05)
    assert ((block.diverged > 50) & (block.diverged < 100)).all()
    assert np.isfinite(block.risk[:, 0]).all()
    assert np.isnan(block.risk[:, 1]).all()


def test_a_long_wait_is_said_before_it_begins(monkeypatch, capsys):
    monkeypatch.setattr("riccati.sgd.simulation._LONG", 0.0)
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 30, norm=0.5, seed=0)
    experiment = rc.sgd.Experiment(teacher=teacher, start=start, learning_rate=1e-3, steps=100, logged=(50, 100))
    list(experiment.replicas(8))
    assert "8 replicas of SGD will take about" in capsys.readouterr().err
