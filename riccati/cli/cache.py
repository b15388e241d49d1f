"""The command line's cache of compiled programs, which spares a second call most of its time.

It lies in the user's cache folder, one folder for each machine, as compiled code is sound only where it was made.
RICCATI_CACHE names another folder, or turns the cache off with `off`; JAX's own variables are left as they are.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

VARIABLE, OFF = "RICCATI_CACHE", "off"


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
