"""The fact of each figure, on data as small as it is still seen in; and the wrong theories that it refuses."""

import numpy as np
import pytest

from figures import NAMES, Fact, load, parameters
from figures._figure import Data

SMALL = {
    "additive_model": {"tasks": "4000", "points": "80"},
    "single_index": {"degrees": "(2, 3)", "steps": "(0.05, 0.03)"},
    "correlation_loss": {"draws": "200", "neurons": "8"},
    "deflation": {"points": "60"},
    "risk_time_k4": {"teacher_width": "50000", "widths": "(4, 16, 64, 256)"},
    "compute_frontier_k4": {"small_widths": "()", "widths": "20"},
    "discretization": {"teacher_width": "4", "dim": "64", "many": "1500"},
    "emergence_k2": {"teacher_width": "4", "student_width": "2", "dim": "256", "batch": "128", "runs": "6"},
    "risk_heavy_light": {"teacher_width": "24", "widths": "(6, 12)", "points": "50"},
    "compute_frontier_k2": {
        "teacher_width": "100",
        "dim": "128",
        "batch": "128",
        "widths": "(2, 4, 8)",
        "simulated": "(2,)",
    },
    "sample_complexity": {"dims": "(1000, 100000)", "widths": "(4, 16)", "seeds": "2", "halvings": "6"},
    "proportional": {"alphas": "(0.0, 1.0)", "dims": "(64, 512)"},
    "phase_retrieval": {"dims": "(100, 1000, 10000)", "batches": "(30, 30, 300)", "runs": "(24, 24, 24)"},
    "law_k2": {"dims": "(300, 1200)", "gammas": "(0.2,)", "runs": "32", "replicas": "128"},
    "phantom": {"teacher_width": "12", "student_width": "3", "tolerances": "(1e-6, 1e-9)"},
    "schedules": {"powers": "(0.0, 1.0)", "gammas": "(0.06, 0.12)", "steps": "800"},
    "collapse": {"width": "8", "widths": "(100, 1000, 4000)", "points": "60"},
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
