"""The ways into a run besides a file: arrays and frames, names as people have them, keys missing or misspelt."""

import json

import numpy as np
import pandas as pd
import pytest
from logs import CONFIG, OVERLAPS, STIEFEL, log, refusal
from tensors import Tensor

import riccati as rc
from riccati.runs import KEYS

WAYS = {"training_loss": "0.5*(f*-f)^2", "overlap": "neuron"}
OVERLAP_ROWS = np.array([[0.01, 0.02], [0.5, 0.03], [0.9, 0.4]])


@pytest.mark.parametrize("wrap", [list, np.asarray, Tensor])
def test_arrays_lists_and_tensors(wrap):
    run = rc.Run.from_arrays(
        wrap([0, 10, 20]), wrap([1.0, 0.5, 0.25]), wrap(OVERLAP_ROWS.tolist()), **CONFIG | WAYS | {"loss": None}
    )
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    np.testing.assert_array_equal(run.risk, [1, 0.5, 0.25])
    np.testing.assert_array_equal(run.overlaps, OVERLAP_ROWS)
    assert run.config["loss"] == "risk"
    assert run.assumed == ()


def test_arrays_of_a_loss_and_out_of_order():
    run = rc.Run.from_arrays([10, 0, 10], [0.3, 0.5, 0.25], **CONFIG)
    np.testing.assert_array_equal(run.steps, [0, 10])
    np.testing.assert_allclose(run.risk, [1, 0.5], rtol=1e-14)
    assert run.notes == (
        "steps were not in order: sorted",
        "dropped 1 row of repeated steps, the later row of each is kept",
    )


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (([0, 1],), "`risk` must be given, or overlaps"),
        (([0, 1], [1.0]), "`risk` must have 2 entries, but is 1"),
        (([0, 1], None, [0.1, 0.2]), "`overlaps` must be of shape (2, M), but is (2,)"),
        (([[0, 1]], [1.0, 1.0]), "`steps` must be a vector"),
        ((["a"], [1.0]), "`steps` must be numbers"),
        (([0], ["x"]), "`risk` must be numbers"),
        (([0.5], [1.0]), "dropped 1 row whose step is no whole number"),
    ],
)
def test_arrays_refused(arrays, words):
    with pytest.raises(rc.ArgumentError) as caught:
        rc.Run.from_arrays(*arrays)
    assert words in str(caught.value)


@pytest.mark.parametrize("step", ["step", "iter", "Iteration", "global_step", "_step"])
@pytest.mark.parametrize("overlap", ["overlap_", "cos2/", "val_overlap.", "alignment"])
def test_names_as_people_have_them(step, overlap):
    frame = pd.DataFrame({step: [0, 10, 20], "train_loss": [9.0, 9, 9], "test_loss": [0.5, 0.25, 0.125], "lr": 1.0})
    frame[[f"{overlap}{m}" for m in (1, 2)]] = OVERLAP_ROWS
    run = rc.Run.from_frame(frame, **CONFIG)
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    np.testing.assert_array_equal(run.loss, [0.5, 0.25, 0.125])
    np.testing.assert_array_equal(run.overlaps, OVERLAP_ROWS)
    np.testing.assert_array_equal(rc.Run.from_frame(frame.set_index(step), **CONFIG).loss, run.loss)


def test_names_of_the_users():
    frame = pd.DataFrame({"epoch": [0, 1], "mse": [1.0, 0.5], "q1": [0.1, 0.2], "p1": [0.3, 0.4], "q2": [0.5, 0.6]})
    run = rc.Run.from_frame(frame, step_column="epoch", loss_column="mse", overlap_prefix="q")
    np.testing.assert_array_equal(run.overlaps, [[0.1, 0.5], [0.2, 0.6]])
    for names, words in (
        ({"step_column": "mse", "loss_column": "mse"}, "`loss_column` must be another column than that of the steps"),
        ({"step_column": "time"}, "`step_column` must be a column, but is time: the columns are epoch, mse"),
        ({"step_column": "epoch", "overlap_prefix": "z"}, "`overlap_prefix` must begin the name of a numbered column"),
    ):
        with pytest.raises(rc.ArgumentError) as caught:
            rc.Run.from_frame(frame, **names)
        assert words in str(caught.value)


