"""The coupled flow: limits where exact solutions exist, energy, tiny overlaps, interrupts and budgets."""

import os
import signal

import equinox as eqx
import jax
import numpy as np
import pytest
from systems import problem

import riccati as rc
from riccati.solver import best_flow


def small(norm=0.3):
    """Two directions and three neurons under h_3, whose programs many tests share."""
    return problem(2, 3, 60, 1.0, degree=3, norm=norm)


@pytest.mark.parametrize(("width", "neurons", "norm"), [(4, 3, 1e-3), (3, 6, 0.3)])
def test_equals_the_exact_flow_for_h2(width, neurons, norm):
    teacher, start = problem(width, neurons, 60, 1.0, norm=norm, seed=3)
    times = np.geomspace(0.1, 40, 20)
    exact = rc.solve(rc.Quadratic(), teacher, start, times)
    solved = rc.solve(rc.Coupled(rtol=1e-10), teacher, start, times)
    for name in ("risk", "alignment", "radius"):
        np.testing.assert_allclose(getattr(solved, name), getattr(exact, name), atol=1e-7, err_msg=name)
    expected, T = np.asarray(exact.emergence_times()), np.asarray(solved.emergence_times())
    both = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(T), both)
    np.testing.assert_allclose(T[both], expected[both], rtol=1e-6)


def test_either_definition_of_the_overlap_is_that_of_the_weights():
    """k = 2 in weights: dW/dt = 2W(S* - S), S = WᵀW, by Runge and Kutta's steps in all dimensions."""
    rng, directions, dim, step = np.random.default_rng(0), 3, 25, 0.01
    teacher = rc.Teacher.power_law(directions, 1.0, rc.Link.hermite(2))
    cubic = rc.Teacher(teacher.a, rc.Link.hermite(3))
    theta, W = np.eye(directions, dim), 0.4 * rng.standard_normal((4, dim)) / 5
    target = theta.T @ (np.asarray(teacher.a)[:, None] * theta)
    start, seen = rc.Start.from_weights(W, theta), {}

    def velocity(W):
        return 2 * W @ (target - W.T @ W)

    for n in range(601):
        if n in (1, 100, 250, 600):
            seen[n] = rc.neuron_alignment(W, theta), rc.subspace_alignment(W, theta)
        a = velocity(W)
        b = velocity(W + step / 2 * a)
        c = velocity(W + step / 2 * b)
        W = W + step / 6 * (a + 2 * b + 2 * c + velocity(W + step * c))
    solved = rc.solve(rc.Coupled(overlap="neuron"), teacher, start, step * np.array(list(seen)))
    np.testing.assert_allclose(solved.alignment, [neuron for neuron, _ in seen.values()], atol=1e-6)
    # where the flow is now, by every definition; it is the subspace for h_2 unless another is asked for
    here = rc.Start.from_weights(W, theta)
    neuron, subspace = rc.neuron_alignment(W, theta), rc.subspace_alignment(W, theta)
    for flow, link, expected in (
        (rc.Coupled(), teacher, subspace),
        (rc.Coupled(overlap="subspace"), teacher, subspace),
        (rc.Coupled(overlap="subspace"), cubic, subspace),
        (rc.Coupled(), cubic, neuron),
    ):
        np.testing.assert_allclose(rc.solve(flow, link, here, [0.0]).alignment[0], expected, atol=1e-12)
    with pytest.raises(rc.ArgumentError, match='`overlap` must be "subspace" or "neuron"'):
        rc.Coupled(overlap="span")


def test_decoupling_with_greedy_assignment():
    """M = 8, N = 16, d = 1024, k = 4, β = 1: median |T ratio - 1| ≤ 3 %, as it would not be with another neuron."""
    teacher, start = problem(8, 16, 1024, 1.0, degree=4)
    T = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    times = np.geomspace(1, 1.3 * T.max(), 60)
    solved = rc.solve(rc.Coupled(rtol=1e-6), teacher, start, times)
    assert np.median(np.abs(np.asarray(solved.emergence_times()) / T - 1)) <= 0.03


