"""k = 2: the gradient noise of SGD, its covariance, a factor of it, and its sum over the search phase.

One step moves the weights by -ηe(xxᵀ - 1)W, e = xᵀDx - tr D. Its noise Ξ = e(xxᵀ - 1) - 2D has, over the 105 pairings
of four forms and for symmetric E and F,

    Cov(tr EΞ, tr FΞ) = 4 tr D² tr EF + 4 tr DE tr DF + 16[tr D²(EF + FE) + tr DEDF],

which is that of 2gD + √R(X + Xᵀ) + DB + BᵀD, B = (√3+1)X' + (√3-1)X'ᵀ, R = tr D², with standard normal g, X, X'. On a
row θ_p that is not learned, where θ_pᵀW is small and Dθ_p = -a_pθ_p, with u = w_i, v = w_l,

    Cov(θ_pᵀΞu, θ_pᵀΞv) = 2(R + 4a_p²) uᵀv + 8 uᵀD²v - 8a_p uᵀDv.

So in canonical time, norms small, |w|² growing as e^{2γRt}, a start that is ahead by e^{2a_pt} has gathered, for each
unit of the initial |w|²,

    V_p = (2γ/d)(R + 4a_p²) ∫ e^{2γRt - 4a_pt} dt     ->     γ(R + 4a_p²)/(d(2a_p - γR)),

of the size of the start itself, 1/d, unless γ -> 0. At γR = 2a_p it grows as 2γ(R + 4a_p²)t/d, and past that, in units
of |w|², the variance is stationary at γ(R + 4a_p²)/(d(γR - 2a_p)): the direction waits until R falls.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices, tr, trace, transpose
from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .wick import mean_form, quadrature

D, E, F = matrices("D E F")
theta, thetat, u, ut, v, vt = matrices(r"\theta \theta^T u u^T v v^T")
a_p, gamma, dim, t, R, horizon = sp.symbols("a_p gamma d t R t_1", positive=True)
gap = sp.symbols("delta", positive=True)
_ALONG, _ACROSS = sp.sqrt(3) + 1, sp.sqrt(3) - 1


def symmetric(expression: sp.Expr) -> sp.Expr:
    """Traces of products with symmetric D, E, F: each the mean of itself and of its transpose."""
    pairs = {theta: thetat, u: ut, v: vt}
    both = {term: (term + trace(transpose(term.args[0], pairs))) / 2 for term in expression.atoms(tr)}
    return sp.expand(expression.subs(both, simultaneous=True))


def covariance() -> sp.Expr:
    """E Π (xᵀD_ix - tr D_i) over D, D, E, F, less the product of the means 2 tr DE and 2 tr DF."""
    forms, total = (D, D, E, F), sp.S.Zero
    for size in range(5):
        for kept in combinations(range(4), size):
            left = sp.Mul(*(-trace(forms[n]) for n in range(4) if n not in kept))
            total += left * (mean_form([forms[n] for n in kept]) if kept else 1)
    return symmetric(sp.expand(total - 4 * trace(D * E) * trace(D * F)))


def of_factor() -> sp.Expr:
    """The same of the factor: tr EΞ = 2g tr DE + 2√R tr EX + 2 tr CX', C = (√3+1)ED + (√3-1)DE."""
    C, Ct = _ALONG * E * D + _ACROSS * D * E, _ALONG * D * F + _ACROSS * F * D
    scalar = 4 * trace(D * E) * trace(D * F)
    return symmetric(sp.expand(scalar + 4 * trace(D**2) * trace(E * F) + 4 * trace(sp.expand(C * Ct))))


def row(whole: sp.Expr) -> sp.Expr:
    """`whole` for E = (θuᵀ + uθᵀ)/2, F = (θvᵀ + vθᵀ)/2, where Dθ = -aθ and θᵀu = θᵀv = 0."""
    rules = {
        thetat * theta: 1, thetat * u: 0, thetat * v: 0, ut * theta: 0, vt * theta: 0, D * theta: -a_p * theta,
        thetat * D: -a_p * thetat,
    }  # fmt: skip
    left, right = (theta * ut + u * thetat) / 2, (theta * vt + v * thetat) / 2
    inside = {
        term: trace(sp.expand(term.args[0].subs({E: left, F: right})), rules)
        for term in whole.atoms(tr)
        if term.args[0].has(E) or term.args[0].has(F)
    }
    return sp.expand(whole.subs(inside, simultaneous=True).subs(tr(D**2), R))


