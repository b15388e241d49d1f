"""What a run's numbers mean by its keys: the clock, the loss, the overlaps; and what is assumed where they are silent.

SGD on (f* - f)² is SGD on ½(f* - f)² at twice the rate. Derived in derivations/clocks.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .config import HALF, NEURON, OVERLAPS, PARAMETRISATIONS, RISK, SQUARE, STIEFEL, SUBSPACE

# other programs' words for the two definitions
_SUBSPACE_WORDS, _NEURON_WORDS = ("g_mm", "diag", "projector", "span", "subspace"), ("max", "neuron")


def clock_factor(config: dict[str, Any]) -> int:
    """Canonical time of a step over the learning rate: 2 for SGD on (f* - f)², 1 for that on half of it."""
    return 2 if config.get("training_loss", config.get("loss")) == SQUARE else 1


def risk_factor(config: dict[str, Any], kind: str) -> int | None:
    """E(f* - f)² over the loss; None where the loss is the risk itself."""
    convention = config.get("loss", HALF)
    if kind == STIEFEL or convention == RISK:
        return None
    return 2 if convention == HALF else 1


def overlap_said(config: dict[str, Any]) -> str | None:
    """`subspace` or `neuron`, as `overlap` says in these or another program's words; None if neither or both."""
    said = str(config.get("overlap", "")).lower()
    if said in OVERLAPS:
        return said
    meant = {
        name
        for name, words in ((SUBSPACE, _SUBSPACE_WORDS), (NEURON, _NEURON_WORDS))
        if any(word in said for word in words)
    }
    return meant.pop() if len(meant) == 1 else None


def assumed(config: dict[str, Any], kind: str, has_loss: bool, has_overlaps: bool) -> tuple[str, ...]:
    """What the keys do not say and is taken for granted, a line each."""
    lines = []
    if "kind" not in config and "parametrisation" not in config:
        student = f", {PARAMETRISATIONS[kind]}" if kind in PARAMETRISATIONS else ""
        lines.append(f"kind is not given: {kind}{student}")
    if kind != STIEFEL:
        lines += _of_losses(config, has_loss)
        if "initial_overlaps" in config and "initial_student_gram" not in config:
            lines.append("no initial_student_gram: neurons taken as orthogonal outside the teacher's span")
    if has_overlaps:
        said, taken = overlap_said(config), "as theory has them (subspace for h_2, else neuron)"
        if said is None:
            lines.append(f"overlap does not say what the overlaps are: {taken}")
        elif config["overlap"] not in OVERLAPS:
            lines.append(f"overlap is {config['overlap']!r}: taken as {said}")
    return tuple(lines)


def _of_losses(config: dict[str, Any], has_loss: bool) -> list[str]:
    lines = []
    if "learning_rate" in config and isinstance(config.get("schedule"), (list, tuple, np.ndarray)):
        lines.append(f"schedule sets the clock: learning_rate, {config['learning_rate']}, is not used")
    if has_loss and "loss" not in config:
        lines.append(f"what the loss column holds is not said: {HALF}")
    if "training_loss" not in config and ("learning_rate" in config or "schedule" in config):
        descended = config["loss"] if config.get("loss") in (HALF, SQUARE) else HALF
        lines.append(f"training_loss is not given: SGD on {descended}, which sets the clock")
    return lines
