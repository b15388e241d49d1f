"""Options that several verbs share, and how a command takes a group of them as one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from ..support import ArgumentError

Out = Annotated[Path, typer.Option("--out", help="Folder for the results; made if absent.")]
Level = Annotated[float, typer.Option(help="Squared overlap at which a direction counts as emerged.")]


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose options are the parameters of `function`, a dataclass among them standing for its fields.

    A field is declared as Typer declares a parameter: `name: Annotated[type, typer.Option(…)] = default`. The command
    builds the object from them and calls `function` with it.
    """
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    given = Signature.from_callable(function).parameters
    options: list[Parameter] = []
    for name, hint in hints.items():
        own = Parameter(name, Parameter.KEYWORD_ONLY, default=given[name].default, annotation=hint)
        options += parameters_of(hint) if name in groups else [own]
    options.sort(key=lambda option: option.default is not Parameter.empty)  # stable: what must be given comes first

    @wraps(function)
    def command(**values: Any) -> None:
        objects = {
            name: group(**{option.name: values.pop(option.name) for option in parameters_of(group)})
            for name, group in groups.items()
        }
        function(**objects, **values)

    command.__signature__ = Signature(options)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in options}
    return command


def parameters_of(group: Any) -> list[Parameter]:
    """The fields of a dataclass as parameters that are given by name."""
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


def is_hidden(option: Parameter) -> bool:
    """Whether an option is not shown by `--help`: an old word that is still read."""
    return any(getattr(extra, "hidden", False) for extra in get_args(option.annotation)[1:])


@cache
def say_renamed(old: str, new: str) -> None:
    """Say once, on stderr, which options an old one stands for."""
    typer.echo(f"{old} is now {new}; the old word will be removed in the next version.", err=True)


@contextmanager
def written_to_out() -> Iterator[None]:
    """A refusal of a place to write is one of `--out`."""
    try:
        yield
    except ArgumentError as error:
        if error.argument not in ("path", "directory"):
            raise
        raise ArgumentError("out", error.must, error.value) from None
