"""SGD at step size γ/d: its gradient-flow limits, lost directions, divergence, and runs' plateaus."""

import equinox as eqx
import jax
import numpy as np
import pytest
from systems import problem

import riccati as rc
from riccati.support import RenamedArgument

TIMES = np.linspace(0, 30, 64)  # the number that programs are padded to
ALMOST_NONE = 1e-13  # γ = 0 would be solved as gradient flow
CUBIC = rc.Link.hermite(3)


def one_left_over():
    """Three neurons, the last of which has no direction to learn under h_3, where overlaps must be positive."""
    m = 0.2 * np.random.default_rng(0).random((3, 5)) * np.array([[1], [1], [-1]])
    return rc.Start(m, norms=0.1, dim=60)


def closeness(solved, reference):
    """The largest deviations of risk, alignment and radius."""
    names = ["risk", "alignment"] + (["radius"] if solved.radius is not None else [])
    return [np.abs(np.asarray(getattr(solved, name)) - np.asarray(getattr(reference, name))).max() for name in names]


@pytest.mark.parametrize(
    ("constraint", "flow", "width", "neurons"),
    [
        ("stiefel", rc.Riccati(), 5, 3),
        ("stiefel", rc.Riccati(), 2, 4),
        (None, rc.Quadratic(), 5, 3),
        (None, rc.Quadratic(), 2, 4),
    ],
)
def test_without_noise_it_is_gradient_flow(constraint, flow, width, neurons):
    teacher, start = problem(width, neurons, 100, 0.8, norm=0.1, seed=4)
    reference = rc.solve(flow, teacher, start, TIMES)
    solved = rc.solve(rc.FiniteStep(ALMOST_NONE, constraint=constraint), teacher, start, TIMES)
    assert max(closeness(solved, reference)) < 2e-8
    if width == 5:
        np.testing.assert_allclose(solved.emergence_times(), reference.emergence_times(), rtol=2e-8)


@pytest.mark.parametrize("typical", [False, True])
def test_without_noise_it_is_the_decoupled_flow(typical):
    """Three neurons for five directions, one of them left over; and all five directions with as many spectators."""
    teacher = rc.Teacher.power_law(5, 0.8, rc.Link.from_coefficients([0, 0, 0, 0, 0.7]) if typical else CUBIC)
    start = rc.Start.typical(teacher, 10, 60, 0.1) if typical else one_left_over()
    last = 2 * rc.Decoupled().horizon(rc.Problem(teacher, start))[1]
    reference = rc.solve(rc.Decoupled(), teacher, start, last * TIMES / 30)
    solved = rc.solve(rc.FiniteStep(ALMOST_NONE), teacher, start, last * TIMES / 30)
    assert max(closeness(solved, reference)) < 1e-6
    np.testing.assert_allclose(solved.emergence_times(), reference.emergence_times(), rtol=1e-7)
    if not typical:
        assert np.isfinite(solved.emergence_times()).sum() == 2


def test_negative_overlaps_of_odd_links_are_spectators():
    teacher, start = rc.Teacher.power_law(1, 0, rc.Link.hermite(3)), rc.Start([[-0.2]], norms=0.1)
    solved = rc.solve(rc.FiniteStep(ALMOST_NONE), teacher, start, TIMES)
    np.testing.assert_allclose(solved.risk, 1 + (0.01 / (1 + 0.04 * TIMES)) ** 2, rtol=1e-9)
    noisy = rc.solve(rc.FiniteStep(1e-2), teacher, start, TIMES)
    assert np.all(noisy.alignment == 0)
    # E e²σ'² = 3 while nothing is learned: ds/dt = -4s² + 3γs + …, which holds the norm up
    assert float(noisy.risk[-1]) - 1 > 2 * (float(solved.risk[-1]) - 1)
    assert np.isinf(noisy.emergence_times()[0])


@pytest.mark.parametrize("norm", [1e-3, 1e-10])
def test_small_norms_keep_their_digits(norm):
    teacher, start = problem(5, 3, 200, 1.0, norm=norm, seed=1)
    reference = rc.solve(rc.Quadratic(), teacher, start, 2 * TIMES)
    solved = rc.solve(rc.FiniteStep(ALMOST_NONE), teacher, start, 2 * TIMES)
    np.testing.assert_allclose(solved.radius, reference.radius, rtol=1e-5)
    np.testing.assert_allclose(solved.alignment, reference.alignment, rtol=1e-6)


