"""`riccati scaling`."""

import pytest
from typer.testing import CliRunner

import riccati as rc
from riccati.cli import app


def test_laws_are_printed_with_formula_and_source():
    result = CliRunner().invoke(app, ["scaling", "--link", "he4", "--beta", "0.8", "--student-width", "64"])
    assert result.exit_code == 0
    for text in ("-0.3333 = (1-2β)/(1+β)", "RNWL25", "d^1 of canonical time", "floor"):
        assert text in result.output


def test_the_step_of_a_budget_is_printed_with_what_it_minimises():
    budget = ["scaling", "--link", "he2", "--teacher-width", "3", "--student-width", "2", "--samples", "12000"]
    result = CliRunner().invoke(app, [*budget, "--dim", "300"])
    assert result.exit_code == 0
    assert "= argmin_η risk(n), derivations/finite_step_weights.py" in result.output
    with pytest.raises(rc.ArgumentError, match="`dim` must be given with --samples"):
        CliRunner().invoke(app, budget, catch_exceptions=False)


def test_a_run_is_fitted_and_drawn(tmp_path):
    name = "hermite4"
    result = CliRunner().invoke(app, ["scaling", name, "--floor", "free", "--out", str(tmp_path)])
    assert result.exit_code == 0
    assert "interval" in result.output
    assert (tmp_path / "scaling.png").stat().st_size > 1000
    with pytest.raises(rc.ArgumentError, match="`floor` must be free or a number"):
        CliRunner().invoke(app, ["scaling", name, "--floor", "often"], catch_exceptions=False)
