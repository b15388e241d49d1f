"""k > 2: the second-order terms of one SGD step on a neuron, and their mean while its own pair is what is left.

A sample moves w = √s u by η √s e(2σ u + σ' x_⊥), e = f* - f, σ = σ(<u,x>). To second order in η, with ξ = <x_⊥,θ>,

    s -> s + 4ηs eσ + η²s e²(4σ² + σ'²|x_⊥|²),      m -> m + ηeσ'ξ - ½η² e²σ'(4σξ + σ'|x_⊥|² m)

and |x_⊥|² ≈ d is what grows: with γ = ηd/B, dm/dt has -(γ/2) m E e²σ'² and ds/dt has +γ s E e²σ'². When the rest of
the residual is learned, e = a h_k(ν) - s h_k(z), z and ν of correlation m, and

    E[(s h_k(z) - a h_k(ν))² h_k'(z)²]

is a polynomial in m, of degree 2 in (s, a); for k = 1: s² - 2sam + a². With binomials

    C(m) = E h_k(ν)² h_k'(z)² = k Σ_{j<k} binom(k,j) binom(k-1,j) binom(2j,j) m^2j

it is C(1)(s - a m^k)² + a²[C(m) - C(1)m^2k]: E h_k(ν) F(z) = m^k E h_k(z) F(z) with F = h_k h_k'² gives the cross term,
and the linearisation h_k² = Σ_j (k-j)! binom(k,j)² √((2j)!)/k! h_2j, with h_k'² = k h_{k-1}², the polynomial C.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, NotProved, agree, equation, prove_zero
from .hermite import mean, polynomial, w, z

m, s, a, r = sp.symbols("m s a r", real=True)
gamma, noise, k = sp.symbols(r"gamma \mathcal{E} k", positive=True)
eta, e, sigma, slope, xi, square = sp.symbols(r"eta e sigma {\sigma'} xi rho", real=True)
DEGREES = range(1, 7)
_STEP = 1e-3
_IDLE = 0.2  # s of a spectator


def step() -> tuple[sp.Expr, sp.Expr]:
    """New squared norm and overlap after one step from w = √s u; the norm of w cancels from the overlap."""
    along, across = 1 + 2 * eta * e * sigma, eta * e * slope
    length = along**2 + across**2 * square
    return s * length, (along * m + across * xi) / sp.sqrt(length)


def second_order(expression: sp.Expr) -> sp.Expr:
    """The Taylor polynomial to η²."""
    terms = [sp.simplify(sp.diff(expression, eta, n).subs(eta, 0)) * eta**n / sp.factorial(n) for n in range(3)]
    return sp.expand(sp.Add(*terms))


def pair_mean(degree: int) -> sp.Expr:
    """E[(s h_k(z) - a h_k(ν))² h_k'(z)²], ν = m z + r w, r² = 1 - m²."""
    h = polynomial(degree)
    residual = s * h - a * h.subs(z, m * z + r * w)
    average = mean(sp.expand(residual**2 * sp.diff(h, z) ** 2), z, w)
    in_m = sp.expand(sp.expand(average).subs({r**n: (1 - m**2) ** (n // 2) for n in range(2, 2 * degree + 1, 2)}))
    if in_m.has(r):
        raise NotProved("odd powers of r are left")
    return sp.collect(in_m, [s**2, s * a, a**2])


def in_binomials(k: int) -> sp.Expr:
    """The own pair's mean by the closed form."""
    terms = [k * sp.binomial(k, j) * sp.binomial(k - 1, j) * sp.binomial(2 * j, j) * m ** (2 * j) for j in range(k)]
    C, end = sp.Add(*terms), sp.Add(*terms).subs(m, 1)
    return end * (s - a * m**k) ** 2 + a**2 * (C - end * m ** (2 * k))


def derive() -> Derivation:
    """The step to second order, its part that grows with d, and the pair's means."""
    length, overlap = (second_order(x) for x in step())
    in_s, in_m = (sp.expand(x.coeff(eta, 2)).coeff(square, 1) for x in (length, overlap))
    prove_zero(in_m + m * e**2 * slope**2 / 2, "the part of m that grows with d")
    prove_zero(in_s - s * e**2 * slope**2, "the part of s that grows with d")
    means = {degree: pair_mean(degree) for degree in DEGREES}
    for degree, average in means.items():
        # at m = 1 the neuron is its teacher: e = (a - s) h_k
        h = polynomial(degree)
        prove_zero(average.subs(m, 1) - (s - a) ** 2 * mean(h**2 * sp.diff(h, z) ** 2, z), f"m = 1, k = {degree}")
        # at m = 0 teacher and neuron are independent: E h_k² = 1, E h_k'² = k
        prove_zero(average.subs({m: 0, s: 0}) - degree * a**2, f"m = 0, k = {degree}")
        prove_zero(average - in_binomials(degree), f"binomials, k = {degree}")
    # per unit of time η a step counts η, its second order η² d/B = η γ; the drift is the decoupled flow's for g = m^k
    at_rate = {e**2 * slope**2: gamma * noise}
    overlap_rate = 2 / m * (a * k * m ** (k - 1) * (1 - m**2)) + sp.expand(2 / m * in_m).subs(at_rate)
    radius_rate = 4 * (a * m**k - s) + sp.expand(in_s / s).subs(at_rate)
    return Derivation(
        title="A neuron's own pair at finite step size",
        statement=r"One step's second-order terms, $-\frac\gamma2 m\,E\,e^2\sigma'^2$ and $\gamma "
        r"s\,E\,e^2\sigma'^2$, and $E\,e^2\sigma'^2$ for $e = a h_k(\nu) - s h_k(z)$.",
        steps=(
            (r"$|w|^2$ after the step, $\rho = |x_\perp|^2$.", length),
            (r"The overlap after the step.", overlap),
            (r"The part of $s$'s second order that grows with $d$, per $\rho$,", in_s),
            (r"and that of $m$'s.", in_m),
        ),
        result={
            "s": equation("s_1", length),
            "m": equation("m_1", overlap),
            "log m²": equation(r"d\log m^2/dt", sp.powsimp(overlap_rate)),
            "log s": equation(r"d\log s/dt", radius_rate),
        }
        | {f"k = {degree}": equation(rf"E\,e^2\sigma'^2[k={degree}]", means[degree]) for degree in DEGREES},
        proved="one step to second order and its growth in d; E e²σ'² of the own pair as a polynomial in m, with its "
        "binomials, k = 1 … 6",
    )  # fmt: skip


_AT = {m: 0.6, s: 0.5, a: 0.8}
_OVERLAPS, _RADII, _LAYER, _RATE = np.array([0.6, 0.7]), np.array([0.5, 0.3]), np.array([0.8, 0.6]), 1e-3
_SAMPLE = np.array([0.7, -0.4, 1.2])


@cache
def _computed() -> dict[str, Any]:
    """Means over riccati's polynomials; the pairs' noise and rates of the flow; h_3 and its slope at one point."""
    import jax
    import jax.numpy as jnp
    from scipy.special import roots_hermitenorm

    import riccati as rc
    from riccati.flows.gradient_noise import PairSetting, PairState, own_pair_weights, pair_residuals, pair_velocity

    nodes, weights = roots_hermitenorm(20)
    weights = weights / weights.sum()
    partner = _AT[m] * nodes[:, None] + np.sqrt(1 - _AT[m] ** 2) * nodes
    means, flow = {}, {}
    state = PairState(np.log(_OVERLAPS**2 / (1 - _OVERLAPS**2)), np.log(_RADII), np.log([_IDLE]))
    for degree in DEGREES:
        link = rc.Link.hermite(degree)
        own, other, slopes = map(np.asarray, jax.jit(lambda of: (of(nodes), of(partner), of.derivative(nodes)))(link))
        means[degree] = weights * slopes**2 @ (_AT[s] * own[:, None] - _AT[a] * other) ** 2 @ weights
        if degree > 2:
            setting = PairSetting(
                jnp.asarray(_LAYER), jnp.array([True, True]), jnp.ones(1), jnp.asarray(own_pair_weights(degree)),
                jnp.asarray(_RATE),
            )  # fmt: skip
            flow[degree] = (*jax.jit(pair_residuals)(state, setting)[1:], jax.jit(pair_velocity)(0.0, state, setting))
    link = rc.Link.hermite(3)
    return {"means": means, "flow": flow, "h_3": (float(link(_SAMPLE[0])), float(link.derivative(_SAMPLE[0])))}


def check(derivation: Derivation | None = None) -> Checked:
    """The means against quadrature over riccati's polynomials, the step against one taken in R³."""
    d, code = derivation or derive(), _computed()
    worst = [
        agree(float(d[f"k = {degree}"].subs(_AT)), computed, f"k = {degree}", 1e-11)
        for degree, computed in code["means"].items()
    ]
    worst += [_against_flow(d, degree, *computed) for degree, computed in code["flow"].items()]

    x = _SAMPLE
    u, theta = np.array([1.0, 0.0, 0.0]), np.array([0.6, 0.8, 0.0])
    (value, gradient), off = code["h_3"], x - x[0] * u

    def moved(rate: float) -> np.ndarray:
        weight = np.sqrt(0.5) * (u + rate * 1.1 * (2 * value * u + gradient * off))
        return np.array([weight @ weight, weight @ theta / np.linalg.norm(weight)])

    values = _AT | {e: 1.1, sigma: value, slope: gradient, xi: off @ theta, square: off @ off}
    for n, name in enumerate("sm"):
        here = sp.Poly(d[name].subs(values), eta)
        ahead, now, behind = (moved(rate)[n] for rate in (_STEP, 0.0, -_STEP))
        agree(float(here.coeff_monomial(1)), now, name)
        agree(float(here.coeff_monomial(eta)), (ahead - behind) / (2 * _STEP), f"{name}, first order", 1e-3)
        agree(
            float(here.coeff_monomial(eta**2)),
            (ahead - 2 * now + behind) / (2 * _STEP**2),
            f"{name}, second order",
            1e-3,
        )
    compared = "Link.hermite under quadrature; pair_residuals, pair_velocity; a step taken in R³ by differences"
    return Checked(d.proved, compared, max(worst))


def _against_flow(d: Derivation, degree: int, total: Any, idle_total: Any, velocity: Any) -> float:
    """Two directions and a spectator: E e²σ'² and the rates."""
    left = _LAYER**2 - 2 * _LAYER * _RADII * _OVERLAPS**degree + _RADII**2
    worst = []
    for n in range(2):
        at = {m: _OVERLAPS[n], s: _RADII[n], a: _LAYER[n], k: degree, gamma: _RATE}
        own = float(d[f"k = {degree}"].subs(at))
        rest = left[1 - n] + _IDLE**2
        at[noise] = own + degree * rest
        worst += [
            agree(own, total[n] - degree * rest, f"own pair of the flow, k = {degree}", 1e-11),
            agree(float(d["log m²"].subs(at)), velocity.odds[n] * (1 - _OVERLAPS[n] ** 2), "log m²", 1e-11),
            agree(float(d["log s"].subs(at)), velocity.log_radius[n], "log s", 1e-11),
        ]
    # a spectator: its own pair without a teacher, its own norm's drag, and both pairs as the rest
    at = {m: 0.0, s: _IDLE, a: 0.0, k: degree, gamma: _RATE}
    at[noise] = float(d[f"k = {degree}"].subs(at)) + degree * left.sum()
    worst += [
        agree(at[noise], idle_total[0], f"a spectator's noise, k = {degree}", 1e-11),
        agree(float(d["log s"].subs(at)), velocity.log_idle[0], "log s of a spectator", 1e-11),
    ]
    return max(worst)
