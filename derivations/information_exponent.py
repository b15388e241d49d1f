"""Hermite coefficients, information exponents and dual activations of the links with closed forms.

With S(t) = E σ(z + t) = E σ(z) exp(tz - t²/2), the coefficients are c_j = S^(j)(0)/√(j!), and k is the first j ≥ 1
with c_j ≠ 0. The dual activation g(q) = Σ_j c_j² q^j obeys g' = E σ'(X) σ'(Y) for X, Y of correlation q, because
h_j' = √j h_{j-1}. With it g is an integral of elementary functions:

    |z|: (2/π)(√(1-q²) + q asin q)     ReLU: (√(1-q²) + q(π - acos q))/(2π), the arc-cosine kernel of order one
    sign: (2/π) asin q                 erf: (2/π) asin(2q/3)
    exp: e^{1+q}                       cos: cosh(q)/e              sin: sinh(q)/e
    z^p: c_{p-2l} = p!/(2^l l! √((p-2l)!))                         He_k: c_j = √(k!) δ_jk
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_equal
from .hermite import polynomial, z

x, y = sp.symbols("x y", real=True)
t, q, v = sp.symbols("t q v", real=True)
n, p, pairs, j, k = sp.symbols("n p l j k", integer=True, nonnegative=True)
_ORDER = 12  # power series are compared to this order

VALUES = {
    "relu": sp.Max(x, 0),
    "abs": sp.Abs(x),
    "sign": sp.sign(x),
    "erf": sp.erf(x),
    "exp": sp.exp(x),
    "cos": sp.cos(x),
    "sin": sp.sin(x),
}
PARITY = {
    "relu": (0, 2),
    "abs": (0, 2),
    "sign": (1, 2),
    "erf": (1, 2),
    "exp": (0, 1),
    "cos": (0, 2),
    "sin": (1, 2),
}
"""The indices first + step·n at which the formula for c holds; ReLU has c_1 besides, all others none."""


def shifted_means() -> dict[str, sp.Expr]:
    """S(t) = E σ(z + t) of every link."""
    density = sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
    positive = sp.integrate((x + t) * density, (x, -t, sp.oo))
    above = sp.integrate(density, (x, -t, sp.oo))
    relu = sp.simplify(positive.rewrite(sp.erf))
    # d/dt E erf(z + t) = (2/√π) E exp(-(z + t)²), a Gaussian integral, and E erf(z) = 0
    slope = sp.integrate(sp.simplify(2 / sp.sqrt(sp.pi) * sp.exp(-((x + v) ** 2)) * density), (x, -sp.oo, sp.oo))
    wave = sp.integrate(sp.cos(x) * density, (x, -sp.oo, sp.oo))  # E sin z = 0
    return {
        "relu": relu,
        "abs": sp.simplify(2 * relu - t),  # |z| = 2 max(z, 0) - z
        "sign": sp.simplify(2 * above.rewrite(sp.erf) - 1),
        "erf": sp.integrate(sp.simplify(slope), (v, 0, t)),
        "exp": sp.integrate(sp.exp(v * x) * density, (x, -sp.oo, sp.oo)).subs(v, 1) * sp.exp(t),
        "cos": wave * sp.cos(t),
        "sin": wave * sp.sin(t),
    }


def coefficients() -> dict[str, sp.Expr]:
    """c_{first + step·n} of every link, read off the power series of erf, exp, cos and sin."""
    even = sp.sqrt(2 / sp.pi) * (-1) ** (n + 1) * sp.sqrt(sp.factorial(2 * n)) / (2**n * sp.factorial(n) * (2 * n - 1))
    odd = 2 / sp.sqrt(sp.pi) * (-1) ** n * sp.sqrt(sp.factorial(2 * n + 1)) / (sp.factorial(n) * (2 * n + 1))
    return {
        "relu": even / 2,
        "abs": even,
        "sign": odd / sp.sqrt(2) ** (2 * n + 1),
        "erf": odd / sp.sqrt(3) ** (2 * n + 1),
        "exp": sp.exp(sp.Rational(1, 2)) / sp.sqrt(sp.factorial(n)),
        "cos": sp.exp(-sp.Rational(1, 2)) * (-1) ** n / sp.sqrt(sp.factorial(2 * n)),
        "sin": sp.exp(-sp.Rational(1, 2)) * (-1) ** n / sp.sqrt(sp.factorial(2 * n + 1)),
    }


def duals() -> dict[str, sp.Expr]:
    """g of every link, from g' = E σ'(X) σ'(Y) or by summing the series."""
    a, b = sp.symbols("a b", positive=True)
    joint = 1 / (2 * sp.pi * sp.sqrt(1 - q**2))  # density of (X, Y) at the origin
    # E exp(-X² - Y²): a Gaussian integral, the quadratic form being a x² - 2 b x y + a y²
    inner = sp.integrate(sp.exp(-a * x**2 + 2 * b * x * y), (x, -sp.oo, sp.oo))
    both = sp.simplify(inner * sp.exp(-a * y**2)).subs(b, sp.sqrt(a**2 - v**2))
    gaussian = sp.integrate(sp.simplify(both), (y, -sp.oo, sp.oo), conds="none").subs(v, sp.sqrt(a**2 - b**2))
    form = {a: 1 + 1 / (2 * (1 - q**2)), b: q / (2 * (1 - q**2))}
    erf_slope = sp.simplify(4 / sp.pi * joint * gaussian.subs(form))
    root = sp.sqrt(1 - q**2)
    relu_slope = sp.Rational(1, 4) + sp.integrate(joint, (q, 0, q))  # g'' = E δ(X) δ(Y), g'(0) = (E σ')²
    return {
        "relu": (root + q * (sp.pi - sp.acos(q))) / (2 * sp.pi),
        "abs": sp.simplify(2 / sp.pi * (root + q * sp.asin(q))),
        "sign": sp.integrate(4 * joint, (q, 0, q)),  # σ' = 2 δ
        "erf": 2 / sp.pi * sp.asin(2 * q / 3),
        "exp": sp.E * sp.Sum(q**n / sp.factorial(n), (n, 0, sp.oo)).doit(),
        "cos": sp.cosh(q) / sp.E,
        "sin": sp.sinh(q) / sp.E,
        "relu slope": relu_slope,
        "erf slope": erf_slope,
    }