def test_two_groups_of_overlaps_are_not_guessed_between(tmp_path):
    path = log(tmp_path, ["step,loss,overlap_1,cos_1", "0,1,0.1,0.2"])
    assert "`overlap_prefix` must be given" in refusal(path)
    np.testing.assert_array_equal(rc.Run.load(path, overlap_prefix="cos", teacher_width=1).overlaps, [[0.2]])


def test_sparse_logs_are_merged():
    frame = pd.DataFrame(
        {"step": [0, 0, 1, 2, 2], "loss": [1.0, None, 0.5, None, 0.25], "overlap_1": [None, 0.1, None, 0.4, None]}
    )
    for run in (rc.Run.from_frame(frame), rc.Run.from_frame(frame.astype(object).where(frame.notna(), None))):
        np.testing.assert_array_equal(run.steps, [0, 1, 2])
        np.testing.assert_array_equal(run.loss, [1, 0.5, 0.25])
        np.testing.assert_array_equal(run.overlaps, [[0.1], [np.nan], [0.4]])


def test_overlaps_between_the_losses_are_kept(tmp_path):
    run = rc.Run.load(log(tmp_path, ["step,loss,overlap_1,overlap_2", "0,1,,", "5,,0.1,0.2", "10,0.5,,"]))
    np.testing.assert_array_equal(run.loss, [1, np.nan, 0.5])
    np.testing.assert_array_equal(run.overlaps[1], [0.1, 0.2])


def test_a_run_without_a_loss(tmp_path):
    run = rc.Run.load(log(tmp_path, ["step,overlap_1,overlap_2", "0,0.1,0.2", "5,0.3,0.4"]))
    assert run.loss is None
    assert run.risk is None
    assert "loss     not logged" in repr(run)
    run.save(tmp_path / "again.csv")
    np.testing.assert_array_equal(rc.Run.load(tmp_path / "again.csv").overlaps, run.overlaps)
    assert run.plot().axes[1].lines


@pytest.mark.parametrize(
    ("name", "near"),
    [("lr", "learning_rate"), ("learningrate", "learning_rate"), ("batchsize", "batch_size"), ("zzz", "")],
)
def test_unknown_keywords_are_refused_with_the_nearest(name, near):
    with pytest.raises(rc.ArgumentError, match=f"^Argument `{name}` must be a key of a run, as {near}"):
        rc.Run.from_arrays([0], [1.0], **{name: 1})


def test_misspelt_keys_of_a_file_are_refused_and_others_noted(tmp_path):
    assert "`lr` must be spelt learning_rate in run.json" in refusal(log(tmp_path, config={"lr": 0.1}))
    run = rc.Run.load(log(tmp_path, config=CONFIG | {"lr": 0.1, "optimiser": "SGD", "seed": 3}))
    assert run.notes == ("keys of run.json that mean nothing here: lr",)


def test_a_kind_replaces_the_parametrisation_of_a_file(tmp_path):
    path = log(tmp_path, config={"parametrisation": "two_layer"})
    assert rc.Run.load(path).kind == "two_layer"
    assert rc.Run.load(path, kind="two_homogeneous").kind == "two_homogeneous"


def test_a_rate_beside_a_column_of_times_is_said_not_to_be_used(tmp_path):
    path = log(tmp_path, ["step,canonical_time,loss", "0,0,0.5", "10,0.3,0.2"])
    run = rc.Run.load(path, learning_rate=0.5)
    assert run.times[-1] == 0.3
    assert "canonical_time sets the clock: learning_rate, 0.5, is not used" in run.assumed


