"""What the exact k = 2 flows share: any time, any neurons, an orderly stop, few programs, little memory."""

import os
import signal
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiles import counted_compiles
from systems import exact_subspace, problem, relative_error

import riccati as rc
from riccati.flows.grassmannian import GrowingGram

FLOWS = [rc.Riccati(), rc.Quadratic()]


@pytest.mark.parametrize("flow", FLOWS)
def test_any_time_is_as_good_as_another(flow):
    """Against the limit: the N largest directions learned, radius a_m, and the rest of the risk."""
    teacher, start = problem(6, 3, 40, 1.0)
    solved = rc.solve(flow, teacher, start, np.geomspace(0.1, 1e300, 61))
    np.testing.assert_allclose(solved.alignment[-1], np.arange(6) < 3, atol=1e-15)
    np.testing.assert_allclose(solved.risk[-20:], np.sum(teacher.a[3:] ** 2), rtol=1e-12)
    alone = rc.solve(flow, teacher, start, [1e300])
    np.testing.assert_allclose(alone.alignment[0], solved.alignment[-1], atol=1e-15)
    np.testing.assert_allclose(alone.emergence_times(), solved.emergence_times(), rtol=1e-11)
    if solved.radius is not None:
        np.testing.assert_allclose(solved.radius[-1], np.where(np.arange(6) < 3, teacher.a, 0), rtol=1e-12)


def test_long_intervals_keep_their_digits():
    """Gaps of hundreds of e-foldings, in one stride, against multi-precision arithmetic; nearly equal rates late."""
    teacher, start = problem(4, 2, 30, 0.0)
    a = 1 + 1e-3 * np.arange(4.0)[::-1]
    teacher = rc.Teacher(a / np.linalg.norm(a), teacher.link)
    times = np.array([300.0, 2e3, 2e4])
    solved = rc.solve(rc.Riccati(), teacher, start, times / 2)
    diagonal, risk = exact_subspace(teacher, start, times)
    assert relative_error(solved.alignment, diagonal) < 1e-11
    assert relative_error(solved.risk, [risk]) < 1e-10


def test_idle_neurons_still_decay_at_the_end_of_time():
    """N > M: S's residual part tends to 1/(2τ), so the risk to (N - M)/(2τ)² where nothing else is left."""
    teacher, start = problem(1, 3, 40, 0.0, norm=1.0)
    risk = np.asarray(rc.solve(rc.Quadratic(), teacher, start, [1e10, 1e100, 1e200]).risk)
    np.testing.assert_allclose(risk, [2 / (4e10) ** 2, 2 / (4e100) ** 2, 0.0], rtol=1e-6)


def _starts_of_rank_two():
    rng = np.random.default_rng(0)
    W, Theta = rng.normal(size=(2, 9)), np.eye(9)[:3]
    yield "identical", W[[0, 1, 0]], Theta
    yield "a combination", np.vstack([W, W[0] - 0.3 * W[1]]), Theta
    yield "small and large", np.vstack([W, 1e-6 * W]), Theta