def test_a_tiny_overlap_escapes_on_time():
    """T of 3e4 and more, from an overlap of 1e-5 and norms of 1e-8 and 1e-2, beside idle and saturated neurons."""
    for norm in (1e-8, 1e-2):
        start = rc.Start([[0.3, 0.0], [0.0, 1e-5], [0.0, 0.0]], np.eye(3), norm)
        teacher = rc.Teacher([1.0, 1.0], rc.Link.hermite(3))
        T = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
        assert T[1] > 3e4
        times = T[1] * np.linspace(0.1, 1.1, 11)
        solved = rc.solve(rc.Coupled(rtol=1e-6), teacher, start, times)
        np.testing.assert_allclose(np.asarray(solved.emergence_times())[1], T[1], rtol=1e-3)


def test_unlucky_odd_overlaps_never_escape():
    teacher, start = small()[0], rc.Start(-np.array([[0.1, 0.05], [0.05, 0.1], [0.02, 0.03]]), norms=0.1)
    solved = rc.solve(rc.Coupled(), teacher, start, [10.0, 1000.0])
    assert np.isinf(solved.emergence_times()).all()
    assert solved.risk[-1] > 0.9


def test_a_used_up_budget_leaves_the_partial_trajectory():
    teacher, start = small()
    with pytest.warns(rc.IncompleteTrajectory, match="its steps are used up: raise max_steps"):
        solved = rc.solve(rc.Coupled(max_steps=60), teacher, start, np.linspace(0.5, 500, 100))
    assert 0 < len(solved.times) < 100
    assert len(solved.risk) == len(solved.times) == len(solved.alignment)
    full = rc.solve(rc.Coupled(), teacher, start, solved.times)
    np.testing.assert_allclose(solved.risk, full.risk, rtol=1e-6)


def test_the_budget_holds_under_jit_too():
    teacher, start = small()
    times = np.linspace(0.5, 500, 100)
    solved = jax.jit(lambda s: rc.solve(rc.Coupled(max_steps=60), teacher, s, times))(start)
    assert bool(solved.outcome == rc.Outcome.max_steps_reached)
    assert 0 < int(solved.reached) < 100
    assert int(solved.solver_steps) == 60
    assert np.isfinite(np.asarray(solved.risk)[: int(solved.reached)]).all()


def test_an_interrupt_leaves_the_partial_trajectory():
    """SIGINT on the way: what was reached is kept, and the outcome says why there is no more."""
    teacher, start = small()
    times = np.geomspace(1, 1e6, 4000)
    rc.solve(rc.Coupled(), teacher, start, times[:1])
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.warns(rc.IncompleteTrajectory, match="it was interrupted"):
            solved = rc.solve(rc.Coupled(), teacher, start, times)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 0 < len(solved.times) == len(solved.risk) < 4000
    assert bool(solved.outcome == rc.Outcome.interrupted)


def test_emergence_times_come_from_the_steps_that_were_taken():
    """They do not look at the problem again, which is another one here; without the record they integrate anew."""
    teacher, start = small(0.1)
    solved = rc.solve(rc.Coupled(), teacher, start, [40.0])
    assert np.isfinite(solved.emergence_times()).any()
    without = eqx.tree_at(lambda t: t.solution.record, solved, None)
    np.testing.assert_array_equal(without.emergence_times(), solved.emergence_times())
    other = eqx.tree_at(lambda t: t.problem.teacher.a, solved, np.asarray(teacher.a)[::-1])
    np.testing.assert_array_equal(other.emergence_times(), solved.emergence_times())


def test_a_direction_learned_at_the_start_emerges_at_zero():
    teacher = rc.Teacher([1.0, 0.6], rc.Link.hermite(3))
    start = rc.Start([[0.8, 0.0], [0.0, 0.2], [0.0, 0.0]], norms=0.3)
    solved = rc.solve(rc.Coupled(), teacher, start, [0.0, 9.0])
    T = np.asarray(solved.emergence_times())
    assert T[0] == 0
    assert 0 < T[1] < 9


