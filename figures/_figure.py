"""What a figure is: parameters, each sourced or chosen; pieces that are computed; a drawing; a fact; and the register.

A figure is a module with

    SEE           one line: what to see
    FULL          one line: time and memory of its full size, measured or extrapolated, and what it is
    Parameters    a frozen dataclass; its defaults are the quick size
    pieces(p)     name -> Piece, the computations that its data consists of
    draw(data, width) -> matplotlib Figure, from the data alone
    fact(data) -> Fact
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from riccati.support import ArgumentError, require

NAMES = (
    "additive_model",
    "single_index",
    "correlation_loss",
    "deflation",
    "emergence_k4",
    "risk_time_k4",
    "compute_frontier_k4",
    "discretization",
    "emergence_k2",
    "risk_heavy_light",
    "compute_frontier_k2",
    "stiefel_sgd",
    "sample_complexity",
    "phase_retrieval",
    "proportional",
    "law_k2",
    "phantom",
    "schedules",
    "collapse",
    "two_parameter",
    "heterogeneous",
    "relu",
    "signed",
    "committee",
)

Arrays = dict[str, np.ndarray]
Piece = Callable[[], Arrays]


def piece(function: Callable[..., Arrays], *arguments: Any) -> Piece:
    """A computation to be done once: its arguments and the code that it reaches are what it is known by."""
    return partial(function, *arguments)


def chosen(quick: Any, full: Any = None) -> Any:
    """A parameter that no source gives: its quick value, and its full one where that differs."""
    return field(default=quick, metadata={"full": quick if full is None else full, "source": None})


def sourced(quick: Any, full: Any = None, *, source: str) -> Any:
    """A parameter whose full value `source` gives; a quick value that differs from it is chosen."""
    return field(default=quick, metadata={"full": quick if full is None else full, "source": source})


@dataclass(frozen=True)
class Data:
    """What a figure is drawn from.

    Attributes:
        parameters: the figure's.
        arrays: those of each piece, by its name.
    """

    parameters: Any
    arrays: Mapping[str, Arrays]

    def __getitem__(self, name: str) -> Arrays:
        return self.arrays[name]


@dataclass(frozen=True)
class Fact:
    """A statement about a figure's data that a wrong theory would miss.

    Attributes:
        statement: one line.
        measured: numbers computed from the data.
        expected: what theory says of them.
        tolerance: the largest deviation at which the statement holds.
        rivals: what wrong theories say, by their names.
    """

    statement: str
    measured: Sequence[float]
    expected: Sequence[float]
    tolerance: float
    rivals: Mapping[str, Sequence[float]]

    def agrees(self, theory: Sequence[float]) -> bool:
        """Whether the measured numbers are a theory's, within the tolerance."""
        return bool(np.max(np.abs(np.asarray(self.measured) - np.asarray(theory))) <= self.tolerance)

    @property
    def holds(self) -> bool:
        """Whether theory agrees, and no rival does."""
        return self.agrees(self.expected) and not any(self.agrees(rival) for rival in self.rivals.values())

    def __str__(self) -> str:
        numbers = ", ".join(
            f"{measured:.3g} for {wanted:.3g}" for measured, wanted in zip(self.measured, self.expected, strict=True)
        )
        return f"{'holds' if self.holds else 'FAILS'}: {self.statement} ({numbers}, ±{self.tolerance:g})"


def load(name: str) -> ModuleType:
    """The module of one figure.

    Raises:
        ArgumentError: a name that no figure has.
    """
    require(name in NAMES, "name", f"be one of {', '.join(NAMES)}", name)
    return import_module(f".{name}", __package__)


def parameters(module: ModuleType, full: bool = False, settings: Mapping[str, str] | None = None) -> Any:
    """A figure's parameters, quick or full, with `settings` (texts of Python literals) in place of some.

    Raises:
        ArgumentError: a parameter that the figure does not have, or a text that is no value of its kind.
    """
    name = module.__name__.rpartition(".")[2]
    known = {f.name: f for f in fields(module.Parameters)}
    values = {key: f.metadata["full"] for key, f in known.items()} if full else {}
    for key, text in (settings or {}).items():
        require(key in known, "set", f"name one of {name}'s parameters {', '.join(known)}", key)
        values[key] = _value(f"{name}.{key}", text, known[key].default)
    return module.Parameters(**values)


def _value(name: str, text: str, like: Any) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ArgumentError(name, "be a Python literal", text) from None
    if isinstance(like, tuple) and isinstance(value, (int, float)):
        value = (value,)
    value = float(value) if isinstance(like, float) and isinstance(value, int) else value
    require(type(value) is type(like), name, f"be of the kind of {like!r}", text)
    return value


def manifest(name: str) -> list[tuple[str, str, str, str]]:
    """Every parameter of a figure: name, quick value, full value, and its source or "chosen"."""
    return [(f.name, repr(f.default), repr(f.metadata["full"]), _origin(f)) for f in fields(load(name).Parameters)]


def _origin(parameter: Field) -> str:
    assert parameter.default is not MISSING
    source = parameter.metadata["source"]
    if source is None:
        return "chosen"
    same = parameter.default == parameter.metadata["full"]
    return f"sourced: {source}" if same else f"sourced: {source}; quick value chosen"