def test_plateau_of_stiefel_sgd():
    run = rc.Run.load("quadratic-stiefel")
    gamma = run.config["riccati_step"] * run.config["dim"] / run.config["batch_size"]
    flow = rc.FiniteStep(gamma / 2, constraint="stiefel", student_scale=run.config["student_scale"])
    tenth = -(len(run.times) // 10)
    solved = rc.solve(flow, run.teacher, run.start, run.times)
    gradient_flow = rc.solve(rc.Riccati(), run.teacher, run.start, run.times)
    plateau = run.risk[tenth:].mean()
    assert abs(float(solved.risk[tenth:].mean()) / plateau - 1) < 0.05
    assert float(gradient_flow.risk[tenth:].mean()) < 0.7 * plateau


def test_plateau_of_sgd_on_the_weights():
    run = rc.Run.load("quadratic-homogeneous")
    gamma = run.config["learning_rate"] * run.config["dim"] / run.config["batch_size"]
    solved = rc.solve(rc.FiniteStep(gamma), run.teacher, run.start, run.times)
    tenth = -(len(run.times) // 10)
    assert abs(float(solved.risk[tenth:].mean()) / run.risk[tenth:].mean() - 1) < 0.03


@pytest.mark.parametrize("constraint", ["stiefel", None])
def test_a_direction_is_lost_where_noise_outgrows_it(constraint):
    """While nothing is learned, the m-th row of Y grows at the rate a_m less the noise's."""
    dim, neurons = 10**10, 3
    teacher = rc.Teacher.power_law(5, 0.3, rc.Link.hermite(2))
    start = rc.Start.random(teacher, neurons, dim, norm=1e-9)
    for m, a in enumerate(np.asarray(teacher.a)):
        threshold = a / ((1 - neurons / dim) * (1 + 2 / neurons)) if constraint == "stiefel" else 2 * a
        for share in (0.95, 1.05):
            flow = rc.FiniteStep(share * threshold, constraint=constraint)
            alignment = np.asarray(rc.solve(flow, teacher, start, TIMES / 30).alignment)[:, m]
            growth = np.log(alignment[-1] / alignment[0]) / 2  # in τ = 2
            np.testing.assert_allclose(growth, (1 - share) * a * 2, rtol=1e-3)


def test_lost_directions_stay_small():
    """The noise of directions that are learned already is what decides over the last ones."""
    teacher, start = problem(5, 3, 400, 1.0, seed=2)
    kept, lost = (
        rc.solve(rc.FiniteStep(gamma, constraint="stiefel"), teacher, start, 10 * TIMES) for gamma in (0.01, 0.3)
    )
    assert np.isfinite(kept.emergence_times()).sum() == 3
    assert np.isfinite(lost.emergence_times()).tolist() == [True] + [False] * 4
    assert np.all(np.asarray(lost.alignment)[-1, 1:] < 0.1)


def test_pairs_need_a_large_overlap_to_escape():
    """m grows under c h_3 if m_0 > c² γ/2."""
    teacher = rc.Teacher.power_law(1, 0, rc.Link.from_coefficients([0, 0, 0, 0.8]))
    for m0, sign in ((0.0105, 1), (0.0095, -1)):
        gamma = 0.02 / 0.8**2
        start = rc.Start([[m0]], norms=1e-6)
        alignment = np.asarray(rc.solve(rc.FiniteStep(gamma), teacher, start, TIMES / 300).alignment)[:, 0]
        assert np.all(sign * np.diff(alignment) > 0)


@pytest.mark.parametrize(("degree", "gamma"), [(2, 0.2), (3, 1e-3)])
def test_emergence_times_do_not_depend_on_the_output_times(degree, gamma):
    teacher, start = problem(5, 3, 80, 0.8, degree=degree, norm=0.1, seed=5)
    flow = rc.FiniteStep(gamma)
    last = 2 * flow.horizon(rc.Problem(teacher, start))[1]
    solved = rc.solve(flow, teacher, start, last * TIMES / 30)
    fine = np.asarray(solved.emergence_times())
    coarse = np.asarray(rc.solve(flow, teacher, start, np.linspace(0.1, last, 5)).emergence_times())
    learned = np.flatnonzero(np.isfinite(fine))
    assert len(learned) >= 2
    np.testing.assert_allclose(coarse, fine, rtol=2e-9)
    for m in learned:
        there = np.asarray(rc.solve(flow, teacher, start, fine[m] * TIMES / 30).alignment)
        np.testing.assert_allclose(there[-1, m], 0.5, rtol=1e-7)


def test_a_direction_learned_at_the_start_emerges_at_zero():
    teacher = rc.Teacher.power_law(5, 1.0, rc.Link.hermite(2))
    start = rc.Start(np.diag([0.9, 0.1, 0.1, 0.1, 0.1])[:3], dim=50)
    T = rc.solve(rc.FiniteStep(0.005, constraint="stiefel"), teacher, start, TIMES[1:]).emergence_times()
    assert T[0] == 0
    assert 0 < T[1] < 20


def test_the_step_size_at_which_sgd_diverges():
    """From θᵀw = 0.06, |w| = 0.3, SGD in d = 3000 learns at γ = 0.3 and explodes at 0.5, t in 2 … 2.5."""
    teacher = rc.Teacher.power_law(1, 0, rc.Link.hermite(2))
    start = rc.Start([[0.2]], norms=0.3)
    times = TIMES * 4 / 30
    safe = rc.solve(rc.FiniteStep(0.3), teacher, start, times)
    assert float(safe.risk[-1]) < 0.2
    with pytest.warns(rc.IncompleteTrajectory, match=r"ends at t = 2\.\d+.*the weights explode.*smaller gamma"):
        solved = rc.solve(rc.FiniteStep(0.5), teacher, start, times)
    risk, alignment, radius = (np.asarray(x) for x in (solved.risk, solved.alignment, solved.radius))
    exploded = np.isinf(risk)
    np.testing.assert_array_equal(exploded, times >= times[exploded][0])
    assert np.all(alignment[exploded] == 0)
    assert np.isinf(radius[exploded]).all()
    for values in (risk, alignment, radius):
        assert not np.isnan(values).any()
        assert np.isfinite(values[~exploded]).all()
    assert np.isinf(solved.emergence_times()).all()


def test_pairs_diverge_with_a_warning():
    teacher = rc.Teacher.power_law(5, 1.0, rc.Link.hermite(4))
    start = rc.Start.typical(teacher, 10, 100, 0.1)
    with pytest.warns(rc.IncompleteTrajectory, match="weights explode"):
        solved = rc.solve(rc.FiniteStep(0.1), teacher, start, 2 * TIMES)
    assert np.isinf(solved.risk[-1])
    assert not np.isnan(solved.alignment).any()


def test_a_horizon_beyond_explicit_steps_is_said():
    teacher = rc.Teacher.power_law(2, 0, rc.Link.hermite(3))
    start = rc.Start([[0.5, 0.1]], norms=0.5)  # a direction without a neuron keeps the noise up
    with pytest.warns(rc.IncompleteTrajectory, match="its steps are used up: .* end earlier"):
        solved = rc.solve(rc.FiniteStep(1e-3), teacher, start, 1e6 * TIMES)
    assert bool(solved.outcome == rc.Outcome.max_steps_reached)
    assert 0 < len(solved.times) < len(TIMES)
    assert np.isfinite(solved.risk).all()


def test_large_links_explode_early_and_say_so():
    """h_6, γ = 1e-3: noise is 7·10⁴ γ s² of a norm, which blows up at t = 1.6; under jit too."""
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(6))
    start = rc.Start.random(teacher, 4, 50, norm=0.3)
    times = TIMES / 3
    with pytest.warns(rc.IncompleteTrajectory, match="weights explode"):
        solved = rc.solve(rc.FiniteStep(1e-3), teacher, start, times)
    compiled = jax.jit(lambda s: rc.solve(rc.FiniteStep(1e-3), teacher, s, times))(start)
    for one in (solved, compiled):
        assert bool(one.outcome == rc.Outcome.exploded)
        np.testing.assert_array_equal(np.isinf(one.risk), np.arange(len(times)) >= int(one.reached))
    # d log s/dt = γ C(1) s² of a spectator with nothing to learn: s² = s_0²/(1 - 2γ C s_0² t), and the rest is slower
    assert 1.5 < float(times[int(solved.reached)]) < 1 / (2e-3 * 70338 * 0.09**2) * 2.5


def test_a_large_neuron_that_has_learned_does_not_count_as_exploded():
    """At γ = 5e-5 noise vanishes with the residual; at 2e-3 the neuron does not hold what it has learned."""
    teacher = rc.Teacher([1.0], rc.Link.hermite(6))
    held = rc.solve(rc.FiniteStep(5e-5), teacher, rc.Start([[0.9999]], norms=1.0), TIMES)
    assert bool(held.outcome == rc.Outcome.complete)
    assert float(held.risk[-1]) < 1e-8
    with pytest.warns(rc.IncompleteTrajectory, match="weights explode"):
        lost = rc.solve(rc.FiniteStep(2e-3), teacher, rc.Start([[0.9999]], norms=1.0), TIMES)
    assert bool(lost.outcome == rc.Outcome.exploded)


@pytest.mark.parametrize(
    ("degree", "constraint", "flow"),
    [(2, "stiefel", rc.Riccati()), (2, None, rc.Quadratic()), (3, None, rc.Decoupled())],
)
def test_at_step_size_zero_it_is_gradient_flow_at_all_times(degree, constraint, flow):
    """Where an integrator has long lost the digits of the risk."""
    teacher, start = problem(3, 4, 60, 0.8, degree=degree, norm=0.1, seed=4)
    times = np.geomspace(1e3, 1e4, 5)
    solved, exact = (rc.solve(f, teacher, start, times) for f in (rc.FiniteStep(0, constraint=constraint), flow))
    for name in ("times", "risk", "alignment"):
        np.testing.assert_array_equal(getattr(solved, name), getattr(exact, name))
    np.testing.assert_array_equal(solved.emergence_times(), exact.emergence_times())


def test_emergence_times_under_jit_are_refused():
    teacher, start = problem(5, 3, 60, 0.8, norm=0.2, seed=3)
    flow = rc.FiniteStep(0.01)
    with pytest.raises(TypeError, match="outside jit"):
        jax.jit(lambda s: rc.solve(flow, teacher, s, TIMES).emergence_times())(start)


def test_saved_and_loaded(tmp_path):
    teacher, start = problem(5, 3, 60, 0.8)
    flow = rc.FiniteStep(0.01, constraint="stiefel", student_scale=0.6, rtol=1e-8)
    solved = rc.solve(flow, teacher, start, TIMES)
    solved.save(tmp_path / "one.npz")
    again = rc.Trajectory.load(tmp_path / "one.npz")
    assert vars(again.flow) == vars(flow)
    np.testing.assert_array_equal(again.emergence_times(), solved.emergence_times())


@pytest.mark.parametrize(("degree", "without"), [(2, rc.Quadratic), (3, rc.Decoupled)])
def test_it_is_the_limit_of_what_solve_takes_without_a_flow(degree, without):
    """SGD on the weights, whose γ → 0 is the same flow as that of `solve(teacher=…, start=…)`."""
    teacher, start = problem(5, 3, 60, 0.8, degree=degree, norm=0.2)
    chosen = rc.solve(teacher=teacher, start=start, times=TIMES)
    assert isinstance(chosen.flow, without)
    assert chosen.provenance["flow"] == without.__name__
    np.testing.assert_array_equal(rc.solve(rc.FiniteStep(0.0), teacher, start, TIMES).risk, chosen.risk)
    assert rc.solve(rc.FiniteStep(0.02), teacher, start, TIMES).radius is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": -0.1}, "Argument `gamma` must be ≥ 0, but is -0.1."),
        ({"gamma": float("nan")}, "Argument `gamma` must be a finite number ≥ 0, but is nan."),
        ({"gamma": float("inf")}, "Argument `gamma` must be a finite number ≥ 0, but is inf."),
        ({"gamma": 0.1, "algorithm": "adam"}, "Argument `algorithm` must be .* but is 'adam'."),
        ({"gamma": 0.1, "constraint": "ball"}, "Argument `constraint` must be None or one of sphere, stiefel, but.*"),
        ({"gamma": 0.1, "constraint": "sphere", "weight_decay": 0.1}, "Argument `weight_decay` must be left out on .*"),
        ({"gamma": 0.1, "pairs": "own", "weight_decay": 0.1}, "Argument `pairs` must be left out with weight decay.*"),
        ({"gamma": 0.1, "loss": "hinge"}, "Argument `loss` must be one of squared, correlation, but is 'hinge'."),
        (
            {"gamma": 0.1, "algorithm": "stiefel", "constraint": "stiefel"},
            "Argument `algorithm` must be left out beside `constraint`, but is 'stiefel'.",
        ),
        ({"gamma": 0.1, "rtol": 0.0}, "Argument `rtol` must be > 0, but is 0.0."),
        (
            {"gamma": 0.1, "constraint": "stiefel", "student_scale": -1.0},
            "Argument `student_scale` must be > 0, but is -1.0.",
        ),
        (
            {"gamma": 0.1, "student_scale": 0.5},
            'Argument `student_scale` must be left out unless constraint="stiefel", but is 0.5.',
        ),
    ],
)
def test_bad_settings_are_refused_in_one_line(arguments, message):
    with pytest.raises(rc.ArgumentError, match=f"^{message}$"):
        rc.FiniteStep(**arguments)