@pytest.mark.parametrize("flow", [rc.Coupled(), rc.Correlation()])
def test_a_link_with_infinite_slope_is_refused_with_the_reason(flow):
    teacher = rc.Teacher([1.0], rc.Link.named("sign"))
    with pytest.raises(rc.ArgumentError, match=r"finite g'\(1\)"):
        rc.solve(flow, teacher, rc.Start([[0.2]]), [1.0])


@pytest.mark.parametrize("name", ["relu", "erf"])
def test_default_times_show_every_emergence(name):
    """k = 1, where the equations for k = 2 are no guide: they ended at t = 7.2, before ReLU's first emergence."""
    teacher = rc.Teacher.power_law(4, 0.8, rc.Link.named(name))
    start = rc.Start.random(teacher, 6, 100, norm=0.1)
    for flow in (rc.Coupled(rtol=1e-6), rc.Correlation()):
        times = np.asarray(rc.default_times(flow, teacher, start))
        T = np.asarray(rc.solve(flow, teacher, start, times).emergence_times())
        later = np.asarray(rc.solve(flow, teacher, start, [*times, 2 * times[-1]]).alignment)[-1]
        np.testing.assert_array_equal(np.isfinite(T), later >= 0.5)
        assert times[0] < T[T > 0].min()


def test_where_nothing_grows_default_times_are_refused():
    teacher, start = rc.Teacher([1.0], rc.Link.hermite(3)), rc.Start([[-0.2]], norms=0.1)
    for flow in (rc.Decoupled(), rc.Coupled(), rc.Correlation(), rc.FiniteStep(0.01)):
        with pytest.raises(rc.ArgumentError, match="`times` must be given, as nothing is expected to emerge"):
            rc.solve(flow, teacher, start)


def test_the_flow_is_chosen_by_the_link():
    chosen = {"he2": rc.Quadratic, "he3": rc.Decoupled, "relu": rc.Coupled, "cos": rc.Coupled}
    links = [(rc.Link.named(name), flow) for name, flow in chosen.items()]
    for link, flow in (*links, (rc.Link.from_coefficients([1, 0, 2**0.5]), rc.Quadratic)):
        teacher = rc.Teacher.power_law(2, 1, link)
        start = rc.Start.random(teacher, 2, 20, 0.1, seed=1)
        assert isinstance(best_flow(rc.Problem(teacher, start)), flow), link


def test_typical_starts_and_bad_settings_are_refused():
    teacher = rc.Teacher.power_law(2, 1, rc.Link.hermite(3))
    with pytest.raises(rc.ArgumentError, match="`start` must hold all overlaps"):
        rc.solve(rc.Coupled(), teacher, rc.Start.typical(teacher, 2, 20), [1.0])
    with pytest.raises(rc.ArgumentError, match="`rtol` must be > 0"):
        rc.Coupled(rtol=0)
    with pytest.raises(rc.ArgumentError, match="`max_steps` must be a whole number"):
        rc.Coupled(max_steps=0)


@pytest.mark.parametrize("degree", [2, 3])
def test_very_long_times_end_in_order_and_within_bounds(degree):
    """Learned directions bound explicit steps: what no budget reaches is given up after some chunks of it."""
    teacher, start = problem(4, 3, 60, 1.0, norm=0.3) if degree == 2 else small()
    with pytest.warns(rc.IncompleteTrajectory, match="its steps are used up"):
        solved = rc.solve(rc.Coupled(), teacher, start, np.geomspace(0.1, 1e300, 60))
    assert solved.solver_steps < 10**5
    assert 1 < len(solved.times) < 60
    assert np.min(solved.risk) >= 0
    assert 0 <= np.min(solved.alignment) <= np.max(solved.alignment) <= 1
    whole = rc.solve(rc.Coupled(), teacher, start, [1.0, float(solved.times[-1])])
    np.testing.assert_allclose(whole.risk[-1], solved.risk[-1], rtol=1e-3)
