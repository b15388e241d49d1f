"""Messy logs: what is dropped is said."""

import numpy as np
import pytest
from logs import CONFIG, HEADER, ROWS, assert_clean, log, refusal

import riccati as rc


@pytest.mark.parametrize("column", ["loss", "risk", "train_loss", "population_loss", "test_loss"])
def test_loss_columns(tmp_path, column):
    config = {k: v for k, v in CONFIG.items() if k != "loss"}
    run = rc.Run.load(log(tmp_path, [HEADER.replace("loss", column), *ROWS], config))
    if column == "risk":
        assert not any(line.startswith("what the loss") for line in run.assumed)
        np.testing.assert_array_equal(run.risk, run.loss)
    else:
        assert "loss is not given: the loss column is taken as 0.5*(f*-f)^2" in run.assumed
        np.testing.assert_allclose(run.risk, 2 * run.loss)


def test_named_loss_column(tmp_path):
    path = log(tmp_path, ["step,loss,Mine", "0,9,0.5", "1,9,0.25"])
    np.testing.assert_array_equal(rc.Run.load(path, loss_column=" mine").loss, [0.5, 0.25])
    assert "`loss_column` must be a column, but is yours: the columns are step, loss, mine." in refusal(
        path, loss_column="yours"
    )


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (ROWS[::-1], ["steps were not in order: sorted"]),
        (
            [ROWS[0], "10,7,0,0", "20,7,0,0", *ROWS[1:]],
            [
                "steps were not in order: sorted",
                "dropped 2 rows of repeated steps, the later row of each is kept",
            ],
        ),
        ([*ROWS, "30,0.06"], ["dropped 1 line with fewer fields than the header (the last, cut short)"]),
        (
            [*ROWS, '30,"0.06,0.1,0'],
            ["dropped 1 line with fewer fields than the header (the last, cut short)"],
        ),
        (
            ["5", *ROWS, "30,0.06"],
            ["dropped 2 lines with fewer fields than the header (the first of them line 2)"],
        ),
        (
            [ROWS[0], "5,1,1,1,1", *ROWS[1:]],
            ["dropped 1 line with more fields than the header (the first of them line 3)"],
        ),
        ([*ROWS, "30,0.1.2,,"], ["dropped 1 row with an empty or unreadable loss (the first at step 30)"]),
        (
            [ROWS[0], "5,,,", *ROWS[1:]],
            ["dropped 1 row with an empty or unreadable loss (the first at step 5)"],
        ),
        ([*ROWS, "10,,,"], ["dropped 1 row with an empty or unreadable loss (the first at step 10)"]),
        (
            [*ROWS, "30,inf,0,0", "40,nan,0,0"],
            ["diverged from step 30 on: dropped 2 rows with NaN or inf loss"],
        ),
        ([ROWS[0], "5,-inf,0,0", *ROWS[1:]], ["dropped 1 row with NaN or inf loss"]),
        (
            [ROWS[0], "5,NaN,0,0", *ROWS[1:], "30,NaN,0,0"],
            [
                "diverged from step 30 on: dropped 1 row with NaN or inf loss",
                "dropped 1 row with NaN or inf loss",
            ],
        ),
        (
            [HEADER, "-1,1,0,0", "0.5,1,0,0", "inf,1,0,0", "1e30,1,0,0", ",1,0,0", *ROWS],
            ["dropped 5 rows whose step is no whole number ≥ 0"],
        ),
    ],
)
def test_what_is_dropped_is_said(tmp_path, rows, notes):
    path = log(tmp_path, [HEADER, *rows])
    before = path.read_bytes()
    run = rc.Run.load(path)
    assert list(run.notes) == notes
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    np.testing.assert_array_equal(run.loss, [0.5, 0.25, 0.125])
    np.testing.assert_array_equal(run.overlaps, [[0.01, 0.02], [0.5, 0.03], [0.9, 0.4]])
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"run.csv", "run.json"}


def test_an_earlier_finite_row_does_not_hide_a_later_divergence(tmp_path):
    run = rc.Run.load(log(tmp_path, [HEADER, *ROWS, "20,nan,0,0"]))
    assert run.steps.tolist() == [0, 10]
    assert run.notes[-1] == "diverged from step 20 on: dropped 1 row with NaN or inf loss"


def test_overlaps_not_logged(tmp_path):
    assert rc.Run.load(log(tmp_path, ["step,loss", "0,1"])).overlaps is None
    assert rc.Run.load(log(tmp_path, [HEADER, "0,1,,"])).overlaps is None