def test_the_old_argument_is_read_for_one_version_and_its_gamma_was_twice_as_large():
    with pytest.warns(RenamedArgument, match=r"γ/2, constraint=\"stiefel\""):
        old = rc.FiniteStep(0.1, "stiefel", 0.5)
    assert eqx.tree_equal(old, rc.FiniteStep(0.05, constraint="stiefel", student_scale=0.5))
    with pytest.warns(RenamedArgument, match="is now FiniteStep"):
        assert eqx.tree_equal(rc.FiniteStep(0.1, algorithm="homogeneous"), rc.FiniteStep(0.1))
    with pytest.warns(RenamedArgument, match="`algorithm` of FiniteStep"):
        assert old.algorithm == "stiefel"


def test_what_is_printed_leaves_defaults_out():
    assert repr(rc.FiniteStep(0.1)) == "FiniteStep(gamma=0.1)"
    assert repr(rc.FiniteStep(0.1, constraint="stiefel")) == "FiniteStep(gamma=0.1, constraint='stiefel')"


@pytest.mark.parametrize("constraint", [None, "stiefel"])
def test_a_step_on_a_multiple_of_h2_is_one_on_h2_with_another_rate(constraint):
    """σ = c_2 h_2: every gradient is c_2² times as large, so γ is, and time passes c_2² times as fast."""
    teacher, start = problem(5, 3, 200, 1.0, norm=0.3, seed=2)
    other = rc.Teacher(teacher.a, rc.Link.from_coefficients([0, 0, 1.5]))
    once = rc.solve(rc.FiniteStep(0.05 * 1.5**2, constraint=constraint), teacher, start, TIMES[1:])
    scaled = rc.solve(rc.FiniteStep(0.05, constraint=constraint), other, start, TIMES[1:] / 1.5**2)
    np.testing.assert_allclose(scaled.risk, once.risk, rtol=1e-6)
    limits = (rc.largest_step(each, start, constraint=constraint).gamma for each in (teacher, other))
    np.testing.assert_allclose(next(limits), 1.5**2 * next(limits), rtol=1e-6)


