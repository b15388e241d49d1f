"""From names to files: pieces that are missing are computed, then each figure is drawn and written."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np

import riccati.plot
from riccati.plot import COLUMN, PAGE, style
from riccati.support import package_versions, progress, whole_file

from . import _cache
from ._figure import Data, Fact, load, manifest, parameters

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on dates inside the fonts it embeds
WIDTHS = {"page": PAGE, "column": COLUMN}
_DRAWN = ("png", "pdf")


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
    jobs: int = 1,
) -> list[Drawn]:
    """Write NAME.png, NAME.pdf, NAME.npz and NAME.json of each figure to `out`, and say a line about each.

    A figure whose files are there already, of the same data and code, is not drawn again.
    Pieces are kept in `out`/cache: an interrupted call loses at most the piece that it was at. With `jobs` > 1 as many
    figures are computed at once, each in a process of its own, before the first is drawn.

    Raises:
        ArgumentError: a figure or a parameter that there is not.
    """
    wanted = [(name, parameters(load(name), full, (settings or {}).get(name))) for name in names]
    ahead = _compute_at_once(wanted, out / "cache", jobs) if jobs > 1 else {}
    drawn = []
    for name, chosen in wanted:
        begun = time.monotonic()
        data, computed = compute(name, chosen, out / "cache")
        before, waited = ahead.get(name, (0, 0.0))
        fact = load(name).fact(data)
        _write(name, data, fact, out, width)
        drawn.append(Drawn(name, fact, before + computed, waited + time.monotonic() - begun))
        echo(drawn[-1])
    return drawn


def compute(name: str, parameters: Any, folder: Path) -> tuple[Data, int]:
    """A figure's data, and how many of its pieces were not in `folder` before."""
    pieces = load(name).pieces(parameters)
    arrays = {label: _cache.kept(folder, name, piece) for label, piece in pieces.items()}
    missing = [label for label, kept in arrays.items() if kept is None]
    with progress(len(missing), name, unit="piece") as bar:
        for label in missing:
            arrays[label] = _cache.keep(folder, name, pieces[label])
            bar.update()
    return Data(parameters, {label: kept for label, kept in arrays.items() if kept is not None}), len(missing)


def _compute_at_once(wanted: Sequence[tuple[str, Any]], folder: Path, jobs: int) -> dict[str, tuple[int, float]]:
    """Pieces computed and seconds taken, of each figure that lacks some."""
    lacking = [(name, chosen) for name, chosen in wanted if _lacks(name, chosen, folder)]
    if len(lacking) < 2:
        return {}
    computed_by_figure = {}
    with (
        ProcessPoolExecutor(min(jobs, len(lacking)), mp_context=get_context("spawn")) as pool,
        progress(len(lacking), "figures", unit="figure") as bar,
    ):
        for done in as_completed([pool.submit(_work, name, chosen, folder) for name, chosen in lacking]):
            name, computed, seconds = done.result()
            computed_by_figure[name] = (computed, seconds)
            bar.update()
    return computed_by_figure


def _lacks(name: str, parameters: Any, folder: Path) -> bool:
    return any(_cache.kept(folder, name, piece) is None for piece in load(name).pieces(parameters).values())


def _work(name: str, parameters: Any, folder: Path) -> tuple[str, int, float]:
    """One figure's pieces in a process of its own."""
    begun = time.monotonic()
    return name, compute(name, parameters, folder)[1], time.monotonic() - begun


def _drawn_from(name: str, data: Data, width: str) -> str:
    """All that the files of a figure depend on, as a digest."""
    pieces = load(name).pieces(data.parameters).values()
    code = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (load(name), sys.modules[__name__])]
    plot = _cache.code_of_package(Path(riccati.plot.__file__).parent, ())
    known = {"pieces": [_cache.key(name, piece) for piece in pieces], "code": code, "plot": plot, "width": width}
    return _cache.digest(known | {"parameters": _cache.plain(data.parameters), "versions": package_versions()})


def _is_drawn(name: str, drawn_from: str, out: Path) -> bool:
    """Whether all files are there, of the same data and code."""
    try:
        described = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return described.get("drawn_from") == drawn_from and all(
        (out / f"{name}.{suffix}").is_file() for suffix in ("npz", *_DRAWN)
    )


def _write(name: str, data: Data, fact: Fact, out: Path, width: str) -> None:
    drawn_from = _drawn_from(name, data, width)
    if _is_drawn(name, drawn_from, out):
        return
    module, pieces = load(name), load(name).pieces(data.parameters)
    described = {
        "figure": name,
        "drawn_from": drawn_from,
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
    with whole_file(out / f"{name}.npz") as temporary, temporary.open("wb") as file:
        flat = {f"{label}/{key}": value for label, arrays in data.arrays.items() for key, value in arrays.items()}
        np.savez(file, **flat)  # type: ignore[arg-type]
    with style():  # to the end: fonts are looked up as late as that
        figure = module.draw(data, WIDTHS[width])
        for suffix in _DRAWN:
            with whole_file(out / f"{name}.{suffix}") as temporary:
                figure.savefig(temporary)
            figure.set_layout_engine("none")  # laid out once for both files
    with whole_file(out / f"{name}.json") as temporary:  # the last: it says that the others are there
        temporary.write_text(json.dumps(described, indent=1, default=_number), encoding="utf-8")


def _number(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
