"""The step size beyond which SGD on the weights diverges: what one sample does to a neuron near what it has learned.

Of w = √a_p[(1 + r)θ_p + ε], ε ⟂ θ_p, a sample x = zθ_p + y ε/|ε| + x_rest sees, to first order, the residual
e = -a_p(2rσ(z) + σ'(z) y|ε|), and a step moves ε by η e σ'(z)x_⊥, r by 2η e σ(z). So it multiplies |ε|² by

    A = (1 - ηaσ'²y²)² + (ηaσ'²y)²|x_rest|²,        with |x_⊥|² = d, η = γ/d:   1 + (y²/d)[(γaσ'²)² - 2γaσ'²],

which is never below 1 - y²/d. That |x_⊥|² = y² + |x_rest|² is taken as d alters the mean of the square by the factor
1 + 1/d. The samples of a batch act one after another, but for products of mean 0 and of relative size d^(-1/2). The
radius r decays at the rate 8a g(1) per unit of time, without noise to this order, and what it adds to ε with it. Since
E σ' = 0 (information exponent ≥ 2), the angle between ε_p and ε_q does not matter, and V_p = E|ε_p|² obeys

    dV_p/dt = (γa_p²E σ'⁴ - 2a_p g'(1)) V_p + γ g'(1)² Σ_{q≠p} a_q² V_q,

whose growth vanishes at the γ of Σ_q γa_q g'(1)/[2 - γa_q(E σ'⁴/g'(1) - g'(1))] = 1, a sum that grows with γ. With a
the largest of them, b_q = a_q/a and κ = g'(1)²/E σ'⁴ that is

    γ = 2g'(1)/(a E σ'⁴)/(1 + κu),      Σ_q κb_q/[1 - b_q + κ(u + b_q)] = 1,      u = 0 for one direction.

log |ε|² of a run is a random walk, which falls in steps of at most O(1/d) and rises in jumps; the noise of the other
directions is put at γ²ν/d, ν the mean where growth vanishes: there E A = 1 and α = 1. For such walks, of exponent
ψ(λ) = E A^λ - 1, the supremum S has E e^(λS) = λψ'(0)/ψ(λ) (Pollaczek and Khinchine), whose pole at ψ(α) = 0 says

    P(S > h) -> C e^(-αh),      C = -E log A/E A^α log A      (Feller II, ch. XII; Asmussen & Albrecher, ch. IV).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .hermite import mean, polynomial, z
from .own_pair import a as pair_a
from .own_pair import m, pair_mean
from .own_pair import s as radius_squared

a, a_q, gamma, eta, d = sp.symbols("a a_q gamma eta d", positive=True)
slopes, fourth = sp.symbols(r"g' E{\sigma'}^4", positive=True)
y, y_q, r, eps, eps_q, t, cosine = sp.symbols("y y_q r varepsilon varepsilon_q t c", real=True)
value, slope, slope_q, rho, product = sp.symbols(r"sigma {\sigma'} {\sigma'_q} rho X", real=True)
third = sp.symbols(r"E{\sigma'}^3", real=True)
u, b, kappa, held, others = sp.symbols(r"u b kappa \gamma_* \nu", positive=True)
alpha, falls, climbs, h = sp.symbols(r"alpha E\log{A} EA^{\alpha}\log{A} h", real=True)
DEGREES = range(2, 5)


def residual() -> sp.Expr:
    """a σ(z) - |w|² σ(<x, w>/|w|) of w = √a[(1 + r)θ + ε], to first order in r and |ε|."""
    square = (1 + t * r) ** 2 + t**2 * eps**2
    across = ((1 + t * r) * z + t * eps * y) / sp.sqrt(square)
    by_length, by_angle = (sp.diff(part, t).subs(t, 0) for part in (square, across))
    return sp.factor(-a * (by_length * value + by_angle * slope))


def moved(e: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """|ε|² and r after a step of residual e, ρ = |x_rest|²."""
    return (eps + eta * e * slope * y) ** 2 + (eta * e * slope) ** 2 * rho, r + 2 * eta * e * value


def to_first_order(expression: sp.Expr) -> sp.Expr:
    """The coefficient of 1/d, with η = γ/d and ρ = d."""
    return sp.expand(sp.expand(expression).subs({eta: gamma / d, rho: d})).coeff(d, -1)


def average(expression: sp.Expr, *normals: sp.Symbol) -> sp.Expr:
    """The mean over normals and over two independent slopes of E σ' = 0."""
    moments = {0: sp.S.One, 1: sp.S.Zero, 2: slopes, 3: third, 4: fourth}
    terms = sp.Poly(sp.expand(expression), slope, slope_q).terms()
    return sp.expand(sp.Add(*(mean(c, *normals) * moments[i] * moments[j] for (i, j), c in terms)))


