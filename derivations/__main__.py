"""`python -m derivations [NAME…] [--latex FILE]`: derive, check, and exit non-zero if anything fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import NAMES, verify


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(NAMES)}; all if left out.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Write the derivations to this LaTeX file.")] = None,
) -> None:
    """Derive the equations with sympy and compare the numerical code with them."""
    try:
        holds = verify(names or (), latex=latex, echo=typer.echo)
    except (ValueError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(0 if holds else 1)


typer.run(main)