def derive() -> Derivation:
    """S, c, k and g of every link, and that the three agree as power series."""
    means, c, g = shifted_means(), coefficients(), duals()
    prove_equal(sp.diff(g["relu"], q), g["relu slope"].rewrite(sp.acos), "slope of the arc-cosine kernel")
    prove_equal(g["relu"].subs(q, 0), means["relu"].subs(t, 0) ** 2, "the arc-cosine kernel at 0")
    prove_equal(g["abs"], (4 * g["relu"] - q).rewrite(sp.asin), "|z| = 2 ReLU - z")
    prove_equal(sp.diff(g["erf"], q) ** 2, g["erf slope"] ** 2, "slope of the dual of erf, positive both")
    result = {}
    for name in VALUES:
        first, step = PARITY[name]
        exact = {j: sp.diff(means[name], t, j).subs(t, 0) / sp.sqrt(sp.factorial(j)) for j in range(_ORDER)}
        listed = {first + step * m: c[name].subs(n, m) for m in range(_ORDER)}
        listed |= {1: sp.Rational(1, 2)} if name == "relu" else {}
        for degree in range(_ORDER):
            there = listed.get(degree, sp.S.Zero)
            prove_equal(exact[degree], there, f"c_{degree} of {name}")
            in_dual = sp.diff(g[name], q, degree).subs(q, 0) / sp.factorial(degree)
            prove_equal(in_dual, there**2, f"power {degree} of the dual of {name}")
        label = rf"\mathrm{{{name}}}"
        result[f"{name}: k"] = equation(f"k[{label}]", sp.Integer(next(m for m in range(1, _ORDER) if exact[m] != 0)))
        result[f"{name}: c"] = equation(f"c_{{{first + step * n}}}[{label}]", c[name])
        result[f"{name}: g"] = equation(f"g[{label}](q)", g[name])
    # e^{tz} = e^{t²/2} Σ_j t^j He_j/j!: the coefficient of t^p gives z^p
    monomial = sp.factorial(p) / (2**pairs * sp.factorial(pairs) * sp.sqrt(sp.factorial(p - 2 * pairs)))
    for power in range(6):
        terms = (monomial.subs({p: power, pairs: m}) * polynomial(power - 2 * m) for m in range(power // 2 + 1))
        prove_equal(sp.Add(*terms), z**power, f"Hermite series of z^{power}")
    result["z^p: c"] = equation("c_{p-2l}[z^p]", monomial)
    result["He_k: c"] = equation("c_{j}[He_k]", sp.sqrt(sp.factorial(k)) * sp.KroneckerDelta(j, k))
    return Derivation(
        title="Hermite coefficients, information exponents and dual activations",
        statement=r"With $S(t) = E\,\sigma(z+t)$, $c_j = S^{(j)}(0)/\sqrt{j!}$; $g(q) = \sum_j c_j^2 q^j$ has $g' "
        r"= E\,\sigma'(X)\sigma'(Y)$.",
        steps=(
            *((rf"$S(t)$ for \texttt{{{name}}}, by integration.", means[name]) for name in VALUES),
            (r"ReLU: $g'' = E\,\delta(X)\delta(Y)$ integrated once, $g'(0) = \frac14$.", g["relu slope"]),
            (r"erf: $g' = \frac4\pi E\,e^{-X^2-Y^2}$.", g["erf slope"]),
        ),
        result=result,
        proved=f"S(t), c_j and g of {len(VALUES)} links agree to order {_ORDER}; ReLU's and erf's kernels by "
        f"integration",
    )  # fmt: skip


_OVERLAPS = np.linspace(-0.95, 0.95, 9)
_POWERS = range(1, 7)


@cache
def _computed() -> dict[str, Any]:
    """Coefficients, information exponents and duals of riccati's links, and the series of powers and of He_k."""
    import jax

    import riccati as rc

    def of(name: str) -> tuple[np.ndarray, int | None, np.ndarray, np.ndarray]:
        link = rc.Link.named(name)
        dual, slope = jax.jit(lambda q: (link.dual(q), link.dual_derivative(q)))(_OVERLAPS)
        return np.asarray(link.coefficients)[:32], link.information_exponent, dual, slope

    def series(function: Callable) -> np.ndarray:
        return np.asarray(rc.Link.from_function(function, degree=8).coefficients)

    return {
        "links": {name: of(name) for name in VALUES},
        "powers": {power: series(lambda z, power=power: z**power) for power in _POWERS},
        "He": {power: series(np.polynomial.hermite_e.HermiteE.basis(power)) for power in _POWERS},
    }


def check(derivation: Derivation | None = None) -> Checked:
    """riccati.Link's coefficients, information exponent, dual and its derivative."""
    d, code = derivation or derive(), _computed()
    worst = []
    for name, (listed, exponent, dual, slope) in code["links"].items():
        first, step = PARITY[name]
        expected = np.zeros(32)
        expected[first::step] = [float(d[f"{name}: c"].subs(n, m)) for m in range(len(expected[first::step]))]
        expected[1] += 0.5 * (name == "relu")
        worst.append(agree(expected, listed, f"c of {name}"))
        worst.append(agree(d[f"{name}: k"], exponent, f"k of {name}"))
        g = d[f"{name}: g"]
        worst.append(agree(numeric(g, q)(_OVERLAPS), dual, f"g of {name}"))
        worst.append(agree(numeric(sp.diff(g, q), q)(_OVERLAPS), slope, f"g' of {name}"))
    for power in _POWERS:
        derived = np.zeros(9)
        for m in range(power // 2 + 1):
            derived[power - 2 * m] = float(d["z^p: c"].subs({p: power, pairs: m}))
        worst.append(agree(derived, code["powers"][power], f"c of z^{power}", 1e-11))
        # He_k as numpy has it, through riccati's quadrature
        derived = [float(d["He_k: c"].subs({j: m, k: power})) for m in range(9)]
        worst.append(agree(derived, code["He"][power], f"c of He_{power}", 1e-11))
    return Checked(d.proved, "Link.named: coefficients, k, dual, dual_derivative; Link.from_function", max(worst))