def factor_of_a_sample() -> tuple[sp.Expr, sp.Expr]:
    """A, exact and for |x_⊥|² = d; what it leaves out, and that the radius and a batch add nothing."""
    e = residual()
    square, radius = moved(e)
    exact = (1 - eta * a * slope**2 * y**2) ** 2 + eta**2 * a**2 * slope**4 * y**2 * rho
    prove_zero(square.subs(r, 0) - eps**2 * exact, "A")
    pull = gamma * a * slope**2
    large = 1 + y**2 / d * (pull**2 - 2 * pull)
    prove_zero(exact.subs({rho: d - y**2, eta: gamma / d}) - large, "A at |x_⊥|² = d")
    prove_zero(large - (1 - y**2 / d) - y**2 / d * (pull - 1) ** 2, "A ≥ 1 - y²/d")
    left_out = average(exact.subs({rho: d - 2, eta: gamma / d}) - large, y)  # E|x_rest|² = d - 2
    prove_zero(left_out - gamma**2 * a**2 * fourth / d**2, "what is left out is 1/d of the noise")

    decay = mean(to_first_order(radius**2), y)
    prove_zero(decay + 8 * gamma * a * r**2 * value**2, "the radius decays, whatever ε")
    fed = mean(to_first_order(square), y).coeff(eps, 1)
    prove_zero(fed, "the radius does not push ε in the mean")

    # two samples of one step; `product` is the scalar product of their parts x_rest
    first, second = (a * n**2 * v for n, v in ((slope, y), (slope_q, y_q)))
    both = (1 - eta * (first * y + second * y_q)) ** 2 + eta**2 * ((first**2 + second**2) * rho)
    cross = 2 * eta**2 * first * second * product
    other = exact.subs({slope: slope_q, y: y_q})
    prove_zero(to_first_order(both - exact - other), "a batch to first order")
    prove_zero(to_first_order(cross.subs(product, sp.sqrt(d) * product)), "the products of its samples")
    return exact, large


def mean_rates() -> tuple[sp.Expr, sp.Expr]:
    """dV_p/dt per V_p and per V_q, and the condition under which directions are held."""
    e = -a * slope * eps * y - a_q * slope_q * eps_q * (cosine * y + sp.sqrt(1 - cosine**2) * y_q)
    rate = average(to_first_order(moved(e)[0]), y, y_q) / gamma  # a unit of time is 1/η = d/γ samples
    by_own, by_other = (sp.expand(rate).coeff(v, 2) for v in (eps, eps_q))
    prove_zero(rate - by_own * eps**2 - by_other * eps_q**2, "the angle of ε_p and ε_q")
    for degree in DEGREES:
        pair = sp.diff(pair_mean(degree), m).subs({m: 1, radius_squared: pair_a})
        from_pair = -pair / 2 / pair_a**2  # |ε|² = 2(1 - m)
        prove_zero(from_pair - moments(degree)["fourth"], f"the limit of a neuron's own pair, k = {degree}")
    return sp.factor(by_own), by_other


def share(by_own: sp.Expr, by_other: sp.Expr) -> sp.Expr:
    """A direction's term of the sum that is 1 where the growth of the V_p vanishes."""
    term = gamma * a * slopes / (2 - gamma * a * (fourth / slopes - slopes))
    for size in (1, 2, 3):
        layer = sp.symbols(f"a_1:{size + 1}", positive=True)
        rows = [[(by_own if p == q else by_other).subs({a: layer[p], a_q: layer[q]}) for q in range(size)]
                for p in range(size)]  # fmt: skip
        alone = sp.prod([by_own.subs(a, v) - by_other.subs(a_q, v) for v in layer])
        total = 1 - sp.Add(*(term.subs(a, v) for v in layer))
        prove_zero(sp.cancel(sp.Matrix(rows).det() - alone * total), f"the determinant, {size} directions")
    one = sp.solve(sp.cancel(term) - 1, gamma)[0]
    prove_zero(one - 2 * slopes / (a * fourth), "one direction")
    prove_zero(
        term.subs({slopes: 2, fourth: 12}) - gamma * a / (1 - 2 * gamma * a), "k = 2: derivations/step_limits.py"
    )
    # the largest a is `a`, this one b·a
    scaled, here = kappa * b / (1 - b + kappa * (u + b)), term.subs(a, b * a).subs(gamma, one / (1 + kappa * u))
    prove_zero(sp.cancel((here - scaled).subs(kappa, slopes**2 / fourth)), "in units of the limit of one direction")
    return term


