"""Sweeps: one table, the same to the bit however it came about, and nothing lost on the way."""

import json

import numpy as np
import points
import pytest

import riccati as rc

GRID = {"seed": range(5), "beta": [0.5, 1.0]}


def test_a_table_has_a_row_a_point_and_its_provenance(tmp_path):
    import pandas as pd

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


def other_names(seed):
    return {f"x{seed}": 1}


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
