"""Phase II of Stiefel SGD: the radial part, fitted on fresh samples."""

import numpy as np
import pytest
from sgd_runs import problem

import riccati as rc
from riccati import sgd


def test_the_second_phase_reaches_its_limit_with_many_samples():
    run = sgd.simulate(**problem(width=5, neurons=4), learning_rate=2e-3, steps=4000, rows=5, constraint="stiefel")
    fits = [sgd.second_phase(run, n, seed=n) for n in (400, 6400)]
    assert fits[0].limit == pytest.approx(run.risk[-1], rel=1e-10)
    K = np.asarray(run.config["final_overlaps"])
    K = K.T @ (np.asarray(run.teacher.a)[:, None] * K)
    np.testing.assert_allclose(fits[1].Omega, K, atol=0.1)
    # the excess falls as 1/n': here the mean over seeds at two sizes
    excess = [np.mean([sgd.second_phase(run, n, seed=s).risk - fits[0].limit for s in range(60)]) for n in (200, 800)]
    assert excess[0] / excess[1] == pytest.approx(4.0, rel=0.35)
    assert np.all(np.array([fit.risk for fit in fits]) >= fits[0].limit)


def test_the_ridge_shrinks_the_second_phase():
    run = sgd.simulate(**problem(width=5, neurons=4), learning_rate=2e-3, steps=2000, rows=5, constraint="stiefel")
    free, shrunk = (sgd.second_phase(run, 60_000, ridge=ridge) for ridge in (0.0, 2.0))
    # features have variance 2 on and off the diagonal in an orthonormal basis, so a ridge of 2 halves Ω
    np.testing.assert_allclose(shrunk.Omega, free.Omega / 2, atol=0.012)
    assert sgd.second_phase(run, 5, ridge=1.0).risk < 1.5


def test_a_run_of_another_algorithm_and_too_few_samples_are_refused():
    run = sgd.simulate(**problem(), learning_rate=1e-3, steps=5)
    with pytest.raises(rc.ArgumentError, match="`run` must be one of Stiefel SGD"):
        sgd.second_phase(run, 100)
    run = sgd.simulate(**problem(), learning_rate=1e-3, steps=5, constraint="stiefel")
    with pytest.raises(rc.ArgumentError, match=r"`samples` must be ≥ N\(N\+1\)/2 = 6 without a ridge, but is 5"):
        sgd.second_phase(run, 5)
