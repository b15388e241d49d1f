"""Files that 0.4.0 wrote (data/saved_by_040, see its README.txt): they load, resume and mean what they meant then."""

import hashlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import riccati as rc
from riccati import sgd

DATA = Path(__file__).with_name("data") / "saved_by_040"
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
TRAJECTORIES, CHECKPOINTS, RUNS = (EXPECTED[kind] for kind in ("trajectories", "checkpoints", "runs"))
SWEPT = EXPECTED["sweeps"]
SOLVED_AGAIN = 1e-6  # relative: what a flow or its emergence times may move by, solvers' tolerances and all
STEPPED_ON = 1e-9  # relative: what rounding may make of some fifty steps of SGD


def as_array(values):
    """Numbers as expected.json has them, infinities as words."""
    return np.asarray(values, float)


# trajectories


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_a_trajectory_loads_whole(name):
    back, expected = rc.Trajectory.load(DATA / "trajectories" / f"{name}.npz"), TRAJECTORIES[name]
    assert type(back.flow).__name__ == expected["flow"]
    np.testing.assert_array_equal(back.times[::4], expected["times"])
    np.testing.assert_array_equal(back.risk[::4], as_array(expected["risk"]))
    np.testing.assert_array_equal(back.alignment[-1], as_array(expected["final_alignment"]))
    assert (back.radius is None) == (expected["final_radius"] is None)
    if back.radius is not None:
        np.testing.assert_array_equal(back.radius[-1], as_array(expected["final_radius"]))
    assert bool(back.outcome == rc.Outcome.complete) == (expected["outcome"] == "complete")


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_its_problem_is_the_one_that_was_solved(name):
    back, expected = rc.Trajectory.load(DATA / "trajectories" / f"{name}.npz"), TRAJECTORIES[name]
    np.testing.assert_array_equal(back.teacher.a, expected["a"])
    assert list(back.teacher.information_exponents) == expected["information_exponents"]
    np.testing.assert_allclose(back.teacher.second_moment, expected["second_moment"], rtol=1e-12)
    assert type(back.start).__name__ == expected["start"]
    assert back.start.student_width == expected["student_width"]
    assert back.start.dim == expected["dim"]
    np.testing.assert_array_equal(back.start.norms, expected["norms"])


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_its_flow_means_what_it_meant(name):
    back, expected = rc.Trajectory.load(DATA / "trajectories" / f"{name}.npz"), TRAJECTORIES[name]
    np.testing.assert_allclose(back.emergence_times(), as_array(expected["emergence_times"]), rtol=SOLVED_AGAIN)
    again = rc.solve(back.flow, back.teacher, back.start, back.times)
    # relative to the risk at the start, as the flows' tolerances are
    np.testing.assert_allclose(again.risk[-1], as_array(expected["final_risk_again"]), rtol=1e-4, atol=SOLVED_AGAIN)


def test_finite_step_without_algorithm_was_stiefel_sgd_for_h2():
    left_out = rc.Trajectory.load(DATA / "trajectories" / "finite_step_left_out.npz")
    assert TRAJECTORIES["finite_step_left_out"]["settings"]["algorithm"] is None
    assert left_out.radius is None
    own = rc.Trajectory.load(DATA / "trajectories" / "finite_step_own.npz")
    assert own.radius is not None


# checkpoints


def experiment_of(expected):
    """The experiment that a checkpoint is of, from the start as it was saved: other versions may draw another."""
    begun = rc.Trajectory.load(DATA / "checkpoints" / expected["start"])
    rate = expected["learning_rate"]
    if "schedule" in expected:
        rate = sgd.PowerLaw(rate, **expected["schedule"])
    if expected.get("follows"):
        rate = sgd.PerDirection(rate)
    return sgd.Experiment(
        teacher=begun.teacher, start=begun.start, learning_rate=rate, steps=expected["steps"],
        logged=tuple(expected["logged"]), batch_size=expected["batch_size"],
        **sgd.engine_words(expected["engine"])._asdict(),
    )  # fmt: skip


_HEAD = b"riccati checkpoint\n"


def archive_of(path):
    """The arrays of a checkpoint, with its config as a dictionary."""
    with np.load(io.BytesIO(path.read_bytes()[len(_HEAD) + 32 :])) as file:
        held = dict(file)
    return held, json.loads(str(held.pop("config")))


def rewritten(path, target, config):
    """The checkpoint with another config."""
    held, _ = archive_of(path)
    archive = io.BytesIO()
    np.savez(archive, config=json.dumps(config, sort_keys=True), **held)
    body = archive.getvalue()
    target.write_bytes(_HEAD + hashlib.sha256(body).digest() + body)
    return target


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_goes_on_to_the_run_that_was_not_interrupted(tmp_path, name):
    expected = CHECKPOINTS[name]
    source = DATA / "checkpoints" / f"{name}.checkpoint"
    assert int(archive_of(source)[0]["chains_step"]) == expected["stopped_at_step"]
    experiment = experiment_of(expected)
    config = archive_of(source)[1]
    path = rewritten(source, tmp_path / "checkpoint", config | {"versions": config["versions"] | {"jax": "0.0.1"}})
    whole = experiment.ensemble(expected["seeds"], path)
    assert any("continued from a checkpoint of" in note and "up to rounding" in note for note in whole.notes)
    np.testing.assert_array_equal(whole.steps, expected["logged_steps"])
    for key, values in (
        ("times", whole.times),
        ("risk", whole.risk),
        ("overlaps", whole.overlaps[:, -1]),
        ("final_overlaps", whole.final_overlaps),
    ):
        np.testing.assert_allclose(values, as_array(expected[key]), rtol=STEPPED_ON, atol=1e-12, err_msg=key)
    # it was gone on with, not begun anew: what was logged before the stop is there to the bit
    before = sum(step < expected["stopped_at_step"] for step in expected["logged_steps"])
    np.testing.assert_array_equal(whole.risk[:, :before], as_array(expected["risk"])[:, :before])


