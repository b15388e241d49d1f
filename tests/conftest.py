"""64 bit for every test, which importing the package sets; and programs that are compiled once, and freed."""

from pathlib import Path

import jax
import pytest

import riccati as rc

_PROGRAMS = Path(__file__).resolve().parents[1] / ".pytest_cache" / "programs"

# workers and modules share what they compile, and the next run finds it
jax.config.update("jax_compilation_cache_dir", str(_PROGRAMS))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="session")
def h2():
    return rc.Link.hermite(2)


@pytest.fixture(scope="module", autouse=True)
def _compiled_programs_go_with_their_module():
    """Compiled programs are never freed by themselves, and a thousand tests compile gigabytes of them."""
    yield
    jax.clear_caches()