def supremum() -> sp.Expr:
    """C from the pole of E e^(λS) = λψ'(0)/ψ(λ) at α: that of αC/(α - λ), the transform of P(S > h) = C e^(-αh)."""
    lam, constant = sp.symbols("lambda C")
    near = climbs * (lam - alpha)
    pole = sp.limit(lam * falls / near * (alpha - lam), lam, alpha)
    solved = sp.solve(pole - alpha * constant, constant)[0]
    # Brownian motion of drift -1 and variance 2: S is exponential of rate α = 1, C = 1
    prove_zero(solved.subs({falls: -1, climbs: 1}) - 1, "C of Brownian motion")
    return solved


def moments(degree: int) -> dict[str, sp.Expr]:
    """g'(1) and E σ'⁴ of h_k."""
    f = sp.diff(polynomial(degree), z)
    return {name: mean(sp.expand(f**power), z) for name, power in (("slope", 2), ("fourth", 4))}


def derive() -> Derivation:
    """The factor of a sample, the mean and where its growth vanishes, and the supremum."""
    exact, large = factor_of_a_sample()
    by_own, by_other = mean_rates()
    term, constant = share(by_own, by_other), supremum()
    noise_of_others = 2 * a * slopes / held - a**2 * fourth
    with_others = average(large, y) - 1 + gamma**2 * noise_of_others / d
    prove_zero(with_others.subs(gamma, held), "E A = 1 where the growth vanishes")
    prove_zero(by_own + gamma * noise_of_others.subs(held, gamma), "as in the mode that neither grows nor decays")
    by_degree = {k: moments(k) for k in DEGREES}
    held_of = {k: 2 * of["slope"] / of["fourth"] for k, of in by_degree.items()}
    return Derivation(
        title="Divergence",
        statement=r"Near a learned direction a sample multiplies $|\varepsilon|^2$ by $A$; its mean "
        r"decays below the $\gamma$ at which the terms of the directions add up to one; its logarithm ever climbs "
        r"by $h$ with probability $Ce^{-\alpha h}$, $EA^\alpha = 1$.",
        steps=(
            (r"The residual to first order, $w = \sqrt a[(1+r)\theta + \varepsilon]$.", residual()),
            (r"$|\varepsilon|^2$ and $r$ after a step, $\rho = |x_{rest}|^2$.", sp.Tuple(*moved(residual()))),
            (r"The mean's determinant vanishes where these terms add up to one.", term),
        ),
        result={
            "A": equation("A", exact),
            "A, large d": equation(r"A, d \to \infty", large + gamma**2 * others / d),
            "others": equation(r"\nu", noise_of_others),
            "by own": equation(r"\dot V_p/V_p", by_own),
            "by other": equation(r"\dot V_p/V_q", by_other),
            "term": equation(r"1 = \sum_q", term),
            "C": equation("C", constant),
            "chance": equation(r"P(S > h)", sp.Symbol("C") * sp.exp(-alpha * h)),
        }
        | {f"held, k = {k}": equation(rf"\gamma a[k = {k}]", value) for k, value in held_of.items()}
        | {f"{name}, k = {k}": equation(rf"E_{{{name}}}[k = {k}]", value)
           for k, of in by_degree.items() for name, value in of.items()},
        proved="A and what it leaves out; the mean, for any angle, and its root for 1 to 3 directions; C",
    )  # fmt: skip


_LAYER = np.array([0.9, 0.7, 0.2])
_RATE, _A_P = 0.03, 0.8  # of the step on one sample


