"""Keys that cannot be meant are refused by name; a config is a dictionary with typed attributes."""

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from logs import CONFIG, OVERLAPS, STIEFEL, log, refusal

import riccati as rc
from riccati.runs import RunConfig


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "adam"),
        *((key, bad) for key in ("information_exponent", "dim", "teacher_width", "student_width", "batch_size")
          for bad in (0, -1, 1.5, "many", True, [1])),
        *((key, bad) for key in ("learning_rate", "riccati_step", "student_scale", "init_norm")
          for bad in (0, -1, float("nan"), float("inf"), "much", {})),
        *(("beta", bad) for bad in (-1, float("nan"), "steep")),
        ("dim", 1),
        ("dim", 2),  # < student_width
        ("loss", "mae"),
        ("loss", 1),
        ("link", "tanhh"),
        ("link", [0, 0]),
        ("link", [1]),
        ("link", ["a"]),
        ("link", 4),
        ("link", "relu"),  # information exponent 1, not 4
        ("second_layer", [1, 0]),
        ("second_layer", [1, 2, 3]),
        ("second_layer", []),
        ("second_layer", 1),
        ("second_layer", [1, float("nan")]),
        ("init_norm", [1, 2]),
        ("init_norm", [1, 2, -3]),
        ("initial_overlaps", 1),
        ("initial_overlaps", [[0.1, 0.2], [0.3]]),
        ("initial_overlaps", [[0.1, 0.2]]),
        ("initial_overlaps", np.transpose(OVERLAPS).tolist()),
        ("initial_overlaps", [[0.1, float("inf")], [0, 0], [0, 0]]),
        ("initial_overlaps", [[0.1, "x"], [0, 0], [0, 0]]),
        ("initial_overlaps", [[1, 1], [0, 0], [0, 0]]),
        ("initial_student_gram", np.eye(2).tolist()),
        ("initial_student_gram", [[1, 0, 0]]),
        ("initial_student_gram", (2 * np.eye(3)).tolist()),
        ("initial_student_gram", [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]),
        ("initial_student_gram", [[1, 2, 0], [2, 1, 0], [0, 0, 1]]),
    ],
)  # fmt: skip
def test_keys_that_cannot_be_meant(tmp_path, key, value):
    config = CONFIG | ({"initial_overlaps": OVERLAPS} if key == "initial_student_gram" else {})
    named = "information_exponent" if (key, value) == ("link", "relu") else key
    message = refusal(log(tmp_path, config=config | {key: value}))
    assert message.startswith(f"Argument `{named}` must ")
    assert "teacher_overlaps" not in message
    assert "`student_gram" not in message
    if named == key:  # a link that is given stands in the place of the file's information exponent
        assert refusal(log(tmp_path, config=config), **{key: value}) == message
    else:
        assert rc.Run.load(log(tmp_path, config=config), **{key: value}).teacher.link.label == value


def test_an_unknown_loss_names_the_known_ones(tmp_path):
    message = refusal(log(tmp_path), loss="mae")
    assert message == "Argument `loss` must be one of 0.5*(f*-f)^2, (f*-f)^2, risk, but is 'mae'."


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("information_exponent", 3),
        ("link", "relu"),
        ("initial_overlaps", [[0.1, 0.2]]),
        ("initial_overlaps", [[1.0], [0.1]]),
    ],
)
def test_stiefel_keys_that_cannot_be_meant(tmp_path, key, value):
    assert refusal(log(tmp_path, config=STIEFEL | {key: value})).startswith(f"Argument `{key}` must ")


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ('{"dim": 3,\n "beta" 1}', "`run.json` must be valid JSON, but is broken at line 2, column 9 ("),
        ("", "broken at line 1, column 1"),
        ("[1]", "`run.json` must hold one JSON object"),
        ("3", "`run.json` must hold one JSON object"),
    ],
)
def test_sidecars_refused(tmp_path, sidecar, words):
    assert words in refusal(log(tmp_path, config=sidecar))


