"""Saving a run loses no bit and replaces none of the user's files."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import CONFIG, HEADER, OVERLAPS, ROWS, log

import riccati as rc


def assert_same(a, b):
    assert a.steps.tobytes() == b.steps.astype(np.int64).tobytes()
    assert a.loss.tobytes() == b.loss.tobytes()
    assert (a.overlaps is None) == (b.overlaps is None)
    if a.overlaps is not None:
        np.testing.assert_array_equal(a.overlaps, b.overlaps)
    assert a.config == b.config
    assert a.notes == b.notes


@pytest.mark.parametrize("name", ["hermite4", "quadratic-homogeneous", "quadratic-stiefel"])
def test_samples_survive_saving(tmp_path, name):
    run = rc.Run.load(name)
    run.save(tmp_path / "sub" / "again.csv")
    again = rc.Run.load(tmp_path / "sub" / "again.csv")
    assert_same(again, run)
    assert sorted(p.name for p in (tmp_path / "sub").iterdir()) == ["again.csv", "again.json"]


def test_notes_and_unknown_overlaps_survive_saving(tmp_path):
    config = {k: v for k, v in CONFIG.items() if k != "loss"}
    run = rc.Run.load(log(tmp_path, [HEADER, "5,1,,0.5", "0,1,0.1,0.2", "9,nan,0,0"], config))
    assert len(run.notes) == 3
    run.save(tmp_path / "clean.csv")
    assert_same(rc.Run.load(tmp_path / "clean.csv"), run)


@given(
    steps=st.lists(st.integers(0, 2**53 - 1), min_size=1, max_size=8, unique=True),
    width=st.integers(0, 3),
    data=st.data(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_saving_loses_no_bit(tmp_path, steps, width, data):
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    shares = st.floats(0, 1).map(abs)  # no -0.0, which is clipped to 0.0
    loss = data.draw(st.lists(numbers, min_size=len(steps), max_size=len(steps)))
    row = st.lists(shares, min_size=width, max_size=width)
    overlaps = data.draw(st.lists(row, min_size=len(steps), max_size=len(steps)))
    config = {"kind": "two_homogeneous", "loss": "risk", "learning_rate": data.draw(st.floats(1e-300, 1e200))}
    notes = tuple(data.draw(st.lists(st.text(), unique=True, max_size=2)))
    run = rc.Run(np.sort(steps), np.array(loss), np.array(overlaps) if width else None, config, notes)
    run.save(tmp_path / "run.csv")
    again = rc.Run.load(tmp_path / "run.csv")
    assert_same(again, run)
    np.testing.assert_array_equal(again.times, run.times)


def test_numpy_values_in_the_config_can_be_saved(tmp_path):
    config = CONFIG | {
        "initial_overlaps": np.array(OVERLAPS),
        "init_norm": np.full(3, 0.1),
        "dim": np.int64(50),
    }
    run = rc.Run(np.arange(2), np.ones(2), None, config | {"initial_student_gram": np.eye(3)})
    run.save(tmp_path / "run.csv")
    again = rc.Run.load(tmp_path / "run.csv")
    assert again.config["initial_overlaps"] == OVERLAPS
    np.testing.assert_array_equal(again.start.weights, run.start.weights)


@pytest.mark.parametrize("name", ["run.csv.gz", "run.npz", "run"])
def test_only_csv_is_written(tmp_path, name):
    with pytest.raises(rc.ArgumentError, match=r"^Argument `path` must end in \.csv, but is "):
        rc.Run.load("hermite4").save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["run.csv", "run.csv.gz", "run.jsonl"])
def test_the_users_files_are_not_replaced(tmp_path, name):
    lines = ['{"step": 0, "loss": 1}'] if name.endswith("jsonl") else [HEADER, *ROWS]
    run = rc.Run.load(log(tmp_path, lines, name=name))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(rc.ArgumentError, match=r"^Argument `path` must have another name than the run's own file"):
        run.save(tmp_path / "run.csv")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_failed_save_leaves_nothing(tmp_path):
    run = rc.Run(np.arange(2), np.ones(2), None, {"odd": object()})
    with pytest.raises(AttributeError):
        run.save(tmp_path / "run.csv")
    assert list(tmp_path.iterdir()) == []
