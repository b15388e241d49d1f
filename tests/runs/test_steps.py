"""Which step of SGD a row stands at: the optimiser's counter, samples, epochs; runs that follow each other in a log."""

import numpy as np
import pandas as pd
import pytest
from logs import log, refusal

import riccati as rc


def run_of(columns, **keys):
    return rc.Run.from_frame(pd.DataFrame(columns), **keys)


WANDB_OF_LIGHTNING = """,_step,trainer/global_step,val_loss,_timestamp,epoch
0,0,49,0.5,1700000000.0,0
1,1,99,0.37,1700000001.0,0
2,2,149,0.27,1700000002.0,1
"""


def test_wandb_of_lightning_counts_by_the_optimiser(tmp_path):
    run = rc.Run.load(log(tmp_path, [WANDB_OF_LIGHTNING.rstrip()], None))
    np.testing.assert_array_equal(run.steps, [49, 99, 149])
    assert run.notes == ("steps are taken from trainer/global_step, with which _step disagrees (49 and 0 in one row)",)


@pytest.mark.parametrize(
    ("taken", "other"),
    [
        ("global_step", "iteration"),
        ("train/global_step", "_step"),
        ("global_step", "step"),
        ("Global Step", "step"),
        ("optimizer_step", "iter"),
        ("num_updates", "step"),
        ("step", "_step"),
        ("step", "iteration"),
    ],
)
def test_of_two_counters_the_optimisers_is_taken_and_said(taken, other):
    for columns in ({other: [0, 4, 8], taken: [0, 10, 20]}, {taken: [0, 10, 20], other: [0, 4, 8]}):
        run = run_of(columns | {"loss": [1.0, 0.5, 0.25]})
        np.testing.assert_array_equal(run.steps, [0, 10, 20])
        said = f"steps are taken from {taken.lower()}, with which {other} disagrees (10 and 4 in one row)"
        assert run.notes == (said,)
        assert run_of(columns | {"loss": [1.0, 0.5, 0.25]}, step_column=other).steps.tolist() == [0, 4, 8]


def test_a_column_that_numbers_the_rows_counts_no_steps():
    run = run_of({"step": [0, 1, 2], "iteration": [0, 100, 200], "loss": [1.0, 0.5, 0.25]})
    np.testing.assert_array_equal(run.steps, [0, 100, 200])
    assert "steps are taken from iteration, with which step disagrees (100 and 1 in one row)" in run.notes
    by_log_calls = run_of({"step": [0, 1, 2], "_step": [0, 50, 100], "loss": [1.0, 0.5, 0.25]})
    np.testing.assert_array_equal(by_log_calls.steps, [0, 1, 2])  # fifty calls to a step
    by_name = run_of({"global_step": [0, 1, 2], "iteration": [0, 8, 16], "loss": [1.0, 0.5, 0.25]})
    np.testing.assert_array_equal(by_name.steps, [0, 1, 2])  # eight small batches to a step


def test_counters_that_agree_or_are_empty_say_nothing():
    agree = {"global_step": [0, 10], "step": [0, 10], "loss": [1.0, 0.5]}
    assert run_of(agree).notes == ()
    empty = {"global_step": [np.nan, np.nan, 5], "step": [0, 10, 20], "loss": [1.0, 0.5, 0.25]}
    np.testing.assert_array_equal(run_of(empty).steps, [0, 10, 20])


def test_log_calls_taken_for_steps_are_said():
    assert run_of({"_step": [0, 1, 2], "loss": [1.0, 0.5, 0.25]}).notes == (
        "_step counts calls of the logger, which are taken for steps of SGD",
    )
    assert run_of({"_step": [0, 50, 100], "loss": [1.0, 0.5, 0.25]}).notes == ()
    assert run_of({"_step": [0, 1, 2], "loss": [1.0, 0.5, 0.25]}, step_column="_step").notes == ()
    empty = {"_step": [0, 1, 2, 3], "global_step": [0, None, 50, None], "val_loss": [None, 0.5, None, 0.4]}
    assert "_step counts calls of the logger, which are taken for steps of SGD" in run_of(empty).notes


