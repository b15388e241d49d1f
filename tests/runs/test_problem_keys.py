"""Keys of problems beyond the standard one: written, read, and refused where they cannot be meant."""

import json

import numpy as np
import pytest

import riccati as rc
from riccati import sgd
from riccati.problem import risk_at
from riccati.runs import KEYS

DIM = 12
SECOND, FOURTH, RELU = rc.Link.hermite(2), rc.Link.hermite(4), rc.Link.named("relu")
WEIGHTS = np.random.default_rng(0).normal(size=(3, DIM))
DIRECTIONS = np.random.default_rng(1).normal(size=(2, DIM))
GROUPS = rc.Covariance(np.r_[2.0, 1.1, np.full(40, 1.5), np.full(28, 0.5)], preconditioned=True)
INPUT = rc.Covariance(np.r_[np.full(6, 1.5), np.full(6, 0.5)], preconditioned=True)


def started(name):
    match name:
        case "correlated and signed":
            return rc.Teacher.from_directions(DIRECTIONS, [1, -0.5], FOURTH, lengths="divided"), rc.Start.from_weights(
                WEIGHTS, DIRECTIONS
            )
        case "mixed":
            link = rc.Link.from_coefficients([0, 0, 1, 0, 0.5])
            start = rc.Start.from_weights(WEIGHTS, np.eye(2, DIM))
            return rc.Teacher([1, 0.5], link, links=[SECOND, FOURTH]), start
        case "covariance":
            start = rc.Start.from_weights(WEIGHTS, np.eye(2, DIM), INPUT)
            return rc.Teacher([1, 0.5], SECOND, covariance=INPUT), start
        case "large groups":
            W = np.random.default_rng(0).normal(size=(3, GROUPS.dim))
            start = rc.Start.from_weights(W, np.eye(2, GROUPS.dim), GROUPS)
            return rc.Teacher([1, 0.5], SECOND, covariance=GROUPS), start
        case "two-layer, with an output scale":
            start = rc.Start.from_weights(WEIGHTS / 3, np.eye(2, DIM)).with_second_layer([0.4, -0.3, 0.2], 0.5)
            return rc.Teacher([1, 0.5], rc.Link.named("tanh")), start
        case "two-layer, directions under a covariance":
            teacher = rc.Teacher.from_directions(DIRECTIONS, [1, 0.5], RELU, covariance=INPUT)
            return teacher, rc.Start.from_weights(WEIGHTS, DIRECTIONS, INPUT).with_second_layer([0.4, -0.3, 0.2])


@pytest.mark.parametrize(
    "name",
    [
        "correlated and signed",
        "mixed",
        "covariance",
        "large groups",
        "two-layer, with an output scale",
        "two-layer, directions under a covariance",
    ],
)
def test_a_run_gives_back_its_problem(tmp_path, name):
    teacher, start = started(name)
    config = sgd.Experiment(teacher=teacher, start=start, learning_rate=1e-4, steps=2).config()
    assert set(config) & set(KEYS) > {"second_layer", "learning_rate"}
    rc.Run(np.array([0]), np.array([1.0]), None, config).save(tmp_path / "run.csv")
    run = rc.Run.load(tmp_path / "run.csv")
    assert not any("mean nothing" in note for note in run.notes)
    np.testing.assert_allclose(run.teacher.gram, teacher.gram, atol=1e-12)
    assert run.teacher.information_exponents == teacher.information_exponents
    assert (run.teacher.covariance is None) == (teacher.covariance is None)
    if teacher.covariance is not None:
        assert run.teacher.covariance.preconditioned
        np.testing.assert_array_equal(run.teacher.covariance.eigenvalues, teacher.covariance.eigenvalues)
    np.testing.assert_allclose(run.start.teacher_overlaps, start.teacher_overlaps, atol=1e-12)
    np.testing.assert_allclose(run.start.student_gram, start.student_gram, atol=1e-12)
    np.testing.assert_allclose(run.start.amplitudes, start.amplitudes, rtol=1e-12)
    assert run.start.output_scale == start.output_scale
    risks = [risk_at(t, s) for t, s in ((teacher, start), (run.teacher, run.start))]
    np.testing.assert_allclose(*risks, rtol=1e-10)


