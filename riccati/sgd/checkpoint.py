"""Checkpoints: all that an interrupted experiment needs to go on to the bit-identical result."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..support import ArgumentError, whole_file
from .loop import State
from .record import Record


def save(path: str | os.PathLike, config: dict[str, Any], state: State, record: Record) -> None:
    """Write one NPZ file, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        held = {f"state_{name}": np.asarray(value) for name, value in state._asdict().items()}
        held |= {f"record_{name}": value for name, value in vars(record).items()}
        np.savez(file, config=_text(config), **held)  # type: ignore[arg-type]


def load(path: str | os.PathLike, config: dict[str, Any]) -> tuple[State, Record] | None:
    """What `save` wrote for an experiment with this `config`; None if there is no such file.

    Raises:
        ArgumentError: a file that is no checkpoint, or one of another experiment; the first key that differs is named.
    """
    if not Path(path).exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
        other = json.loads(str(held.pop("config")))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ArgumentError("checkpoint", "be a checkpoint of an experiment", f"{path} ({error})") from None
    mine = json.loads(_text(config))
    for key in sorted(mine.keys() | other.keys()):
        if mine.get(key) != other.get(key):
            must = "be of this experiment (name another file, or remove it)"
            raise ArgumentError("checkpoint", must, f"{path}, of one with another {key}")
    parts = {"state": {}, "record": {}}  # type: dict[str, dict[str, Any]]
    for name, value in held.items():
        kind, field = name.split("_", 1)
        parts[kind][field] = value
    return State(**{k: jnp.asarray(v) for k, v in parts["state"].items()}), Record(**parts["record"])


def _text(config: dict[str, Any]) -> str:
    return json.dumps(config, sort_keys=True)
