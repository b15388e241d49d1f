"""The facts of the figures on information exponent 2."""

import pytest
from figures_checked import K2, check_fact


@pytest.mark.parametrize("name", K2)
def test_fact(name):
    check_fact(name)
