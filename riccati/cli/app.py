"""The command line: `riccati VERB`, one verb per job. JAX is imported by the verbs, not by `--help`.

Compiled programs are kept in the user's cache folder, one folder for each machine, as compiled code is sound only where
it was made; that spares a second call most of its time. RICCATI_CACHE names another folder, or turns the cache off with
`off`; JAX's own variables are left as they are.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from .. import __version__
from ..support import ArgumentError
from .companions import figures, verify
from .compare import compare
from .scaling import scaling
from .simulate import simulate
from .solve import emergence, solve
from .sweep import sweep

VARIABLE, OFF = "RICCATI_CACHE", "off"
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
    """Run the command line; an error in the input is reported in one line, with exit code 2."""
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


def use_cache() -> Path | None:
    """Tell JAX, before it is imported, where compiled programs are kept; None where they are not.

    A folder that cannot be written to is no failure: there is no cache then.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted == OFF:
        return None
    try:
        folder = _users_folder() if wanted is None else Path(wanted)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a user without a home
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        return None
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    os.environ.setdefault("RICCATI_PROGRAMS", str(folder / "programs"))  # numerics/program_store.py
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    # a program with a check inside calls back into Python and cannot be kept; here all is checked before compiling
    os.environ.setdefault("EQX_ON_ERROR", "off")
    return folder


def _users_folder() -> Path:
    """Where the operating system wants caches."""
    if sys.platform == "darwin":
        base = Path("~/Library/Caches")
    else:
        base = Path(os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME") or "~/.cache")
    return base.expanduser() / "riccati" / (platform.node() or "here")
