"""Checkpoints: all that an interrupted experiment needs to go on to the bit-identical result.

A file is a line that says so, the SHA-256 digest of what follows, and an NPZ archive. What its digest does not confirm,
was cut short or changed, or never was a checkpoint.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..support import ArgumentError, require, whole_file
from .loop import Chains, Measured

_HEAD = b"riccati checkpoint\n"
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Record:
    """The table of S runs at T logged steps, filled column by column.

    Attributes:
        steps: (T,), the logged steps.
        times: (S, T), canonical.
        risk: (S, T), population risk; NaN, as in the other columns, once a run has diverged.
        overlaps: (S, T, M), squared.
        filled: (), how many of the columns are there.
    """

    steps: Int[np.ndarray, " T"]
    times: Float[np.ndarray, "S T"]
    risk: Float[np.ndarray, "S T"]
    overlaps: Float[np.ndarray, "S T M"]
    filled: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, steps: Int[np.ndarray, " T"], runs: int, directions: int) -> Record:
        """A record with nothing filled in."""
        shape = (runs, len(steps))
        return cls(steps, np.full(shape, np.nan), np.full(shape, np.nan), np.full((*shape, directions), np.nan),
                   np.array(0))  # fmt: skip

    def add(self, chains: Chains, seen: Measured) -> None:
        """Fill the next column."""
        n, running = int(self.filled), np.asarray(chains.diverged) < 0
        self.times[running, n] = np.asarray(chains.time)[running]
        self.risk[running, n] = np.asarray(seen.risk)[running]
        self.overlaps[running, n] = np.clip(np.asarray(seen.overlaps)[running], 0.0, 1.0)
        self.filled[...] = n + 1


def logged_steps(steps: int, rows: int) -> Int[np.ndarray, " T"]:
    """0 and about `rows` steps up to `steps`, spaced evenly in their logarithm."""
    return np.unique(np.round(np.r_[0, np.geomspace(1, steps, rows)]).astype(np.int64))


def save(path: str | os.PathLike, config: dict[str, Any], record: Record, chains: Chains) -> None:
    """Write a checkpoint, whole or not at all."""
    archive = io.BytesIO()
    np.savez(archive, config=_text(config), **_parts(chains, record))  # type: ignore[arg-type]
    body = archive.getvalue()
    with whole_file(path, "checkpoint") as temporary:
        temporary.write_bytes(_HEAD + hashlib.sha256(body).digest() + body)


def load(
    path: str | os.PathLike, config: dict[str, Any], chains: Chains, record: Record
) -> tuple[Chains, Record] | None:
    """What `save` wrote for an experiment with this `config`, laid out as these; None if there is no such file.

    Raises:
        ArgumentError: a file that is no checkpoint, or one of another experiment; the first key that differs is named.
    """
    held = _read(Path(path))
    if held is None:
        return None
    other, mine = held.pop("config"), json.loads(_text(config))
    if "parametrisation" in other:  # the name of `kind` up to 0.4
        other["kind"] = other.pop("parametrisation")
    for key in sorted(mine.keys() | other.keys()):
        if mine.get(key) != other.get(key):
            must = "be of this experiment (name another file, or remove it)"
            raise ArgumentError("checkpoint", must, f"{path}, of one with another {key}")
    for name, array in _parts(chains, record).items():
        sound = name in held and held[name].shape == array.shape and held[name].dtype == array.dtype
        require(sound, "checkpoint", f"hold {name} of shape {array.shape}, {array.dtype}", f"{path}, which does not")
    parts = {kind: {name: held[f"{kind}_{name}"] for name in fields} for kind, fields in _FIELDS.items()}
    return Chains(**{name: jnp.asarray(value) for name, value in parts["chains"].items()}), Record(**parts["record"])


_FIELDS = {"chains": Chains._fields, "record": tuple(Record.__dataclass_fields__)}


def _parts(chains: Chains, record: Record) -> dict[str, np.ndarray]:
    holders = {"chains": chains, "record": record}
    return {f"{kind}_{name}": np.asarray(getattr(holders[kind], name)) for kind in holders for name in _FIELDS[kind]}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArgumentError("checkpoint", "be a file that can be read", f"{path} ({error.strerror})") from None
    digest, body = content[len(_HEAD) : len(_HEAD) + _DIGEST], content[len(_HEAD) + _DIGEST :]
    must = "be a checkpoint of an experiment, whole and unchanged (remove it to begin anew)"
    require(content.startswith(_HEAD) and hashlib.sha256(body).digest() == digest, "checkpoint", must, path)
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        held: dict[str, Any] = {name: file[name] for name in file.files}
    held["config"] = json.loads(str(held.get("config", "null")))
    require(isinstance(held["config"], dict), "checkpoint", must, path)
    return held


def _text(config: dict[str, Any]) -> str:
    return json.dumps(config, sort_keys=True)
