"""Packages that come with riccati: beside it in a source tree, inside it in a wheel, which installs one name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import riccati


def companion(name: str) -> Any:
    """`derivations` or `figures`, from wherever this installation has it."""
    inside = (Path(riccati.__file__).parent / name).is_dir()
    return import_module(f"riccati.{name}" if inside else name)