def test_a_checkpoint_of_another_experiment_is_refused_whatever_its_versions(tmp_path):
    experiment = experiment_of(CHECKPOINTS["in_law"])
    source = DATA / "checkpoints" / "in_law.checkpoint"
    path = rewritten(source, tmp_path / "checkpoint", archive_of(source)[1] | {"batch_size": 999})
    with pytest.raises(rc.ArgumentError, match="of one with another batch_size"):
        experiment.ensemble(CHECKPOINTS["in_law"]["seeds"], path)


# runs


@pytest.mark.parametrize("name", RUNS)
def test_a_run_loads_to_the_same_numbers(name):
    run, expected = rc.Run.load(DATA / "runs" / name), RUNS[name]
    assert run.kind == expected["kind"]
    assert run.overlap == expected["overlap"]
    np.testing.assert_array_equal(run.steps[::6], expected["steps"])
    np.testing.assert_allclose(run.times[::6], as_array(expected["times"]), rtol=1e-12)
    np.testing.assert_allclose(run.risk[::6], as_array(expected["risk"]), rtol=1e-12)
    np.testing.assert_array_equal(run.overlaps[-1], as_array(expected["final_overlaps"]))
    if expected["time_per_step"] is not None:
        assert run.time_per_step == pytest.approx(expected["time_per_step"], rel=1e-12)
    if expected["init_norm"] is not None:
        assert run.init_norm == pytest.approx(expected["init_norm"], rel=1e-12)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_tells_the_same_problem(name):
    run, expected = rc.Run.load(DATA / "runs" / name), RUNS[name]
    np.testing.assert_allclose(run.teacher.a, expected["a"], rtol=1e-12)
    assert float(run.teacher.second_moment) == pytest.approx(expected["second_moment"], rel=1e-12)
    np.testing.assert_allclose(run.start.teacher_overlaps, as_array(expected["start_overlaps"]), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(run.start.norms, as_array(expected["start_norms"]), rtol=1e-9)
    assert (run.start.second_layer is None) == (expected["start_second_layer"] is None)
    if run.start.second_layer is not None:
        np.testing.assert_allclose(run.start.second_layer, expected["start_second_layer"], rtol=1e-12)
    assert run.notes == tuple(expected["notes"])


# sweeps


def swept():
    """The function of the sweep, of no file: its source cannot be read, and does not count."""
    held = {"__name__": "swept"}
    exec(SWEPT["source"], held)
    return held["swept"]


def versions_now():
    """As a sweep of now says."""
    return rc.sweep(swept(), {"seed": [0], "beta": [1.0]}, workers=0).attrs["provenance"]["versions"]


def test_a_stopped_sweep_goes_on(tmp_path):
    pytest.importorskip("pyarrow")
    lines = (DATA / "sweeps" / "stopped.parquet.journal").read_text(encoding="utf-8").splitlines()
    head = json.loads(lines[0]) | {"versions": versions_now()}
    # a number that the function does not give tells that the point was read
    index, point = json.loads(lines[1])
    lines[:2] = [json.dumps(head), json.dumps([index, point | {"mean": -1.0}])]
    (tmp_path / "stopped.parquet.journal").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = rc.sweep(swept(), SWEPT["grid"], tmp_path / "stopped.parquet", workers=0)
    assert list(table) == SWEPT["columns"]
    np.testing.assert_array_equal(table["mean"], [-1.0, *SWEPT["mean"][1:]])
    np.testing.assert_array_equal(np.stack(list(table["draws"])), SWEPT["draws"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stopped.parquet"]


def test_a_finished_sweep_is_read(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    source, target = DATA / "sweeps" / "finished.parquet", tmp_path / "finished.parquet"
    held = parquet.read_table(source)
    provenance = json.loads(held.schema.metadata[b"riccati"])
    assert provenance == SWEPT["provenance"]
    now = json.dumps(provenance | {"versions": versions_now()}).encode()
    parquet.write_table(held.replace_schema_metadata({b"riccati": now}), target)
    table = rc.sweep(swept(), SWEPT["grid"], target, workers=0)
    np.testing.assert_array_equal(table["mean"], SWEPT["mean"])
    np.testing.assert_array_equal(np.stack(list(table["draws"])), SWEPT["draws"])


def test_a_sweep_of_other_versions_is_refused_by_name(tmp_path):
    pytest.importorskip("pyarrow")
    for name in ("finished.parquet", "stopped.parquet.journal"):
        shutil.copy(DATA / "sweeps" / name, tmp_path / name)
        target = tmp_path / name.removesuffix(".journal")
        if SWEPT["provenance"]["versions"] != versions_now():
            with pytest.raises(rc.ArgumentError, match="of one with another versions"):
                rc.sweep(swept(), SWEPT["grid"], target, workers=0)
