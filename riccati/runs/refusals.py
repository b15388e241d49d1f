"""What people train with and the theory does not cover: one table, a line each, from which the refusals are made.

A run's keys, a recorder's keywords and the layers of its modules are held against the table by every spelling in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..support import ArgumentError, require

_OFF = re.compile(r"|false|none|null|no|off|[0.]+(e[+-]?\d+)?|\+?inf(inity)?")


class NotCovered(NamedTuple):
    """A way of training that the theory does not cover.

    Attributes:
        key: the run's key that says so.
        what: what it is called.
        why: why theory does not hold for it, a clause.
        remedy: what to do instead.
        spellings: other names of the key, as libraries have them.
        layers: what the names of a module's classes or entries match that have it; empty where none shows it.
    """

    key: str
    what: str
    why: str
    remedy: str
    spellings: tuple[str, ...] = ()
    layers: str = ""


_ADAPTIVE = "adaptive steps follow another flow than the gradient's"
# fmt: off
NOT_COVERED = (
    NotCovered("epochs", "several passes over the samples", "samples used twice change the information exponent",
        "draw fresh samples at each step, and leave it out if they are",
        ("num_epochs", "n_epochs", "num_train_epochs", "max_epochs", "n_passes")),
    NotCovered("gradient_clipping", "clipped gradients", "a clipped step is no mean of the samples' gradients",
        "train without it, at a smaller step",
        ("clip", "clipping", "clip_grad", "grad_clip", "clip_gradients", "clip_grad_norm", "clip_grad_norm_",
         "grad_clip_norm", "grad_norm_clip", "max_grad_norm", "max_norm", "gradient_clip", "gradient_clip_val",
         "grad_clip_val", "clip_norm", "clipnorm", "clip_value", "clipvalue", "clip_grad_value", "global_clipnorm",
         "clip_threshold")),
    NotCovered("dropout", "dropout", "neurons that are left out at random add a noise and a decay of their own",
        "train without it", ("dropout_rate", "dropout_prob", "drop_rate", "p_dropout", "dropout_p"),
        r"(?i).*dropout\d?d?"),
    NotCovered("batch_norm", "batch normalisation", "the student is another function for each batch",
        "train without it", ("batchnorm", "use_batch_norm", "use_batchnorm", "batch_normalization",
        "batch_normalisation", "bn"), r"(?i).*batch_?norm.*|.*running_mean"),
    NotCovered("layer_norm", "layer normalisation", "it changes the student, and with it every overlap that is learned",
        "train without it", ("layernorm", "use_layer_norm", "layer_normalization", "layer_normalisation", "rms_norm",
        "rmsnorm", "group_norm", "groupnorm", "instance_norm", "weight_norm"),
        r"(?i).*(layer|rms|group|instance)_?norm.*"),
    NotCovered("bias", "biases", "the student of the theory has none", "build it with nn.Linear(…, bias=False)",
        ("biases", "use_bias", "with_bias", "bias_first_layer", "first_layer_bias"), r".*bias"),
)  # fmt: skip
# optimisers, by the words of their names, and why each kind is refused
_OPTIMISERS = (
    (re.compile(r"sign_?sgd|sign(um)?|sign_?descent|lion"), "the sign of a gradient forgets its length"),
    (
        re.compile(r"l?bfgs(_b)?|newton|gauss_?newton|k_?fac|shampoo|soap|sophia|muon|natural_?gradient"),
        "steps that a matrix of their own stretches follow another flow",
    ),
    (re.compile(r"lars|lamb"), "steps of each layer's own length follow another flow"),
    (re.compile(r"ada(?!pt)[a-z]*|[a-z]*adam\w*|rms_?prop|r_?prop|yogi|prodigy|novograd"), _ADAPTIVE),
    (re.compile(r"sam|asam"), "a gradient taken elsewhere is not that of the loss"),
)
# fmt: on
_BY_NAME = {name: row for row in NOT_COVERED for name in (row.key, *row.spellings)}


def row_of(name: object) -> NotCovered | None:
    """The row of the table that a key or keyword belongs to, by any of its spellings; None for others."""
    return _BY_NAME.get(re.sub(r"[\s./-]+", "_", str(name).strip().lower()))


def is_off(row: NotCovered, value: Any) -> bool:
    """Whether a value says that a run does without what a row names: None, False, 0, "none"; one epoch, no bound."""
    once = row.key == "epochs" and str(value).strip() in ("1", "1.0")
    return once or _OFF.fullmatch(str(value).strip().lower()) is not None


def refuse_not_covered(given: Mapping[str, Any]) -> None:
    """Refuse keys, or keywords, of training that theory does not cover, unless their value switches it off.

    Raises:
        ArgumentError: under the key's own name, with what it is, why it is not covered, and the remedy.
    """
    for name, value in given.items():
        row = row_of(name)
        if row is not None and not is_off(row, value):
            raise ArgumentError(
                name, f"be left out: theory does not cover {row.what}, as {row.why}; {row.remedy}", value
            )


def refuse_layers(names: Iterable[str]) -> None:
    """Refuse a module by the names of its classes or of the entries of its state_dict.

    Raises:
        ArgumentError: on `W`, with the layer that theory does not have, and the remedy.
    """
    names = list(names)
    for row in NOT_COVERED:
        there = [name for name in names if row.layers and re.fullmatch(row.layers, name)]
        must = f"be of linear layers without {row.what}, as {row.why}; {row.remedy}"
        require(not there, "W", must, f"one with {', '.join(there)}")


def refuse_reused_samples(steps: int, batch_size: int, dataset_size: int | None) -> None:
    """Refuse more samples than the set has that they are drawn from.

    Raises:
        ArgumentError: on `dataset_size`.
    """
    used, reused = steps * batch_size, _BY_NAME["epochs"]
    must = f"be ≥ {used}, the samples of {steps} steps: {reused.why}; {reused.remedy}"
    require(dataset_size is None or used <= dataset_size, "dataset_size", must, dataset_size)


def sgd_by_name(value: Any, name: str) -> str:
    """The name of an optimiser that is SGD; others are refused, each kind with the reason."""
    optimiser = str(value)
    for word in re.split(r"[^a-z0-9_]+", optimiser.lower()):
        for names, why in _OPTIMISERS:
            other = names.fullmatch(word.strip("_0123456789"))
            must = f"be SGD, as the theory covers no other optimiser: {why}"
            require(other is None, name, must, " ".join(optimiser.split())[:60])
    return optimiser