def gathered() -> tuple[sp.Expr, sp.Expr, sp.Expr, sp.Expr]:
    """The noise gathered up to t_1, its end for 2a > γR, its limit at γR = 2a, and the stationary variance past it."""
    rate = 2 * gamma / dim * (R + 4 * a_p**2)
    exponent = sp.symbols("nu", real=True, nonzero=True)  # 2γR - 4a
    before = sp.integrate(rate * sp.exp(exponent * t), (t, 0, horizon))
    slow = {exponent: -gap}
    end = sp.limit(before.subs(slow), horizon, sp.oo).subs(gap, 4 * a_p - 2 * gamma * R)
    waiting = sp.limit(before, exponent, 0)
    past = sp.limit(sp.expand(before.subs(exponent, gap) * sp.exp(-gap * horizon)), horizon, sp.oo)
    return before.subs(exponent, 2 * gamma * R - 4 * a_p), end, waiting, past.subs(gap, 2 * gamma * R - 4 * a_p)


def derive() -> Derivation:
    """The covariance over all pairings, its factor, a row of it, and the noise that a start gathers."""
    whole = covariance()
    short = 4 * trace(D**2) * trace(E * F) + 4 * trace(D * E) * trace(D * F)
    short += 16 * trace(D**2 * E * F + D**2 * F * E + D * E * D * F)
    prove_zero(whole - symmetric(short), "the covariance")
    prove_zero(whole - of_factor(), "the factor's covariance")
    on_row = row(whole)
    scalar = trace(u * vt)
    expected = 2 * (R + 4 * a_p**2) * scalar + 8 * trace(D**2 * u * vt) - 8 * a_p * trace(D * u * vt)
    prove_zero(symmetric(on_row - expected), "a row that is not learned")
    before, end, waiting, past = gathered()
    prove_zero(sp.limit(end, gamma, 0), "without noise nothing is gathered")
    return Derivation(
        title="Gradient noise",
        statement=r"$\Xi = e(xx^T-1) - 2D$ has the covariance of $2gD + \sqrt R(X+X^T) + DB + B^TD$; a direction not "
        r"yet learned gathers $V_p \to \gamma(R+4a_p^2)/(d(2a_p - \gamma R))$ of it.",
        steps=(
            (r"Over 105 pairings, less the means, $\mathrm{Cov}(\mathrm{tr}E\Xi, \mathrm{tr}F\Xi)$ is", whole),
            (r"On a row with $D\theta = -a\theta$, $\theta^Tu = \theta^Tv = 0$:", on_row),
            (r"What a start gathers up to $t_1$:", before),
        ),
        result={
            "covariance": equation(r"\mathrm{Cov}(\mathrm{tr}E\Xi, \mathrm{tr}F\Xi)", whole),
            "row": equation(r"\mathrm{Cov}(\theta^T\Xi u, \theta^T\Xi v)", on_row),
            "V_p": equation("V_p", before),
            "gathered": equation(r"V_p(\infty)", end),
            "waiting": equation(r"V_p, \gamma R = 2a_p", waiting),
            "stationary": equation(r"V_p, \gamma R > 2a_p", past),
        },
        proved="the covariance over 105 pairings, its factor, the row of a direction not learned, V_p and its limits",
    )  # fmt: skip


@cache
def _computed() -> dict[str, np.ndarray]:
    """Two directions and two neurons in R⁴: riccati's noise as a linear map of its normals, squared; and quadrature."""
    import jax
    import jax.numpy as jnp

    from riccati.laws.replicas import NoiseNormals, gradient_noise

    random = np.random.default_rng(7)
    a = np.array([0.8, 0.6])
    V = np.linalg.qr(random.normal(size=(4, 2)))[0]
    Omega = np.array([[0.7, 0.2], [0.2, 0.4]])
    form = V @ Omega @ V.T - np.diag([*a, 0, 0])
    size = np.sum(form**2)

    def drawn(numbers: np.ndarray) -> np.ndarray:
        plain, shaped = numbers[1:].reshape(2, 4, 4)
        normals = NoiseNormals(numbers[0], plain, shaped)
        return gradient_noise(normals, jnp.asarray(V), jnp.asarray(Omega), jnp.asarray(a), size)

    factor = np.asarray(jax.vmap(drawn)(jnp.eye(33)))
    x, weights = quadrature(4, 5)
    e = np.einsum("ni,ij,nj->n", x, form, x) - np.trace(form)
    noise = e[:, None, None] * (np.einsum("ni,nj->nij", x, x) - np.eye(4)) - 2 * form
    return {
        "a": a, "V": V, "form": form, "factor": np.einsum("gij,gkl->ijkl", factor, factor),
        "quadrature": np.einsum("n,nij,nkl->ijkl", weights, noise @ V, noise @ V),
    }  # fmt: skip


