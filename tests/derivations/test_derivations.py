"""Every derivation holds, and its check notices when a coefficient of a derived formula is changed."""

import os
import subprocess
import sys
from contextlib import contextmanager
from functools import cache

import pytest
import sympy as sp
from sympy.core.cache import clear_cache

from derivations import NAMES, verify
from derivations._common import Disagreement, NotProved, agree, prove_zero
from derivations._latex import document
from derivations._verify import load

CHANGE = sp.Rational(51, 50)


def changed(expression):
    """The expression with one coefficient changed, for each of its terms and of the sums among its factors."""
    if expression.is_Add:
        terms = expression.args
        return [sp.Add(*terms[:n], CHANGE * t, *terms[n + 1 :]) for n, t in enumerate(terms)]
    inside = []
    if expression.is_Mul:
        parts = expression.args
        sums = [n for n, part in enumerate(parts) if part.is_Add]
        inside = [sp.Mul(*parts[:n], new, *parts[n + 1 :]) for n in sums for new in changed(parts[n])]
    return [CHANGE * expression, *inside]


@contextmanager
def code_out_of_reach():
    """Within, whoever imports the package or JAX fails, as if they were not installed."""
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ("jax", "riccati")}
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        sys.modules.update(hidden)


@cache
def derived(name):
    """A derivation, made once for all tests and without a look at the code."""
    with code_out_of_reach():
        return load(name).derive()


@pytest.fixture
def _nothing_stays():
    """Expressions of one derivation are of no use to the next, and take a gigabyte together."""
    yield
    clear_cache()


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize("name", NAMES)
def test_derivation_holds_and_a_changed_coefficient_is_noticed(name):
    module, derivation = load(name), derived(name)
    assert derivation.steps
    proved, compared, deviation = module.check(derivation)
    assert proved
    assert compared
    assert deviation < (1e-3 if name in ("scaling", "sharp_limit") else 1e-11)  # scaling laws are limits
    unnoticed = []
    for result, shown in derivation.result.items():
        for n, wrong in enumerate(changed(shown.rhs)):
            try:
                module.check(derivation.with_result(result, wrong))
            except Disagreement:
                continue
            unnoticed.append(f"{result}, change {n}: {wrong}")
    assert not unnoticed


def test_derivations_do_not_import_the_code():
    program = (
        "import sys; from derivations._verify import NAMES, load\n"
        "[load(name) for name in NAMES]\n"
        "assert not {'jax', 'riccati'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    for code in ("import jax", "import riccati.flows", "from riccati.flows import Riccati"):
        with code_out_of_reach(), pytest.raises(ImportError):
            exec(code)


def test_derivations_make_a_document():
    text = document({name: derived(name) for name in NAMES})
    assert text.isascii()
    depth = 0
    for n, char in enumerate(text):
        if char in "{}" and text[n - 1] != "\\":
            depth += 1 if char == "{" else -1
        assert depth >= 0
    assert depth == 0
    for environment in ("document", "enumerate", "aligned", "matrix"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}")
    assert text.count(r"\section{") == len(NAMES)
    assert text.replace(r"\$", "").count("$") % 2 == 0


def test_an_identity_that_does_not_hold_is_refused():
    x = sp.symbols("x")
    prove_zero((x + 1) ** 2 - x**2 - 2 * x - 1, "square")
    with pytest.raises(NotProved, match="square"):
        prove_zero((x + 1) ** 2 - x**2 - 2 * x, "square")
    with pytest.raises(NotProved, match="matrix"):
        prove_zero(sp.Matrix([0, x]), "matrix")


def test_agreement_is_relative_and_refuses_nan():
    assert agree([1e9], [1e9 + 1e-6], "large") < 1e-12
    with pytest.raises(Disagreement, match="shapes"):
        agree([1.0, 2.0], [1.0], "lengths")
    with pytest.raises(Disagreement, match="differ"):
        agree([float("nan")], [1.0], "not a number")


def test_verify_says_a_line_each_and_writes_latex(tmp_path):
    lines = []
    assert verify(["hermite"], latex=tmp_path / "one.tex", echo=lines.append)
    assert lines[0].startswith("hermite")
    assert "largest deviation" in lines[0]
    assert lines[-1] == "1 of 1 hold"
    assert (tmp_path / "one.tex").read_text().startswith(r"\documentclass")


def test_verify_reports_failure(monkeypatch):
    module = load("hermite")
    wrong = load("hermite").derive().with_result("derivative", sp.S.Zero)
    monkeypatch.setattr(module, "derive", lambda: wrong)
    lines = []
    assert not verify(["hermite"], echo=lines.append)
    assert "FAILED: derivative" in lines[0]
    assert lines[-1] == "0 of 1 hold, not hermite"


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="No derivation is called nothing"):
        verify(["nothing"])


def test_command_line():
    def run(*arguments):
        command = [sys.executable, "-m", "derivations", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    good, bad = run("hermite"), run("nothing")
    assert good.returncode == 0, good.stderr
    assert "1 of 1 hold" in good.stdout
    assert bad.returncode == 2
    assert "No derivation is called nothing" in bad.stderr
