"""64 bit for every test: importing the package before jax sets it."""

import pytest

import riccati as rc


@pytest.fixture(scope="session")
def h2():
    return rc.Link.hermite(2)
