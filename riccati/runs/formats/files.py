"""A run on disk: its table and the JSON file beside it, of bounded size when read, whole or absent when written."""

from __future__ import annotations

import json
import os
import stat
import zlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ...support import ArgumentError, require, whole_file
from ..columns import CLOCK
from ..config import RunConfig
from ..numbers import Remarks

TEXT, LINES = (".csv", ".tsv", ".txt", ".dat", ".log"), (".jsonl", ".ndjson")
TRAINER = ".json"  # a trainer_state.json of Hugging Face; beside a run, the file of its keys
NPZ, PARQUET = ".npz", (".parquet", ".pq")
SUFFIXES = (*TEXT, *LINES, NPZ, *PARQUET)
LARGEST = 2**29  # bytes of a file, and of what is packed in it
_LARGEST_SIDECAR = 2**26
_PIECE = 2**20  # bytes unpacked at a time


def sample_runs() -> dict[str, Path]:
    """Return the files of the runs that ship with the package, by name, as `Run.load` takes them.

    Two of k = 2, one of k = 4; and one each with Gaussian teacher directions of either sign, anisotropic input, a link
    for each direction, and a two-layer ReLU student. An independent program made them, with full d-dimensional weights.

    Example:
        >>> import riccati as rc
        >>> list(rc.sample_runs())[:3]
        ['anisotropic', 'gaussian-rows', 'hermite4']
    """
    folder = Path(str(files("riccati").joinpath("runs", "data")))
    return {path.stem: path for path in sorted(folder.glob("*.csv"))}


def stem_and_suffix(path: Path) -> tuple[str, str]:
    """The name without its extensions, and the extension; .gz is none."""
    name = Path(path.name[:-3] if path.name.lower().endswith(".gz") else path.name)
    return name.stem, name.suffix.lower()


def is_run_file(path: Path) -> bool:
    """Whether `Run.load` would look into a file of this name."""
    return stem_and_suffix(path)[1] in SUFFIXES


def sidecar_path(path: Path) -> Path:
    """The JSON file beside a run's table."""
    return path.with_name(stem_and_suffix(path)[0] + ".json")


def located(path: Path) -> tuple[Path, str]:
    """The file that `path` is or the sample run that it names, and the name that a run keeps of it.

    Raises:
        ArgumentError: a path that is neither a file nor a sample run.
    """
    samples, source = sample_runs(), str(path)
    known = f"be a file or a sample run ({', '.join(samples)})"
    try:
        there = path.exists()
    except (OSError, ValueError) as error:  # a name too long, or with a NUL
        raise ArgumentError("path", known, f"{path} ({error})") from None
    if not there and source in samples:
        return samples[source], f"sample run {source}"
    require(there, "path", known, f"{path}, which does not exist")
    require(not path.is_dir(), "path", known, f"{path}, a folder")
    suffix = stem_and_suffix(path)[1]
    readable = (*SUFFIXES, TRAINER)
    require(suffix in readable, "path", f"end in one of {', '.join(readable)}, gzipped (.gz) or not", path)
    return path, source


def read_file(path: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file, or an `ArgumentError` that says why not; pipes and devices are never opened."""
    try:
        status = path.stat()
        require(stat.S_ISREG(status.st_mode), "path", "be a regular file", f"{path}, a pipe, socket or device")
        with path.open("rb") as file:
            raw = file.read(largest + 1)
    except OSError as error:
        raise ArgumentError("path", "be readable", f"{path} ({error.strerror})") from None
    require(len(raw) <= largest, "path", f"hold at most {largest >> 20} MiB: log fewer rows", f"{path}, which is more")
    return raw


def run_bytes(path: Path) -> tuple[bytes, Remarks]:
    """The bytes of a run's file, unpacked if they are gzipped, whatever its name; and a note if some are missing.

    Raises:
        ArgumentError: a file that is empty, too large, not regular, or cannot be read.
    """
    raw, remarks = read_file(path), Remarks()
    if raw.startswith(b"\x1f\x8b"):
        raw, remarks = _gunzipped(raw, path)
    require(bool(raw.strip(b"\0 \t\r\n")), "path", "hold a run", f"{path}, which is empty")
    return raw, remarks


def _gunzipped(raw: bytes, path: Path) -> tuple[bytes, Remarks]:
    text, pieces = 0, []
    while raw:  # a log appended to by a resumed job has a gzip member per job
        member = zlib.decompressobj(wbits=31)
        rest = raw
        while rest and not member.eof:
            try:
                pieces.append(member.decompress(rest, _PIECE))
            except zlib.error as error:
                raise ArgumentError("path", "be sound gzip", f"{path} ({error})") from None
            rest, text = member.unconsumed_tail, text + len(pieces[-1])
            most = f"unpack to at most {LARGEST >> 20} MiB: log fewer rows"
            require(text <= LARGEST, "path", most, f"{path}, which is more")
        if not member.eof:
            whole = b"".join(pieces)
            early = "the gzip stream stops early: read up to its last whole line"
            return whole[: whole.rfind(b"\n") + 1], Remarks((early,))
        raw = member.unused_data.lstrip(b"\0")
    return b"".join(pieces), Remarks()


def read_sidecar(path: Path) -> RunConfig:
    """The keys in the JSON file beside a run's table; none if there is no such file.

    Raises:
        ArgumentError: a file that is too large, not JSON, or not one JSON object.
    """
    try:
        if not path.exists() or path.is_dir():
            return RunConfig()
    except OSError:
        return RunConfig()
    text = read_file(path, _LARGEST_SIDECAR).decode("utf-8-sig", "replace")
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        broken = f"broken at line {error.lineno}, column {error.colno} ({error.msg})"
        raise ArgumentError(path.name, "be valid JSON", broken) from None
    except (RecursionError, ValueError) as error:  # nested too deep; a whole number of thousands of digits
        why = "nested too deep" if isinstance(error, RecursionError) else error
        raise ArgumentError(path.name, "be JSON that can be read", f"not ({why})") from None
    require(isinstance(config, dict), path.name, "hold one JSON object, {…}", type(config).__name__)
    return RunConfig(config)


def write_run(
    path: str | os.PathLike,
    source: str,
    steps: Int[np.ndarray, " T"],
    clock: Float[np.ndarray, " T"] | None,
    loss: Float[np.ndarray, " T"] | None,
    overlaps: Float[np.ndarray, "T M"] | None,
    config: Mapping[str, object],
) -> None:
    """Write a CSV with a column for each array that is not None, and the keys in a JSON file beside it.

    `source` is where the run came from.

    Raises:
        ArgumentError: if `path` does not end in .csv, or would replace the files of `source`.
    """
    path, read = Path(path), Path(source)
    require(path.suffix == ".csv", "path", "end in .csv", path)
    own = read.is_file() and sidecar_path(read).resolve() == sidecar_path(path).resolve()
    require(not own, "path", "have another name than the run's own file", path)
    columns = {"step": steps, CLOCK: clock, "loss": loss}
    columns |= {f"overlap_{m + 1}": values for m, values in enumerate(() if overlaps is None else overlaps.T)}
    there = {name: values.tolist() for name, values in columns.items() if values is not None}
    # Python's numbers, whose repr is exact; an empty field where there is none
    body = zip(*there.values(), strict=True)
    rows = [list(there), *(["" if number != number else repr(number) for number in row] for row in body)]
    text = json.dumps(config, indent=1, default=lambda value: value.tolist())
    with whole_file(path) as table, whole_file(path.with_suffix(".json")) as sidecar:
        table.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
        sidecar.write_text(text + "\n", encoding="utf-8")
