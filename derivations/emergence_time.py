"""k > 2: the exact inverse of the decoupled overlap equation, and the emergence time's expansion.

From dm/dt = a_p g'(m)(1 - m²) (derivations/decoupled.py) with σ = h_k, g' = k m^{k-1},

    a_p t(m) = ∫_{m_0}^m dv/(k v^{k-1}(1 - v²)),

by partial fractions for k = 3 … 8. The emergence time is t at m² = ½. Expanded in m_0 term by term,

    a_p T = 1/(k(k-2) m_0^{k-2}) + 1/(k(k-4) m_0^{k-4}) + …      (two terms that diverge if k > 4)

and for k = 4 exactly a_p T = (½m_0^{-2} - log m_0 + ½ log(1 - m_0²) - 1)/4.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .decoupled import decoupled, m
from .population_gradient import c, k, pure

m_0, v, a_p = sp.symbols("m_0 v a_p", positive=True)
DEGREES = range(3, 9)
_START, _HALF = 0.3, np.sqrt(0.5)  # where numbers are compared


def inverse(degree: int) -> tuple[sp.Expr, sp.Expr]:
    """The partial fractions of 1/(g'(v)(1 - v²)) and their primitive, 0 < v < 1."""
    velocity = pure(decoupled()[0]).subs({c: 1, a_p: 1, k: degree}).subs(m, v)
    fractions = sp.apart(1 / velocity, v)
    primitive = sp.integrate(fractions, v).subs({sp.log(v - 1): sp.log(1 - v), sp.log(v**2 - 1): sp.log(1 - v**2)})
    prove_zero(sp.diff(primitive, v) * velocity - 1, f"inverse for k = {degree}")
    return fractions, primitive


def derive() -> Derivation:
    """t(m) for each k, two terms of T for symbolic k, and T for k = 4."""
    inverses = {degree: inverse(degree) for degree in DEGREES}
    result = {}
    for degree, (_, primitive) in inverses.items():
        exact = (primitive.subs(v, m) - primitive.subs(v, m_0)) / a_p
        result[f"t(m), k = {degree}"] = equation(f"t(m)[k={degree}]", exact)
    at_half = result["t(m), k = 4"].rhs.subs(m, 1 / sp.sqrt(2))
    emergence = (1 / (2 * m_0**2) - sp.log(m_0) + sp.log(1 - m_0**2) / 2 - 1) / (4 * a_p)
    prove_zero(sp.expand_log(at_half - emergence, force=True), "emergence time, k = 4")
    result["T, k = 4"] = equation("T[k=4]", emergence)
    # 1/(k v^{k-1}(1 - v²)) = (1/k) Σ_j v^{2j+1-k}, and dT/dm_0 is minus that
    leading, following = (m_0 ** (2 + 2 * j - k) / (k * (k - 2 - 2 * j) * a_p) for j in range(2))
    for j, term in enumerate((leading, following)):
        prove_zero(sp.diff(term * a_p, m_0) + m_0 ** (2 * j + 1 - k) / k, f"term {j} of the emergence time")
    result |= {"leading": equation("T_0", leading), "following": equation("T_1", following)}
    return Derivation(
        title="Emergence times",
        statement=r"$a_pt(m) = \int_{m_0}^m dv/(kv^{k-1}(1-v^2))$; $T$, at $m^2 = \frac12$, begins with "
        r"$1/(k(k-2)a_pm_0^{k-2})$.",
        steps=(
            *((rf"Partial fractions of $1/(g'(v)(1-v^2))$, $k = {n}$.", inverses[n][0]) for n in DEGREES),
            (r"Expanding $1/(1-v^2)$, each power of $v$ integrates to a term of $T$; the first is", leading),
            (r"and the second", following),
        ),
        result=result,
        proved="t(m) by partial fractions for k = 3 … 8; two terms of T for symbolic k; T for k = 4",
    )  # fmt: skip


@cache
def _computed() -> dict[int, dict[str, Any]]:
    """collapsed_time, its leading order, and quadrature, for each k."""
    from scipy.integrate import quad

    import riccati as rc
    from riccati.flows.master_curve import collapsed_time, leading_collapsed_time

    def of(degree: int) -> dict[str, Any]:
        link = rc.Link.hermite(degree)
        whole = quad(lambda v: 1 / (link.dual_derivative(v) * (1 - v**2)), _START, _HALF, epsabs=0, epsrel=1e-13)[0]
        exact, leading = collapsed_time(link, _START), leading_collapsed_time(link, _START)
        return {"quadrature": whole, "exact": exact, "leading": leading}

    return {degree: of(degree) for degree in DEGREES}


def check(derivation: Derivation | None = None) -> Checked:
    """collapsed_time and leading_collapsed_time for k = 3 … 8, and quadrature."""
    d, code = derivation or derive(), _computed()
    worst = []
    for degree in DEGREES:
        derived = numeric(d[f"t(m), k = {degree}"], m, m_0, a_p)(_HALF, _START, 0.7)
        worst.append(agree(derived, code[degree]["quadrature"] / 0.7, f"t(m), k = {degree}", 1e-11))
        worst.append(agree(derived * 0.7, code[degree]["exact"], f"t(m), k = {degree}"))
        leading = numeric(d["leading"], k, m_0, a_p)(degree, _START, 1.0)
        worst.append(agree(leading, code[degree]["leading"], "leading term of T"))
    emergence = numeric(d["T, k = 4"], m_0, a_p)(_START, 1.0)
    worst.append(agree(emergence, code[4]["exact"], "T, k = 4"))
    for degree in (7, 8):
        small = {k: degree, m_0: sp.Rational(1, 1000), a_p: 1}
        whole = d[f"t(m), k = {degree}"].subs(small).subs(m, sp.sqrt(2) / 2).evalf(40)
        first, second = d["leading"].subs(small), d["following"].subs(small)
        agree(float((whole - first) / second), 1.0, "second term of T", 1e-4)
    return Checked(d.proved, "collapsed_time, leading_collapsed_time; quadrature", max(worst))
