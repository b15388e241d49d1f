"""The fact of each figure, on data as small as it is still seen in; and the wrong theories that it refuses."""

import numpy as np
import pytest

from figures import NAMES, Fact, load, parameters
from figures._figure import Data

SMALL = {
    "additive_model": {"tasks": "4000", "points": "80"},
    "single_index": {"degrees": "(2, 3)", "steps": "(0.05, 0.03)"},
    "deflation": {"points": "60"},
    "risk_time_k4": {"teacher_width": "50000", "widths": "(4, 16, 64, 256)"},
    "compute_frontier_k4": {"small_widths": "()", "widths": "20"},
}


@pytest.mark.parametrize("name", NAMES)
def test_fact(name):
    module = load(name)
    chosen = parameters(module, settings=SMALL.get(name))
    data = Data(chosen, {label: one() for label, one in module.pieces(chosen).items()})
    fact = module.fact(
        Data(chosen, {k: {n: np.asarray(v) for n, v in piece.items()} for k, piece in data.arrays.items()})
    )
    assert fact.agrees(fact.expected), str(fact)
    assert fact.rivals
    for rival, theory in fact.rivals.items():
        assert not fact.agrees(theory), rival


def test_a_fact_that_a_rival_shares_does_not_hold():
    fact = Fact("slope", [1.0], [1.05], 0.1, {"another": [0.95]})
    assert fact.agrees([1.05])
    assert not fact.holds
    assert str(fact).startswith("FAILS: slope")
    assert Fact("slope", [1.0], [1.05], 0.1, {"another": [0.8]}).holds
    assert not Fact("slope", [np.nan], [1.05], 0.1, {}).holds
