"""An SGD run of anyone's: a table of logged steps, and beside it a JSON file that says what problem it solved.

The table has columns `step`, a loss and, where logged, the squared overlaps `overlap_1 … overlap_M`. What cannot be
read is left out, and `Run.notes` says so, a line each; the files themselves are never changed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from ..problem import Link, Start, Teacher
from ..support import ArgumentError, require, require_times, whole_file
from .config import HALF, KINDS, RISK, SQUARE, array_of, check_config, directions_of, link_of
from .tables import CLOCK, TOLERANCE, read_bytes, read_table, stem_and_suffix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REPLACES = {"beta": "second_layer", "information_exponent": "link"}  # the latter, if kept, would win unseen


@dataclass(frozen=True, eq=False)
class Run:
    """T logged steps of online SGD.

    Attributes:
        steps: (T,), strictly increasing.
        loss: (T,), as logged; `config["loss"]` says what it is.
        overlaps: (T, M), each direction's squared overlap in [0, 1], NaN where unknown; None if not logged.
        config: the problem and the step sizes, by the keys of the JSON file.
        notes: what was left out or assumed, a line each.
        source: where the run came from.
        clock: (T,), canonical times, of a run whose learning rate was not constant; else None.

    Raises:
        ArgumentError: arrays that disagree, or a key of `config` that cannot be meant.
    """

    steps: Int[np.ndarray, " T"]
    loss: Float[np.ndarray, " T"]
    overlaps: Float[np.ndarray, "T M"] | None
    config: dict[str, Any]
    notes: tuple[str, ...] = ()
    source: str = ""
    clock: Float[np.ndarray, " T"] | None = None

    def __post_init__(self) -> None:
        rows = np.shape(self.steps)
        require(len(rows) == 1 and rows[0] > 0, "steps", "be a vector with one entry or more", f"of shape {rows}")
        require(bool(np.all(np.diff(self.steps) > 0)), "steps", "increase strictly", "not sorted or repeats")
        require(np.shape(self.loss) == rows, "loss", f"be of shape {rows}, as steps is", np.shape(self.loss))
        if self.clock is not None:
            require(np.shape(self.clock) == rows, "clock", f"be of shape {rows}, as steps is", np.shape(self.clock))
            require_times(self.clock)
        check_config(self.config, self.kind)
        width = directions_of(self.config)
        if self.overlaps is not None:
            shape = np.shape(self.overlaps)
            require(len(shape) == 2 and shape[:1] == rows, "overlaps", f"be of shape ({rows[0]}, M)", shape)
            last = f"be the last overlap column, as the teacher has {width} directions"
            require(width in (None, shape[1]), f"overlap_{width}", last, f"not: that is overlap_{shape[1]}")
        if self.kind == "stiefel_quadratic" or "init_norm" in self.config:
            _ = self.start  # refuses now what the theory would refuse later

    @property
    def kind(self) -> str:
        """`two_homogeneous` or `stiefel_quadratic`; where the config does not say, a Riccati step tells."""
        return self.config.get("kind", KINDS["riccati_step" in self.config])

    @property
    def times(self) -> Float[np.ndarray, " T"]:
        """Canonical gradient-flow time of L = ½ E(f* - f)²: the run's `clock`, or `time_per_step` times the steps."""
        return self.steps * self.time_per_step if self.clock is None else self.clock

    @property
    def time_per_step(self) -> float:
        """Canonical time of a step: η, twice that for SGD on (f* - f)²; for Stiefel SGD half its Riccati time."""
        if self.kind == "stiefel_quadratic":
            return self._given("riccati_step") / 2
        return self._given("learning_rate") * (2 if self.config.get("loss") == SQUARE else 1)

    @property
    def risk(self) -> Float[np.ndarray, " T"]:
        """E(f* - f)²/E f*², from the loss by its convention; a Stiefel run logs the risk itself."""
        convention = self.config.get("loss", HALF)
        if self.kind == "stiefel_quadratic" or convention == RISK:
            return self.loss
        return (2 if convention == HALF else 1) * self.loss / float(self.teacher.second_moment)

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher; its second layer is scaled to Σ a_m² = 1."""
        link = link_of(self.config)
        if self.kind == "stiefel_quadratic":
            link = Link.hermite(2)
        elif link is None:
            link = Link.hermite(self._given("information_exponent"))
        if "second_layer" in self.config:
            return Teacher(array_of(self.config, "second_layer", 1), link)
        return Teacher.power_law(self._given("teacher_width"), self._given("beta"), link)

    @cached_property
    def start(self) -> Start | None:
        """The start that the run logged, None if it logged no initial overlaps."""
        if "initial_overlaps" not in self.config:
            return None
        overlaps = array_of(self.config, "initial_overlaps", 2)
        dim = int(self.config["dim"]) if "dim" in self.config else None
        if self.kind == "stiefel_quadratic":
            return Start(overlaps.T, np.eye(overlaps.shape[1]), 1.0, dim)
        norms, key = np.asarray(self._given("init_norm"), float), "initial_student_gram"
        gram = array_of(self.config, key, 2) if key in self.config else None
        try:
            return Start(overlaps, gram, norms, dim)
        except ArgumentError as error:
            ours = {"teacher_overlaps": "initial_overlaps", "student_gram": key, "norms": "init_norm"}
            raise error.renamed(ours) from None

    def _given(self, key: str) -> Any:
        where = "be given, in the run's JSON file or on the command line"
        require(key in self.config, key, where, "missing")
        return self.config[key]

    @classmethod
    def load(cls, path: str | os.PathLike, *, loss_column: str | None = None, **overrides: Any) -> Run:
        """Read a run: CSV (any delimiter), JSON lines, NPZ or Parquet, the first two gzipped or not.

        Args:
            path: the file, or the name of a sample run; `<stem>.json` beside it is read too, if there.
            loss_column: the loss column, if it is none of loss, risk, train_loss, population_loss, test_loss.
            overrides: replace keys of the JSON file, where not None.

        Raises:
            ArgumentError: a file, column or key that is missing or cannot be read.
        """
        path, samples = Path(path), sample_runs()
        source = str(path)
        if not path.exists() and source in samples:
            path, source = samples[source], f"sample run {source}"
        known = f"be a file or a sample run ({', '.join(samples)})"
        require(path.exists(), "path", known, f"{path}, which does not exist")
        require(not path.is_dir(), "path", known, f"{path}, a folder")
        config = _sidecar(_sidecar_path(path))
        notes = config.pop("notes") if isinstance(config.get("notes"), list) else []
        given = {key: value for key, value in overrides.items() if value is not None}
        replaced = {_REPLACES[key] for key in given if key in _REPLACES}
        config = {k: v for k, v in config.items() if v is not None and k not in replaced} | given
        steps, loss, overlaps, clock, column = read_table(path, loss_column, notes)
        config.setdefault("kind", KINDS["riccati_step" in config])
        if config["kind"] == "two_homogeneous":
            if "loss" not in config and column != "risk":
                notes.append(f"what the column {column} holds is not said: assumed {HALF}")
            config.setdefault("loss", RISK if column == "risk" else HALF)
            if "initial_overlaps" in config and "initial_student_gram" not in config:
                notes.append("no initial_student_gram: neurons taken as orthogonal outside the teacher's span")
        if "second_layer" in config:
            norm = float(np.linalg.norm(array_of(config, "second_layer", 1)))
            if abs(norm - 1) > TOLERANCE:
                notes.append(f"second_layer has norm {norm:.6g}: loss and steps taken as those of norm 1")
        return cls(steps, loss, overlaps, config, tuple(dict.fromkeys(notes)), source, clock)

    def save(self, path: str | os.PathLike) -> None:
        """Write a CSV with its JSON file beside it, each whole or not at all; `load` gives the same run, bit by bit.

        Raises:
            ArgumentError: if `path` does not end in .csv, or would replace the files that the run was read from.
        """
        path = Path(path)
        require(path.suffix == ".csv", "path", "end in .csv", path)
        read = Path(self.source)
        own = read.is_file() and _sidecar_path(read).resolve() == _sidecar_path(path).resolve()
        require(not own, "path", "have another name than the run's own file", path)
        columns = {"step": self.steps} | ({} if self.clock is None else {CLOCK: self.clock}) | {"loss": self.loss}
        columns |= {f"overlap_{m + 1}": v for m, v in enumerate(() if self.overlaps is None else self.overlaps.T)}
        body = zip(
            *(column.tolist() for column in columns.values()), strict=True
        )  # Python numbers, whose repr is exact
        rows = [columns.keys(), *(map(repr, row) for row in body)]
        config = json.dumps(self.config | {"notes": self.notes}, indent=1, default=lambda value: value.tolist())
        with whole_file(path) as table, whole_file(path.with_suffix(".json")) as sidecar:
            table.write_text("\n".join(",".join(row) for row in rows) + "\n")
            sidecar.write_text(config + "\n")

    def plot(self) -> Figure:
        """Risk and squared overlaps against canonical time, as points."""
        from ..plot import Curve, course_page

        return course_page(Curve("SGD", self.times, self.risk, self.overlaps, "o"))

    def __repr__(self) -> str:
        logged = "not logged" if self.overlaps is None else f"of {self.overlaps.shape[1]} directions"
        rows = {
            "source": self.source or "not given",
            "kind": self.kind,
            "steps": f"{len(self.steps)} from {self.steps[0]} to {self.steps[-1]}",
            "loss": f"{self.loss[0]:.4g} to {self.loss[-1]:.4g} ({self.config.get('loss', 'not said')})",
            "overlaps": logged,
        }
        lines = [f"  {name:<8} {value}" for name, value in rows.items()]
        return "\n".join(["Run", *lines, *(f"  note     {note}" for note in self.notes)])


def sample_runs() -> dict[str, Path]:
    """The runs that ship with the package, by name: two with k = 2, one with k = 4."""
    folder = Path(str(files("riccati").joinpath("runs", "data")))
    return {path.stem: path for path in sorted(folder.glob("*.csv"))}


def _sidecar_path(path: Path) -> Path:
    return path.with_name(stem_and_suffix(path)[0] + ".json")


def _sidecar(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        config = json.loads(read_bytes(path).decode("utf-8-sig", "replace"))
    except json.JSONDecodeError as error:
        broken = f"broken at line {error.lineno}, column {error.colno} ({error.msg})"
        raise ArgumentError(path.name, "be valid JSON", broken) from None
    require(isinstance(config, dict), path.name, "hold one JSON object, {…}", type(config).__name__)
    return config
