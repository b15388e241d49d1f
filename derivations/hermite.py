"""Hermite calculus: h_j = He_j/√(j!) is an orthonormal basis under N(0, 1), and correlations become powers.

From the generating function exp(tz - t²/2) = Σ_j t^j He_j(z)/j!:

    √(j+1) h_{j+1} = z h_j - √j h_{j-1},      h_j' = √j h_{j-1},      E h_i(<u,x>) h_j(<v,x>) = δ_ij <u,v>^j

for unit u, v and x ~ N(0, I), for all i and j; i = j and u = v give E h_i h_j = δ_ij.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_equal, prove_zero

z, w, t, s = sp.symbols("z w t s", real=True)
q = sp.symbols("q", real=True)
i, j, n = sp.symbols("i j n", integer=True, nonnegative=True)
h_j, h_below = sp.symbols("h_{j}(z) h_{j-1}(z)")
_EXPLICIT = 4  # degrees up to which the correlations are integrated term by term as well


def polynomial(degree: int) -> sp.Expr:
    """h_degree(z), from the generating function's Taylor coefficient."""
    he = sp.diff(sp.exp(t * z - t**2 / 2), t, degree).subs(t, 0)
    return sp.expand(he) / sp.sqrt(sp.factorial(degree))


def mean(expression: sp.Expr, *gaussians: sp.Symbol) -> sp.Expr:
    """E of a polynomial in independent N(0, 1) variables: E z^{2l} = (2l - 1)!!, odd moments 0."""
    if not gaussians:
        return expression
    total = sp.S.Zero
    for powers, c in sp.Poly(expression, *gaussians).terms():
        if all(p % 2 == 0 for p in powers):
            total += c * sp.Mul(*(sp.factorial2(p - 1) for p in powers))
    return sp.expand(total)


def derive() -> Derivation:
    """The recurrence, the derivative rule and the correlations, from the generating function."""
    F = sp.exp(t * z - t**2 / 2)
    prove_zero(sp.diff(F, t) - (z - t) * F, "recurrence of the generating function")
    prove_zero(sp.diff(F, z) - t * F, "derivative of the generating function")

    # X = z and Y = q z + √(1 - q²) w have correlation q; the mean over w, then over z
    weight = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    r = sp.symbols("r", positive=True)
    over_w = sp.integrate(sp.exp(s * r * z) * weight, (z, -sp.oo, sp.oo)).subs(r, sp.sqrt(1 - q**2))
    over_z = sp.integrate(sp.exp((t + s * q) * z) * weight, (z, -sp.oo, sp.oo))
    joint = sp.simplify(sp.exp(-(t**2) / 2 - s**2 / 2) * over_w * over_z)
    prove_equal(joint, sp.exp(q * s * t), "mean of two generating functions")
    series = sp.Sum((q * s * t) ** n / sp.factorial(n), (n, 0, sp.oo))
    prove_equal(series.doit(), joint, "power series of the mean")

    # the coefficient of t^i s^j is δ_ij q^j/j!, and the definition divides by i! j!/√(i! j!)
    by_series = sp.KroneckerDelta(i, j) * q**j / sp.factorial(j) * sp.sqrt(sp.factorial(i) * sp.factorial(j))
    gram = sp.KroneckerDelta(i, j) * q**j
    for first, second in product(range(_EXPLICIT + 1), repeat=2):
        partner = polynomial(second).subs(z, q * z + sp.sqrt(1 - q**2) * w)
        here = {i: first, j: second}
        prove_equal(by_series.subs(here), gram.subs(here), "coefficient of the joint series")
        prove_equal(mean(polynomial(first) * partner, z, w), gram.subs(here), "explicit correlation")

    expansion = sp.Sum(t**n * sp.Function("h_n")(z) / sp.sqrt(sp.factorial(n)), (n, 0, sp.oo))
    return Derivation(
        title="Hermite calculus",
        statement=r"$h_j = He_j/\sqrt{j!}$ is orthonormal under $N(0,1)$, and "
        r"$E\,h_i(\langle u,x\rangle)h_j(\langle v,x\rangle) = \delta_{ij}\langle u,v\rangle^j$ for unit $u, v$.",
        steps=(
            (r"The generating function defines $He_j$: $F = \sum_j t^j He_j(z)/j!$.", F),
            (r"Its $t$-derivative gives the recurrence $He_{j+1} = z He_j - j "
             r"He_{j-1}$.", equation(sp.diff(F, t), (z - t) * F)),
            (r"Its $z$-derivative gives $He_j' = j He_{j-1}$.", equation(sp.diff(F, z), t * F)),
            (r"Two generating functions at correlation $q$ have the mean $e^{qst}$.", joint),
            (r"The coefficient of $t^i s^j$ in its power series is that of $E\,He_i He_j/(i!\,j!)$.", series),
        ),
        result={
            "generating function": equation(expansion, F),
            "recurrence": equation("h_{j+1}(z)", (z * h_j - sp.sqrt(j) * h_below) / sp.sqrt(j + 1)),
            "derivative": equation("h_{j}'(z)", sp.sqrt(j) * h_below),
            "correlation": equation(r"E\,h_i h_j", gram),
        },
        proved="generating function, recurrence, derivative rule; E h_i h_j = δ_ij q^j for all i, j, "
        f"and by integration to degree {_EXPLICIT}",
    )  # fmt: skip