@cache
def _computed() -> dict[str, Any]:
    """Moments and limits of h_k, the chances of two problems, and the derivative of a step at w = √a θ_p in R⁷."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.laws import divergence, largest_held, moments_of
    from riccati.sgd import Projections, TwoHomogeneous, Weights

    links = {k: rc.Link.hermite(k) for k in DEGREES}
    moments = {k: moments_of(link) for k, link in links.items()}
    chances = []
    for k, layer, dim, part in ((2, [0.8, 0.6], 400, 0.9), (3, [1.0, 0.9], 1000, 0.9)):
        problem = rc.Problem(rc.Teacher(layer, links[k]), rc.Start(0.3 * np.eye(2), norms=0.2, dim=dim))
        limit = largest_held(moments[k], np.array(layer))
        estimate = divergence(problem, rc.SGD.from_gamma(part * limit, dim)).estimate
        # h = (k - 1)/2 is fitted to SGD
        chances.append(((links[k], part * limit, limit, layer[0], dim, (k - 1) / 2), estimate))

    teacher, sample = rc.Teacher([_A_P], links[3]), jnp.array([[0.7, -1.3, 0.4, 1.1, -0.2, 0.9, 0.5]])

    def step(W: jax.Array) -> jax.Array:
        projections = Projections(sample[:, :1], sample @ W.T)
        kept, push = TwoHomogeneous().update(teacher, Weights(W, jnp.zeros(0)), projections, jnp.asarray(_RATE))
        return kept.W + push.T @ sample

    along = np.eye(1, 7, 1)  # ε
    after = jax.jit(lambda *at: jax.jvp(step, at[:1], at[1:])[1])(np.sqrt(_A_P) * np.eye(1, 7), along)
    return {
        "moments": moments, "held": {k: largest_held(of, np.array([1.0])) for k, of in moments.items()},
        "layer held": {k: largest_held(of, _LAYER) for k, of in moments.items()}, "chances": chances,
        "sample": np.asarray(sample)[0], "slope": float(jax.jit(lambda z: links[3].derivative(z))(sample[0, 0])),
        "after": np.asarray(after),
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """A against a step of riccati's rule, moments and roots against the code's, chances by finer quadrature."""
    D, code = derivation or derive(), _computed()
    worst = [_against_a_step(D)]

    def same(derived: object, computed: object, what: str, tolerance: float = 1e-12) -> None:
        worst.append(agree(derived, computed, what, tolerance))

    for k, of in code["moments"].items():
        for name in ("slope", "fourth"):
            same(float(D[f"{name}, k = {k}"]), getattr(of, name), f"{name}, k = {k}")
        same(float(D[f"held, k = {k}"]), code["held"][k], f"held, k = {k}")
        at = {slopes: of.slope, fourth: of.fourth, gamma: code["layer held"][k]}
        same(sum(float(D["term"].subs(at | {a: v})) for v in _LAYER), 1, f"term, k = {k}")
        rates = [[float(D["by own" if p == q else "by other"].subs(at | {a: _LAYER[p], a_q: _LAYER[q]}))
                  for q in range(3)] for p in range(3)]  # fmt: skip
        scale = np.abs(rates).max()
        same(1 + np.linalg.eigvals(rates).real.max() / scale, 1, f"growth in the mean, k = {k}")
    for case, estimate in code["chances"]:
        same(_chance(D, *case), estimate, "chance", 1e-11)
    compared = "moments_of, largest_held, divergence; a step of sgd: TwoHomogeneous"
    return Checked(D.proved, compared, max(worst))


def _chance(D: Derivation, link, rate: float, limit: float, layer: float, dim: int, climb: float) -> float:
    """The derived probability, by a quadrature of its own."""
    from scipy.optimize import brentq

    nodes, ys = np.linspace(-14, 14, 801), np.linspace(-13, 13, 347)[:, None]
    weights = np.exp(-(nodes**2 + ys**2) / 2)
    weights /= weights.sum()
    slope_here = np.asarray(link.derivative(nodes))
    second, fourth_here = (float(np.sum(weights * slope_here**n)) for n in (2, 4))
    rest_noise = numeric(D["others"], a, slopes, fourth, held)(layer, second, fourth_here, limit)
    factor = numeric(D["A, large d"], slope, y, a, gamma, d, others)(slope_here, ys, layer, rate, dim, rest_noise)
    logs = np.log(factor)

    def psi(power: float) -> float:
        return float(np.sum(weights * np.expm1(power * logs)))

    root = brentq(psi, 0.1, 30.0, xtol=1e-14) if psi(0.1) < 0 < psi(30.0) else np.nan
    drift, slope_at_root = (float(np.sum(weights * np.exp(power * logs) * logs)) for power in (0.0, root))
    constant = numeric(D["C"], falls, climbs)(drift, slope_at_root)
    return numeric(D["chance"], sp.Symbol("C"), alpha, h)(constant, root, climb)


def _against_a_step(D: Derivation) -> float:
    """A against the derivative of a step of the simulated rule."""
    code = _computed()
    sample = code["sample"]
    at = {eta: _RATE, a: _A_P, slope: code["slope"], y: float(sample[1]), rho: float(np.sum(sample[2:] ** 2))}
    return agree(float(D["A"].subs(at)), np.sum(code["after"][0, 1:] ** 2), "A of a step")
