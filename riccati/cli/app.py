"""The command line: `riccati VERB`, one verb per job. JAX is imported by the verbs, not by `--help`."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from .. import __version__
from ..support import ArgumentError
from .cache import use_cache
from .compare import compare
from .figures import figures
from .scaling import scaling
from .simulate import simulate
from .solve import emergence, solve
from .sweep import sweep
from .verify import verify

_LONGEST = 600  # characters of a refusal

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The deterministic theory of online SGD in shallow networks. Times are canonical gradient-flow time.",
)
for verb in (solve, emergence, simulate, compare, scaling, sweep, verify, figures):
    app.command()(verb)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"riccati {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """The deterministic theory of online SGD in shallow networks. Times are canonical gradient-flow time."""


def main() -> NoReturn:
    """Run the command line; what is wrong with the input is said in one line, with exit code 2."""
    use_cache()
    try:
        code = app(standalone_mode=False)
    except typer.Exit as exit_:
        code = exit_.exit_code
    except TyperException as error:
        _refuse(error.format_message())
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Interrupted.", err=True)
        sys.exit(130)
    except (ArgumentError, OSError) as error:
        _refuse(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        _refuse("The problem needs more memory than there is: take smaller widths, or fewer times or rows.")
    sys.exit(code or 0)


def _is_out_of_memory(error: Exception) -> bool:
    """NumPy and Python raise a MemoryError, XLA a RuntimeError of its own with a code in it."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _refuse(message: str) -> NoReturn:
    line = " ".join(message.split())
    typer.echo(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…", err=True)
    sys.exit(2)
