"""Trajectories: clocks, tables, files that come back whole, refusals of solve."""

import os
import subprocess
import sys

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from systems import problem

import riccati as rc
from riccati.support import whole_file

FLOWS = [rc.Riccati(), rc.Riccati(method="ode", rtol=1e-9), rc.Quadratic()]


@pytest.mark.parametrize("flow", FLOWS)
def test_saved_trajectories_come_back_whole(tmp_path, flow):
    teacher, start = problem(5, 3, 30, 1.0)
    trajectory = rc.solve(flow, teacher, start, np.geomspace(0.1, 5, 20))
    trajectory.save(tmp_path / "t.npz")
    back = rc.Trajectory.load(tmp_path / "t.npz")
    for name in ("times", "risk", "alignment"):
        np.testing.assert_array_equal(getattr(back, name), getattr(trajectory, name))
    assert (back.radius is None) == (trajectory.radius is None)
    assert back.flow == flow
    assert back.provenance["versions"]["jax"]
    assert back.teacher.link.degree == 2
    assert back.start.dim == 30
    np.testing.assert_array_equal(back.emergence_times(), trajectory.emergence_times())
    assert os.listdir(tmp_path) == ["t.npz"]


TWICE = [
    (rc.Coupled(), 3), (rc.Coupled(constraint="sphere"), 3), (rc.Quadratic(0.1), 2), (rc.Correlation(), 3),
    (rc.FiniteStep(0.05), 2), (rc.FiniteStep(0.01, pairs="all"), 3),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "degree"), TWICE)
def test_a_flow_goes_on_from_the_student_at_a_time(flow, degree):
    teacher, start = problem(2, 3, 30, 1.0, degree=degree, norm=0.4)
    whole = rc.solve(flow, teacher, start, [0.8, 2.0])
    student = whole.student_at(0.8)
    assert student.dim == 30
    np.testing.assert_array_equal(whole.student_at(0.0).teacher_overlaps, start.teacher_overlaps)
    rest = rc.solve(flow, teacher, student, [0.0, 1.2])
    np.testing.assert_allclose(rest.risk, whole.risk, rtol=1e-6)
    np.testing.assert_allclose(rest.alignment, whole.alignment, rtol=1e-6)


def test_a_two_layer_student_and_a_correlated_teacher_go_on_too():
    Theta = np.eye(2, 30) + 0.3 * np.eye(2, 30)[::-1]
    relu = rc.Teacher.from_directions(Theta, [1.0, 0.5], rc.Link.named("relu"), lengths="divided")
    W = np.random.default_rng(0).standard_normal((3, 30)) / 5
    start = rc.Start.from_weights(W, Theta).with_second_layer([0.5, -0.3, 0.8], scale=0.5)
    for flow in (rc.Coupled(second_layer_rate=0.3), rc.FiniteStep(0.05, second_layer_rate=0.3)):
        whole = rc.solve(flow, relu, start, [0.8, 2.0])
        rest = rc.solve(flow, relu, whole.student_at(0.8), [0.0, 1.2])
        np.testing.assert_allclose(rest.risk, whole.risk, rtol=2e-4)


def test_flows_without_neurons_have_no_student_at_a_time():
    trajectory = rc.solve(rc.Riccati(), *problem(5, 3, 30, 1.0), [0.1])
    with pytest.raises(rc.ArgumentError, match="`flow` must follow every neuron, as Coupled"):
        trajectory.student_at()
    with pytest.raises(rc.ArgumentError, match="`time` must be ≥ 0"):
        trajectory.student_at(-1.0)


def test_files_that_are_no_trajectory_are_refused(tmp_path):
    (tmp_path / "no.npz").write_text("nothing")
    np.savez(tmp_path / "other.npz", x=1)
    for name in ("no.npz", "other.npz", "absent.npz"):
        with pytest.raises(rc.ArgumentError, match="`path` must be a trajectory") as caught:
            rc.Trajectory.load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    target = tmp_path / "f.txt"
    target.write_text("old")

    def interrupted():
        with whole_file(target) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["f.txt"]


