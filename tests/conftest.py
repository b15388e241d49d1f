"""64 bit for every test, which importing the package sets; and programs that are freed."""

import pytest
from compiles import let_go_of_many

import riccati as rc


@pytest.fixture(scope="session")
def h2():
    return rc.Link.hermite(2)


@pytest.fixture(scope="module", autouse=True)
def _compiled_programs_go_before_they_fill_the_memory():
    yield
    let_go_of_many()
