"""Stiefel SGD: its noise term against samples of its steps, and where it ends beside SGD on the weights."""

import jax
import numpy as np
import pytest
from plain_loop import Loop, small

import riccati as rc
from riccati.flows.gradient_noise import stiefel_system, stiefel_velocity
from riccati.problem import Problem

_SAMPLES, _BATCHES = 4000, 20


@pytest.mark.parametrize(("neurons", "dim"), [(20, 120), (60, 120)])
def test_the_retraction_takes_back_what_noise_adds_outside_the_subspace(neurons, dim):
    """E (polar(W̃) - W̃)Θᵀ = -(ε²/8)(d - N) H Z to leading order in ε, so a factor 1 - N/d at fixed γ = ηd, ε = 2η."""
    teacher = rc.Teacher.power_law(4, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, neurons, dim, seed=3)
    c, step = 0.3, 1e-3
    system = stiefel_system(Problem(teacher, start), step / 2 * dim, c)
    quiet = stiefel_system(Problem(teacher, start), 0.0, c)
    Z = np.asarray(system.state)
    velocity = jax.jit(stiefel_velocity)
    drift = step * np.asarray(velocity(0.0, system.state, system.args) - velocity(0.0, system.state, quiet.args))
    W = np.hstack([Z.T, _completed(Z, dim - 4)])
    random, found = np.random.default_rng(0), []
    for _ in range(_BATCHES):
        x = random.standard_normal((_SAMPLES, dim))
        u = x @ W.T
        e = c * (np.sum(u**2, axis=1) - neurons) - (x[:, :4] ** 2 - 1) @ np.asarray(teacher.a)
        outside = np.sum(x**2, axis=1) - np.sum(u**2, axis=1)
        weight = -0.5 * (step / 2) ** 2 * e**2 * outside
        found.append(Z @ ((u * weight[:, None]).T @ u) / _SAMPLES)
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(_BATCHES)
    ratio = np.sum(mean * drift) / np.sum(drift**2)
    noise = np.linalg.norm(error) / np.linalg.norm(drift)
    assert noise < 0.06
    # what is left out is of the order of 1/(d - N), as e depends on what lies outside; N/d is 1/6 and 1/2
    assert abs(ratio - 1) < noise + 2 / (dim - neurons)


def _completed(Z, room):
    """Rows (N, room) that make (Zᵀ, ·) orthonormal."""
    size, vectors = np.linalg.eigh(np.eye(Z.shape[1]) - Z.T @ Z)
    root = vectors * np.sqrt(np.maximum(size, 0.0))
    return np.pad(root, ((0, 0), (0, room - root.shape[1])))


def test_from_small_norms_it_ends_where_sgd_does():
    """Three directions, norms 0.2, γ = 0.1, d = 60: SGD learns them all, as orthonormal weights would not."""
    a, dim, batch, end = np.array([0.85, 0.5, 0.25]), 60, 8, 30.0
    W, rate = small(np.random.default_rng(1), 3, dim, 0.2), 0.1 * batch / dim
    run = Loop(a, np.eye(3, dim), W, [0, 0, 1], rate=rate, batch=batch, steps=round(end / rate))
    rng = np.random.default_rng(0)
    for _ in range(run.steps):
        run.step(rng)
    assert 2 * run.loss()[0] / run.loss()[1] < 1e-3
    teacher = rc.Teacher(a / np.linalg.norm(a), rc.Link.hermite(2))
    start, times = rc.Start.from_weights(W, np.eye(3, dim)), [1.0, end]
    assert float(rc.solve(rc.FiniteStep(0.1), teacher, start, times).risk[-1]) < 1e-3
    assert float(rc.solve(rc.FiniteStep(0.05, constraint="stiefel"), teacher, start, times).risk[-1]) > 0.02
