"""Runs: samples, clocks, risk, teacher and start."""

import numpy as np
import pytest
from logs import CONFIG, GRAM, HEADER, OVERLAPS, ROWS, STIEFEL, log, refusal

import riccati as rc


@pytest.mark.parametrize(
    ("name", "last", "directions", "neurons", "exponent"),
    [
        ("hermite4", 60.0, 6, 24, 4),
        ("quadratic-homogeneous", 60.0, 16, 12, 2),
        ("quadratic-stiefel", 112400 * 0.0005333333333333334 / 2, 16, 8, 2),
    ],
)
def test_samples(name, last, directions, neurons, exponent):
    run = rc.Run.load(name)
    assert run.steps.shape == (201,)
    assert run.steps.dtype == np.int64
    assert run.times[0] == 0
    assert run.times[-1] == pytest.approx(last, rel=1e-14)
    assert run.risk[0] == pytest.approx(1, abs=2e-3)
    assert run.risk[-1] < 0.1
    assert run.overlaps.shape == (201, directions)
    assert run.notes == ()
    assert run.teacher.width == directions
    assert run.teacher.link.degree == exponent
    assert run.start.teacher_overlaps.shape == (neurons, directions)
    assert run.start.dim == run.config["dim"]


def test_samples_are_listed_and_given_way_to_by_files_of_the_same_name(tmp_path, monkeypatch):
    standard, beyond = ("hermite4", "quadratic-homogeneous", "quadratic-stiefel"), ("gaussian-rows", "anisotropic")
    assert set(rc.sample_runs()) == {*standard, *beyond, "mixed-links", "two-layer"}
    assert all(path.is_file() and path.with_suffix(".json").is_file() for path in rc.sample_runs().values())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hermite4").write_text("step,loss\n")
    assert "`path` must end in one of .csv" in refusal("hermite4")


def test_hermite4_start_is_the_logged_one():
    run = rc.Run.load("hermite4")
    np.testing.assert_array_equal(run.start.teacher_overlaps, run.config["initial_overlaps"])
    np.testing.assert_allclose(run.start.student_gram, run.config["initial_student_gram"], atol=1e-12)
    np.testing.assert_array_equal(run.start.norms, np.full(24, 0.05))


def test_stiefel_start_is_transposed_orthonormal_and_of_unit_norm():
    run = rc.Run.load("quadratic-stiefel")
    np.testing.assert_array_equal(run.start.teacher_overlaps, np.transpose(run.config["initial_overlaps"]))
    np.testing.assert_allclose(run.start.student_gram, np.eye(8), atol=1e-12)
    np.testing.assert_array_equal(run.start.norms, np.ones(8))


@pytest.mark.parametrize(
    ("loss", "rate", "factor"), [("0.5*(f*-f)^2", 0.01, 2), ("(f*-f)^2", 0.02, 1), ("risk", 0.01, None)]
)
@pytest.mark.parametrize("link", ["he4", "relu"])  # relu has E f*^2 ≠ 1
def test_clock_and_risk_follow_the_convention(tmp_path, loss, rate, factor, link):
    config = {k: v for k, v in CONFIG.items() if k != "information_exponent"} | {"loss": loss, "link": link}
    run = rc.Run.load(log(tmp_path, config=config))
    np.testing.assert_allclose(run.times, rate * np.array([0, 10, 20]), rtol=1e-15)
    moment = float(run.teacher.second_moment)
    assert (link == "he4") == (abs(moment - 1) < 1e-12)
    expected = run.loss if factor is None else factor * run.loss / moment
    np.testing.assert_allclose(run.risk, expected, rtol=1e-15)


@pytest.mark.parametrize("loss", [None, "after the optimal radial fit", "0.5*(f*-f)^2"])
def test_stiefel_clock_and_risk(tmp_path, loss):
    run = rc.Run.load(log(tmp_path, config=STIEFEL | ({} if loss is None else {"loss": loss})))
    np.testing.assert_allclose(run.times, [0, 0.05, 0.1], rtol=1e-15)
    np.testing.assert_array_equal(run.risk, run.loss)
    assert run.teacher.link.degree == 2
    assert run.notes == ()


