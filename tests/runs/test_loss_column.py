"""A loss on noisy labels is the risk with Δ on top: by its key, by its own rows, and what is said of it."""

import numpy as np
import pytest

import riccati as rc
from riccati.runs import line_on_noise

START = {"init_norm": 0.5, "initial_overlaps": [[0.1, 0.2], [0.2, 0.1]], "initial_student_gram": [[1, 0], [0, 1]]}
KEYS = {"information_exponent": 2, "second_layer": [1.5, 1.0], "learning_rate": 0.1, "batch_size": 8, "dim": 50,
        "student_width": 2, "training_loss": "0.5*(f*-f)^2", "label_noise": 0.4} | START  # fmt: skip
STEPS = np.arange(40)


def population(start=True):
    """A risk that begins where the start is, or at 1 without one, and falls to a plateau below Δ."""
    run = rc.Run.from_arrays([0], [1.0], **KEYS)
    m, r2 = run.start.directions, np.asarray(run.start.norms) ** 2
    D = np.eye(4)[:, :2] @ np.diag(KEYS["second_layer"]) @ np.eye(4)[:2] - np.asarray(m).T @ np.diag(r2) @ np.asarray(m)
    begun = np.sum(D**2) / (1.5**2 + 1) if start else 1.0
    return 0.03 + (begun - 0.03) * np.exp(-STEPS / 4)


def run_of(noisy, loss="(f*-f)^2", scale=1.0, **keys):
    above = scale * (1.5**2 + 1) * (population() + noisy)
    return rc.Run.from_arrays(STEPS, above, loss=loss, **KEYS | keys)


@pytest.mark.parametrize(("loss", "scale"), [("(f*-f)^2", 1.0), ("0.5*(f*-f)^2", 0.5)])
@pytest.mark.parametrize("said", [None, True])
def test_noise_on_top_is_taken_off(loss, scale, said):
    run = run_of(0.4, loss, scale, loss_has_noise=said)
    np.testing.assert_allclose(run.risk, population(), rtol=1e-9)
    line = line_on_noise(run.config, run.loss, run.teacher, run.start)
    assert line.startswith("the loss column has the noise of labels in it (")
    assert "Δ = 0.4 is taken off" in line
    assert ("as loss_has_noise says" in line) == (said is True)


@pytest.mark.parametrize("said", [None, False])
def test_a_loss_on_clean_labels_is_left_as_it_is(said):
    run = run_of(0.0, loss_has_noise=said)
    np.testing.assert_allclose(run.risk, population(), rtol=1e-9)
    assert "taken as without the noise" in line_on_noise(run.config, run.loss, run.teacher, run.start)


def test_a_loss_that_stays_above_the_noise_is_told_by_where_it_begins():
    early = slice(0, 3)
    for noisy in (0.0, 0.4):
        above = (1.5**2 + 1) * (population() + noisy)
        run = rc.Run.from_arrays(STEPS[early], above[early], **KEYS | {"loss": "(f*-f)^2"})
        np.testing.assert_allclose(run.risk, population()[early], rtol=1e-9)


def test_rows_below_the_noise_are_left_out_and_counted():
    run = run_of(np.where(STEPS > 35, 0.3, 0.4))
    assert np.isnan(run.risk[36:]).all()
    assert "; 4 of its rows lie below it" in line_on_noise(run.config, run.loss, run.teacher, run.start)


def test_the_risk_has_no_noise_in_it():
    run = rc.Run.from_arrays(STEPS, population(), **KEYS)
    np.testing.assert_array_equal(run.risk, population())
    assert "which has no noise of labels" in line_on_noise(run.config, run.loss, run.teacher, run.start)
    with pytest.raises(rc.ArgumentError, match="`loss_has_noise` must be given with label_noise, and a loss that is"):
        rc.Run.from_arrays(STEPS, population(), **KEYS, loss_has_noise=True)
    without = {key: value for key, value in KEYS.items() if key != "label_noise"}
    plain = rc.Run.from_arrays(STEPS, population(), **without)
    assert line_on_noise(plain.config, plain.loss, plain.teacher, plain.start) == ""


def test_a_report_says_which_was_taken():
    report = rc.compare(run_of(0.4, learning_rate=0.001))
    assert any("(by its own rows; loss_has_noise says it): Δ = 0.4 is taken off" in note for note in report.notes)
