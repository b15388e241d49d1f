"""Options of problems beyond the standard one, on the verbs that take them."""

import numpy as np
import pytest
from terminal import PROBLEM, run_cli

import riccati as rc

TWO_LAYER = ("--link", "relu", "--kind", "two_layer", "--norm", 0.5)


def test_a_flow_sgd_and_a_comparison_under_a_covariance(monkeypatch, capsys, tmp_path):
    under = ("--covariance-exponent", 0.5)
    code, printed, _ = run_cli(monkeypatch, capsys, "solve", *PROBLEM, *under, "--horizon", 5, "--out", tmp_path)
    assert code == 0
    assert rc.Trajectory.load(tmp_path / "trajectory.npz").teacher.covariance is not None
    sgd = (*PROBLEM, *under, "--steps", 40, "--learning-rate", 1e-3, "--out", tmp_path)
    code, printed, _ = run_cli(monkeypatch, capsys, "simulate", *sgd)
    assert code == 0
    assert "simulated directly" in printed
    code, printed, _ = run_cli(monkeypatch, capsys, "compare", tmp_path / "run.csv", "--out", tmp_path)
    assert code == 0
    assert "no finite-step limit: none is known for anisotropic input" in printed
    code, _, error = run_cli(
        monkeypatch, capsys, "compare", "hermite4", "--covariance-exponent", 0.5, "--out", tmp_path
    )
    assert code == 2
    assert "Argument `initial_overlaps` must be left out under a covariance" in error


def test_sgd_and_a_comparison_of_a_two_layer_student(monkeypatch, capsys, tmp_path):
    sgd = (*PROBLEM, *TWO_LAYER, "--steps", 40, "--learning-rate", 1e-3, "--out", tmp_path)
    code, printed, _ = run_cli(monkeypatch, capsys, "simulate", *sgd)
    assert code == 0
    code, printed, _ = run_cli(monkeypatch, capsys, "compare", tmp_path / "run.csv", "--out", tmp_path)
    assert code == 0
    assert "no finite-step limit: none is known for a two-layer student" in printed


def test_gaussian_directions_and_negative_amplitudes(monkeypatch, capsys, tmp_path):
    """Drawn from the seed: the same command gives the same teacher; `compare` reads them back."""
    options = (*PROBLEM, "--teacher-directions", "gaussian", "--negative", "2", "--seed", 3)
    teachers = []
    for place in ("one", "two"):
        code, _, _ = run_cli(monkeypatch, capsys, "solve", *options, "--horizon", 5, "--out", tmp_path / place)
        assert code == 0
        teachers.append(rc.Trajectory.load(tmp_path / place / "trajectory.npz").teacher)
    np.testing.assert_array_equal(teachers[0].gram, teachers[1].gram)
    assert np.abs(teachers[0].gram - np.eye(teachers[0].width)).max() > 1e-3
    np.testing.assert_array_equal(np.sign(teachers[0].a)[:3], [1, -1, 1])
    sgd = (*options, "--steps", 40, "--learning-rate", 1e-3, "--out", tmp_path)
    assert run_cli(monkeypatch, capsys, "simulate", *sgd)[0] == 0
    np.testing.assert_allclose(rc.Run.load(tmp_path / "run.csv").teacher.gram, teachers[0].gram, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--parametrisation", "two_layer"), "Argument `link` must have σ(λz) = λσ(z), λ > 0 (relu, abs or he1)"),
        (("--covariance-exponent", -1), "Argument `covariance_exponent` must be"),
        (("--covariance-exponent", 0.5, "--flow", "Riccati"), "must live on isotropic input for Riccati"),
        (("--negative", "1,9"), "Argument `negative` must be numbers from 1 to"),
        (("--negative", "two"), "Argument `negative` must be numbers from 1 to"),
        (
            ("--link", "he4", "--teacher-directions", "gaussian", "--flow", "Decoupled"),
            "have orthonormal directions for Decoupled",
        ),
        ((*TWO_LAYER, "--flow", "FiniteStep", "--gamma", 0.1), "without `second_layer`"),
    ],
)
def test_what_is_not_supported_is_refused_in_one_line(monkeypatch, capsys, options, message):
    code, _, error = run_cli(monkeypatch, capsys, "emergence", *PROBLEM, *options, "--horizon", 5)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
