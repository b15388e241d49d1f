"""What the exact k = 2 flows share: any time, any neurons, an orderly stop, few programs, little memory."""

import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiles import counted_compiles
from systems import exact_subspace, problem, relative_error

import riccati as rc
from riccati.flows.grassmannian import GrowingGram, carried

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
    """SIGINT while a chunk runs: what was reached is kept, and the trajectory says so."""
    from riccati.flows.grassmannian import evolution

    whole, calls = evolution._chunk, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return whole(*args)

    monkeypatch.setattr(evolution, "_chunk", interrupted)
    monkeypatch.setattr(evolution, "_AT_ONCE", 4)
    teacher, start = problem(3, 2, 40, 1.0)
    times = np.linspace(0.1, 9, 30)
    with pytest.warns(rc.IncompleteTrajectory, match="interrupted"):
        solved = rc.solve(rc.Riccati(), teacher, start, times)
    assert len(solved.times) == len(solved.risk) == 8
    monkeypatch.undo()
    np.testing.assert_array_equal(solved.risk, rc.solve(rc.Riccati(), teacher, start, times).risk[:8])


@pytest.mark.parametrize("flow", FLOWS)
def test_new_numbers_compile_nothing(flow):
    """Other a, starts, seeds, dimensions, and other numbers of output times."""
    teacher, start = problem(5, 3, 40, 1.0)
    rc.solve(flow, teacher, start, np.linspace(0.1, 9, 21)).emergence_times()
    others = [problem(5, 3, 60 + seed, 0.5, seed=seed) for seed in range(2)]
    with counted_compiles() as compiles:
        for count, (teacher, start) in enumerate(others):
            rc.solve(flow, teacher, start, np.linspace(0.2, 8, 70 + count)).emergence_times()
    assert compiles.count == 0


@pytest.mark.parametrize("flow", FLOWS)
def test_a_first_solve_compiles_a_handful(flow):
    teacher, start = problem(7, 3, 40, 1.0)
    with counted_compiles() as compiles:
        rc.solve(flow, teacher, start, np.linspace(0.1, 9, 21))
    assert 1 <= compiles.count <= 4


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


def test_emergence_times_hold_one_chart_and_not_one_a_step(monkeypatch):
    """A chart of a wide teacher is half a gigabyte."""
    teacher, start = problem(61, 8, 400, 1.0)
    solved, alive = rc.solve(rc.Riccati(), teacher, start, np.linspace(1, 60, 80)), []

    def counted(chart, interval):
        moved = carried(chart, interval)
        alive.append(sum(array.shape == (61, 8) for array in jax.live_arrays()))
        return moved

    monkeypatch.setattr("riccati.flows.grassmannian.emergence.carried", counted)
    assert np.isfinite(solved.emergence_times()).sum() == 8
    assert len(alive) > 4
    assert max(alive) <= min(alive) + 1
