"""The table of keys: every key that the package reads or writes is in it, and what is made from it."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

import riccati as rc
from riccati.runs import KEYS, RunConfig, keys_table
from riccati.runs.config import Key

TABLE = {name: key for name, key in vars(RunConfig).items() if isinstance(key, Key)}
ROOT = Path(rc.__file__).parent
# of a run on disk: what people's files may say of the problem and the algorithm
FORMAT = tuple(
    """
    kind information_exponent link dim teacher_width student_width beta second_layer learning_rate batch_size
    riccati_step student_scale init_norm initial_overlaps initial_student_gram loss training_loss overlap covariance
    preconditioned teacher_gram teacher_directions teacher_links parametrisation initial_second_layer initial_weights
    initial_weights_at label_noise momentum nesterov dampening weight_decay constraint second_layer_rate output_scale
    schedule optimizer epochs
    """.split()  # noqa: SIM905
)


def is_config(node):
    """Whether an expression is a run's config by its name: config, run.config, self.config, …."""
    return (isinstance(node, ast.Name) and node.id == "config") or (
        isinstance(node, ast.Attribute) and node.attr == "config"
    )


def keys_read(path):
    """The keys that a file's source reads of a config: config["x"], config.get("x"), "x" in config, config.x."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and is_config(node.value) and isinstance(node.slice, ast.Constant):
            yield node.slice.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_config(node.func.value):
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))
        elif isinstance(node, ast.Compare) and any(map(is_config, node.comparators)):
            yield from [node.left.value] if isinstance(node.left, ast.Constant) else []
        elif isinstance(node, ast.Attribute) and is_config(node.value) and node.attr not in dir(dict):
            yield node.attr


def test_every_key_that_the_package_reads_is_in_the_table():
    others = {"needed", "with_conventions", "__dict__"}  # of a config, and no keys
    rooms = [ROOT / room for room in ("runs", "sgd", "comparison", "scaling")]
    read = {key for room in rooms for path in room.rglob("*.py") for key in keys_read(path)} - others
    assert {"dim", "batch_size", "learning_rate", "covariance", "diverged_at_step"} < read
    assert {key for key in read if isinstance(key, str)} <= set(TABLE)


@pytest.mark.parametrize("name", list(rc.sample_runs()))
def test_every_key_of_the_sample_runs_is_in_the_table(name):
    keys = json.loads(rc.sample_runs()[name].with_suffix(".json").read_text(encoding="utf-8"))
    assert set(keys) <= set(TABLE)


def test_every_key_that_is_written_is_in_the_table():
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 20, 0.1, seed=0)
    config = rc.sgd.Experiment(teacher, start, learning_rate=1e-3, steps=4, batch_size=2).config()
    rows, last = np.ones((1, 2)), np.array([9])
    ensemble = rc.sgd.Ensemble(
        np.arange(2), rows, rows, np.ones((1, 2, 2)), last, np.array([0]), np.ones((1, 2, 2)), config | {"seeds": [0]}
    )  # of one run, which diverged
    relu = rc.Teacher.power_law(2, 1.0, rc.Link.named("relu"))
    log = rc.Recorder(relu, np.eye(2, 5), learning_rate=1e-3, batch_size=1, training_loss="mse")
    log(0, np.eye(2, 5), [1.0, 1.0])
    log(1, 2 * np.eye(2, 5), [1.0, 1.0])
    for run in (ensemble.run(0), log.run()):
        assert set(run.config) <= set(TABLE)


def test_every_key_of_the_format_is_in_the_table():
    assert set(FORMAT) <= set(TABLE)


def test_no_word_means_two_keys():
    words = [word for key in TABLE.values() for word in key.synonyms]
    assert len(set(words)) == len(words)
    assert not set(words) & set(TABLE)


def test_the_table_in_markdown():
    head, rule, *rows = keys_table().splitlines()
    assert head.split(" | ")[0] == "| key"
    assert {line.replace("\\|", "").count("|") for line in (head, rule, *rows)} == {7}
    assert [row.split("`")[1] for row in rows] == list(TABLE)
    assert (
        "| `dim` | whole number |  | d, dimension of the input | `d`, `input_dim`, `dimension` | start, step |" in rows
    )
    assert all(key.holds and key.help and key.reader for key in TABLE.values())


@pytest.mark.parametrize(("name", "key"), [(word, name) for name, key in TABLE.items() for word in key.synonyms])
def test_synonyms_are_answered_with_the_key(name, key):
    with pytest.raises(rc.ArgumentError, match=f"^Argument `{name}` must be a key of a run, as {key} is"):
        rc.Run.from_arrays([0], [1.0], **{name: 1})


def test_keys_of_records_and_those_not_followed_are_none_to_give():
    assert set(KEYS) < set(TABLE)
    assert not {"seed", "engine", "dropout", "epochs"} & set(KEYS)
