"""A trajectory's file: whole again after a round trip, and one clear line for anything else."""

import json

import jax
import numpy as np
import pytest
from systems import problem

import riccati as rc
from riccati.support import restored


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small trajectory on disk."""
    path = tmp_path_factory.mktemp("trajectory") / "t.npz"
    teacher, start = problem(2, 1, 30, 1.0)
    rc.solve(rc.Quadratic(), teacher, start, [0.5, 1.0]).save(path)
    return path


def refusal(path):
    with pytest.raises(rc.ArgumentError) as caught:
        rc.Trajectory.load(path)
    message = str(caught.value)
    assert message.startswith("Argument `path` must be a trajectory written by Trajectory.save, but is ")
    assert message.isprintable()
    return message


def test_the_seed_of_a_random_start_comes_back(saved):
    back = rc.Trajectory.load(saved)
    assert back.provenance["start_settings"] == {"dim": 30, "seed": 0, "output_scale": 1.0}
    assert back.start.seed == 0


def test_files_cut_short(saved, tmp_path):
    raw = saved.read_bytes()
    for cut in range(0, len(raw), 97):
        (tmp_path / "cut.npz").write_bytes(raw[:cut])
        refusal(tmp_path / "cut.npz")


def test_a_flipped_byte_is_refused_or_changes_nothing(saved, tmp_path):
    raw, whole, refused = saved.read_bytes(), rc.Trajectory.load(saved), 0
    for at in range(0, len(raw), 23):
        (tmp_path / "flipped.npz").write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
        try:
            back = rc.Trajectory.load(tmp_path / "flipped.npz")
        except rc.ArgumentError:
            refused += 1
        else:  # a byte of the archive that nothing is read from, such as a date
            np.testing.assert_array_equal(back.risk, whole.risk)
            np.testing.assert_array_equal(back.alignment, whole.alignment)
            np.testing.assert_array_equal(back.radius, whole.radius)
    assert refused > 0.5 * len(raw) / 23


def rewritten(saved, path, **changes):
    """The file with some arrays replaced, or left out where None."""
    with np.load(saved) as file:
        held = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: value for name, value in held.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"times": np.ones((2, 2))}, "`times` must be a vector"),
        ({"times": np.array([1.0, 0.5])}, "`times` must increase strictly"),
        ({"times": np.array([0.5, np.nan])}, "`times` must be finite"),
        ({"times": None}, "KeyError"),
        ({"risk": np.ones(3)}, "`risk` must be of shape (2,), but is (3,)"),
        ({"risk": np.ones(2, complex)}, "`risk` must hold doubles, but is complex128"),
        ({"risk": np.array(["a", "b"])}, "`risk` must hold doubles"),
        ({"alignment": np.ones((2, 3))}, "`alignment` must be of shape (2, 2)"),
        ({"radius": np.ones(2, np.float32)}, "`radius` must hold doubles"),
        ({"a": np.ones((1, 2))}, "`a` must be a vector"),
        ({"start_norms": np.ones((2, 2))}, "`norms` must be a vector"),
        ({"start_norms": None}, "KeyError"),
        ({"start_teacher_overlaps": np.ones((2, 2))}, "`teacher_overlaps` must be of shape (1, 2)"),
        ({"start_residual_factor": None}, "`start` must have the fields of a Start"),
        ({"start_other": np.ones(2)}, "KeyError"),
        ({"link_coefficients": np.array([np.nan, 1.0])}, "`coefficients` must be finite"),
        ({"provenance": "[1, 2]"}, "`provenance` must be one JSON object, but is list"),
        ({"provenance": "[" * 10**5}, "RecursionError"),
        ({"provenance": "1" * 5000}, "ValueError"),
        ({"provenance": np.arange(3)}, "JSONDecodeError"),
        ({"ended": "3"}, "`ended` must be one JSON object, but is int"),
        ({"ended": '{"outcome": "lost", "reached": 2}'}, "KeyError"),
        ({"ended": '{"outcome": "complete", "reached": -1}'}, "`reached` must be a whole number ≥ 0"),
    ],
)
def test_foreign_arrays_are_refused_by_name(saved, tmp_path, changes, words):
    assert words in refusal(rewritten(saved, tmp_path / "foreign.npz", **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "riccati trajectory 1"}, "`format` must be riccati trajectory 2"),
        ({"flow": "Euler"}, "KeyError"),
        ({"settings": [1]}, "TypeError"),
        ({"settings": {"method": 3}}, "TypeError"),
        ({"start": "Stop"}, "KeyError"),
        ({"start_settings": []}, "`start_settings` must be one JSON object"),
        ({"start_settings": {"dim": 30}}, "`start` must have the fields of a Start"),
    ],
)
def test_foreign_provenance_is_refused(saved, tmp_path, changes, words):
    provenance = rc.Trajectory.load(saved).provenance | changes
    assert words in refusal(rewritten(saved, tmp_path / "foreign.npz", provenance=json.dumps(provenance)))


ROWS = np.random.default_rng(0).normal(size=(2, 6))


def of_links():
    """A link for each direction."""
    second, both = map(rc.Link.from_coefficients, ([0, 0, 1, 0, 0], [0, 0, 0.8, 0, 0.6]))
    units = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    teacher = rc.Teacher.from_directions(units, [1, -0.5], both, links=[second, both])
    return teacher, rc.Start.from_weights(ROWS[::-1], ROWS)


def under_a_covariance():
    """And with a second layer."""
    spectrum = rc.Covariance([1.0, 0.5, 0.5, 0.5, 0.2, 0.2], preconditioned=True)
    teacher = rc.Teacher.from_directions(ROWS, [1, -0.5], rc.Link.named("relu"), covariance=spectrum)
    return teacher, rc.Start.from_weights(ROWS[::-1], ROWS, spectrum).with_second_layer([0.3, -0.2])


def of_a_committee():
    teacher = rc.Teacher([1.0, -0.5], rc.Link.named("tanh"))
    return teacher, rc.Start.random(teacher, 3, 20, 0.5, seed=2).with_second_layer([0.4, -0.3, 1.0], scale=3**-0.5)


@pytest.mark.parametrize("made", [of_links, under_a_covariance, of_a_committee])
def test_teachers_inputs_and_second_layers_come_back(tmp_path, made):
    """To the last bit, so that a flow of what was loaded is the one of what was saved."""
    teacher, start = made()
    solved = rc.solve(rc.Coupled(rtol=1e-4), teacher, start, [0.0])
    solved.save(tmp_path / "t.npz")
    back = rc.Trajectory.load(tmp_path / "t.npz")
    kept, given = (restored(type(t), **{**vars(t), "lengths": None}) for t in (back.teacher, teacher))
    for one, other in ((kept, given), (back.start, start)):
        assert jax.tree.structure(one) == jax.tree.structure(other)
        for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(back.risk, solved.risk)
    assert repr(back.teacher) == repr(teacher)
    assert repr(back.start) == repr(start)
    assert back.provenance == solved.provenance


def test_what_a_link_leaves_out_comes_back(tmp_path):
    teacher = rc.Teacher([1.0], rc.Link(np.array([0.0, 0.0, 1.0, 0.5]), error=1e-3, missing=0.04))
    start = rc.Start.random(teacher, 1, 20, seed=0)
    rc.solve(rc.Coupled(), teacher, start, [0.0]).save(tmp_path / "t.npz")
    assert rc.Trajectory.load(tmp_path / "t.npz").teacher.link.missing == 0.04


def test_a_function_that_no_file_holds_is_asked_for_where_it_is_needed(tmp_path):
    """What was computed is read; the flow cannot go on without it."""
    teacher = rc.Teacher([1.0], rc.Link.from_function(np.tanh))
    start = rc.Start.random(teacher, 1, 20, 0.5, seed=0).with_second_layer(0.5)
    solved = rc.solve(rc.Coupled(), teacher, start, [0.0])
    solved.save(tmp_path / "t.npz")
    back = rc.Trajectory.load(tmp_path / "t.npz")
    np.testing.assert_array_equal(back.risk, solved.risk)
    with pytest.raises(rc.ArgumentError, match=r"`link` must be given anew .*, but is tanh"):
        rc.solve(rc.Coupled(), back.teacher, back.start, [1.0])


@pytest.mark.parametrize(
    ("degree", "algorithm", "constraint"),
    [(2, None, "stiefel"), (3, None, None), (2, "homogeneous", None), (2, "stiefel", "stiefel")],
)
def test_a_finite_step_of_older_files_keeps_its_algorithm(saved, tmp_path, degree, algorithm, constraint):
    """There it could be None, left to the link; and γ of Stiefel SGD was εd/B, ε = 2η."""
    settings = {"gamma": 0.01, "algorithm": algorithm, "student_scale": None, "rtol": 1e-9, "pairs": None}
    said = {"flow": "FiniteStep", "settings": settings, "link": f"he{degree}"}
    provenance = json.dumps(rc.Trajectory.load(saved).provenance | said)
    link = np.eye(degree + 1)[degree]
    flow = rc.Trajectory.load(
        rewritten(saved, tmp_path / "old.npz", provenance=provenance, link_coefficients=link)
    ).flow
    assert flow.constraint == constraint
    assert flow.gamma == (0.005 if constraint else 0.01)
