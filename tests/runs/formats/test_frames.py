"""Tables in memory, of any library: read as a file of the same columns is."""

import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tensors import Scalar

import riccati as rc

COLUMNS = {"step": [0, 10, 20], "loss": [0.5, 0.25, 0.125], "overlap_1": [0.01, 0.5, 0.9], "note": ["a", "b", "c"]}


class History:
    """What model.fit of Keras returns."""

    def __init__(self, epoch, history):
        self.epoch, self.history, self.params = epoch, history, {}


def xarray_like(columns):
    """A Dataset of xarray as far as it is looked at: coordinates and variables with values."""

    class Dataset(dict):
        coords, data_vars = ("step",), tuple(name for name in columns if name != "step")

    return Dataset({name: pd.Series(values) for name, values in columns.items()})


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas, indexed": lambda columns: pd.DataFrame(columns).set_index("step"),
    "pandas, nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas of arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.DataFrame,
    "polars, lazy": pl.LazyFrame,
    "pyarrow": pa.table,
    "dict of lists": dict,
    "dict of arrays": lambda columns: {name: np.asarray(values) for name, values in columns.items()},
    "list of dicts": lambda columns: pd.DataFrame(columns).to_dict("records"),
    "iterator of dicts": lambda columns: iter(pd.DataFrame(columns).to_dict("records")),
    "structured array": lambda columns: pd.DataFrame(columns).to_records(index=False),
    "xarray": xarray_like,
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_frames_of_any_library(make):
    run = rc.Run.from_frame(make(COLUMNS))
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    np.testing.assert_array_equal(run.loss, [0.5, 0.25, 0.125])
    np.testing.assert_array_equal(run.overlaps, [[0.01], [0.5], [0.9]])
    assert run.notes == ()


@pytest.mark.parametrize("make", [pl.DataFrame, pl.LazyFrame, pa.table])
def test_null_is_not_logged_and_nan_is_that_of_a_diverged_run(make):
    run = rc.Run.from_frame(make({"step": [0, 10, 20, 30], "loss": [0.5, None, 0.125, float("nan")]}))
    np.testing.assert_array_equal(run.steps, [0, 20])
    assert run.notes == (
        "dropped 1 row with an empty or unreadable loss (the first at step 10)",
        "diverged from step 30 on: dropped 1 row with NaN or inf loss",
    )


def test_history_of_keras():
    history = History([0, 1], {"loss": [0.9, 0.8], "val_loss": [0.5, 0.25], "accuracy": [0.0, 0.0]})
    run = rc.Run.from_frame(history, steps_per_epoch=50)
    np.testing.assert_array_equal(run.steps, [50, 100])
    np.testing.assert_array_equal(run.loss, [0.5, 0.25])
    with pytest.raises(rc.ArgumentError, match="`steps_per_epoch` must be given, as the log counts epochs"):
        rc.Run.from_frame(history)
    seldom = History([0, 1, 2, 3], {"loss": [4.0, 3, 2, 1], "val_loss": [0.5, 0.25]})
    with pytest.raises(rc.ArgumentError, match=r"`val_loss` must have as many entries as epoch, \(4,\), but is \(2,\)"):
        rc.Run.from_frame(seldom, steps_per_epoch=50)


def test_rows_that_did_not_log_everything_and_scalars_of_a_graph():
    rows = [{"step": 0, "loss": Scalar(0.5)}, {"step": 5, "acc": 0.1}, {"step": 10, "loss": Scalar(0.25)}]
    run = rc.Run.from_frame(rows)
    np.testing.assert_array_equal(run.loss, [0.5, 0.25])
    lists = {"step": [0, 10], "loss": [Scalar(0.5), Scalar(0.25)], "overlaps": [[0.1, 0.2], [0.3, 0.4]]}
    run = rc.Run.from_frame(lists)
    np.testing.assert_array_equal(run.loss, [0.5, 0.25])
    np.testing.assert_array_equal(run.overlaps, [[0.1, 0.2], [0.3, 0.4]])
    for other in ("subspace", 5, None):
        assert rc.Run.from_frame({"step": [0, 10], "loss": [1.0, 0.5], "overlap": other}).overlaps is None
    run = rc.Run.from_arrays([Scalar(0), Scalar(10)], [Scalar(0.5), Scalar(0.25)], [[Scalar(0.1)], [Scalar(0.2)]])
    np.testing.assert_array_equal(run.overlaps, [[0.1], [0.2]])