def test_clocks():
    teacher, start = problem(5, 3, 30, 1.0)
    trajectory = rc.solve(rc.Riccati(), teacher, start, [1.0, 2.0])
    np.testing.assert_array_equal(trajectory.times_in("canonical"), [1, 2])
    np.testing.assert_array_equal(trajectory.times_in("riccati"), [2, 4])
    np.testing.assert_allclose(trajectory.times_in("steps", learning_rate=0.01), [100, 200])
    scaled = rc.Teacher(teacher.a, rc.Link.from_coefficients([0, 0, 3.0]))
    faster = rc.solve(rc.Riccati(), scaled, start, [1.0 / 9])
    np.testing.assert_allclose(faster.risk[0], trajectory.risk[0], rtol=1e-12)
    np.testing.assert_allclose(faster.times_in("riccati"), 2.0)
    for arguments, message in (
        (("hours",), "`clock` must be"),
        (("steps",), "`learning_rate` must be a finite number > 0"),
        (("riccati", 0.1), "`learning_rate` must be left out"),
    ):
        with pytest.raises(rc.ArgumentError, match=message):
            trajectory.times_in(*arguments)


def test_frame_and_repr():
    teacher, start = problem(3, 2, 30, 1.0)
    trajectory = rc.solve(rc.Quadratic(), teacher, start, [1.0, 2.0])
    frame = trajectory.to_frame()
    assert list(frame.columns) == [
        "time",
        "risk",
        *(f"{n}_{m}" for n in ("alignment", "radius") for m in (1, 2, 3)),
    ]
    assert "flow     Quadratic()" in repr(trajectory)
    assert trajectory.plot().axes[0].get_yscale() == "log"


def test_default_times_show_every_emergence():
    teacher, start = problem(20, 8, 500, 1.0)
    for flow in (rc.Riccati(), rc.Quadratic()):
        trajectory = rc.solve(flow, teacher, start)
        first = np.asarray(trajectory.alignment)[:, 0]
        assert np.isfinite(np.asarray(trajectory.emergence_times())[:6]).all()
        assert first[0] < 0.1
        assert first[-1] > 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": [1.0, 1.0]}, "`times` must increase strictly, but is 1 followed by 1 at entry 1."),
        ({"times": [-1.0, 1.0]}, "`times` must be ≥ 0, but is -1 at its first entry."),
        ({"times": [1.0, np.nan]}, "`times` must be finite, but is nan at entry 1."),
        ({"times": []}, "`times` must be a vector"),
        ({"teacher": None}, "`teacher` must be a riccati.Teacher"),
        ({"start": 3}, "`start` must be a riccati.Start"),
        ({"flow": "riccati"}, "`flow` must be a flow"),
        (
            {"teacher": rc.Teacher.power_law(4, 1, rc.Link.hermite(2))},
            "`start` must overlap with 4 directions",
        ),
        (
            {"teacher": rc.Teacher.power_law(3, 1, rc.Link.hermite(3))},
            "`teacher` must have the pure link h_2",
        ),
    ],
)
def test_what_solve_refuses(change, message):
    teacher, start = problem(3, 2, 30, 1.0)
    with pytest.raises(rc.ArgumentError, match=message):
        rc.solve(**{"flow": rc.Riccati(), "teacher": teacher, "start": start, "times": [1.0], **change})
    with pytest.raises(rc.ArgumentError, match="`start` must hold all overlaps"):
        rc.solve(rc.Riccati(), teacher, rc.Start.typical(teacher, 2, 30), [1.0])
    with pytest.raises(rc.ArgumentError, match="`level` must be < 1"):
        rc.solve(rc.Riccati(), teacher, start, [1.0]).emergence_times(1.0)


