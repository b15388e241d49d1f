"""Checkpoints: the state from which an interrupted experiment continues to the bit-identical result.

A file holds a line that identifies it, the SHA-256 digest of the rest, and an NPZ archive. A file that does not match
its digest was cut short or changed, or never was a checkpoint.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..support import ArgumentError, require, sealed, unsealed, whole_file
from .engines import engine_words
from .loop import Measured, RunStates

_HEAD = b"riccati checkpoint\n"
_ROUNDING = 1e-12  # relative, between numbers of two versions


@dataclass(frozen=True)
class Record:
    """The table of S runs at T logged steps, filled column by column.

    Attributes:
        steps: (T,), the logged steps.
        times: (S, T), canonical.
        risk: (S, T), population risk; NaN, as in the other columns, once a run has diverged.
        overlaps: (S, T, M), squared.
        filled: (), how many of the columns are filled.
    """

    steps: Int[np.ndarray, " T"]
    times: Float[np.ndarray, "S T"]
    risk: Float[np.ndarray, "S T"]
    overlaps: Float[np.ndarray, "S T M"]
    filled: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, steps: Int[np.ndarray, " T"], runs: int, directions: int) -> Record:
        """Return a record with nothing filled in."""
        shape = (runs, len(steps))
        return cls(steps, np.full(shape, np.nan), np.full(shape, np.nan), np.full((*shape, directions), np.nan),
                   np.array(0))  # fmt: skip

    @property
    def next_step(self) -> int | None:
        """The next step to be logged; None where all are."""
        return int(self.steps[self.filled]) if self.filled < len(self.steps) else None

    def add(self, states: RunStates, now: Measured) -> None:
        """Fill the next column."""
        n, running = int(self.filled), np.asarray(states.diverged) < 0
        self.times[running, n] = np.asarray(states.time)[running]
        self.risk[running, n] = np.asarray(now.risk)[running]
        self.overlaps[running, n] = np.clip(np.asarray(now.overlaps)[running], 0.0, 1.0)
        self.filled[...] = n + 1


def logged_steps(steps: int, rows: int) -> Int[np.ndarray, " T"]:
    """Return 0 and about `rows` steps up to `steps`, spaced evenly in their logarithm."""
    return np.unique(np.round(np.r_[0, np.geomspace(1, steps, rows)]).astype(np.int64))


class Checkpoint(NamedTuple):
    """The state of an experiment between two steps.

    Attributes:
        states: the states of its runs.
        record: what has been logged.
        notes: remarks on continuing from here, a line each.
    """

    states: RunStates
    record: Record
    notes: tuple[str, ...] = ()


def save_checkpoint(path: str | os.PathLike, config: Mapping[str, object], checkpoint: Checkpoint) -> None:
    """Write a checkpoint of the experiment with this `config`, whole or not at all."""
    archive = io.BytesIO()
    np.savez(archive, config=_text(config), **_arrays(checkpoint))  # type: ignore[arg-type]
    body = archive.getvalue()
    with whole_file(path, "checkpoint") as temporary:
        temporary.write_bytes(sealed(_HEAD, body))


def load_checkpoint(path: str | os.PathLike, config: Mapping[str, object], begun: Checkpoint) -> Checkpoint | None:
    """Read the checkpoint of an experiment with this `config` and initial state `begun`; None if there is no such file.

    A checkpoint by other versions of the package or of its libraries is continued to the same result up to rounding,
    with a note.

    Raises:
        ArgumentError: a file that is no checkpoint, or one of another experiment; the first key that differs is named.
    """
    held = _read(Path(path))
    if held is None:
        return None
    theirs, mine = held.config, json.loads(_text(config))
    then, now = theirs.pop("versions", None), mine.pop("versions", None)
    for key in sorted(mine.keys() | theirs.keys()):
        alike = mine.get(key) == theirs.get(key) or (then != now and _agree(mine.get(key), theirs.get(key)))
        if not alike:
            must = "be of this experiment (name another file, or remove it)"
            raise ArgumentError("checkpoint", must, f"{path}, of one with another {key}")
    for name, array in _arrays(begun).items():
        if array.size == 0:  # files of up to 0.6 have no buffers of a momentum that there is not
            held.arrays.setdefault(name, array)
        sound = name in held.arrays and held.arrays[name].shape == array.shape
        sound = sound and held.arrays[name].dtype == array.dtype
        require(sound, "checkpoint", f"hold {name} of shape {array.shape}, {array.dtype}", f"{path}, which does not")
    states = {name: jnp.asarray(held.arrays[f"states_{name}"]) for name in RunStates._fields}
    record = {name: held.arrays[f"record_{name}"] for name in Record.__dataclass_fields__}
    notes = () if then == now else (f"continued from a checkpoint of {_versions(then)}: the same up to rounding",)
    return Checkpoint(RunStates(**states), Record(**record), notes)


def _agree(one: object, other: object) -> bool:
    """Whether two values of a configuration differ by no more than other versions of a library may round."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_agree, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    return one == other


def _versions(versions: object) -> str:
    """Versions of packages in words."""
    return " ".join(f"{name} {version}" for name, version in dict(versions).items()) if versions else "unknown versions"  # type: ignore[call-overload]


class _Held(NamedTuple):
    """What a file holds, in the words of today."""

    config: dict[str, object]
    arrays: dict[str, np.ndarray]


def _read(path: Path) -> _Held | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArgumentError("checkpoint", "be a file that can be read", f"{path} ({error.strerror})") from None
    body = unsealed(_HEAD, content)
    must = "be a checkpoint of an experiment, whole and unchanged (remove it to begin anew)"
    require(body is not None, "checkpoint", must, path)
    assert body is not None
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    config = json.loads(str(arrays.pop("config", "null")))
    require(isinstance(config, dict), "checkpoint", must, path)
    # files of up to 0.5 call the states chains, and name an engine; those of up to 0.4 call `kind` parametrisation
    arrays = {name.replace("chains_", "states_", 1): array for name, array in arrays.items()}
    if "parametrisation" in config:
        config["kind"] = config.pop("parametrisation")
    if "engine" in config:
        config["coordinates"] = engine_words(str(config.pop("engine"))).coordinates
    return _Held(config, arrays)


def _arrays(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    states = {f"states_{name}": np.asarray(array) for name, array in checkpoint.states._asdict().items()}
    return states | {f"record_{name}": array for name, array in vars(checkpoint.record).items()}


def _text(config: Mapping[str, object]) -> str:
    return json.dumps(config, sort_keys=True)
