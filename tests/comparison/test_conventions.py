"""Plain numpy training loops with one convention wrong each: the first comparison names the key, and the key mends it.

The loops know nothing of the package: f(x) = Σ_i |w_i|² h_2(<x, w_i>/|w_i|), that is xᵀSx - tr S over √2 with S = WᵀW.
"""

import json
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest

import riccati as rc

D, M, N, BATCH, ETA, STEPS, NORM = 150, 3, 8, 64, 0.01, 900, 0.45
LIST = [1.0, 1 / 2, 1 / 3]


@cache
def train(normalised=True, descent=1.0, summed=False):
    """SGD on `descent` times ½(f* - f)²: what anyone's loop would log, exact in the weights."""
    rng = np.random.default_rng(5)
    a = np.array(LIST) / (np.linalg.norm(LIST) if normalised else 1.0)
    rate = ETA / BATCH if summed else ETA
    theta, W = np.eye(M, D), rng.standard_normal((N, D))
    W *= NORM / np.linalg.norm(W, axis=1, keepdims=True)
    rows = []
    for step in range(STEPS + 1):
        if step % 15 == 0:
            U = W / np.linalg.norm(W, axis=1, keepdims=True)
            excess = theta.T @ (a[:, None] * theta) - W.T @ W
            span = np.linalg.qr(W.T)[0]
            rows.append([step, np.sum(excess**2), *np.sum((theta @ span) ** 2, 1), *np.max((U @ theta.T) ** 2, 0)])
        if step == 0:
            start = {"initial_overlaps": (U @ theta.T).tolist(), "initial_student_gram": (U @ U.T).tolist()}
        X = rng.standard_normal((BATCH, D))
        Z = X @ W.T
        error = (((X @ theta.T) ** 2 - 1) @ a - (Z**2 - (W**2).sum(axis=1)).sum(axis=1)) / np.sqrt(2)
        move = ((error[:, None] * Z).T @ X - error.sum() * W) * np.sqrt(2)
        W = W + descent * rate * move / (1 if summed else BATCH)
    return np.array(rows), start


@dataclass
class Script:
    """A loop, what it logs, and the keys its author gives.

    Attributes:
        named: what a check's key says.
        check: which check says it.
        mended: the keys that put it right, None takes one away; None where the columns or the start's keys do.
        training: arguments of `train`.
        loss: times the mean squared error that is logged.
        overlaps: which are logged.
        square: whether they are squared.
        keys: what its author gives besides the sizes and the step; None is not given.
    """

    named: str
    check: str
    mended: dict | None
    training: dict = field(default_factory=dict)
    loss: float = 0.5
    overlaps: str = "subspace"
    square: bool = True
    keys: dict = field(default_factory=dict)


RIGHT = Script("", "", {})
NO_START = {"initial_overlaps": None, "initial_student_gram": None}
SCRIPTS = {
    "SGD descends the mean squared error": Script(
        "training_loss", "clock", {"training_loss": "(f*-f)^2"}, training={"descent": 2.0}
    ),
    "the mean squared error is logged": Script(
        "loss", "loss", {"loss": "(f*-f)^2", "training_loss": "0.5*(f*-f)^2"}, loss=1.0
    ),
    "a_m = 1/m is not normalised": Script(
        "second_layer", "loss", {"second_layer": LIST, "beta": None}, training={"normalised": False}
    ),
    "gradients are summed over the batch": Script(
        "learning_rate",
        "clock",
        {"learning_rate": ETA},
        keys={"learning_rate": ETA / BATCH},
        training={"summed": True},
    ),
    "max cos² is logged": Script('overlap = "neuron"', "overlap", {"overlap": "neuron"}, overlaps="neuron"),
    "cosines are logged and not their squares": Script("squares", "overlap", None, square=False),
    "init_norm is not given": Script("init_norm", "loss", {"init_norm": NORM}, keys=NO_START | {"init_norm": None}),
    "the Gram matrix is left out": Script("initial_student_gram", "overlap", None, keys={"initial_student_gram": None}),
}


def logged(folder, script):
    """The script's CSV and JSON file, under names of its own, and the keys of its start."""
    rows, start = train(**script.training)
    shown = rows[:, 2 : 2 + M] if script.overlaps == "subspace" else rows[:, 2 + M :]
    table = np.c_[rows[:, 0], script.loss * rows[:, 1], shown if script.square else np.sqrt(shown)]
    names = ",".join(["iter", "test_loss", *(f"cos_{m + 1}" for m in range(M))])
    np.savetxt(folder / "my.csv", table, delimiter=",", header=names, comments="")
    keys = {
        "information_exponent": 2, "dim": D, "teacher_width": M, "student_width": N, "beta": 1.0,
        "learning_rate": ETA, "batch_size": BATCH, "init_norm": NORM,
    }  # fmt: skip
    keys = keys | start | script.keys
    (folder / "my.json").write_text(json.dumps({key: value for key, value in keys.items() if value is not None}))
    return folder / "my.csv", start


def checks(run):
    report = rc.compare(run)
    return report, {check.name: check for check in report.checks}


def test_the_right_script_passes_every_check(tmp_path):
    path, _ = logged(tmp_path, RIGHT)
    report, by_name = checks(rc.Run.load(path))
    assert set(by_name) == {"loss", "overlap", "clock"}
    assert all(check.holds for check in by_name.values()), [check.message for check in by_name.values()]
    assert report.finite_step_deviation < 0.06


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_wrong_script_learns_which_key(tmp_path, name):
    script = SCRIPTS[name]
    path, _ = logged(tmp_path, script)
    report, by_name = checks(rc.Run.load(path))
    check = by_name[script.check]
    assert check.holds is False, check.message
    assert script.named in check.message
    assert check.key is None or script.named in check.key
    assert f"CHECK: {check.message}" in report.table()
    if script.mended is None:
        return
    keys = json.loads(path.with_suffix(".json").read_text()) | script.mended
    path.with_suffix(".json").write_text(json.dumps({key: value for key, value in keys.items() if value is not None}))
    report, by_name = checks(rc.Run.load(path))
    assert all(check.holds is not False for check in by_name.values()), [check.message for check in by_name.values()]
    assert "initial_overlaps" not in keys or report.finite_step_deviation < 0.06
    if script.overlaps == "neuron":  # which for h_2 only the flow of the weights has
        assert report.flow == "Coupled"
        np.testing.assert_allclose(report.trajectory.alignment, report.overlaps, atol=0.15)
        assert all(0.8 < e.ratio < 1.25 for e in report.emergence if e.measured and e.expected)


def test_every_convention_wrong_at_once_and_none_of_them_given(tmp_path):
    """A new user's: own names, MSE, a_m = 1/m, max cos², no init_norm, no start."""
    script = Script(
        "", "", {}, {"normalised": False, "descent": 2.0}, 1.0, "neuron", keys=NO_START | {"init_norm": None}
    )
    path, _ = logged(tmp_path, script)
    _, by_name = checks(rc.Run.load(path))
    assert by_name["loss"].holds is False
    assert "init_norm" in by_name["loss"].message
    assert "may as well be neuron" in by_name["overlap"].message  # eight neurons in 150 dimensions do not tell
    assert "training_loss" in by_name["clock"].message


def test_a_rate_at_which_theory_has_not_begun_is_noticed(tmp_path):
    path, _ = logged(tmp_path, Script("", "", None, keys={"learning_rate": ETA / 20, "batch_size": None}))
    _, by_name = checks(rc.Run.load(path))
    assert by_name["clock"].holds is not True
    assert by_name["clock"].factor == pytest.approx(1 / 20, rel=0.2)