def _python(code, **environment):
    env = {k: v for k, v in os.environ.items() if k != "JAX_ENABLE_X64"} | environment
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def test_import_sets_64_bit_and_leaves_a_users_choice_alone():
    ask = "import riccati, jax; print(jax.config.jax_enable_x64)"
    assert _python(ask).stdout == "True\n"
    assert _python("import jax; " + ask).stdout == "True\n"
    assert _python(ask, JAX_ENABLE_X64="0").stdout == "False\n"


def test_single_precision_is_refused_with_the_remedy():
    code = (
        "import riccati as rc\nt = rc.Teacher.power_law(2, 1, rc.Link.hermite(2))\n"
        "try: rc.solve(rc.Riccati(), t, rc.Start.random(t, 1, 9), [1.0])\n"
        "except rc.ArgumentError as e: print(e)"
    )
    assert "`JAX_ENABLE_X64` must be true (unset it before `import riccati`" in _python(code, JAX_ENABLE_X64="0").stdout


def test_import_is_light():
    """Nothing heavy before it is asked for; no plotting, tables or symbols with the numerical names."""
    code = "import sys, riccati; print([m for m in ('jax', 'numpy') if m in sys.modules])"
    assert _python(code).stdout == "[]\n"
    code = (
        "import sys, riccati as rc; [getattr(rc, n) for n in rc.__all__]\n"
        "print([m for m in ('matplotlib', 'sympy', 'pandas') if m in sys.modules])"
    )
    assert _python(code).stdout == "[]\n"


def test_the_public_face_is_complete():
    assert set(rc.__all__) <= set(dir(rc))
    for name in rc.__all__:
        assert getattr(rc, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rc.nothing


def test_a_problem_is_checked_once(monkeypatch):
    """With default times too: what the flow has accepted is not checked again."""
    teacher, start = problem(3, 2, 30, 1.0)
    calls = []
    monkeypatch.setattr(rc.Riccati, "check", lambda flow, given: calls.append(given))
    trajectory = rc.solve(rc.Riccati(), teacher, start)
    assert len(calls) == 1
    assert trajectory.problem is calls[0]


def test_a_trajectory_holds_the_solution_of_its_flow():
    """The observables of `evolve` as they are; cut where the flow ended early, as its times are."""
    teacher, start = problem(3, 2, 30, 1.0)
    times = np.linspace(0.5, 5, 10)
    trajectory = rc.solve(rc.Quadratic(), teacher, start, times)
    solution = rc.Quadratic().evolve(trajectory.problem, trajectory.times)
    for kept, given in zip(trajectory.solution.observables, solution.observables, strict=True):
        np.testing.assert_array_equal(kept, given)
    assert trajectory.reached == trajectory.solution.reached == 10
    with pytest.warns(rc.PhantomEmergence):
        short = rc.solve(rc.Riccati(method="ode", rtol=1e-3), teacher, start, [1.0, 2.0, 3000.0])
    assert len(short.times) == len(short.solution.observables.risk) == short.solution.reached < 3


def test_many_problems_give_one_trajectory_with_the_solutions_of_all():
    link, times = rc.Link.hermite(2), np.array([0.5, 2.0])
    amplitudes = np.array([[1.0, 0.5, 0.2], [0.8, 0.6, 0.1]])
    overlaps = np.array([[[0.3, 0.1, 0.0], [0.1, -0.2, 0.2]], [[0.1, 0.2, -0.1], [0.0, 0.3, 0.1]]])

    def solved(a, m):
        return rc.solve(rc.Quadratic(), rc.Teacher(a, link), rc.Start(m, norms=0.1), times)

    many = eqx.filter_vmap(solved)(jnp.asarray(amplitudes), jnp.asarray(overlaps))
    for n in range(2):
        alone = solved(amplitudes[n], overlaps[n])
        for kept, given in zip(many.solution.observables, alone.solution.observables, strict=True):
            np.testing.assert_allclose(np.asarray(kept)[n], given, rtol=1e-9, atol=1e-14)
        np.testing.assert_array_equal(np.asarray(many.risk)[n], np.asarray(many.solution.observables.risk)[n])
