"""The facts of the figures, and what a fact is."""

import numpy as np
import pytest
from figures_checked import check_fact

from figures import NAMES, Fact

# facts on ensembles of SGD, whose laws have tests of their own (tests/laws, tests/sgd)
ENSEMBLES = ("discretization", "law_k2", "stiefel_sgd", "noise", "algorithms")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.large] if name in ENSEMBLES else []) for name in NAMES]
)
def test_fact(name):
    check_fact(name)


def test_a_fact_that_a_rival_shares_does_not_hold():
    fact = Fact("slope", [1.0], [1.05], 0.1, {"another": [0.95]})
    assert fact.agrees([1.05])
    assert not fact.holds
    assert str(fact).startswith("FAILS: slope")
    assert Fact("slope", [1.0], [1.05], 0.1, {"another": [0.8]}).holds
    assert not Fact("slope", [np.nan], [1.05], 0.1, {}).holds
