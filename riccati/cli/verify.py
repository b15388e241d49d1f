"""`riccati verify`: every equation derived, and the code held against it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

import riccati


def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Derivations to check; all if left out.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Write the derivations to this LaTeX file.")] = None,
) -> None:
    """Derive every equation symbolically and hold the code against it, a line for each result."""
    check = _derivations().verify
    try:
        holds = check(names or (), latex, typer.echo)
    except ValueError as error:  # a name that no derivation has
        raise typer.BadParameter(str(error)) from None
    raise typer.Exit(0 if holds else 1)


def _derivations() -> Any:
    """The derivations: those beside this source tree, or the copy that a wheel carries inside the package."""
    if (Path(riccati.__file__).parent / "derivations").is_dir():
        return import_module("riccati.derivations")
    return import_module("derivations")
