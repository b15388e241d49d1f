"""Keys that cannot be meant are refused by name."""

import numpy as np
import pytest
from logs import CONFIG, OVERLAPS, STIEFEL, log, refusal

import riccati as rc


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
