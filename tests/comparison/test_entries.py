"""One loop through every way in: recorder, file, frame, arrays and simulated runs give the same report."""

import json

import numpy as np
import pandas as pd
import pytest

import riccati as rc

DIM, RATE, BATCH, A = 60, 2e-3, 16, np.array([1.0, 1.0])  # not of norm 1


def recorded():
    """Plain SGD on f* = h_2(<x, θ_1>) + h_2(<x, θ_2>), in the loop's own units."""
    rng = np.random.default_rng(3)
    Theta, W = np.eye(2, DIM), 0.4 * rng.standard_normal((3, DIM)) / np.sqrt(DIM)
    log = rc.Recorder(
        rc.Teacher(A, rc.Link.hermite(2)), Theta, learning_rate=RATE, batch_size=BATCH, training_loss="mse"
    )
    for step in range(801):
        if step % 20 == 0:
            log(step, W)
        X = rng.standard_normal((BATCH, DIM))
        Z = X @ W.T
        error = (((X @ Theta.T) ** 2 - 1) @ A - (Z**2 - (W**2).sum(axis=1)).sum(axis=1)) / np.sqrt(2)
        W = W + 2 * RATE * np.sqrt(2) * ((error[:, None] * Z).T @ X / BATCH - error.mean() * W)
    return W, log


@pytest.fixture(scope="module")
def loop():
    return recorded()


@pytest.fixture(scope="module")
def of_recorder(loop):
    return rc.compare(loop[1].run())


def test_the_recorded_risk_is_that_of_the_loops_units(loop):
    W, log = loop
    log(801, W)
    target = np.diag(np.r_[A, np.zeros(DIM - 2)])
    assert log.risk[-1] == pytest.approx(np.sum((W.T @ W - target) ** 2) / np.sum(target**2), rel=1e-12)
    assert log.risk[-1] < 0.1 * log.risk[0]


@pytest.mark.parametrize("way", ["file", "frame", "arrays", "loss of a frame"])
def test_every_way_in_gives_the_same_report(loop, of_recorder, tmp_path, way):
    run = loop[1].run()
    keys = {key: value for key, value in run.config.items() if key not in ("notes", "assumed")}
    if way == "file":
        run.save(tmp_path / "run.csv")
        other = rc.Run.load(tmp_path / "run.csv")
    elif way == "arrays":
        other = rc.Run.from_arrays(run.steps, run.risk, run.overlaps, **keys)
    else:
        columns = {"step": run.steps, "risk": run.risk}
        if way == "loss of a frame":  # E(f* - f)², as a loop would log it
            columns["risk"] = run.risk * float(run.teacher.second_moment)
            keys["loss"] = "mse"
        overlaps = {f"overlap_{m + 1}": column for m, column in enumerate(run.overlaps.T)}
        other = rc.Run.from_frame(pd.DataFrame(columns | overlaps), **keys)
    report = rc.compare(other)
    assert report.verdict.consistent
    if way == "loss of a frame":  # which is not known to be exact: the numbers agree, the test allows for more
        np.testing.assert_allclose(other.risk, run.risk, rtol=1e-14)
        assert report.risk_rms_log10 == pytest.approx(of_recorder.risk_rms_log10, rel=1e-9)
        return
    mine, theirs = (json.loads(json.dumps(each.to_json())) for each in (of_recorder, report))
    for held in (mine, theirs):
        del held["run"]["source"]
    assert theirs == mine
    assert report.table() == of_recorder.table()


def test_a_simulated_run_comes_back_the_same(tmp_path):
    teacher = rc.Teacher(A, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, DIM, norm=0.4, seed=1)
    run = rc.sgd.simulate(teacher, start, learning_rate=2 * RATE, steps=800, batch_size=BATCH, rows=40, seed=0)
    run.save(tmp_path / "run.csv")
    mine, theirs = rc.compare(run), rc.compare(rc.Run.load(tmp_path / "run.csv"))
    assert mine.table() == theirs.table()
    assert mine.verdict.consistent