def test_masked_is_not_logged():
    steps = np.ma.masked_array([0, 10, 20, 30], [0, 0, 0, 1])
    risk = np.ma.masked_array([1.0, 9e9, 0.5, 0.25], [0, 1, 0, 0])
    overlaps = np.ma.masked_array([[0.1], [0.2], [0.3], [0.4]], [[0], [0], [1], [0]])
    run = rc.Run.from_arrays(steps, risk, overlaps)
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    np.testing.assert_array_equal(run.risk, [1.0, np.nan, 0.5])
    np.testing.assert_array_equal(run.overlaps, [[0.1], [0.2], [np.nan]])
    assert "dropped 1 row whose step is no whole number ≥ 0" in run.notes
    of_dict = rc.Run.from_frame({"step": steps, "risk": risk, "overlap_1": overlaps[:, 0]})
    np.testing.assert_array_equal(of_dict.risk, run.risk)
    np.testing.assert_array_equal(of_dict.overlaps, run.overlaps)


DAYS = pd.to_datetime(["2026-01-01", "2026-01-02"])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
@pytest.mark.parametrize("column", ["step", "loss"])
@pytest.mark.parametrize(
    "values",
    [
        np.array(["2026-01-01", "2026-01-02"], "datetime64[ms]"),
        np.array([1, 2], "timedelta64[ms]"),
        [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)],
    ],
)
def test_dates_and_durations_are_refused_by_name(make, column, values):
    frame = make({"step": [0, 1], "loss": [1.0, 0.5]} | {column: values})
    with pytest.raises(rc.ArgumentError, match=f"^Argument `{column}` must (hold real|be) numbers"):
        rc.Run.from_frame(frame)


@pytest.mark.parametrize("make", [pd.DataFrame, dict, lambda columns: pd.DataFrame(columns).to_dict("records")])
def test_complex_numbers_are_refused_by_name(make):
    with pytest.raises(rc.ArgumentError, match=r"`loss` must .*but is complex numbers"):
        rc.Run.from_frame(make({"step": [0, 1], "loss": np.array([1.0, 0.5j])}))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (([0, 1], [1j, 1.0]), "`risk` must be numbers in an array or a list, real and without units"),
        ((np.array([0, 1], "timedelta64[s]"), [1.0, 0.5]), "`steps` must be numbers"),
        ((DAYS, [1.0, 0.5]), "`steps` must be numbers"),
        ((["0", "1"], [1.0, 0.5]), "`steps` must be numbers"),
        (([0, 1], [1.0, 0.5], np.array([["a"], ["b"]])), "`overlaps` must be numbers"),
    ],
)
def test_arrays_that_are_no_numbers_are_refused_by_name(arrays, words):
    with pytest.raises(rc.ArgumentError) as refused:
        rc.Run.from_arrays(*arrays)
    assert words in str(refused.value)


@pytest.mark.parametrize("frame", [None, 3, "run.csv", [1, 2], [], np.ones((2, 2)), object(), {1, 2}, pd.Series([1.0])])
def test_what_is_no_table_is_refused(frame):
    with pytest.raises(rc.ArgumentError, match=r"`frame` must be a frame \(pandas, polars, pyarrow, …\), an xarray"):
        rc.Run.from_frame(frame)


def test_columns_that_cannot_be_told_apart():
    frame = pd.DataFrame([[0, 1.0, 2.0]], columns=["step", "loss", "Loss"])
    with pytest.raises(rc.ArgumentError, match="`loss` must be the name of one column, but is that of 2"):
        rc.Run.from_frame(frame)
    with pytest.raises(
        rc.ArgumentError, match=r"`frame` must .* \(Expected unique column names, got: - 'loss' 2 times"
    ):
        rc.Run.from_frame(pa.table([[0], [1.0], [2.0]], names=["step", "loss", "loss"]))


def test_a_table_without_a_row_that_can_be_read_is_refused_by_the_name_of_the_way_in():
    with pytest.raises(rc.ArgumentError, match=r"^Argument `frame` must hold a row with a step and a finite loss"):
        rc.Run.from_frame({"step": [0], "loss": ["x"]})
    with pytest.raises(rc.ArgumentError, match=r"^Argument `risk` must hold a row with a step and a finite loss"):
        rc.Run.from_arrays([0], [np.nan])


def test_importing_leaves_the_libraries_of_frames_alone():
    code = "import sys, riccati, riccati.runs; sys.exit(bool({'narwhals', 'pandas', 'polars'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
