"""The coupled flow: limits where exact solutions exist, energy, tiny overlaps, interrupts and budgets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import problem

import riccati as rc
from riccati.flows import Neurons, coupled_velocity


def loss(state, teacher):
    """L = ½E(f* - f)², from the weights."""
    a, link, s = teacher.a, teacher.link, jnp.exp(state.log_s)
    U = state.U / jnp.linalg.norm(state.U, axis=1, keepdims=True)
    return (teacher.second_moment - 2 * s @ link.dual(U[:, : len(a)]) @ a + s @ link.dual(U @ U.T) @ s) / 2


@pytest.mark.parametrize(("width", "neurons", "norm"), [(1, 1, 1e-3), (4, 3, 0.1), (3, 6, 0.3)])
def test_equals_the_exact_flow_for_h2(width, neurons, norm):
    teacher, start = problem(width, neurons, 60, 1.0, norm=norm, seed=3)
    times = np.geomspace(0.1, 40, 20)
    exact = rc.solve(rc.Quadratic(), teacher, start, times)
    found = rc.solve(rc.Coupled(rtol=1e-10), teacher, start, times)
    for name in ("risk", "alignment", "radius"):
        np.testing.assert_allclose(getattr(found, name), getattr(exact, name), atol=1e-7)
    expected, T = np.asarray(exact.emergence_times()), np.asarray(found.emergence_times())
    both = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(T), both)
    np.testing.assert_allclose(T[both], expected[both], rtol=1e-6)


@pytest.mark.parametrize("link", ["he3", "he4", "relu", "erf"])
def test_velocity_is_minus_the_gradient_and_dissipates_its_square(link):
    """dw/dt = -∇L in the weights, hence dL/dt = -||∇L||²."""
    teacher = rc.Teacher.power_law(3, 0.7, rc.Link.named(link))
    start = rc.Start.random(teacher, 4, 9, norm=0.6, seed=1)

    def energy(w):
        norm = jnp.linalg.norm(w, axis=1)
        return loss(Neurons(w / norm[:, None], 2 * jnp.log(norm)), teacher)

    w = start.weights
    slope = jax.grad(energy)(w)
    velocity = coupled_velocity(None, Neurons(start.directions, 2 * jnp.log(start.norms)), teacher)
    moved = 0.5 * velocity.log_s[:, None] * w + start.norms[:, None] * velocity.U
    np.testing.assert_allclose(moved, -slope, rtol=1e-9, atol=1e-12)
    _, rate = jax.jvp(energy, (w,), (moved,))
    np.testing.assert_allclose(rate, -np.sum(slope**2), rtol=1e-9)


def test_loss_decreases_along_every_flow():
    for link, width, neurons, norm in (("he3", 4, 6, 0.3), ("he4", 5, 3, 1e-2), ("relu", 3, 4, 0.5)):
        teacher = rc.Teacher.power_law(width, 1.0, rc.Link.named(link))
        start = rc.Start.random(teacher, neurons, 40, norm=norm, seed=2)
        risk = rc.solve(rc.Coupled(), teacher, start, np.geomspace(0.1, 200, 40)).risk
        assert np.all(np.diff(risk) <= 1e-10), link


def test_decoupling_with_greedy_assignment():
    """M = 16, N = 32, d = 1024, k = 4, β = 1: the right neuron everywhere, median |T ratio - 1| ≤ 3 %."""
    teacher, start = problem(16, 32, 1024, 1.0, degree=4)
    T = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    times = np.geomspace(1, 1.3 * T.max(), 60)
    flow = rc.Coupled()
    seen = rc.solve(flow, teacher, start, times)
    assert np.median(np.abs(np.asarray(seen.emergence_times()) / T - 1)) <= 0.03
    state, atol = coupled._begin(teacher, start, flow.rtol)
    *_, (_, final) = flow._through(teacher, state, times, atol)
    learned_by = np.argmax(np.asarray(final.U[:, :16]) ** 2, axis=0)
    np.testing.assert_array_equal(learned_by, start.assignment(teacher))


def test_a_tiny_overlap_escapes_on_time():
    """T of 1e5 and more, from norms of 1e-8, with idle and saturated neurons beside it."""
    for m0, norm in ((1e-3, 1e-8), (4e-4, 1e-2)):
        start = rc.Start([[0.3, 0.0], [0.0, m0], [0.0, 0.0]], np.eye(3), norm)
        teacher = rc.Teacher([1.0, 1.0], rc.Link.hermite(4))
        T = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
        assert T[1] > 1e5
        times = T[1] * np.linspace(0.1, 1.1, 11)
        seen = rc.solve(rc.Coupled(rtol=1e-6), teacher, start, times)
        np.testing.assert_allclose(np.asarray(seen.emergence_times())[1], T[1], rtol=1e-3)


def test_an_unlucky_odd_overlap_never_escapes():
    teacher = rc.Teacher.power_law(1, 0, rc.Link.hermite(3))
    seen = rc.solve(rc.Coupled(), teacher, rc.Start([[-0.1]], norms=0.1), [10.0, 1000.0])
    assert np.isinf(seen.emergence_times()).all()
    assert seen.risk[-1] > 0.9


def test_a_used_up_budget_leaves_the_partial_trajectory():
    teacher, start = problem(4, 6, 60, 1.0, degree=4)
    with pytest.warns(rc.IncompleteTrajectory, match="`max_steps` = 60 steps are used up"):
        seen = rc.solve(rc.Coupled(max_steps=60), teacher, start, np.linspace(5, 500, 100))
    assert 0 < len(seen.times) < 100
    assert len(seen.risk) == len(seen.times) == len(seen.alignment)
    full = rc.solve(rc.Coupled(), teacher, start, seen.times)
    np.testing.assert_allclose(seen.risk, full.risk, rtol=1e-6)


def test_an_interrupt_leaves_the_partial_trajectory(monkeypatch):
    teacher, start = problem(4, 6, 60, 1.0, degree=4)
    real, calls = coupled._chunk, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(coupled, "_chunk", interrupted)
    with pytest.warns(rc.IncompleteTrajectory, match="it was interrupted"):
        seen = rc.solve(rc.Coupled(), teacher, start, np.linspace(1, 10, 10))
    assert len(seen.times) == 4


def test_derivatives_and_vmap():
    teacher, start = problem(3, 3, 30, 1.0, degree=3, norm=0.3)
    times = jnp.array([1.0, 4.0])

    def risk(a, m):
        begin = rc.Start(m, start.student_gram, 0.3)
        return rc.solve(rc.Coupled(rtol=1e-10), rc.Teacher(a, teacher.link), begin, times).risk[-1]

    at, h = (teacher.a, start.teacher_overlaps), 1e-5
    gradient = jax.jit(jax.grad(risk, argnums=(0, 1)))(*at)
    rng = np.random.default_rng(0)
    for n, slope in enumerate(gradient):
        v = rng.normal(size=slope.shape)
        moved = [risk(*at[:n], at[n] + s * h * v, *at[n + 1 :]) for s in (1, -1)]
        np.testing.assert_allclose(np.sum(slope * v), (moved[0] - moved[1]) / (2 * h), rtol=1e-5, atol=1e-8)
    keys = jax.random.split(jax.random.key(0), 3)

    def run(key):
        return rc.solve(rc.Coupled(), teacher, rc.Start.random(teacher, 3, 30, norm=0.3, seed=key), times).risk

    np.testing.assert_allclose(jax.vmap(run)(keys), np.stack([run(key) for key in keys]), rtol=1e-5)


def test_the_flow_is_chosen_by_the_link():
    for link, flow in (("he2", rc.Quadratic), ("he3", rc.Decoupled), ("relu", rc.Coupled), ("cos", rc.Coupled)):
        teacher = rc.Teacher.power_law(2, 1, rc.Link.named(link))
        seen = rc.solve(teacher=teacher, start=rc.Start.random(teacher, 2, 20, 0.1, seed=1), times=[0.5])
        assert isinstance(seen.flow, flow), link
        assert seen.provenance["flow"] == flow.__name__


def test_typical_starts_and_bad_settings_are_refused():
    teacher = rc.Teacher.power_law(2, 1, rc.Link.hermite(3))
    with pytest.raises(rc.ArgumentError, match="`start` must hold all overlaps"):
        rc.solve(rc.Coupled(), teacher, rc.Start.typical(teacher, 2, 20), [1.0])
    with pytest.raises(rc.ArgumentError, match="`rtol` must be > 0"):
        rc.Coupled(rtol=0)
    with pytest.raises(rc.ArgumentError, match="`max_steps` must be a whole number"):
        rc.Coupled(max_steps=0)
