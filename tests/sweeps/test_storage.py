"""What a sweep keeps: a journal that it goes on from, and a table with the same bytes however it came about."""

import json

import points
import pytest

import riccati as rc


def test_a_stopped_sweep_goes_on_where_it_was(tmp_path):
    log, path = tmp_path / "log", tmp_path / "a.parquet"
    grid = {"seed": range(5), "beta": [0.5, 1.0], "log": [str(log)]}
    rc.sweep(points.counting, grid, path, workers=0)
    whole, calls = path.read_bytes(), len(log.read_text().splitlines())
    # what a process killed in the middle of its fourth line leaves behind
    provenance = rc.sweep(points.counting, grid, path, workers=0).attrs["provenance"]
    assert len(log.read_text().splitlines()) == calls == 10
    path.unlink()
    rows = [points.cheap(seed, beta) for seed in range(2) for beta in (0.5, 1.0)]
    lines = [json.dumps([i, row | {"draws": row["draws"].tolist()}]) for i, row in enumerate(rows)]
    journal = tmp_path / "a.parquet.journal"
    journal.write_text("\n".join([json.dumps(provenance), *lines])[:-20])
    rc.sweep(points.counting, grid, path, workers=0)
    assert path.read_bytes() == whole
    assert len(log.read_text().splitlines()) == calls + 7
    assert not journal.exists()
    with pytest.raises(rc.ArgumentError, match=r"be of this sweep .* with another grid"):
        rc.sweep(points.counting, grid | {"seed": [1]}, path, workers=0)
