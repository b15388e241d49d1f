"""What a run shows of how it was trained, each mark with a run that bears it and one that does not."""

import numpy as np
import pytest
from comparison_draws import TIMES, drawn, observed_with, risk_at

import riccati as rc
from riccati.comparison import Observation
from riccati.comparison.signs import drift_of, signs_of

DRAWS = drawn(0, spread=0.05)
RNG = np.random.default_rng(0)
NOISY = risk_at(TIMES, 1.0, floor=0.05) * np.exp(0.1 * (TIMES > 1.2) * RNG.standard_normal(60))
START = {"init_norm": 0.5, "initial_overlaps": [[0.1, 0.2], [0.2, 0.1]], "initial_student_gram": [[1, 0], [0, 1]]}
CONFIG = {"information_exponent": 2, "second_layer": [0.8, 0.6], "learning_rate": 0.1, "batch_size": 8, "dim": 50,
          "student_width": 2, "loss": "risk", "training_loss": "0.5*(f*-f)^2"} | START  # fmt: skip


def run_of(risk=None, overlap=1.0, **keys):
    risk = risk_at(TIMES, 1.0) if risk is None else risk
    return rc.Run(np.arange(1, 61), risk, np.full((60, 2), overlap), CONFIG | keys)


def marks(risk, **keys):
    run = run_of(risk, **keys)
    return " ".join(signs_of(Observation(run), observed_with(risk), DRAWS))


def test_a_run_on_theory_bears_no_mark():
    assert marks(risk_at(TIMES, 1.0)) == ""


@pytest.mark.parametrize(
    ("risk", "keys", "mark"),
    [
        (NOISY, {"final_norms": [0.9, 0.8]}, "label noise"),
        (NOISY, {}, "label noise or weight decay"),
        (NOISY, {"final_norms": [0.8, 0.6]}, "weight decay"),
        (risk_at(TIMES, 1.0, floor=0.05), {"final_norms": [0.9, 0.8]}, "another teacher"),
    ],
)
def test_a_plateau_of_its_own_is_told_by_what_keeps_it_there(risk, keys, mark):
    said = marks(risk, **keys)
    assert "while its early part agrees" in said
    assert mark in said


def test_norms_that_are_too_little_off_for_the_risk_are_no_mark_of_weight_decay():
    """As where noise moves the last norms, or where another teacher's have another sum."""
    norms = np.sqrt([0.77, 0.57])  # 0.03 short of each a_m: a risk of 2 * 0.03² of the 0.05 that is left
    said = marks(NOISY, final_norms=norms.tolist())
    assert "label noise" in said
    assert "decay" not in said
    said = marks(risk_at(TIMES, 1.0, floor=0.05), final_norms=np.sqrt([0.8, 0.38]).tolist())  # 0.05 is 0.22² of one
    assert "another teacher" in said


def test_a_plateau_after_another_curve_or_one_that_still_falls_bears_no_mark():
    """As of a rate that is wrong, and of Adam."""
    assert "noise" not in marks(risk_at(TIMES, 2.5, floor=0.05) * NOISY / risk_at(TIMES, 1.0, floor=0.05))
    falling = NOISY * np.where(TIMES > 5, np.exp(-0.5 * (TIMES - 5)), 1.0)
    assert "noise" not in marks(falling)


def test_a_learning_rate_that_changes_makes_the_clock_drift():
    """Late at the beginning of the fall and less so at its end, as after a warm-up; a constant factor is no drift."""
    draws = drawn(0, spread=0.05)
    warmed = observed_with(risk_at(np.maximum(TIMES - 1.0, 1e-3), 1.0), None)
    early, late = drift_of(warmed, draws)
    assert early > late > 1
    assert drift_of(observed_with(risk_at(TIMES, 2.0), None), draws) is None
