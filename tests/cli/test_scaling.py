"""`riccati scaling`."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import riccati as rc
from riccati.cli import app


def test_laws_are_printed_with_formula_and_source():
    result = CliRunner().invoke(app, ["scaling", "--link", "he4", "--beta", "0.8", "--student-width", "64"])
    assert result.exit_code == 0
    for text in ("-0.3333 = (1-2β)/(1+β)", "RNWL25", "d^1 of canonical time", "floor"):
        assert text in result.output


@pytest.mark.parametrize(
    ("link", "by", "kind"),
    [("he2", "finite_step_weights.py, seed 0", rc.Start), ("he3", "own_pair.py", rc.TypicalStart)],
)
def test_the_step_of_a_budget_is_printed_with_what_it_minimises(monkeypatch, link, by, kind):
    asked = []

    def recommended(teacher, start, samples):
        asked.append((teacher.width, type(start), start.student_width, start.dim, samples))
        return SimpleNamespace(sgd=rc.SGD(0.0125), excess=0.25)

    monkeypatch.setattr(rc.scaling, "recommended_step", recommended)
    budget = ["scaling", "--link", link, "--teacher-width", "3", "--student-width", "2", "--samples", "12000"]
    result = CliRunner().invoke(app, [*budget, "--dim", "300"])
    assert result.exit_code == 0
    assert "0.0125 = argmin_η risk(n), " in result.output
    assert by in result.output
    assert "0.25 = risk(n) - Σ_(m>N) a_m²/Σ a_m²" in result.output
    assert asked == [(3, kind, 2, 300, 12000)]
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