def test_link_by_coefficients_and_second_layer(tmp_path):
    config = {"link": [0, 0, 0.6, 0.8], "second_layer": [0.8, 0.6], "learning_rate": 1}
    run = rc.Run.load(log(tmp_path, config=config))
    np.testing.assert_allclose(run.teacher.a, [0.8, 0.6], rtol=1e-15)
    np.testing.assert_array_equal(run.teacher.link.coefficients, [0, 0, 0.6, 0.8])


def test_second_layer_of_another_norm_is_kept(tmp_path):
    run = rc.Run.load(log(tmp_path, config=CONFIG | {"second_layer": [3, 4]}))
    assert run.notes == ()
    np.testing.assert_array_equal(run.teacher.a, [3, 4])
    assert run.time_per_step == CONFIG["learning_rate"]


@pytest.mark.parametrize(("config", "kind"), [({}, "two_homogeneous"), ({"riccati_step": 1e-3}, "stiefel_quadratic")])
def test_kind_is_inferred(tmp_path, config, kind):
    assert rc.Run.load(log(tmp_path, config=config)).kind == kind


def test_overrides_replace_keys_unless_none(tmp_path):
    run = rc.Run.load(log(tmp_path), learning_rate=0.5, beta=None, information_exponent=2)
    assert run.times[-1] == 10
    assert run.config["beta"] == 1
    assert run.teacher.link.degree == 2


def test_an_override_beats_the_key_that_would_hide_it(tmp_path):
    path = log(tmp_path, config=CONFIG | {"link": [0, 0, 0, 0, 1], "second_layer": [0.8, 0.6]})
    run = rc.Run.load(path, beta=0.0, information_exponent=3)
    np.testing.assert_allclose(run.teacher.a, [0.5**0.5] * 2)
    assert run.teacher.link.degree == 3


def test_start_without_gram_is_said(tmp_path):
    run = rc.Run.load(log(tmp_path, config=CONFIG | {"initial_overlaps": OVERLAPS}))
    assert any("initial_student_gram" in line for line in run.assumed)
    residual = np.asarray(run.start.student_gram) - np.asarray(OVERLAPS) @ np.transpose(OVERLAPS)
    np.testing.assert_allclose(residual - np.diag(np.diag(residual)), 0, atol=1e-15)
    np.testing.assert_allclose(np.diag(run.start.student_gram), 1)


def test_start_takes_a_list_of_norms(tmp_path):
    config = CONFIG | {"initial_overlaps": OVERLAPS, "initial_student_gram": GRAM, "init_norm": [1, 2, 3]}
    gram = (np.eye(3) + 0.0).tolist()
    run = rc.Run.load(log(tmp_path, config=config | {"initial_student_gram": gram}))
    np.testing.assert_array_equal(run.start.norms, [1, 2, 3])
    assert run.notes == ()


def test_no_initial_overlaps_no_start(tmp_path):
    assert rc.Run.load(log(tmp_path)).start is None


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("learning_rate", "times"),
        ("information_exponent", "teacher"),
        ("beta", "risk"),
        ("teacher_width", "teacher"),
        ("init_norm", "start"),
        ("riccati_step", "times"),
    ],
)
def test_missing_keys_are_refused_when_asked_for(tmp_path, key, read):
    config = CONFIG | {"initial_overlaps": OVERLAPS, "initial_student_gram": GRAM}
    if key == "riccati_step":
        config = STIEFEL
    run = rc.Run.load(log(tmp_path, config=config | {key: None}))
    with pytest.raises(rc.ArgumentError) as caught:
        getattr(run, read)
    where = "in the run's JSON file, on the command line or as keywords"
    assert str(caught.value) == f"Argument `{key}` must be given, {where}, but is missing."


