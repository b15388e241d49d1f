"""The fact of a figure, on the smallest data that show it, and the wrong theories that it refuses."""

import numpy as np

from figures import load, parameters
from figures._figure import Data

# widths, runs, batches and numbers of times are the same wherever they can be: figures then share what is compiled
SMALL = {
    "additive_model": {"tasks": "4000", "points": "80"},
    "single_index": {"degrees": "(3,)", "steps": "(0.03,)"},
    "correlation_loss": {"conditions": "(1.0, 4.0, 4.0)", "teacher_width": "5", "widths": "(6, 8)", "draws": "200"},
    "deflation": {"points": "60"},
    "emergence_k4": {"dim": "48", "teacher_width": "3", "student_width": "5", "runs": "4"},
    "risk_time_k4": {"teacher_width": "4000", "widths": "(4, 16, 64, 256)", "points": "80"},
    "discretization": {"teacher_width": "6", "fixed": "0.4", "runs": "6"},
    "sample_complexity": {"widths": "(8, 32)", "heavy_width": "8", "seeds": "2", "dims": "(1000, 1000000)"},
    "schedules": {
        "teacher_width": "8", "batch": "64", "steps": "470", "gammas": "(0.06, 0.12)", "powers": "(0.0, 1.0, 2.0)",
    },
    "proportional": {"dims": "(64, 256)", "alphas": "(0.0, 1.0)", "fixed": "16"},
    "collapse": {"widths": "(400, 4000)"},
    "two_parameter": {"exponents": "(0.6,)", "width": "4000", "points": "80"},
    "law_k2": {"gammas": "(0.2,)", "dims": "(200, 800)", "step": "0.02", "runs": "40", "replicas": "200"},
    "phase_retrieval": {"dims": "(100, 1000, 10000)", "batches": "(30, 30, 30)", "runs": "(32, 32, 32)"},
    "compute_frontier_k2": {"teacher_width": "8", "batch": "64", "simulated": "(4,)", "gamma": "0.1", "runs": "8"},
    "emergence_k2": {"dim": "128", "teacher_width": "8", "student_width": "4", "batch": "64"},
    "risk_heavy_light": {"teacher_width": "64"},
    "phantom": {"tolerances": "(1e-6, 1e-9, 1e-12)"},
    "signed": {"shares": "(0.25, 1.0)"},
    "committee": {"runs": "4"},
}  # fmt: skip


class Pieces(dict):
    """Pieces computed when they are first looked at, so that what a fact does not read costs nothing."""

    def __getitem__(self, label):
        arrays = super().__getitem__(label)
        if callable(arrays):
            arrays = self[label] = {key: np.asarray(value) for key, value in arrays().items()}
        return arrays


def check_fact(name):
    """The fact holds on the figure's data, and none of its rivals does."""
    module = load(name)
    chosen = parameters(module, settings=SMALL.get(name))
    fact = module.fact(Data(chosen, Pieces(module.pieces(chosen))))
    assert fact.agrees(fact.expected), str(fact)
    assert fact.rivals
    for rival, theory in fact.rivals.items():
        assert not fact.agrees(theory), rival
