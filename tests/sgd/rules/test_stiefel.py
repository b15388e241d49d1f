"""Stiefel SGD: the retraction, the manifold over many steps, its clock, and what it refuses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import roots_hermitenorm
from sgd_runs import problem

import riccati as rc
from riccati import sgd
from riccati.sgd import Projections, Stiefel, Weights


@eqx.filter_jit
def stepped(rule, teacher, W, X, rate):
    """W̃, before the retraction, and the weights after it."""
    samples = Projections(X[:, : teacher.width], X @ W.T)
    kept, push = rule.update(teacher, Weights(W, jnp.zeros(0)), samples, rate)
    moved = kept.W + push.T @ X
    return moved, rule.retract(moved, X.shape[0])


@pytest.mark.parametrize("batch_size", [1, 5])
def test_retraction_is_the_polar_factor(batch_size):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    rule, random = Stiefel(jnp.asarray(0.5)), np.random.default_rng(0)
    W = np.linalg.qr(random.normal(size=(30, 3)))[0].T
    largest = 0.0
    for _ in range(50):
        moved, W = stepped(rule, teacher, W, random.normal(size=(batch_size, 30)), 0.3)
        left, size, right = np.linalg.svd(moved, full_matrices=False)
        np.testing.assert_allclose(W, left @ right, atol=1e-14)
        largest = max(largest, size.max())
    assert largest > 1.1  # the retraction had something to do


def test_the_mean_step_is_that_of_the_riccati_equation():
    """At ε = 2η, W -> W + ε W D (I - WᵀW), D = ΘᵀAΘ, whatever c; exactly so in the mean over samples, up to ε²."""
    teacher, c = rc.Teacher([0.9, 0.6], rc.Link.hermite(2)), 0.7
    W = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 2)))[0].T
    z, p = roots_hermitenorm(5)
    X = np.stack(np.meshgrid(z, z, z, z, indexing="ij"), axis=-1).reshape(-1, 4)
    p = np.stack(np.meshgrid(p, p, p, p, indexing="ij"), axis=-1).reshape(-1, 4).prod(axis=1)
    each = jax.vmap(lambda x, rate: stepped(Stiefel(jnp.asarray(c)), teacher, W, x[None], rate)[1], (0, None))
    step = 1e-5
    ahead, behind = (np.tensordot(p / p.sum(), each(X, sign * step / 2), 1) for sign in (1, -1))
    D = np.diag([0.9, 0.6, 0.0, 0.0])
    np.testing.assert_allclose((ahead - behind) / (2 * step), W @ D @ (np.eye(4) - W.T @ W), atol=1e-6)


@pytest.mark.parametrize(
    ("coordinates", "batch_size", "steps"), [("reduced", 1, 40_000), ("reduced", 3, 8000), ("direct", 1, 40_000)]
)
def test_rounding_does_not_carry_long_runs_off_the_manifold(coordinates, batch_size, steps):
    algorithm = rc.SGD(2e-3, batch_size, "stiefel")
    experiment = sgd.Experiment(**problem(), sgd=algorithm, steps=steps, coordinates=coordinates, rows=3)
    run = experiment.ensemble([0])
    assert np.linalg.norm(run.final_overlaps[0], 2) <= 1 + 1e-14
    np.testing.assert_allclose(np.sum(run.final_overlaps[0] ** 2, axis=0), run.overlaps[0, -1], atol=1e-13)


@pytest.mark.large
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
