"""64 bit for every test, which importing the package sets; and programs that are freed."""

import jax
import pytest

import riccati as rc


@pytest.fixture(scope="session")
def h2():
    return rc.Link.hermite(2)


@pytest.fixture(scope="module", autouse=True)
def _compiled_programs_go_with_their_module():
    """Compiled programs are never freed by themselves, and a thousand tests compile gigabytes of them."""
    yield
    jax.clear_caches()