@pytest.mark.parametrize(("name", "W", "Theta"), list(_starts_of_rank_two()))
def test_dependent_neurons_span_less(name, W, Theta):
    """The flow sees W Wᵀ alone: two neurons with the same one give the same solution."""
    teacher = rc.Teacher.power_law(3, 1, rc.Link.hermite(2))
    root = np.linalg.svd(W)[1][:2, None] * np.linalg.svd(W)[2][:2]
    times = np.r_[0, np.geomspace(0.1, 30, 9)]
    for flow in FLOWS:
        solved, expected = (rc.solve(flow, teacher, rc.Start.from_weights(w, Theta), times) for w in (W, root))
        np.testing.assert_allclose(solved.alignment, expected.alignment, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(solved.risk, expected.risk, rtol=1e-9)
    np.testing.assert_allclose(solved.radius, expected.radius, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(solved.emergence_times(), expected.emergence_times(), rtol=1e-9)


def test_neurons_in_one_direction_are_one_neuron():
    teacher = rc.Teacher.power_law(2, 1, rc.Link.hermite(2))
    together = rc.Start(np.tile([[0.3, 0.2]], (3, 1)), np.ones((3, 3)), norms=0.1)
    alone = rc.Start([[0.3, 0.2]], norms=0.1 * 3**0.5)
    solved, expected = (rc.solve(rc.Quadratic(), teacher, start, [0.0, 2.0, 5.0]) for start in (together, alone))
    np.testing.assert_allclose(solved.radius, expected.radius, rtol=1e-7)
    np.testing.assert_allclose(solved.risk, expected.risk, rtol=1e-7)


def test_dependent_neurons_under_jit_are_refused():
    teacher = rc.Teacher.power_law(2, 1, rc.Link.hermite(2))
    m = jnp.tile(jnp.array([[0.6, 0.8]]), (2, 1))
    with pytest.raises(Exception, match="linearly dependent"):
        jax.block_until_ready(jax.jit(lambda m: rc.solve(rc.Riccati(), teacher, rc.Start(m), [1.0]).risk)(m))


def test_norms_out_of_range_are_refused_where_they_matter():
    teacher, start = problem(3, 2, 40, 1.0, norm=1e76)
    with pytest.raises(rc.ArgumentError, match="`norms` must be"):
        rc.solve(rc.Quadratic(), teacher, start, [1.0])
    assert np.isfinite(rc.solve(rc.Riccati(), teacher, start, [1.0]).risk).all()


def test_smallest_norm_emerges_when_predicted():
    """s_m = a/(1 + (a/s_0 - 1)e^{-2aτ}) of one direction and one neuron on it."""
    teacher, start = rc.Teacher([1.0], rc.Link.hermite(2)), rc.Start([[1.0]], norms=1e-150)
    radius = rc.solve(rc.Quadratic(), teacher, start, [150 * np.log(10) / 2]).radius
    np.testing.assert_allclose(radius, 0.5, rtol=1e-10)


def test_a_signal_ends_the_flow_at_an_output_time(monkeypatch):
    """SIGINT on the way to the eighth: what was reached is kept, and the trajectory says so."""
    from riccati.flows.grassmannian import evolution

    whole, calls = evolution.carry, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 8:
            os.kill(os.getpid(), signal.SIGINT)
        return whole(*args)

    monkeypatch.setattr(evolution, "carry", interrupted)
    monkeypatch.setattr(evolution, "_TOGETHER", 1)
    teacher, start = problem(3, 2, 40, 1.0)
    times = np.linspace(0.1, 9, 30)
    with pytest.warns(rc.IncompleteTrajectory, match="interrupted"):
        solved = rc.solve(rc.Riccati(), teacher, start, times)
    assert len(solved.times) == len(solved.risk) == 8
    monkeypatch.undo()
    together = rc.solve(rc.Riccati(), teacher, start, times)
    np.testing.assert_allclose(solved.risk, together.risk[:8], rtol=1e-13)
    np.testing.assert_allclose(solved.alignment, together.alignment[:8], rtol=1e-13)


@pytest.mark.parametrize("flow", FLOWS)
def test_the_flow_on_the_host_compiles_nothing(flow):
    """A solve and its emergence times, for sizes that none had before."""
    rc.solve(flow, *problem(6, 2, 40, 1.0), [1.0]).emergence_times()
    teacher, start = problem(7, 3, 40, 1.0)
    with counted_compiles() as compiles:
        rc.solve(flow, teacher, start, np.linspace(0.1, 9, 21)).emergence_times()
    assert compiles.count == 0


def _many_exchanges():
    return problem(12, 5, 60, 0.5, norm=0.3)


def _signs_and_correlated_directions():
    rng = np.random.default_rng(0)
    Theta, W = rng.normal(size=(3, 9)), rng.normal(size=(4, 9)) / 5
    Theta /= np.linalg.norm(Theta, axis=1, keepdims=True)
    teacher = rc.Teacher.from_directions(Theta, [1.0, 0.6, -0.3], rc.Link.hermite(2))
    return teacher, rc.Start.from_weights(W, Theta)


@pytest.mark.parametrize(
    ("flow", "system"), [(rc.Quadratic(), _many_exchanges), (rc.Riccati(), _signs_and_correlated_directions)]
)
def test_the_host_and_a_program_agree(flow, system):
    teacher, start = system()
    times = np.r_[0.0, np.geomspace(0.1, 60, 13)]

    @jax.jit
    def traced(times):
        solved = rc.solve(flow, teacher, start, times)
        return solved.risk, solved.alignment, solved.radius

    solved, expected = rc.solve(flow, teacher, start, times), traced(times)
    for one, other in zip((solved.risk, solved.alignment, solved.radius), expected, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-15)


def test_reverse_mode_keeps_one_chart_and_not_one_an_output():
    teacher, start = problem(60, 16, 200, 1.0)
    times = np.linspace(0.1, 9, 400)

    def loss(a):
        return rc.solve(rc.Riccati(), rc.Teacher(a, teacher.link), start, times).risk.sum()

    memory = jax.jit(jax.grad(loss)).lower(teacher.a).compile().memory_analysis().temp_size_in_bytes
    chart = 60 * 16 * 8
    assert memory < 0.3 * len(times) * chart


@pytest.mark.parametrize("span", [0.0, 0.3, 3.0])
def test_growing_gram_is_the_gram(span):
    rng = np.random.default_rng(0)
    B = rng.normal(size=(200, 3))
    rates = np.r_[0, 0, 1 / np.arange(1.0, 199)]
    grown = GrowingGram(B, rates, span)
    for part in (0, 0.37, 1):
        x = part * span
        expected = (B * np.exp(2 * rates * x)[:, None]).T @ B
        np.testing.assert_allclose(grown(x), expected, rtol=1e-13, atol=1e-13 * expected.max())


def test_emergence_times_hold_one_chart_and_not_one_a_step():
    """A chart of a wide teacher is half a gigabyte."""
    teacher, start = problem(6000, 8, 40000, 1.0)
    solved = rc.solve(rc.Riccati(), teacher, start, np.linspace(1, 60, 80))
    chart = 6000 * 8 * 8
    tracemalloc.start()
    try:
        assert np.isfinite(solved.emergence_times()).sum() == 8
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * chart


def test_a_chart_of_many_rows_moves_in_place():
    """Beyond the initial chart and what is kept of it, a solve holds blocks of rows."""
    teacher, start = problem(60_000, 3, 240_000, 1.0)
    rows = 60_000 * 8
    tracemalloc.start()
    try:
        rc.solve(rc.Riccati(), teacher, start, np.linspace(1, 6, 2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * rows  # 3 of them are the chart
