"""Points and commas in numbers: decimals or thousands, by what the other cells of a table tell."""

import numpy as np
import pandas as pd
import pytest
from logs import log, refusal

import riccati as rc


def lines_of(mark, rows, header=("step", "loss")):
    return [mark.join(row) for row in (header, *rows)]


@pytest.mark.parametrize("mark", [";", "\t", "|", " "])
def test_decimal_commas(tmp_path, mark):
    run = rc.Run.load(log(tmp_path, lines_of(mark, [("0", "0,5"), ("100", "2,5e-1"), ("200", "0,125")]), None))
    np.testing.assert_array_equal(run.steps, [0, 100, 200])
    np.testing.assert_array_equal(run.loss, [0.5, 0.25, 0.125])
    assert "numbers have a comma before their decimals" in run.assumed
    assert run.notes == ()


@pytest.mark.parametrize(
    ("rows", "steps", "loss"),
    [
        ([("0", "0.5"), ("500", "0.25"), ('"1,000"', "0.125")], [0, 500, 1000], [0.5, 0.25, 0.125]),
        ([("0", '"1,234.5"'), ("500", "0.25")], [0, 500], [1234.5, 0.25]),
        ([('"0"', '"0,5"'), ('"1.000"', '"0,25"')], [0, 1000], [0.5, 0.25]),
        ([('"1,000,000"', "1"), ('"2,000,000"', "2")], [10**6, 2 * 10**6], [1, 2]),
        ([("1 000", "0.5"), ("2 000", "0.25")], [1000, 2000], [0.5, 0.25]),
        ([("1'000", "0.5"), ("2\u00a0000", "0.25")], [1000, 2000], [0.5, 0.25]),
    ],
)
def test_thousands_in_a_comma_delimited_table(tmp_path, rows, steps, loss):
    run = rc.Run.load(log(tmp_path, lines_of(",", rows), None))
    np.testing.assert_array_equal(run.steps, steps)
    np.testing.assert_array_equal(run.loss, loss)


@pytest.mark.parametrize(
    ("steps", "losses", "expected"),
    [
        (["0", "500", "1.000", "1.500", "2.000"], "0.5", [0, 500, 1000, 1500, 2000]),
        (["0", "500", "1.000", "500", "1.000", "1.500"], "0.5", [0, 500, 1000, 1500]),
        (["999.000", "1.000.000"], "0.5", [999000, 1000000]),
        (["1.000", "1.500", "2.000"], "0.5", [1000, 1500, 2000]),
        (["1.000", "2.000"], "0,5", [1000, 2000]),
        (["0.000", "1.000", "2.000"], "0.500", [0, 1, 2]),
        (["1.000", "2.000"], "0.500", [1, 2]),
        (["1.0", "2.0"], "0.5", [1, 2]),
    ],
)
def test_points_in_steps(tmp_path, steps, losses, expected):
    run = rc.Run.load(log(tmp_path, lines_of(";", [(step, losses) for step in steps]), None))
    np.testing.assert_array_equal(run.steps, expected)


@pytest.mark.parametrize("steps", [["0", "1.000", "2.000"], ["1.000", "2.000"], ["0", "10", "1.000", "30"]])
def test_points_that_may_be_either_are_refused(tmp_path, steps):
    message = refusal(log(tmp_path, lines_of(";", [(step, "0.5") for step in steps]), None))
    assert "`step` must hold whole numbers without a mark between thousands, as 1000, but is 1.000 in a row" in message


def test_a_comma_in_a_loss_that_may_be_either_is_refused(tmp_path):
    message = refusal(log(tmp_path, lines_of(";", [("0", "1,125"), ("10", "1,000")]), None))
    assert "`loss` must hold numbers without a mark between thousands, as 1125, but is 1,125 in a row" in message


def test_text_in_frames_and_json_lines_is_read_as_that_of_a_file(tmp_path):
    frame = pd.DataFrame({"step": ["0", "500", "1,000"], "loss": [0.5, 0.25, 0.125]})
    rows = ['{"step": "0", "loss": 0.5}', '{"step": "500", "loss": 0.25}', '{"step": "1,000", "loss": 0.125}']
    for run in (rc.Run.from_frame(frame), rc.Run.load(log(tmp_path, rows, None, "run.jsonl"))):
        np.testing.assert_array_equal(run.steps, [0, 500, 1000])
        assert "a comma parts thousands" in run.assumed


def test_values_with_units_or_text_are_not_logged_and_counted(tmp_path):
    lines = lines_of(",", [("0", "0.5"), ("10", "0.4 nats"), ("20", "n/a"), ("30", "5e-1%"), ("40", "0.25")])
    run = rc.Run.load(log(tmp_path, lines, None))
    np.testing.assert_array_equal(run.steps, [0, 40])
    assert run.notes == ("dropped 3 rows with an empty or unreadable loss (the first at step 10)",)


@pytest.mark.parametrize(
    "rows", [["0;0,5", "1.000;0,25", "2.000;0,125"], ["0;0.5", "500;0.25", "1.000;0.125", "1.500;0.1"]]
)
def test_marks_found_in_one_piece_hold_in_the_next(tmp_path, monkeypatch, rows):
    path = log(tmp_path, ["step;loss", *rows], None)
    whole = rc.Run.load(path)
    assert whole.steps[-1] in (1500, 2000)
    for size in (25, 30, 35):
        monkeypatch.setattr("riccati.runs.formats.text._PIECE", size)
        run = rc.Run.load(path)
        np.testing.assert_array_equal(run.steps, whole.steps)
        np.testing.assert_array_equal(run.loss, whole.loss)
