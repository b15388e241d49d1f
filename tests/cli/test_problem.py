"""Options of problems beyond the standard one, on the verbs that take them."""

import numpy as np
import pytest
from terminal import PROBLEM, options_taken, run_cli

SGD = ("--steps", 40, "--learning-rate", 1e-3)
TWO_LAYER = ("--link", "relu", "--kind", "two_layer", "--norm", 0.5)


def problems_of(monkeypatch, capsys, folder, *options):
    """The teachers and starts that the verbs make of these options."""
    taken = options_taken(monkeypatch)
    for verb in (("solve", "--out", folder), ("emergence",), ("simulate", *SGD, "--out", folder)):
        run_cli(monkeypatch, capsys, *verb, *PROBLEM, *options)
    assert len(taken) == 3
    return [problem.problem() for _, problem in taken]


def test_sgd_and_a_comparison_under_a_covariance(monkeypatch, capsys, tmp_path):
    under = ("--covariance-exponent", 0.5)
    code, printed, _ = run_cli(monkeypatch, capsys, "simulate", *PROBLEM, *under, *SGD, "--out", tmp_path)
    assert code == 0
    assert "simulated directly" in printed
    code, printed, _ = run_cli(monkeypatch, capsys, "compare", tmp_path / "run.csv", "--out", tmp_path)
    assert code == 0
    assert "by FiniteStep (SGD limit at step γ/d" in printed
    code, _, error = run_cli(monkeypatch, capsys, "compare", "hermite4", *under, "--out", tmp_path)
    assert code == 2
    assert "Argument `initial_overlaps` must be left out under a covariance" in error


def test_a_covariance_and_a_two_layer_student(monkeypatch, capsys, tmp_path):
    for teacher, _ in problems_of(monkeypatch, capsys, tmp_path, "--covariance-exponent", 0.5):
        np.testing.assert_allclose(teacher.covariance.eigenvalues, np.arange(1, 65) ** -0.5)
    for teacher, start in problems_of(monkeypatch, capsys, tmp_path, *TWO_LAYER):
        assert teacher.link.label == "relu"
        np.testing.assert_array_equal(start.norms, [0.5, 0.5, 0.5])
        np.testing.assert_array_equal(start.second_layer, [0.5, -0.5, 0.5])


def test_gaussian_directions_and_negative_amplitudes(monkeypatch, capsys, tmp_path):
    """Drawn from the seed: every verb has the same teacher."""
    options = ("--teacher-directions", "gaussian", "--negative", "2", "--seed", 3)
    (teacher, _), *others = problems_of(monkeypatch, capsys, tmp_path, *options)
    for other, _ in others:
        np.testing.assert_array_equal(other.gram, teacher.gram)
    assert np.abs(teacher.gram - np.eye(teacher.width)).max() > 1e-3
    np.testing.assert_array_equal(np.sign(teacher.a), [1, -1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--covariance-exponent", -1), "Argument `covariance_exponent` must be"),
        (("--covariance-exponent", 0.5, "--flow", "Riccati"), "must live on isotropic input for Riccati"),
        (("--negative", "1,9"), "Argument `negative` must be numbers from 1 to"),
        (("--negative", "two"), "Argument `negative` must be numbers from 1 to"),
        (
            ("--link", "he4", "--teacher-directions", "gaussian", "--flow", "Decoupled"),
            "have orthonormal directions for Decoupled",
        ),
        ((*TWO_LAYER, "--flow", "Decoupled"), "without `second_layer`"),
    ],
)
def test_what_is_not_supported_is_refused_in_one_line(monkeypatch, capsys, options, message):
    code, _, error = run_cli(monkeypatch, capsys, "emergence", *PROBLEM, *options, "--horizon", 5)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