@pytest.mark.parametrize(
    ("epochs", "steps", "words"),
    [
        ([0, 1, 2], [100, 200, 300], "epochs count from 0, each logged at its end: taken as step (e + 1) x 100"),
        ([1, 2, 3], [100, 200, 300], "epochs count from 1, each logged at its end: taken as step e x 100"),
        ([3, 2, 1], [100, 200, 300], "count from 1"),
        ([5, 10, 15], [500, 1000, 1500], "count from 1"),
        ([4, 9, 14], [500, 1000, 1500], "count from 0"),
        ([0, 5, 10], [100, 600, 1100], "count from 0"),
        ([0.5, 1.0, 1.5], [50, 100, 150], "epoch tells how many epochs have passed: taken as step e x 100"),
    ],
)
def test_epochs(epochs, steps, words):
    run = run_of({"epoch": epochs, "val_loss": [1.0, 0.5, 0.25]}, steps_per_epoch=100)
    np.testing.assert_array_equal(run.steps, steps)
    assert any(words in line for line in run.assumed)


def test_a_step_within_the_epoch_goes_on_from_epoch_to_epoch():
    columns = {"epoch": [0, 0, 0, 1, 1, 1], "step": [0, 20, 40, 0, 20, 40], "loss": np.geomspace(1, 0.1, 6)}
    with pytest.raises(rc.ArgumentError, match="`steps_per_epoch` must be given, as step begins again with each epoch"):
        run_of(columns)
    run = run_of(columns, steps_per_epoch=60)
    np.testing.assert_array_equal(run.steps, [0, 20, 40, 60, 80, 100])
    assert "step counts within an epoch, from 0: taken as step e x 60 + step" in run.assumed
    later = run_of(columns | {"epoch": [1, 1, 1, 2, 2, 2]}, steps_per_epoch=60)
    np.testing.assert_array_equal(later.steps, run.steps)


@pytest.mark.parametrize("name", ["samples", "examples_seen", "consumed_samples", "train/samples_seen", "Samples"])
def test_samples(name):
    columns = {name: [0, 80, 160], "loss": [1.0, 0.5, 0.25]}
    run = run_of(columns, batch_size=8)
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    assert f"{name.lower()} counts samples: taken as step {name.lower()}/8" in run.assumed
    with pytest.raises(rc.ArgumentError, match=f"`batch_size` must be given, as {name.lower()} counts samples"):
        run_of(columns)


def test_samples_that_do_not_fit_the_steps_are_said():
    columns = {"step": [0, 80, 160], "samples": [0, 80, 160], "loss": [1.0, 0.5, 0.25]}
    assert run_of(columns, batch_size=8).notes == (
        "samples over step is 1, where batch_size is 8: one of them counts something else",
    )
    assert run_of(columns | {"samples": [0, 640, 1280]}, batch_size=8).notes == ()


AGAIN = "the log goes back to its first step, where another run begins: the last run is read, and {} before it dropped"


@pytest.mark.parametrize(
    ("steps", "kept", "note"),
    [
        ([0, 10, 20, 30, 0, 10], [4, 5], AGAIN.format("4 rows")),
        ([0, 10, 20, 0, 15, 30, 0, 5], [6, 7], AGAIN.format("6 rows")),
        ([100, 200, 300, 0, 100, 200], [3, 4, 5], AGAIN.format("3 rows")),
        ([0, 10, 20, 30, 10, 20, 30, 0, 10], [7, 8], AGAIN.format("7 rows")),
        ([0, 10, 20, 10, 20, 30], [0, 3, 4, 5], None),
        ([0, 10, 20, 30, 40, 10, 50], [0, 5, 2, 3, 4, 6], None),
        ([100, 200, 0, 50], [2, 3, 0, 1], None),
        ([40, 30, 20, 10], [3, 2, 1, 0], None),
        ([20, 0, 40, 10, 20, 30], [1, 3, 4, 5, 2], None),
    ],
)
def test_another_run_is_told_from_a_resumed_and_from_an_unsorted_one(steps, kept, note):
    loss = np.geomspace(1, 0.1, len(steps))
    run = rc.Run.from_arrays(steps, loss)
    np.testing.assert_array_equal(run.steps, np.array(steps)[kept])
    np.testing.assert_array_equal(run.loss, loss[kept])
    assert (note in run.notes) == (note is not None)
    assert not any("another run" in line for line in run.notes) or note is not None


