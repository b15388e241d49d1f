"""Logs as people have them: a small run on disk, clean, and what its reading must give."""

import json

import numpy as np
import pytest

import riccati as rc

CONFIG = {
    "kind": "two_homogeneous",
    "information_exponent": 4,
    "dim": 50,
    "teacher_width": 2,
    "student_width": 3,
    "beta": 1.0,
    "learning_rate": 0.01,
    "batch_size": 8,
    "init_norm": 0.1,
    "loss": "0.5*(f*-f)^2",
}
STIEFEL = {
    "kind": "stiefel_quadratic",
    "teacher_width": 2,
    "student_width": 1,
    "beta": 1.0,
    "riccati_step": 0.01,
}
HEADER = "step,loss,overlap_1,overlap_2"
ROWS = ["0,0.5,0.01,0.02", "10,0.25,0.5,0.03", "20,0.125,0.9,0.4"]
GRAM = np.eye(3).tolist()
OVERLAPS = [[0.1, 0.2], [0.0, -0.1], [0.3, 0.0]]


def log(folder, lines=(HEADER, *ROWS), config=CONFIG, name="run.csv"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    if config is not None:
        (folder / f"{name.split('.')[0]}.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def refusal(*args, **kwargs):
    with pytest.raises(rc.ArgumentError) as caught:
        rc.Run.load(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("Argument `")
    assert message.endswith(".")
    return message


def assert_clean(run):
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    np.testing.assert_array_equal(run.loss, [0.5, 0.25, 0.125])
    np.testing.assert_array_equal(run.overlaps, [[0.01, 0.02], [0.5, 0.03], [0.9, 0.4]])
    assert run.notes == ()
