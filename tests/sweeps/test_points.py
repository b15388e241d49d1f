"""Points of a sweep: workers that die, what a table can hold of a result, and a scheduler that is not there."""

import numpy as np
import points
import pytest

import riccati as rc


def test_killed_workers_lose_nothing(tmp_path):
    grid = {"seed": range(100), "beta": [0.5, 1.0], "folder": [str(tmp_path / "marks")]}
    (tmp_path / "marks").mkdir()
    killed = rc.sweep(points.deadly, grid, tmp_path / "killed.parquet", workers=2)
    assert sorted(path.name for path in (tmp_path / "marks").iterdir()) == ["30", "70"]
    rc.sweep(points.deadly, grid, tmp_path / "serial.parquet", workers=0)
    assert len(killed) == 200
    assert (tmp_path / "killed.parquet").read_bytes() == (tmp_path / "serial.parquet").read_bytes()


def matrix(seed):
    return {"x": np.eye(2)}


def same_name(seed):
    return {"seed": 1}


@pytest.mark.parametrize(("function", "message"), [(matrix, "vector of numbers as x"), (same_name, "the grid has not")])
def test_what_no_table_holds_fails_at_its_point(function, message):
    with pytest.raises(rc.SweepFailed, match=message):
        rc.sweep(function, {"seed": [0]}, workers=0)


def test_a_scheduler_that_does_not_answer_is_refused():
    with pytest.raises(rc.ArgumentError, match="`scheduler` must be the address of a Dask scheduler"):
        rc.sweep(points.cheap, {"seed": [0], "beta": [1.0]}, scheduler="not an address")