def test_a_second_run_by_epochs(tmp_path):
    lines = ["epoch,time,val_loss", "1,2.1,0.40", "2,4.0,0.30", "3,6.1,0.20", "4,8,0.1", "1,2.2,0.45", "2,4.1,0.38"]
    run = rc.Run.load(log(tmp_path, lines, None), steps_per_epoch=100)
    np.testing.assert_array_equal(run.steps, [100, 200])
    np.testing.assert_array_equal(run.loss, [0.45, 0.38])
    assert run.notes == (AGAIN.format("4 rows"),)


def test_rows_of_losses_followed_by_rows_of_overlaps_are_one_run():
    gaps = [np.nan] * 3
    columns = {"step": [0, 1, 2] * 2, "loss": [1.0, 0.5, 0.25, *gaps], "overlap_1": [*gaps, 0.1, 0.2, 0.3]}
    run = run_of(columns)
    np.testing.assert_array_equal(run.loss, [1, 0.5, 0.25])
    np.testing.assert_array_equal(run.overlaps[:, 0], [0.1, 0.2, 0.3])


def test_the_first_row_of_the_last_run_may_be_of_another_kind():
    nan = np.nan
    columns = {"step": [0, 5, 10, 0, 0, 5], "loss": [1, 0.5, 0.2, nan, 0.9, 0.6]}
    columns |= {"overlap_1": [nan, nan, nan, 0.1, nan, nan]}
    run = run_of(columns)
    np.testing.assert_array_equal(run.loss, [0.9, 0.6])
    np.testing.assert_array_equal(run.overlaps[:, 0], [0.1, np.nan])


@pytest.mark.parametrize("names", [["a", "a", "b", "b"], [1, 1, 2, 2], ["a", "b", "a", "b"]])
def test_a_column_that_names_runs(tmp_path, names):
    last = [i for i, name in enumerate(names) if name == names[-1]]
    columns = {"run_id": names, "step": [0, 0, 10, 10] if names[0] != names[1] else [0, 10, 0, 10]}
    columns |= {"loss": [1.0, 0.9, 0.5, 0.4]}
    frame = pd.DataFrame(columns)
    frame.to_csv(tmp_path / "run.csv", index=False)
    for run in (run_of(columns), rc.Run.load(tmp_path / "run.csv"), rc.Run.from_frame(columns)):
        np.testing.assert_array_equal(run.loss, np.array(columns["loss"])[last])
        assert run.notes == ("run_id names 2 runs: the last is read, and 2 rows of the others dropped",)


def test_a_run_that_goes_on_under_another_name_is_one():
    run = run_of({"run_id": ["a", "a", "b", "b"], "step": [0, 10, 20, 30], "loss": [1.0, 0.9, 0.5, 0.4]})
    assert run.steps.tolist() == [0, 10, 20, 30]
    assert run.notes == ()


def test_a_log_in_no_order_takes_no_longer_than_its_length():
    steps = np.random.default_rng(0).permutation(200_000)
    assert len(rc.Run.from_arrays(steps, 1.0 / (1 + steps)).steps) == 200_000


def test_steps_are_asked_for_by_name(tmp_path):
    assert "or one named by step_column, but is missing" in refusal(log(tmp_path, ["era,loss", "0,1"], None))