def test_all_missing_keys_are_asked_for_in_one_line():
    with pytest.raises(rc.ArgumentError) as caught:
        rc.Run.from_arrays([0, 10], [1.0, 0.5]).require_keys("batch_size")
    assert str(caught.value) == (
        "Argument `run` must give learning_rate, information_exponent (k of a link h_k, or link), teacher_width (M), "
        "beta (or second_layer, the list of a_m), student_width (N), dim (d), batch_size, in the run's JSON file, "
        "on the command line or as keywords, but is without."
    )
    frame = {"epoch": [0, 1], "loss": [1.0, 0.5]}
    with pytest.raises(rc.ArgumentError, match=r"`steps_per_epoch` must .*; theory needs learning_rate, beta \(or sec"):
        rc.Run.from_frame(frame, dim=100, teacher_width=2, student_width=3, information_exponent=2)
    run = rc.Run.from_arrays([0, 10], [1.0, 0.5], **CONFIG | {"loss": None, "dim": None})
    with pytest.raises(rc.ArgumentError, match=r"^Argument `dim` must be given, in the run's JSON file"):
        run.require_keys()
    rc.Run.from_arrays([0, 10], [1.0, 0.5], **CONFIG | {"batch_size": None}).require_keys("batch_size")


@pytest.mark.parametrize(
    ("arrays", "name"),
    [
        (([], [], None), "steps"),
        (([0, 0], [1.0, 1.0], None), "steps"),
        (([0, 1], [1.0], None), "loss"),
        (([0, 1], [1.0, 1.0], [0.1, 0.2]), "overlaps"),
        (([0], [1.0], [[0.1], [0.2]]), "overlaps"),
    ],
)
def test_runs_made_by_hand_are_checked(arrays, name):
    steps, loss, overlaps = (None if a is None else np.array(a) for a in arrays)
    with pytest.raises(rc.ArgumentError, match=f"^Argument `{name}` must "):
        rc.Run(steps, loss, overlaps, {})


def test_repr_is_an_aligned_block(tmp_path):
    run = rc.Run.load(log(tmp_path, [HEADER, *ROWS[::-1]]))
    lines = repr(run).splitlines()
    assert lines[0] == "Run"
    assert "  kind     two_homogeneous" in lines
    assert "  steps    3 from 0 to 20" in lines
    assert "  loss     0.5 to 0.125 (0.5*(f*-f)^2)" in lines
    assert "  overlaps of 2 directions" in lines
    assert "  note     steps were not in order: sorted" in lines


def test_a_run_has_its_algorithm():
    assert rc.Run.from_arrays([0, 10], [1.0, 0.5], **CONFIG).sgd == rc.SGD(0.01, 8)
    squared = rc.Run.from_arrays([0, 10], [1.0, 0.5], **CONFIG, training_loss="(f*-f)^2")
    assert squared.sgd == rc.SGD(0.02, 8)  # on half the loss
    np.testing.assert_array_equal(squared.times, squared.sgd.times(squared.steps))
    stiefel = rc.Run.from_arrays([0, 10], [1.0, 0.5], **STIEFEL, batch_size=4)
    assert stiefel.sgd == rc.SGD.from_riccati_step(0.01, 4)
    assert stiefel.sgd.constraint == "stiefel"
    np.testing.assert_array_equal(stiefel.times, stiefel.sgd.times(stiefel.steps))
    layered = {"kind": "two_layer", "link": "relu", "learning_rate": 0.1, "batch_size": 2, "second_layer_rate": 0.0}
    assert rc.Run.from_arrays([0, 1], [1.0, 0.5], **layered).sgd == rc.SGD(0.1, 2, second_layer_rate=0.0)


@pytest.mark.parametrize("missing", ["learning_rate", "batch_size"])
def test_a_run_that_does_not_give_its_rate_or_batch_has_no_algorithm(missing):
    assert rc.Run.from_arrays([0, 10], [1.0, 0.5], **CONFIG | {missing: None}).sgd is None


@pytest.mark.parametrize("keys", [{"schedule": [[0, 0.04], [10, 0.02]]}, {"schedule": [[0, 0.04], [10, 0.02]],
                                  "learning_rate": None, "training_loss": "(f*-f)^2"}])  # fmt: skip
def test_the_algorithm_of_a_schedule_has_the_times_of_the_run(keys):
    run = rc.Run.from_arrays([0, 5, 10, 30], [1.0, 0.5, 0.25, 0.1], **CONFIG | keys)
    assert not run.sgd.is_constant
    np.testing.assert_allclose(run.sgd.times(run.steps), run.times, rtol=1e-14)
    assert run.sgd.batch_size == 8