def test_of_an_algorithm():
    sgd = rc.SGD(1e-3, batch_size=4, constraint="stiefel")
    assert eqx.tree_equal(rc.FiniteStep.of(sgd, 400), rc.FiniteStep(1e-3 * 400 / 4, constraint="stiefel"))


def test_problems_that_it_does_not_describe_are_refused_in_one_line():
    second, start = problem(2, 2, 30, 1.0)
    third, begin = problem(2, 2, 30, 1.0, degree=3)
    refused = [
        (rc.FiniteStep(0.1, pairs="own"), rc.Teacher([1.0], rc.Link.named("relu")), rc.Start([[0.2]]), "pure link h_k"),
        (rc.FiniteStep(0.1), rc.Teacher([1.0], rc.Link.named("sign")), rc.Start([[0.2]]), r"finite g'\(1\)"),
        (
            rc.FiniteStep(0.05, constraint="stiefel"),
            second,
            rc.Start(start.teacher_overlaps),
            "`start` must have a dimension",
        ),
        (rc.FiniteStep(0.1), second, rc.Start.typical(second, 2, 30), "hold all overlaps"),
        (
            rc.FiniteStep(0.05, constraint="stiefel"),
            third,
            begin,
            "`teacher` must have the pure link h_2",
        ),
    ]
    for flow, teacher, beginning, message in refused:
        with pytest.raises(rc.ArgumentError, match=message) as error:
            rc.solve(flow, teacher, beginning, [1.0])
        assert "\n" not in str(error.value)
