"""The fact of a figure, on data as small as it is still seen in, and the wrong theories that it refuses."""

import numpy as np

from figures import load, parameters
from figures._figure import Data

K2 = ("law_k2", "compute_frontier_k2", "phase_retrieval", "emergence_k2", "risk_heavy_light", "phantom", "stiefel_sgd")
SMALL = {
    "additive_model": {"tasks": "4000", "points": "80"},
    "single_index": {"degrees": "(2, 3)", "steps": "(0.05, 0.03)"},
    "deflation": {"points": "60"},
    "risk_time_k4": {"teacher_width": "50000", "widths": "(4, 16, 64, 256)"},
    "law_k2": {"gammas": "(0.1, 0.2)"},
    "phase_retrieval": {"dims": "(100, 1000, 10000)", "batches": "(30, 30, 3000)", "runs": "(32, 32, 16)"},
    "compute_frontier_k4": {"small_widths": "()", "widths": "20"},
}


def check_fact(name):
    """The fact holds on the figure's data, and none of its rivals does."""
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