_AT = np.linspace(-2.5, 2.5, 7)
_OVERLAP = -0.6


@cache
def _computed() -> dict[str, Any]:
    """h_j and h_j' at a few points by riccati, and E h_i h_j by quadrature at one overlap."""
    import jax
    from scipy.special import roots_hermitenorm

    from riccati.problem import hermite, hermite_series, series_derivative

    def polynomials(points: np.ndarray) -> np.ndarray:
        return np.asarray(jax.jit(jax.vmap(lambda row: hermite_series(row, points)))(np.eye(32)))

    nodes, weights = roots_hermitenorm(40)
    weights = weights / weights.sum()
    first = polynomials(nodes)
    second = polynomials(_OVERLAP * nodes[:, None] + np.sqrt(1 - _OVERLAP**2) * nodes)
    return {
        "h": polynomials(_AT),
        "h_5": jax.jit(lambda points: hermite(5, points))(_AT),
        "h'": jax.jit(jax.vmap(lambda row: hermite_series(series_derivative(row), _AT)))(np.eye(32)),
        "correlation": np.einsum("n,in,jnm,m->ij", weights, first[:6], second[:6], weights),
    }


def check(derivation: Derivation | None = None) -> Checked:
    """The rules against riccati.problem.hermite, the correlations against its polynomials and quadrature."""
    from scipy.special import factorial

    d, code = derivation or derive(), _computed()
    h = dict(enumerate(code["h"])) | {-1: np.zeros(7)}
    recurrence = numeric(d["recurrence"], j, z, h_j, h_below)
    slope = numeric(d["derivative"], j, z, h_below)
    worst = []
    for degree in range(12):
        worst.append(agree(recurrence(degree, _AT, h[degree], h[degree - 1]), h[degree + 1], "recurrence"))
        worst.append(agree(slope(degree, _AT, h[degree - 1]) + 0 * _AT, code["h'"][degree], "derivative"))
    worst.append(agree(recurrence(4, _AT, h[4], h[3]), code["h_5"], "recurrence"))
    total = sum(0.3**degree * h[degree] / np.sqrt(factorial(degree)) for degree in range(32))
    worst.append(agree(numeric(d["generating function"], t, z)(0.3, _AT), total, "generating function"))
    for first, second in product(range(6), repeat=2):
        derived = d["correlation"].subs({i: first, j: second, q: _OVERLAP})
        worst.append(agree(1 + float(derived), 1 + code["correlation"][first, second], "correlation", 1e-11))
    return Checked(d.proved, "hermite, series_derivative; quadrature at overlap -0.6", max(worst))