def test_every_key_is_known():
    assert set(CONFIG) | set(STIEFEL) <= set(KEYS)


@pytest.mark.parametrize(("training", "factor"), [("0.5*(f*-f)^2", 1), ("(f*-f)^2", 2)])
@pytest.mark.parametrize("loss", ["0.5*(f*-f)^2", "(f*-f)^2", "risk"])
def test_the_training_loss_alone_sets_the_clock(training, factor, loss):
    run = rc.Run.from_arrays([0, 10], [1.0, 0.5], **CONFIG | {"loss": loss, "training_loss": training})
    np.testing.assert_allclose(run.times, [0, 0.01 * factor * 10])
    without = rc.Run.from_arrays([0, 10], [1.0, 0.5], **CONFIG | {"loss": loss})
    np.testing.assert_array_equal(without.risk, run.risk)
    assert any(line.startswith("training_loss is not given: SGD on ") for line in without.assumed)


def test_training_losses_refused():
    with pytest.raises(rc.ArgumentError, match="`training_loss` must be one of"):
        rc.Run.from_arrays([0], [1.0], **CONFIG | {"training_loss": "risk"})
    with pytest.raises(rc.ArgumentError, match="`training_loss` must be left out for a Stiefel run"):
        rc.Run.from_arrays([0], [1.0], **STIEFEL | {"training_loss": "(f*-f)^2"})


def test_a_teacher_of_another_norm_keeps_its_units_and_is_the_unit_one_on_other_clocks():
    """SGD on a, ||a|| = 5, is that on a/5 with rate, norms and loss scaled: mathematically, and so for every number."""
    norm = 5.0
    unit = {key: value for key, value in CONFIG.items() if key not in ("beta", "init_norm")} | WAYS
    unit |= {"initial_overlaps": OVERLAPS, "initial_student_gram": np.eye(3).tolist(), "information_exponent": 2}
    big = rc.Run.from_arrays([0, 10], [12.5, 5.0], **unit, second_layer=[3, 4], init_norm=0.1)
    scaled = unit | {"learning_rate": 0.01 * norm}
    small = rc.Run.from_arrays([0, 10], [0.5, 0.2], **scaled, second_layer=[0.6, 0.8], init_norm=0.1 / norm**0.5)
    np.testing.assert_allclose(norm * big.times, small.times, rtol=1e-14)
    assert big.times[-1] == 0.1
    np.testing.assert_allclose(big.risk, small.risk, rtol=1e-14)
    np.testing.assert_allclose(big.start.norms / norm**0.5, small.start.norms, rtol=1e-14)
    np.testing.assert_allclose(big.teacher.a, [3, 4], rtol=0)
    assert big.init_norm == 0.1
    here, there = (rc.solve(rc.Quadratic(), run.teacher, run.start, run.times[1:]) for run in (big, small))
    np.testing.assert_allclose(here.risk, there.risk, rtol=1e-9)
    stiefel = rc.Run.from_arrays([0, 10], [1, 0.5], riccati_step=0.01, second_layer=[3, 4], student_scale=1.0)
    np.testing.assert_allclose(stiefel.times, [0, 0.05])
    assert stiefel.student_scale == 1.0


def test_json_that_cannot_be_read(tmp_path):
    assert "nested too deep" in refusal(log(tmp_path, config="[" * 10**5))
    assert "`run.json` must be JSON that can be read" in refusal(log(tmp_path, config='{"dim": ' + "1" * 5000 + "}"))
    assert "`dim` must be ≤ 2^53" in refusal(log(tmp_path, config=json.dumps(CONFIG | {"dim": 10**40})))
    width = {"teacher_width": 10**14, "learning_rate": 1, "information_exponent": 2, "beta": 1}
    run = rc.Run.load(log(tmp_path, ["step,loss", "0,1"], width))
    with pytest.raises(rc.ArgumentError, match="`teacher_width` must need no more memory than"):
        _ = run.teacher
