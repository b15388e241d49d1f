"""From names to files: pieces that are missing are computed, then each figure is drawn and written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from riccati.plot import COLUMN, PAGE, style
from riccati.support import package_versions, progress, whole_file

from . import _cache
from ._figure import Data, Fact, load, manifest, parameters

WIDTHS = {"page": PAGE, "column": COLUMN}


@dataclass(frozen=True)
class Drawn:
    """A figure that was written.

    Attributes:
        name: the figure's.
        fact: its fact on its data.
        computed: how many pieces were computed; the others were kept from before.
        seconds: for all of it.
    """

    name: str
    fact: Fact
    computed: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.name:<20} {self.seconds:5.1f} s, {self.computed} pieces computed; {self.fact}"


def render(
    names: Sequence[str],
    out: Path,
    full: bool = False,
    settings: Mapping[str, Mapping[str, str]] | None = None,
    width: Literal["page", "column"] = "page",
    echo: Callable[[object], object] = print,
) -> list[Drawn]:
    """Write NAME.png, NAME.pdf, NAME.npz and NAME.json of each figure to `out`, and say a line about each.

    Pieces are kept in `out`/cache: an interrupted call loses at most the piece that it was at.

    Raises:
        ArgumentError: a figure or a parameter that there is not.
    """
    wanted = [(name, parameters(load(name), full, (settings or {}).get(name))) for name in names]
    drawn = []
    for name, chosen in wanted:
        begun = time.monotonic()
        data, computed = compute(name, chosen, out / "cache")
        fact = load(name).fact(data)
        _write(name, data, fact, out, width)
        drawn.append(Drawn(name, fact, computed, time.monotonic() - begun))
        echo(drawn[-1])
    return drawn


def compute(name: str, parameters: Any, folder: Path) -> tuple[Data, int]:
    """A figure's data, and how many of its pieces were not in `folder` before."""
    pieces = load(name).pieces(parameters)
    arrays = {label: _cache.kept(folder, name, piece) for label, piece in pieces.items()}
    missing = [label for label, found in arrays.items() if found is None]
    with progress(len(missing), name, unit="piece") as bar:
        for label in missing:
            arrays[label] = _cache.keep(folder, name, pieces[label])
            bar.update()
    return Data(parameters, {label: found for label, found in arrays.items() if found is not None}), len(missing)


def _write(name: str, data: Data, fact: Fact, out: Path, width: str) -> None:
    module, pieces = load(name), load(name).pieces(data.parameters)
    described = {
        "figure": name,
        "see": module.SEE,
        "fact": {"statement": str(fact), **{k: v for k, v in asdict(fact).items() if k != "statement"}},
        "clock": "canonical: gradient-flow time of L = E(f* - f)²/2, unless a name says otherwise",
        "parameters": {
            field: {"value": getattr(data.parameters, field), "origin": origin}
            for field, _, _, origin in manifest(name)
        },
        "pieces": {label: _cache.seconds(out / "cache", name, piece) for label, piece in pieces.items()},
        "versions": package_versions(),
    }
    with whole_file(out / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(described, indent=1, default=_number), encoding="utf-8")
    with whole_file(out / f"{name}.npz") as temporary, temporary.open("wb") as file:
        flat = {f"{label}/{key}": value for label, found in data.arrays.items() for key, value in found.items()}
        np.savez(file, **flat)  # type: ignore[arg-type]
    figure = module.draw(data, WIDTHS[width])
    for suffix in ("png", "pdf"):
        with whole_file(out / f"{name}.{suffix}") as temporary, style():
            figure.savefig(temporary)


def _number(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
