"""Sweeps: one table, the same to the bit however it came about, and nothing lost on the way."""

import json

import numpy as np
import pandas as pd
import points
import pytest

import riccati as rc

GRID = {"seed": range(5), "beta": [0.5, 1.0]}


def as_bytes(path):
    return path.read_bytes()


def test_a_table_has_a_row_a_point_and_its_provenance(tmp_path):
    kept = rc.sweep(points.cheap, GRID, tmp_path / "a.parquet", workers=0)
    in_memory = rc.sweep(points.cheap, GRID, workers=0)
    assert list(kept.columns) == ["seed", "beta", "mean", "draws", "late", "label", "even"]
    assert list(kept.seed[:4]) == [0, 0, 1, 1]
    for seed, beta, mean, draws in zip(kept.seed, kept.beta, kept["mean"], kept.draws, strict=True):
        expected = points.cheap(seed, beta)
        assert mean == expected["mean"]
        np.testing.assert_array_equal(draws, expected["draws"])
    assert kept.attrs["provenance"]["grid"] == {"seed": [0, 1, 2, 3, 4], "beta": [0.5, 1.0]}
    assert kept.attrs["provenance"]["function"] == "points.cheap"
    assert "jax" in kept.attrs["provenance"]["versions"]
    pd.testing.assert_frame_equal(kept, in_memory, check_exact=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet"]


def test_killed_workers_lose_nothing(tmp_path):
    grid = {"seed": range(100), "beta": [0.5, 1.0], "folder": [str(tmp_path / "marks")]}
    (tmp_path / "marks").mkdir()
    killed = rc.sweep(points.deadly, grid, tmp_path / "killed.parquet", workers=2)
    assert sorted(path.name for path in (tmp_path / "marks").iterdir()) == ["30", "70"]
    rc.sweep(points.deadly, grid, tmp_path / "serial.parquet", workers=0)
    assert len(killed) == 200
    assert as_bytes(tmp_path / "killed.parquet") == as_bytes(tmp_path / "serial.parquet")


def test_a_stopped_sweep_goes_on_where_it_was(tmp_path):
    log, path = tmp_path / "log", tmp_path / "a.parquet"
    grid = GRID | {"log": [str(log)]}
    rc.sweep(points.counting, grid, path, workers=0)
    whole, calls = as_bytes(path), len(log.read_text().splitlines())
    # what a process killed in the middle of its fourth line leaves behind
    provenance = rc.sweep(points.counting, grid, path, workers=0).attrs["provenance"]
    assert len(log.read_text().splitlines()) == calls == 10
    path.unlink()
    rows = [points.cheap(seed, beta) for seed in range(2) for beta in (0.5, 1.0)]
    lines = [json.dumps([i, row | {"draws": row["draws"].tolist()}]) for i, row in enumerate(rows)]
    journal = tmp_path / "a.parquet.journal"
    journal.write_text("\n".join([json.dumps(provenance), *lines])[:-20])
    rc.sweep(points.counting, grid, path, workers=0)
    assert as_bytes(path) == whole
    assert len(log.read_text().splitlines()) == calls + 7
    assert not journal.exists()
    with pytest.raises(rc.ArgumentError, match=r"be of this sweep .* with another grid"):
        rc.sweep(points.counting, grid | {"seed": [1]}, path, workers=0)


def test_points_that_fail_are_said_and_the_others_kept(tmp_path):
    with pytest.raises(rc.SweepFailed, match=r"2 of 10 points failed, the first at seed = 1, .*not this one") as failed:
        rc.sweep(points.picky, GRID, tmp_path / "a.parquet", workers=0)
    assert sorted(failed.value.errors) == [2, 3]
    journal = tmp_path / "a.parquet.journal"
    assert len(journal.read_text().splitlines()) == 9
    journal.write_bytes(journal.read_bytes()[:-20])
    with pytest.raises(rc.SweepFailed):
        rc.sweep(points.picky, GRID, tmp_path / "a.parquet", workers=0)
    assert [json.loads(line)[0] for line in journal.read_text().splitlines()[1:]] == [0, 1, 4, 5, 6, 7, 8, 9]
    assert not (tmp_path / "a.parquet").exists()


def matrix(seed):
    return {"x": np.eye(2)}


def other_names(seed):
    return {f"x{seed}": 1}


def same_name(seed):
    return {"seed": 1}


@pytest.mark.parametrize(
    ("function", "grid", "settings", "message"),
    [
        (points.cheap, {}, {}, "`grid` must have one axis or more"),
        (points.cheap, {"seed": 3}, {}, "`grid` must give seed a list of values"),
        (points.cheap, {"seed": [np.nan]}, {}, "`grid` must give seed finite numbers"),
        (points.cheap, GRID, {"workers": -1}, "`workers` must be a whole number"),
        (points.cheap, GRID, {"workers": 1, "scheduler": "tcp://nowhere:1"}, "`scheduler` must be left out"),
        (points.cheap, GRID, {"path": "a.csv"}, "`path` must end in .parquet"),
        (np.sin, GRID, {}, "`function` must be a plain function"),
        (other_names, {"seed": [0, 1]}, {"workers": 0}, "return the same names at every point, x0"),
    ],
)
def test_refusals(function, grid, settings, message):
    with pytest.raises(rc.ArgumentError, match=message):
        rc.sweep(function, grid, **settings)


@pytest.mark.parametrize(("function", "message"), [(matrix, "vector of numbers as x"), (same_name, "the grid has not")])
def test_what_no_table_holds_fails_at_its_point(function, message):
    with pytest.raises(rc.SweepFailed, match=message):
        rc.sweep(function, {"seed": [0]}, workers=0)


def test_a_scheduler_that_does_not_answer_is_refused():
    with pytest.raises(rc.ArgumentError, match="`scheduler` must be the address of a Dask scheduler"):
        rc.sweep(points.cheap, GRID, scheduler="not an address")
