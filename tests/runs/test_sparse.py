"""Losses logged in few rows: NaN where nothing was logged is not that of a run that diverged."""

import numpy as np
import pandas as pd
import pytest
from logs import log

import riccati as rc

NAN, INF = np.nan, np.inf


def frame_of(loss, **others):
    return pd.DataFrame({"step": 10 * np.arange(len(loss)), "val_loss": loss} | others)


def both(tmp_path, frame):
    """The run of a frame, and that of the file which writes its gaps as NaN."""
    frame.to_csv(tmp_path / "run.csv", index=False, na_rep="NaN")
    return rc.Run.from_frame(frame), rc.Run.load(tmp_path / "run.csv")


@pytest.mark.parametrize(
    "loss",
    [
        [0.5, NAN, NAN, NAN, 0.4, NAN, NAN, NAN, 0.3, NAN],
        [0.5, NAN, 0.4, NAN, 0.3, NAN, NAN],
        [0.5, NAN, 0.4, NAN, NAN, NAN, 0.3, NAN, NAN],
        [NAN, NAN, 0.5, NAN, NAN, 0.4, NAN, NAN, 0.3],
        [0.5, 0.4, NAN, NAN, NAN, NAN, NAN, 0.3, NAN],
    ],
)
def test_nan_between_values_of_a_sparse_loss_was_not_logged(tmp_path, loss):
    for run in both(tmp_path, frame_of(loss, acc=np.linspace(0, 1, len(loss)))):
        np.testing.assert_array_equal(run.loss, [0.5, 0.4, 0.3])
        (note,) = run.notes
        assert note.startswith(f"dropped {len(loss) - 3} rows with an empty or unreadable val_loss")


@pytest.mark.parametrize(
    ("loss", "step"),
    [
        ([0.5, 0.4, 0.3, NAN, NAN], 30),
        ([0.5, NAN, NAN, NAN], 10),
        ([0.5, 0.4, NAN, 0.3, 0.2, NAN, NAN], 50),
        ([0.5, NAN, 0.4, NAN, 0.3, INF, NAN], 50),
        ([0.5, NAN, NAN, 0.4, INF], 40),
        ([0.5, NAN, 0.4, NAN, INF, NAN], 40),
        ([0.5, NAN, 0.4, NAN, 0.3, NAN, NAN, NAN, NAN, NAN], 50),
    ],
)
def test_nan_to_the_end_of_a_loss_that_was_logged_throughout_is_divergence(tmp_path, loss, step):
    for run in both(tmp_path, frame_of(loss)):
        assert any(f"diverged from step {step} on" in note for note in run.notes)
        np.testing.assert_array_equal(run.loss, [x for x in loss if np.isfinite(x)])


def test_another_loss_that_goes_on_or_breaks_off_tells(tmp_path):
    dense = np.geomspace(1, 0.1, 6)
    for run in both(tmp_path, frame_of([0.5, 0.4, NAN, NAN, NAN, NAN], train_loss=dense)):
        assert not any("diverged" in note for note in run.notes)
        np.testing.assert_array_equal(run.loss, [0.5, 0.4])
    breaks_off = np.where(np.arange(6) < 5, dense, NAN)
    for run in both(tmp_path, frame_of([0.5, NAN, 0.4, NAN, 0.3, NAN], train_loss=breaks_off)):
        assert any("diverged from step 50 on" in note for note in run.notes)
    for run in both(tmp_path, frame_of([0.5, NAN, 0.4, NAN, 0.3, NAN], train_loss=dense)):
        assert not any("diverged" in note for note in run.notes)


def test_nan_beside_empty_cells_is_that_of_the_run(tmp_path):
    run = rc.Run.load(log(tmp_path, ["step,loss,acc", "0,0.5,0", "5,,0", "10,0.4,0", "15,,0", "20,nan,0"], None))
    assert any("diverged from step 20 on" in note for note in run.notes)


def test_the_gaps_of_an_earlier_run_say_nothing_of_the_last():
    frame = frame_of([0.5, NAN, NAN, 0.4, NAN, 0.5, 0.4, 0.3, NAN])
    frame["step"] = [0, 10, 20, 30, 40, 0, 10, 20, 30]
    run = rc.Run.from_frame(frame)
    np.testing.assert_array_equal(run.loss, [0.5, 0.4, 0.3])
    assert any("diverged from step 30 on" in note for note in run.notes)


def test_arrays_without_an_evaluation_in_every_row():
    run = rc.Run.from_arrays(np.arange(7), [1.0, NAN, 0.5, NAN, 0.25, NAN, NAN])
    np.testing.assert_array_equal(run.risk, [1, 0.5, 0.25])
    assert not any("diverged" in note for note in run.notes)
