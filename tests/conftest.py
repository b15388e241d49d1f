"""64 bit for every test, which importing the package sets; programs compiled once, quickly, and freed in time."""

import os
from pathlib import Path

import jax
import pytest

import riccati as rc
from riccati.numerics.program_store import VARIABLE

_PROGRAMS = Path(__file__).resolve().parents[1] / ".pytest_cache" / "programs"
_MOST = 0.9e9  # bytes that a worker may hold with its programs
_PAGE = 4096

# workers and modules share what they compile, and the next run finds it
jax.config.update("jax_compilation_cache_dir", str(_PROGRAMS))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def pytest_configure(config):
    """The tests of every day compile for longer than they compute; the large ones run the programs that users run."""
    jax.config.update("jax_disable_most_optimizations", config.option.markexpr == "not large")


@pytest.fixture(scope="session")
def h2():
    return rc.Link.hermite(2)


@pytest.fixture(scope="module", autouse=True)
def _compiled_programs_are_freed():
    """Compiled programs are never freed by themselves, and a thousand tests compile gigabytes of them."""
    folder = os.environ.get(VARIABLE)
    yield
    if folder is None:  # the command line sets it for a process of its own
        os.environ.pop(VARIABLE, None)
    if _resident() > _MOST:
        jax.clear_caches()


def _resident():
    """Bytes of memory that this process holds; infinite where that is not known."""
    try:
        return _PAGE * int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return float("inf")
