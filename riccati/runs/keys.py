"""The names of a run's keys, and what a user may have meant by a name that is none of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from ..support import ArgumentError
from .rates import OPTIMISER_KEYS

KEYS = (
    "kind", "information_exponent", "link", "dim", "teacher_width", "student_width", "beta", "second_layer",
    "learning_rate", "batch_size", "riccati_step", "student_scale", "init_norm", "initial_overlaps",
    "initial_student_gram", "loss", "training_loss", "overlap", "parametrisation", "steps_per_epoch",
    "covariance", "preconditioned", "teacher_gram", "teacher_directions", "teacher_links", "initial_weights",
    "initial_weights_at", "initial_second_layer", "second_layer_rate", "constraint", "schedule", "optimizer",
)  # fmt: skip
# of how a run was made, by `riccati simulate` or another program; theory reads none of them
_RECORDED = (
    "note", "notes", "steps", "seed", "seeds", "start_seed", "coordinates", "engine", "dtype", "rows", "versions",
    "assumed", "final_overlaps", "final_norms", "diverged_at_step", "recorder",
)  # fmt: skip
# of ways to train that theory here does not follow
_NOT_FOLLOWED = (
    "momentum", "nesterov", "dampening", "weight_decay", "label_noise", "output_scale", "clip", "clip_grad_norm",
    "gradient_clip_val", "dropout",
)  # fmt: skip
_SYNONYMS = {
    "lr": "learning_rate", "eta": "learning_rate", "stepsize": "learning_rate", "step_size": "learning_rate",
    "batch": "batch_size", "bs": "batch_size", "d": "dim", "input_dim": "dim", "dimension": "dim",
    "m": "teacher_width", "n": "student_width", "width": "student_width", "k": "information_exponent",
    "a": "second_layer", "alpha": "beta", "norm": "init_norm", "gram": "initial_student_gram",
    "q": "initial_student_gram", "activation": "link", "epsilon": "riccati_step", "c": "student_scale",
    "eigenvalues": "covariance", "sigma": "covariance", "links": "teacher_links", "b": "initial_second_layer",
}  # fmt: skip
_ALIKE = 0.8  # similarity from which a name is taken for a misspelling


def nearest_key(name: str, alike: float = _ALIKE) -> str | None:
    """The key that `name` is a synonym or a misspelling of, None where nothing is near."""
    clean = name.strip().lower().replace("-", "_")
    if clean in OPTIMISER_KEYS:  # either spelling is read
        return None
    if clean in _SYNONYMS:
        return _SYNONYMS[clean]
    return next(iter(difflib.get_close_matches(clean, KEYS, 1, alike)), None)


def refuse_unknown(names: Iterable[str]) -> None:
    """Refuse arguments that are no keys of a run, with the key that each comes nearest to."""
    for name in names:
        if name not in KEYS and name not in _RECORDED:
            near = nearest_key(name, 0.0)
            raise ArgumentError(name, f"be a key of a run, as {near} is", "none; all of them: " + ", ".join(KEYS))


def sorted_out(config: dict[str, Any], file: str, notes: list[str]) -> dict[str, Any]:
    """The keys of a JSON file, which may hold others: misspellings are refused, the rest is noted and kept.

    Raises:
        ArgumentError: a name near to a key that is not there.
    """
    others = [name for name in config if name not in KEYS and name not in _RECORDED]
    for name in others:
        near = nearest_key(name)
        if near is not None and near not in config:
            raise ArgumentError(name, f"be spelt {near} in {file}, or be another word", "neither")
    missed = [f"{name} = {config[name]}" for name in others if name in _NOT_FOLLOWED and config[name]]
    if missed:
        notes.append(f"{' and '.join(missed)} in {file}: not followed, the theory is that of plain SGD")
    ignored = [name for name in others if name not in _NOT_FOLLOWED]
    if ignored:
        notes.append(f"keys of {file} that mean nothing here: {', '.join(ignored)}")
    return config
