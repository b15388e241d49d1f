"""`riccati verify`: every equation derived, and the code held against it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .companions import companion


def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Derivations to check; all if left out.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Write the derivations to this LaTeX file.")] = None,
) -> None:
    """Derive every equation symbolically and hold the code against it, a line for each result."""
    check = companion("derivations").verify
    try:
        holds = check(names or (), latex, typer.echo)
    except ValueError as error:  # a name that no derivation has
        raise typer.BadParameter(str(error)) from None
    raise typer.Exit(0 if holds else 1)
