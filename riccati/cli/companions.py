"""`riccati figures` and `riccati verify`: the verbs of the packages figures/ and derivations/ that come with riccati.

They lie beside riccati in a source tree and inside it in a wheel, which installs one name.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

import riccati

from ..support import require

_AT_ONCE = 2  # figures; each may take the memory of a large ensemble


def companion(name: str) -> Any:
    """`derivations` or `figures`, from wherever this installation has it."""
    inside = (Path(riccati.__file__).parent / name).is_dir()
    return import_module(f"riccati.{name}" if inside else name)


def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Derivations to check; all if left out.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Write the derivations to this LaTeX file.")] = None,
) -> None:
    """Derive every equation symbolically and compare the code with it; prints a line for each result."""
    check = companion("derivations").verify
    try:
        holds = check(names or (), latex, typer.echo)
    except ValueError as error:  # a name that no derivation has
        raise typer.BadParameter(str(error)) from None
    raise typer.Exit(0 if holds else 1)


def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Figures to draw; all if left out.")] = None,
    full: Annotated[bool, typer.Option("--full", help="The papers' sizes; resumable, hours for some.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="NAME.PARAMETER=VALUE, as often as wanted.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for pictures and data; made if absent.")] = Path("riccati-figures"),
    width: Annotated[str, typer.Option(help="page (17.8 cm) or column (8.5 cm).")] = "page",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Figures computed at once; two, or one on one core, if not given.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Say what each figure shows, and draw none.")] = False,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Say where every parameter is from, and draw none.")
    ] = False,
) -> None:
    """Draw the figures of the talk and the papers; writes NAME.png, NAME.pdf, NAME.npz and NAME.json.

    Data are kept in DIR/cache, and computed again only if the figure's parameters, its code or the package's code have
    changed; a picture is drawn again only if its data or the code that draws it have. Exit code 1 if the fact that a
    figure states does not hold on its data.
    """
    gallery = companion("figures")
    chosen = names or list(gallery.NAMES)
    require(width in ("page", "column"), "width", "be page or column", width)
    if listed or manifest:
        for name in chosen:
            for line in (_described if listed else _manifest)(gallery, name):
                typer.echo(line)
        raise typer.Exit
    at_once = jobs if jobs is not None else min(_AT_ONCE, os.cpu_count() or 1)
    drawn = gallery.render(chosen, out, full, _by_figure(gallery, settings or []), width, typer.echo, at_once)
    failed = [figure.name for figure in drawn if not figure.fact.holds]
    typer.echo(f"wrote {len(drawn)} figures to {out}" + (f"; facts that fail: {', '.join(failed)}" if failed else ""))
    raise typer.Exit(1 if failed else 0)


def _by_figure(gallery: ModuleType, settings: list[str]) -> dict[str, dict[str, str]]:
    by_figure: dict[str, dict[str, str]] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        name, dot, parameter = path.partition(".")
        require(bool(equals and dot), "set", "be of the form NAME.PARAMETER=VALUE", setting)
        gallery.load(name)
        by_figure.setdefault(name, {})[parameter] = value
    return by_figure


def _described(gallery: ModuleType, name: str) -> list[str]:
    module = gallery.load(name)
    return [f"{name:<20} {module.SEE}", f"{'':<20} full size: {module.FULL}"]


def _manifest(gallery: ModuleType, name: str) -> list[str]:
    return [f"{name}: full size: {gallery.load(name).FULL}"] + [
        f"{name}.{parameter:<16} quick {quick}, full {full}: {origin}"
        for parameter, quick, full, origin in gallery.manifest(name)
    ]