def test_the_second_layer_of_a_file_is_that_before_the_output_scale():
    """f = c Σ b σ; a function is in no file, and a two-layer student of one is not read for theory."""
    teacher, start = started("two-layer, with an output scale")
    config = sgd.Experiment(teacher=teacher, start=start, learning_rate=1e-4, steps=2).config()
    np.testing.assert_allclose(config["initial_second_layer"], [0.4, -0.3, 0.2], rtol=1e-15)
    assert config["output_scale"] == 0.5
    assert config["link"] == "tanh"
    with pytest.raises(rc.ArgumentError, match=r"`output_scale` must be left out unless kind is two_layer"):
        rc.Run.from_arrays([0], [1.0], output_scale=0.5)
    given = rc.Teacher([1, 0.5], rc.Link.from_function(np.tanh))
    run = rc.Run(np.array([0]), np.array([1.0]), None, sgd.Experiment(given, start, rc.SGD(1e-4), steps=2).config())
    with pytest.raises(rc.ArgumentError, match=r"`link` must be given anew .*, but is tanh"):
        rc.compare(run)
    whole = rc.Start.from_weights(WEIGHTS / 3, np.eye(2, DIM))
    plain = sgd.Experiment(given, whole, rc.SGD(1e-4), steps=2).config()
    assert rc.Run(np.array([0]), np.array([1.0]), None, plain).teacher.link.information_exponent == 1


def test_groups_of_equal_eigenvalues_are_written_once():
    """A million dimensions take no more of a file than seventy."""
    teacher, start = started("large groups")
    config = sgd.Experiment(teacher=teacher, start=start, learning_rate=1e-4, steps=2).config()
    assert config["covariance"] == [[2.0, 1], [1.1, 1], [1.5, 40], [0.5, 28]]
    assert config["initial_weights_at"] == [0, 1, 2, 3, 4, 42, 43, 44]
    assert np.shape(config["initial_weights"]) == (3, 8)


def test_a_second_layer_of_another_norm_leaves_the_student_as_it_is():
    """The name of `kind` up to 0.4 is read as well."""
    b, gram = [0.4, -0.3, 0.2], np.eye(3).tolist()
    keys = {
        "parametrisation": "two_layer", "link": "relu", "second_layer": [4.0], "initial_second_layer": b,
        "init_norm": [0.5, 1.0, 2.0], "initial_overlaps": [[0.3], [-0.2], [0.1]], "initial_student_gram": gram,
    }  # fmt: skip
    run = rc.Run.from_arrays([0], [1.0], learning_rate=0.1, **keys)
    np.testing.assert_allclose(run.start.amplitudes, np.array(b) * [0.5, 1.0, 2.0])
    assert run.time_per_step == 0.1
    np.testing.assert_array_equal(run.teacher.a, [4.0])
    assert run.kind == "two_layer"
    assert not any("kind" in line for line in run.assumed)


def test_a_power_law_may_be_given_by_its_exponent():
    keys = {"information_exponent": 2, "teacher_width": 2, "beta": 1.0, "dim": 20, "covariance": 0.5}
    teacher = rc.Run.from_arrays([0], [1.0], **keys).teacher
    np.testing.assert_allclose(teacher.covariance.eigenvalues, np.arange(1, 21) ** -0.5)


