"""The arguments that a training loop gives a recorder: its algorithm, the teacher's directions, and its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from ..problem import SGD, Schedule, Start, Teacher, as_directions, as_weights, sgd_of
from ..support import is_traced, require, require_finite
from .checks import check_config
from .config import RunConfig
from .conventions import OF_ALGORITHM, algorithm_keys
from .keys import refuse_unknown
from .refusals import refuse_layers, row_of
from .values import CORRELATION, HALF, SQUARE, TWO_LAYER, convention_of

_UNIT = 1e-6  # relative: lengths that agree
_OF_TRAINING = ("optimizer", "optimiser", "dataset_size")  # keys of a run that a recorder takes as they are


def algorithm_from(
    sgd: SGD | None,
    learning_rate: float | Callable[[int], float] | Schedule | None,
    batch_size: int | None,
    training_loss: str | None,
    training: Mapping[str, Any],
) -> tuple[SGD, str, RunConfig]:
    """The algorithm at the loop's own learning rate, the loss that the loop descends with it, and other keys.

    `training` may hold fields of the algorithm, and keys by which a way of training is known that is not covered.

    Raises:
        ArgumentError: if neither `sgd` nor its parts are given, or both; for numbers out of range, a loss that is not
            one of the two, Stiefel SGD, a rate that depends on what is learned, or training that is not covered.
    """
    keys = RunConfig({name: value for name, value in training.items() if name not in OF_ALGORITHM})
    refuse_unknown(keys)
    for name in keys:
        known = name in _OF_TRAINING or row_of(name) is not None
        require(known, name, "be left out: teacher, weights and algorithm say it", keys[name])
    losses, descends = (HALF, SQUARE), convention_of(training_loss)
    if sgd is None:
        require(learning_rate is not None, "learning_rate", "be given, or sgd", "missing")
        require(batch_size is not None, "batch_size", "be given, or sgd", "missing")
        require(descends in losses, "training_loss", f"be one of {', '.join(losses)}", repr(descends))
    else:
        require(isinstance(sgd, SGD), "sgd", "be a riccati.SGD", repr(sgd))
        own = CORRELATION if sgd.loss == "correlation" else HALF
        require(descends in (None, own), "training_loss", "be left out beside `sgd`, which has it", repr(descends))
        descends = own
    fields = {name: value for name, value in training.items() if name in OF_ALGORITHM}
    algorithm = sgd_of(sgd, learning_rate=number_from(learning_rate), batch_size=batch_size, **fields)
    require(not algorithm.on_stiefel, "sgd", "be another algorithm than Stiefel SGD", repr(algorithm))
    algorithm.times(0)  # refuses now a rate that depends on what is learned
    keys = RunConfig({name: value if name == "dataset_size" else str(value) for name, value in keys.items()})
    check_config(algorithm_keys(algorithm) | {"kind": TWO_LAYER} | keys)
    return algorithm, descends, RunConfig({name: value for name, value in keys.items() if name in _OF_TRAINING})


def number_from(value: Any) -> Any:
    """A scalar of jax or torch as a Python number; any other value unchanged."""
    return value.item() if getattr(value, "ndim", None) == 0 and not is_traced(value) else value


def directions_from(teacher: Teacher, Theta: Any) -> Float[np.ndarray, "M d"]:
    """A copy of the teacher's directions as the loop has them.

    Raises:
        ArgumentError: rows that cannot be those that the teacher was made of; a start compares their Gram matrix.
    """
    directions = np.array(as_weights(Theta, "Theta"))  # a copy: the loop may change its own
    require(len(directions) == teacher.width, "Theta", f"have {teacher.width} rows, one a direction", len(directions))
    if teacher.covariance is not None:
        return directions
    lengths = np.linalg.norm(directions, axis=1)
    own = np.ones(teacher.width) if teacher.lengths is None else np.asarray(teacher.lengths)
    alike = any(bool(np.abs(lengths / size - 1).max() < _UNIT) for size in (own, 1.0))
    off = f"{lengths[0]:.6g} long at row 0, where the teacher has {own[0]:.6g}"
    must = "have rows of the teacher's lengths (Teacher.from_directions(Theta, a, link) takes rows of any length)"
    require(alike or teacher.frame is None, "Theta", must, off)
    if teacher.frame is None and teacher.lengths is None:
        as_directions(directions, directions.shape[1])
    require(alike, "Theta", must, off)
    return directions


def student_from(
    W: Any, b: Any, teacher: Teacher, directions: Float[np.ndarray, "M d"], output_scale: float = 1.0
) -> Start:
    """The student with these weights, of two layers where b is given or W holds both.

    Raises:
        ArgumentError: weights of another shape than (N, d) and (N,), not finite, or of layers such as biases that the
            theory does not have.
    """
    W, b = _layers(W, b)
    weights, dim = as_weights(W, "W"), directions.shape[1]
    require(weights.shape[1] == dim, "W", f"be of shape (N, {dim}), a row for each neuron", weights.shape)
    with np.errstate(over="ignore"):
        require_finite(np.linalg.norm(weights, axis=1), "W")
    start = Start.from_weights(weights, directions, teacher.covariance)
    if b is None:
        must = "be left out for a student without a second layer"
        require(output_scale == 1, "output_scale", must, output_scale)
        return start
    rows = b.reshape(1, -1) if hasattr(b, "reshape") else [b]
    return start.with_second_layer(as_weights(rows, "b")[0], output_scale)


def _layers(W: Any, b: Any) -> tuple[Any, Any]:
    """The weights of both layers, of arrays as they are, of a module or its state_dict."""
    if hasattr(W, "modules"):
        refuse_layers(type(layer).__name__ for layer in W.modules())
    if hasattr(W, "state_dict"):
        W = W.state_dict()
    elif hasattr(W, "weight"):
        W = {name: getattr(W, name) for name in ("weight", "bias") if getattr(W, name, None) is not None}
    if not isinstance(W, Mapping):
        return W, b
    refuse_layers(map(str, W))
    layers = [W[name] for name in W if str(name).endswith("weight")]
    require(len(layers) in (1, 2), "W", "be of one or two linear layers", f"of {', '.join(map(str, W)) or 'none'}")
    require(len(layers) == 1 or b is None, "b", "be left out, as W holds both layers", "given")
    return layers[0], b if len(layers) == 1 else layers[1]