_ENTRIES = ((0, 0, 0, 0), (0, 0, 1, 1), (0, 1, 2, 0), (1, 0, 1, 0), (2, 0, 3, 1), (3, 1, 3, 1), (2, 1, 2, 0))


def _entries(moments: np.ndarray) -> np.ndarray:
    return np.array([moments[entry] for entry in _ENTRIES])


def _derived(covariance: sp.Expr, form: np.ndarray, V: np.ndarray) -> np.ndarray:
    """A few Cov((ΞV)_ij, (ΞV)_kl) by the formula."""

    def side(row: int, column: int) -> np.ndarray:
        outer = np.outer(np.eye(len(V))[row], V[:, column])
        return (outer + outer.T) / 2

    values = [{D: form, E: side(*entry[:2]), F: side(*entry[2:])} for entry in _ENTRIES]
    return np.array([evaluate(covariance, value) for value in values])


def check(derivation: Derivation | None = None) -> Checked:
    """Against riccati's gradient noise, a linear map of its normals, exactly; against quadrature in R⁴."""
    from scipy.integrate import quad

    d, code = derivation or derive(), _computed()
    cov = _derived(d["covariance"], code["form"], code["V"])
    worst = [agree(cov, _entries(code[name]), name) for name in ("quadrature", "factor")]
    # a row that is not learned: two more coordinates, in which a direction with a = 0.3 has no overlap with u and v
    random = np.random.default_rng(1)
    inside = random.normal(size=(3, 3))
    form = np.zeros((4, 4))
    form[:3, :3], form[3, 3] = inside + inside.T, -0.3
    left, right = (np.append(random.normal(size=3), 0.0)[:, None] for _ in range(2))
    unit = np.eye(4)[:, 3:]
    values = {D: form, u: left, v: right, ut: left.T, vt: right.T, theta: unit, thetat: unit.T, a_p: 0.3}
    by_row = evaluate(d["row"], {**values, R: np.sum(form**2)})
    sides = [(unit @ w.T + w @ unit.T) / 2 for w in (left, right)]
    x, weights = quadrature(4, 5)
    e = np.einsum("ni,ij,nj->n", x, form, x) - np.trace(form)
    projected = [
        e * (np.einsum("ni,ij,nj->n", x, side, x) - np.trace(side)) - 2 * np.sum(form * side) for side in sides
    ]
    worst.append(agree(by_row, weights @ (projected[0] * projected[1]), "row"))

    def grown(a: float, g: float, rest: float, end: float) -> float:
        return quad(lambda s: 2 * g / 300 * (rest + 4 * a**2) * np.exp((2 * g * rest - 4 * a) * s), 0, end, epsabs=0,
                    epsrel=1e-13)[0]  # fmt: skip

    arguments = (a_p, gamma, R, dim, horizon)
    cases = {
        "V_p": ((0.3, 0.2, 0.9, 300, 4.0), grown(0.3, 0.2, 0.9, 4.0)),
        "gathered": ((0.3, 0.2, 0.9, 300, 0.0), grown(0.3, 0.2, 0.9, 60.0)),
        "waiting": ((0.1, 0.2, 1.0, 300, 4.0), grown(0.1, 0.2, 1.0, 4.0)),
        "stationary": ((0.05, 0.4, 0.9, 300, 0.0), grown(0.05, 0.4, 0.9, 90.0) * np.exp(-(0.72 - 0.2) * 90.0)),
    }
    for name, (at, computed) in cases.items():
        worst.append(agree(numeric(d[name], *arguments)(*at), computed, name))
    return Checked(d.proved, "gradient_noise as a linear map; quadrature over samples in R⁴", max(worst))
