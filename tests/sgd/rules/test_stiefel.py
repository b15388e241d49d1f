"""Stiefel SGD: the retraction, the manifold over many steps, its clock, and what it refuses."""

import jax.numpy as jnp
import numpy as np
import pytest

import riccati as rc
from riccati import sgd
from riccati.sgd import Projections, Stiefel, Weights


@pytest.mark.parametrize("batch_size", [1, 5])
def test_retraction_is_the_polar_factor(batch_size):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    rule, random = Stiefel(jnp.asarray(0.5)), np.random.default_rng(0)
    W = jnp.asarray(np.linalg.qr(random.normal(size=(30, 3)))[0].T)
    largest = 0.0
    for _ in range(50):
        X = jnp.asarray(random.normal(size=(batch_size, 30)))
        kept, push = rule.update(teacher, Weights(W, jnp.zeros(0)), Projections(X[:, :3], X @ W.T), jnp.asarray(0.3))
        moved = kept.W + push.T @ X
        left, size, right = np.linalg.svd(moved, full_matrices=False)
        W = rule.retract(moved, batch_size)
        np.testing.assert_allclose(W, left @ right, atol=1e-14)
        largest = max(largest, size.max())
    assert largest > 1.1  # the retraction had something to do


@pytest.mark.parametrize(("coordinates", "batch_size"), [("reduced", 1), ("reduced", 3), ("direct", 1)])
def test_rounding_does_not_carry_long_runs_off_the_manifold(coordinates, batch_size):
    teacher = rc.Teacher.power_law(4, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 4, 40, seed=0)
    experiment = sgd.Experiment(
        teacher, start, rc.SGD(2e-3, batch_size, "stiefel"), steps=40_000, coordinates=coordinates, rows=3
    )
    run = experiment.ensemble([0])
    assert np.linalg.norm(run.final_overlaps[0], 2) <= 1 + 1e-14
    np.testing.assert_allclose(np.sum(run.final_overlaps[0] ** 2, axis=0), run.overlaps[0, -1], atol=1e-13)


def test_small_steps_follow_the_riccati_equation():
    """At ε = 0.02 on batches of 600 the mean risk of 8 seeds is that of the equation at τ = εn within 3 %."""
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 40, seed=0)
    algorithm = rc.SGD.from_riccati_step(0.02, batch_size=600)
    runs = sgd.Experiment(teacher, start, algorithm, steps=200, rows=8).ensemble(range(8))
    flow = rc.solve(rc.Riccati(), teacher, start, algorithm.times(runs.steps[1:]))
    assert flow.risk[-1] < 0.3 * runs.risk[0, 0]
    np.testing.assert_allclose(runs.risk[:, 1:].mean(axis=0), flow.risk, rtol=0.03)


@pytest.mark.parametrize(
    ("teacher", "must"),
    [
        (
            lambda: rc.Teacher([1.0], rc.Link.hermite(2), covariance=rc.Covariance(np.r_[2.0, np.ones(29)])),
            "live on isotropic",
        ),
        (
            lambda: rc.Teacher([1.0, 0.5], rc.Link.hermite(2), gram=[[1.0, 0.3], [0.3, 1.0]]),
            "have orthonormal directions",
        ),
        (lambda: rc.Teacher([1.0], rc.Link.hermite(3)), "have the pure link h_2"),
        # its canonical time is not that of h_2, by c_2² (derivations/clocks.py)
        (lambda: rc.Teacher([1.0], rc.Link.from_coefficients([0, 0, 1.5])), "have the link h_2 with c_2 = 1"),
    ],
)
def test_other_problems_are_refused_by_name(teacher, must):
    teacher = teacher()
    start = rc.Start.from_weights(
        np.eye(2, 30, k=3) + 0.1, np.linalg.cholesky(teacher.gram) @ np.eye(teacher.width, 30), teacher.covariance
    )
    with pytest.raises(rc.ArgumentError, match=f"`teacher` must {must}.* for Stiefel SGD"):
        sgd.simulate(teacher, start, learning_rate=0.01, steps=3, constraint="stiefel")