@pytest.mark.parametrize(
    ("words", "convention"),
    [
        *((words, "(f*-f)^2") for words in (
            "mse", "MSE", "mse_loss", "mean squared error", "mean_squared_error", "mean-squared error", "squared", "l2",
            "MeanSquaredError", "squared error", "MSELoss", "nn.MSELoss", "torch.nn.MSELoss()", "F.mse_loss",
            "nn.MSELoss(reduction='mean')", "torch.nn.functional.mse_loss", "tf.keras.losses.MeanSquaredError",
            "(f* - f)^2", "(f*-f)**2",
        )),
        *((words, "0.5*(f*-f)^2") for words in (
            "half_mse", "half mse", "Half-MSE", "0.5*mse", "0.5 * MSE", "1/2 mse_loss", "½ mse", "mse/2",
            "0.5*nn.MSELoss()", "0.5 * (f* - f)**2", "(f*-f)^2/2",
        )),
    ],
)  # fmt: skip
def test_losses_in_the_words_people_use(tmp_path, words, convention):
    path = log(tmp_path, config=CONFIG | {"loss": words, "training_loss": words})
    for run in (rc.Run.load(path), rc.Run.load(log(tmp_path, config=None), loss=words, training_loss=words)):
        assert (run.config["loss"], run.config["training_loss"]) == (convention, convention)
    frame = {"step": [0, 1], "loss": [1.0, 0.5]}
    assert rc.Run.from_frame(frame, loss=words).config["loss"] == convention
    teacher = rc.Teacher([1.0], rc.Link.hermite(2))
    recorder = rc.Recorder(teacher, np.eye(1, 2), learning_rate=0.1, batch_size=1, training_loss=words)
    recorder(0, np.ones((1, 2)))
    assert recorder.run().config["training_loss"] == convention


@pytest.mark.parametrize("words", ["mae", "l1", "l2_loss", "huber", "rmse", "cross_entropy", "mse^2", "0.25*mse", ""])
def test_losses_in_other_words_are_refused(tmp_path, words):
    for key in ("loss", "training_loss"):
        assert f"`{key}` must be one of 0.5*(f*-f)^2, (f*-f)^2" in refusal(log(tmp_path), **{key: words})


def test_a_config_is_the_dictionary_of_the_file():
    held = CONFIG | {"mine": "kept"}
    config = RunConfig(held)
    assert dict(config) == held == {**config}
    assert json.loads(json.dumps(config)) == held
    assert (config["dim"], config.get("beta"), config.get("no"), "mine" in config) == (50, 1.0, None, True)
    for again in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert type(again) is RunConfig
        assert again == config


def test_attributes_of_a_config_have_their_types():
    config = RunConfig(CONFIG | {"initial_overlaps": OVERLAPS, "link": "relu", "second_layer": [3, 4]})
    assert (config.dim, config.learning_rate, config.batch_size, config.kind) == (50, 0.01, 8, "two_homogeneous")
    assert config.initial_overlaps.shape == (3, 2)
    assert config.initial_overlaps is config.initial_overlaps  # converted once
    assert config.second_layer.dtype == float
    assert config.link.label == "relu"
    assert config.covariance is None
    with pytest.raises(rc.ArgumentError, match=r"^Argument `dim` must be a whole number ≥ 1"):
        _ = RunConfig({"dim": 0.5}).dim
    with pytest.raises(rc.ArgumentError, match=r"^Argument `beta` must be given, in the run's JSON file"):
        RunConfig().needed(RunConfig.beta)


def test_a_config_is_read_only_and_another_is_made_of_it():
    run = rc.Run.from_arrays([0, 1], [1.0, 0.5], **CONFIG)
    for write in (
        lambda c: c.__setitem__("dim", 3), lambda c: c.__delitem__("dim"), lambda c: c.update(dim=3),
        lambda c: c.pop("dim"), lambda c: c.clear(), lambda c: c.setdefault("seed", 1), lambda c: c.popitem(),
        lambda c: setattr(c, "dim", 3),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="the keys of a run are read only"):
            write(run.config)
    other = run.config | {"dim": 60}
    assert (type(other), other.dim, run.config.dim) == (RunConfig, 60, 50)
    assert replace(run, config=dict(other)).config.dim == 60  # a plain dictionary will do
    other |= {"dim": 70}
    assert other.dim == 70