BASE = {"information_exponent": 2, "second_layer": [1.0, -0.5], "dim": 4, "student_width": 2, "learning_rate": 0.1}
OVERLAPS = {"initial_overlaps": [[0.5, 0.1], [0.1, 0.2]], "init_norm": 1.0}
FLAT = {"covariance": [1.0, 2.0, 3.0, 4.0]}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"parametrisation": "two-layer"}, "`parametrisation` must be one of two_homogeneous, two_layer"),
        ({"parametrisation": "two_layer", "kind": "two_homogeneous"}, "`parametrisation` must agree with kind"),
        ({"initial_second_layer": [1.0, 1.0]}, "`initial_second_layer` must be left out, or kind be two_layer"),
        (OVERLAPS | {"teacher_gram": [[1.0, 2.0], [2.0, 1.0]]}, "`teacher_gram` must be positive semidefinite"),
        (OVERLAPS | {"teacher_gram": [[1.0]]}, "`teacher_gram` must be of shape"),
        ({"teacher_links": "he2"}, "`teacher_links` must be a list"),
        (OVERLAPS | {"teacher_links": ["he2", "he3"]}, "`teacher_links` must share a Hermite degree"),
        ({"covariance": [1.0, -1.0, 1.0, 1.0]}, "`covariance` must be > 0"),
        ({"covariance": [1.0, 1.0]}, "`covariance` must have dim = 4 eigenvalues"),
        ({"covariance": -0.5}, "`covariance` must be"),
        ({"preconditioned": True}, "`preconditioned` must be left out without a covariance"),
        ({"initial_weights": np.eye(2, 4).tolist()}, "`initial_weights` must be left out without a covariance"),
        (FLAT | OVERLAPS, "`initial_overlaps` must be left out under a covariance, where initial_weights"),
        (FLAT | {"teacher_gram": np.eye(2).tolist()}, "`teacher_gram` must be left out under a covariance"),
        (FLAT | {"initial_weights": np.eye(3, 4).tolist()}, "`initial_weights` must have student_width = 2 rows"),
        (FLAT | {"initial_weights": np.eye(2, 5).tolist()}, "`initial_weights` must have rows of length 4"),
        ({"covariance": [[1.0, 2.5], [2.0, 1]]}, "`covariance` must be λ_1 … λ_d, or pairs of one and how many"),
        ({"covariance": [[1.0, 2], [2.0, 1]]}, "`covariance` must have dim = 4 eigenvalues, but is 3"),
        ({"covariance": [[1.0, 1e18]]}, "`covariance` must need no more memory"),
        (FLAT | {"initial_weights": np.eye(2, 3).tolist(), "initial_weights_at": [0, 2]}, "must have rows of length 2"),
        (FLAT | {"initial_weights": np.eye(2).tolist(), "initial_weights_at": [0, 4]}, "`initial_weights_at` must be"),
        ({"initial_weights_at": [0, 1]}, "`initial_weights_at` must be left out without a covariance"),
        (FLAT | {"initial_weights_at": [0, 1]}, "`initial_weights_at` must be given with initial_weights"),
        ({"covariance": [[1.0, 2], [2.0]]}, "`covariance` must be a list of lists of numbers, all of one length"),
        ({"covarience": 0.5}, "`covarience` must be a key of a run, as covariance is"),
        ({"riccati_step": 0.1, "teacher_gram": np.eye(2).tolist()}, "`teacher_gram` must be left out for a Stiefel"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused_by_name(keys, message):
    base = {key: value for key, value in BASE.items() if key != "information_exponent" or "link" not in keys}
    with pytest.raises(rc.ArgumentError, match=message):
        rc.Run.from_arrays([0], [1.0], **base | keys)


def test_a_two_layer_run_needs_its_second_layer(tmp_path, monkeypatch):
    (tmp_path / "run.csv").write_text("step,loss\n0,0.5\n1,0.4\n")
    keys = {"parametrisation": "two_layer", "link": "relu", "second_layer": [1.0], "dim": 9, "student_width": 2}
    (tmp_path / "run.json").write_text(json.dumps(keys | {"learning_rate": 0.1}))
    with pytest.raises(rc.ArgumentError, match="`initial_second_layer` must be given"):
        rc.compare(rc.Run.load(tmp_path / "run.csv"))

    def solve(flow, teacher, start, times):
        assert isinstance(flow, rc.Coupled)
        np.testing.assert_array_equal(start.second_layer, [0.1, -0.1])
        np.testing.assert_allclose(start.norms, 0.2)
        raise KeyboardInterrupt

    monkeypatch.setattr("riccati.comparison.theory.solve", solve)
    with pytest.raises(KeyboardInterrupt):
        rc.compare(rc.Run.load(tmp_path / "run.csv", initial_second_layer=[0.1, -0.1], init_norm=0.2))
