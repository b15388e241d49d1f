"""Pieces of figures, kept: each an NPZ file that is whole or absent.

A piece is known by its figure, its function's name, its arguments, the code that the function reaches within figures/,
and the package's version and code, but for what only draws or talks to the shell.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import time
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import riccati
from riccati.support import ArgumentError, package_versions, whole_file

from ._figure import Arrays, Piece

_NO_DATA = ("cli", "plot", "figures", "derivations")  # the last two lie inside the package in a wheel


def key(figure: str, piece: Any) -> str:
    """What a piece is known by, as a digest."""
    known = {
        "figure": figure,
        "function": piece.func.__name__,
        "arguments": [plain(argument) for argument in piece.args],
        "code": code_reached(piece.func),
        "version": package_versions()["riccati-sgd"],
        "package": code_of_package(Path(riccati.__file__).parent),
    }
    return digest(known)


def digest(known: dict[str, Any]) -> str:
    """Of what JSON can say."""
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:24]


@cache
def code_of_package(root: Path, without: tuple[str, ...] = _NO_DATA) -> str:
    """The package's source files, but those of the rooms `without`, as a digest."""
    code = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if place.parts[0] not in without:
            code.update(f"{place.as_posix()}\0".encode() + path.read_bytes())
    return code.hexdigest()


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def kept(folder: Path, figure: str, piece: Any) -> Arrays | None:
    """What was kept of a piece, None if nothing sound was."""
    try:
        with _path(folder, figure, piece).open("rb") as held, np.load(held, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name != "provenance"}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def keep(folder: Path, figure: str, piece: Piece) -> Arrays:
    """Compute a piece and keep it.

    Raises:
        ArgumentError: a flow in it does not reach its last time, so that a figure would show less than it says.
    """
    begun = time.monotonic()
    arrays = {name: np.asarray(value) for name, value in _to_the_end(figure, piece).items()}
    provenance = {
        "figure": figure,
        "function": piece.func.__name__,  # type: ignore[attr-defined]
        "arguments": [plain(argument) for argument in piece.args],  # type: ignore[attr-defined]
        "seconds": round(time.monotonic() - begun, 2),
        "versions": package_versions(),
    }
    with whole_file(_path(folder, figure, piece)) as temporary, temporary.open("wb") as file:
        np.savez(file, provenance=json.dumps(provenance), **arrays)  # type: ignore[arg-type]
    return arrays


def _to_the_end(figure: str, piece: Piece) -> Arrays:
    with warnings.catch_warnings():
        warnings.simplefilter("error", riccati.IncompleteTrajectory)
        try:
            return piece()
        except riccati.IncompleteTrajectory as ended:
            must = "have parameters at which its flows reach their ends"
            raise ArgumentError(figure, must, f"without: {ended}") from ended


def seconds(folder: Path, figure: str, piece: Any) -> float:
    """How long a kept piece took."""
    with np.load(_path(folder, figure, piece), allow_pickle=False) as file:
        return float(json.loads(str(file["provenance"]))["seconds"])


def _path(folder: Path, figure: str, piece: Any) -> Path:
    return folder / figure / f"{key(figure, piece)}.npz"


def code_reached(function: Any) -> str:
    """The code of a function and of everything at its module's top level that it reaches, as a digest.

    Comments, docstrings and layout do not count; of another module of figures/ that it imports from, all code counts.
    """
    module = inspect.getmodule(function)
    assert module is not None
    named, imported = _parsed(module.__name__)
    reached, todo = set(), [function.__name__]
    while todo:
        name = todo.pop()
        if name in reached or name not in named:
            continue
        reached.add(name)
        todo += [node.id for node in ast.walk(named[name]) if isinstance(node, ast.Name)]
    # parameters are among a piece's arguments, and the register does not compute
    texts = [ast.unparse(named[name]) for name in sorted(reached) if not isinstance(named[name], ast.ClassDef)]
    for other in sorted({imported[name] for name in reached if name in imported}):
        texts += [ast.unparse(node) for node in _parsed(other)[0].values()]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


@cache
def _parsed(module: str) -> tuple[dict[str, ast.stmt], dict[str, str]]:
    """Top-level statements by the names that they define, and the modules of figures/ that names are imported from."""
    loaded = import_module(module)
    named: dict[str, ast.stmt] = {}
    imported: dict[str, str] = {}
    for node in ast.parse(inspect.getsource(loaded)).body:
        for name in _defined(node):
            named[name] = _without_docstrings(node)
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module != "_figure":
                imported[name] = f"{loaded.__package__}.{node.module}"
    return named, imported


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (name.asname or name.name for name in node.names)
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _without_docstrings(node: ast.stmt) -> ast.stmt:
    for part in ast.walk(node):
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(part) is not None:
            part.body = part.body[1:] or [ast.Pass()]
    return node
