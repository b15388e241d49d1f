"""A comparison on disk: JSON, the picture twice, and the numbers drawn; no file of the user's is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..runs import is_run_file
from ..support import require, whole_file
from .picture import Picture

_CURVES = "comparison_curves.csv"
_HEADER = "panel,curve,direction,x,y,low,high"


def write_report(folder: Path, held: dict[str, Any], picture: Picture) -> None:
    """Write the four files, each whole or not at all; see `Comparison.save`."""
    _spare_the_users_files(folder)
    figure = picture.draw()
    for name in ("comparison.png", "comparison.pdf"):
        with whole_file(folder / name, "directory") as temporary:
            figure.savefig(temporary, format=name[-3:])
    with whole_file(folder / "comparison.json", "directory") as temporary:
        temporary.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    with whole_file(folder / _CURVES, "directory") as temporary:
        temporary.write_text("\n".join([_HEADER, *picture.rows()]) + "\n", encoding="utf-8")


def _spare_the_users_files(folder: Path) -> None:
    """A run named comparison.csv has, or would then have, comparison.json as its own JSON file."""
    target = folder / "comparison.json"
    runs = [path.name for path in folder.glob("comparison.*") if is_run_file(path)] if folder.is_dir() else []
    spare = "be another folder: comparison.json there would be the JSON file of a run named comparison"
    require(not runs, "directory", spare, f"{folder}, with {', '.join(sorted(runs))}")
    own = "be another folder: comparison.json there was not written by Comparison.save"
    require(not os.path.lexists(target) or _is_a_comparison(target), "directory", own, folder)
    curves = folder / _CURVES
    ours = f"be another folder: {_CURVES} there was not written by Comparison.save"
    require(not os.path.lexists(curves) or _are_curves(curves), "directory", ours, folder)


def _is_a_comparison(path: Path) -> bool:
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(held, dict) and {"flow", "risk_rms_log10", "emergence"} <= held.keys()


def _are_curves(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().strip() == _HEADER
    except (OSError, ValueError):
        return False