def test_overlaps_out_of_range_missing_and_clipped(tmp_path):
    rows = ["0,1,-5e-7,1.0000005", "1,1,0.5,1.1", "2,1,-0.01,0.5", "3,1,,0.5", "4,1,inf,0.5", "5,1,x,0.25"]
    run = rc.Run.load(log(tmp_path, [HEADER, *rows]))
    gone = [np.nan, np.nan]
    np.testing.assert_array_equal(run.overlaps, [[0, 1], gone, gone, [np.nan, 0.5], gone, [np.nan, 0.25]])
    assert run.notes == (
        "overlaps are missing or unreadable in 2 rows",
        "overlaps outside [0, 1] in 3 rows: taken as unknown there",
    )


def test_overlap_columns_in_any_order(tmp_path):
    run = rc.Run.load(log(tmp_path, ["overlap_02,step,overlap_1,loss", "0.2,0,0.1,1"]))
    np.testing.assert_array_equal(run.overlaps, [[0.1, 0.2]])


@pytest.mark.parametrize(
    ("columns", "config", "words"),
    [
        ("overlap_1,overlap_3", CONFIG, "`overlap_2` must be a column, as overlap_3 is, but is missing"),
        ("overlap_0,overlap_1", CONFIG, "`overlap_0` must be no column"),
        ("overlap_1,overlap_1", CONFIG, "`overlap_1` must be the name of one column, but is that of 2"),
        ("overlap_1,x", CONFIG, "`overlap_2` must be the last overlap column"),
        ("overlap_1,overlap_2", CONFIG | {"teacher_width": 1}, "`overlap_1` must be the last overlap column"),
        ("overlap_1,x", {"second_layer": [0.6, 0.8]}, "`overlap_2` must be the last overlap column"),
    ],
)
def test_overlap_columns_that_do_not_fit(tmp_path, columns, config, words):
    assert words in refusal(log(tmp_path, [f"step,loss,{columns}", "0,1,0.1,0.1"], config))


def test_a_last_line_without_an_end_may_be_cut_inside_a_number(tmp_path):
    path = log(tmp_path)
    path.write_text("\n".join([HEADER, *ROWS, "30,0.06,0.9,0.4"]))
    run = rc.Run.load(path)
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    assert run.notes == ("dropped the last line, which has no end: its last number may be cut",)


def test_nul_bytes_at_the_end_are_dropped(tmp_path):
    path = log(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0" * 4096)
    run = rc.Run.load(path)
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    assert run.notes == ("dropped the NUL bytes at the end",)


def test_a_header_in_another_order_is_honoured(tmp_path):
    again = ["overlap_2,overlap_1,loss,step", "0.03,0.5,0.25,10", "0.4,0.9,0.125,20"]
    assert_clean(rc.Run.load(log(tmp_path, [HEADER, ROWS[0], *again])))
    assert "`path` must have overlap_1 in every header" in refusal(
        log(tmp_path, [HEADER, ROWS[0], "step,loss", "10,1"])
    )


@pytest.mark.parametrize(
    "header", ["step,loss|train,loss", "step;a,b;loss", "step,loss#1,loss", "loss,step|,step", "lr [a|b],step,loss"]
)
def test_marks_inside_names_part_nothing(tmp_path, header):
    mark = ";" if ";" in header else ","
    names = header.split(mark)
    values = {"step": "7", "loss": "0.5"}
    run = rc.Run.load(log(tmp_path, [header, mark.join(values.get(name, "9") for name in names)], config=None))
    assert (run.steps.tolist(), run.loss.tolist()) == ([7], [0.5])


def test_one_column_is_not_two_things(tmp_path):
    path = log(tmp_path)
    message = "`loss_column` must be another column than that of the steps, but is step."
    assert message in refusal(path, loss_column="step")
    np.savez(tmp_path / "run.npz", step=np.arange(2), loss=np.ones(2), Loss=np.zeros(2))
    assert "`loss` must be the name of one column, but is that of 2" in refusal(tmp_path / "run.npz")


def test_a_file_in_pieces_is_read_as_one(tmp_path, monkeypatch):
    rows = [f"{i},{0.5 / (i + 1)!r},0.1,0.2" for i in range(300)]
    rows[150] = "150,,0.1,0.2"
    path = log(tmp_path, [HEADER, *rows, "300,0.1"])
    whole = rc.Run.load(path)
    monkeypatch.setattr("riccati.runs.formats.text._PIECE", 100)
    run = rc.Run.load(path)
    np.testing.assert_array_equal(run.loss, whole.loss)
    np.testing.assert_array_equal(run.overlaps, whole.overlaps)
    assert run.notes == whole.notes
    assert "(the last, cut short)" in run.notes[0]


def test_rows_kept_for_overlaps_that_are_none_are_dropped(tmp_path):
    run = rc.Run.load(log(tmp_path, ["step,loss,overlap_1,overlap_2", "0,1,0.1,0.2", "1,,0.5,7", "2,0.5,0.3,0.4"]))
    np.testing.assert_array_equal(run.steps, [0, 2])
    assert "overlaps outside [0, 1] in 1 row: taken as unknown there" in run.notes
