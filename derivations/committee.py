"""Committee machines f = c Σ_i b_i σ(<x, w_i>) with weights of any norms: averages over a pair, and the gradient flow.

For jointly Gaussian u, v with E u² = A, E v² = B, E uv = C, the loss is made of K(A, B; C) = E σ(u)σ(v). A stretched
link has the coefficients c_j(λ) = E σ(λz)h_j(z), with which K = Σ_j c_j(√A) c_j(√B) (C/√(AB))^j, and

    h_n(λz):     c_j(λ) = √(n!/j!)/(2^k k!) λ^j (λ² - 1)^k,    n = j + 2k
    h_2:         K = C² + (A - 1)(B - 1)/2
    h_3:         K = C³ + (3/2)(A - 1)(B - 1) C
    erf(√s z):   K = (2/π) arcsin(2sC/√((1 + 2sA)(1 + 2sB)))
    exp:         K = exp((A + B)/2 + C)
    σ(λz) = λ^p σ(z):   K = (AB)^(p/2) g(C/√(AB))

In L(Q, m, b) with the Gram matrix Q, overlaps m and b in the place of c b, gradient descent at the rates 1 and κ with
weight decay λ is

    dw_i/dt = -Σ_l (∂L/∂Q_il + ∂L/∂Q_li) w_l - Σ_m ∂L/∂m_im θ_m - λw_i,     db_i/dt = -κc² ∂L/∂b_i - κλb_i,

which without decay keeps b_i² - κc²|w_i|²/p where σ(λz) = λ^p σ(z). The second moments of a step at γ/d need averages
over four points. For erf(√s z), σ'(y_i)σ'(y_l) = (4s/π) exp(-s y_i² - s y_l²) turns a Gaussian law with covariance Σ
into one with Σ' = (Σ^-1 + 2s(e_i e_iᵀ + e_l e_lᵀ))^-1, so that

    E σ'(y_i)σ'(y_l)σ(y_k)σ(y_n) = 2/(π √D) K(Σ'_kk, Σ'_nn; Σ'_kn),    D = (Σ_ii + 1/2s)(Σ_ll + 1/2s) - Σ_il²,

which at s = ½ is I_4 of Saad & Solla 1995.
"""

from __future__ import annotations

from functools import cache
from math import factorial, sqrt
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .population_gradient import M, N, e, i, j, other, p, table, theta

A, B, s, lam = sp.symbols("A B s lambda", positive=True)
C = sp.Symbol("C", real=True)
kappa, scale, decay = sp.symbols("kappa c_o Lambda", positive=True)
k = sp.Symbol("k", integer=True, nonnegative=True)
x, y = sp.symbols("x y", real=True)
w, b = sp.IndexedBase("w"), sp.IndexedBase("b")
G, D, P = sp.IndexedBase("G"), sp.IndexedBase("D"), sp.IndexedBase("P")  # ∂L/∂Q, ∂L/∂m, ∂L/∂b
_HIGHEST = 5  # degree up to which stretched Hermite polynomials are integrated


def hermite(n: int, z: sp.Expr) -> sp.Expr:
    """h_n(z), by its sum over pairings."""
    terms = [(-1) ** q * factorial(n) // (2**q * factorial(q) * factorial(n - 2 * q)) * z ** (n - 2 * q)
             for q in range(n // 2 + 1)]  # fmt: skip
    return sp.Add(*terms) / sp.sqrt(factorial(n))


def mean(polynomial: sp.Expr) -> sp.Expr:
    """The mean over independent standard Gaussians x and y."""
    terms = sp.Poly(sp.expand(polynomial), x, y).terms()
    return sp.Add(*(factor * _moment(n) * _moment(o) for (n, o), factor in terms))


def _moment(n: int) -> int:
    return 0 if n % 2 else factorial(n) // (2 ** (n // 2) * factorial(n // 2))


def average(f: sp.Expr, z: sp.Symbol) -> sp.Expr:
    """E f(u)f(v) of a polynomial f of z, with u = √A x and v = (C/√A) x + √(B - C²/A) y."""
    u, v = sp.sqrt(A) * x, C / sp.sqrt(A) * x + sp.sqrt(B - C**2 / A) * y
    return sp.expand(sp.simplify(mean(f.subs(z, u) * f.subs(z, v))))


def prove_averages() -> None:
    """Polynomials by their moments; erf by Price's theorem ∂K/∂C = E σ'(u)σ'(v); exp by its own moments."""
    for n in range(_HIGHEST + 1):
        for pairs in range(n // 2 + 1):
            ours = stretched().subs({j: n - 2 * pairs, k: pairs})
            prove_zero(ours - mean(hermite(n, lam * x) * hermite(n - 2 * pairs, x)), "a stretched Hermite polynomial")
    z = sp.Symbol("z")
    for n, K in ((2, second()), (3, third())):
        prove_zero(average(hermite(n, z), z) - K, f"K of h_{n}")
    # E exp(-s u² - s v²) = det(1 + 2s Σ)^(-1/2) of a Gaussian pair with covariance Σ, and σ'(z)² has (4s/π) before it
    determinant = (1 + 2 * s * A) * (1 + 2 * s * B) - (2 * s * C) ** 2
    prove_zero(sp.diff(of_erf(), C) ** 2 - (4 * s / sp.pi) ** 2 / determinant, "K of erf by Price's theorem")
    prove_zero(of_erf().subs(C, 0), "K of erf at C = 0")
    one = sp.integrate(sp.exp(lam * x - x**2 / 2) / sp.sqrt(2 * sp.pi), (x, -sp.oo, sp.oo))
    prove_zero(one.subs(lam, sp.sqrt(A + B + 2 * C)) - sp.exp((A + B + 2 * C) / 2), "E exp of a Gaussian")


def stretched() -> sp.Expr:
    """c_j(λ) of h_{j+2k}."""
    root = sp.sqrt(sp.factorial(j + 2 * k) / sp.factorial(j))
    return root / (2**k * sp.factorial(k)) * lam**j * (lam**2 - 1) ** k


def second() -> sp.Expr:
    """K of h_2."""
    return C**2 + (A - 1) * (B - 1) / 2


def third() -> sp.Expr:
    """K of h_3."""
    return C**3 + sp.Rational(3, 2) * (A - 1) * (B - 1) * C


def of_erf() -> sp.Expr:
    """K of erf(√s z)."""
    return 2 / sp.pi * sp.asin(2 * s * C / sp.sqrt((1 + 2 * s * A) * (1 + 2 * s * B)))


def velocities() -> tuple[sp.Expr, sp.Expr]:
    """Coordinate e of dw_i/dt, and db_i/dt."""
    among = sp.Sum((G[i, other] + G[other, i]) * w[other, e], (other, 0, N - 1))
    across = sp.Sum(D[i, p] * theta[p, e], (p, 0, M - 1))
    return -among - across - decay * w[i, e], -kappa * scale**2 * P[i] - kappa * decay * b[i]


def prove_chain_rule() -> None:
    """-∂L/∂w_0 of two neurons and a direction in two dimensions, for K of h_2 + h_3, every entry of Q its own."""
    W, v = sp.Matrix(2, 2, sp.symbols("w_:4")), sp.Matrix(sp.symbols("b_:2"))
    Q, m = sp.Matrix(2, 2, sp.symbols("Q_:4")), sp.Matrix(sp.symbols("m_:2"))
    K = second() + third()
    square = [v[n] * v[o] * K.subs({A: Q[n, n], B: Q[o, o], C: Q[n, o]}, simultaneous=True)
              for n in range(2) for o in range(2)]  # fmt: skip
    loss = sp.Add(*square) / 2 - sum(v[n] * K.subs({A: Q[n, n], B: 1, C: m[n]}, simultaneous=True) for n in range(2))
    at = {Q[n, o]: W.row(n).dot(W.row(o)) for n in range(2) for o in range(2)} | {m[n]: W[n, 0] for n in range(2)}
    here = {M: 1, N: 2, i: 0, decay: 0}
    values = {G[n, o]: sp.diff(loss, Q[n, o]).subs(at) for n in range(2) for o in range(2)}
    values |= {D[0, 0]: sp.diff(loss, m[0]).subs(at)}
    for axis in range(2):
        shown = velocities()[0].subs(here).doit().subs(e, axis)
        shown = shown.subs(values | {w[n, axis]: W[n, axis] for n in range(2)} | {theta[0, axis]: int(axis == 0)})
        prove_zero(shown + sp.diff(loss.subs(at), W[0, axis]), "dw/dt is minus the gradient")


def prove_scale() -> None:
    """b' = c b: at db/dt = -κ(∂/∂b + λb) it moves by -κ(c² ∂/∂b' + λb'), for a quadratic loss."""
    inner, H, h = sp.symbols("b_in H h")
    loss = H * inner**2 / 2 - h * inner
    own = -kappa * (sp.diff(loss.subs(inner, scale * inner), inner) + decay * inner)
    shown = -kappa * scale**2 * sp.diff(loss, inner) - kappa * decay * inner
    prove_zero(scale * own - shown.subs(inner, scale * inner), "the second layer with an output scale")


def prove_conserved() -> None:
    """K of z^p is homogeneous, so w·∂L/∂w = p b ∂L/∂b, and b² - κc²|w|²/p stays; p = 1, 2, 3."""
    z, r, d, a, g = sp.symbols("z r d a g", positive=True)
    for power in (1, 2, 3):
        K = average(z**power, z)
        prove_zero(K.subs({A: r**2 * A, C: r * C}, simultaneous=True) - r**power * K, "K is homogeneous")
        # of one neuron: ½ b² K(r², r²; r²) - b [K(r², 1; r d) + a K(r², g²; r g)], d and g cosines
        pulls = K.subs({A: r**2, B: 1, C: r * d}, simultaneous=True) + a * K.subs(
            {A: r**2, B: g**2, C: r * g}, simultaneous=True
        )
        inner = sp.Symbol("b_in")
        loss = inner**2 * K.subs({A: r**2, B: r**2, C: r**2}, simultaneous=True) / 2 - inner * pulls
        change = 2 * inner * (-kappa * scale**2 * sp.diff(loss, inner))
        change -= kappa * scale**2 / power * 2 * r * (-sp.diff(loss, r))
        prove_zero(change, "b² - κc²|w|²/p is conserved")


_POINTS = ("i", "l", "k", "n")
PAIRS = [(u, v) for n, u in enumerate(_POINTS) for v in _POINTS[n:]]
S = {(u, v): sp.Symbol(f"S_{min(u, v)}{max(u, v)}") for u in _POINTS for v in _POINTS}  # Σ between four points


def denominator() -> sp.Expr:
    """D."""
    return (S["i", "i"] + 1 / (2 * s)) * (S["l", "l"] + 1 / (2 * s)) - S["i", "l"] ** 2


def tilted(u: str, v: str) -> sp.Expr:
    """Σ'_uv."""
    first = (S["l", "l"] + 1 / (2 * s)) * S["i", u] * S["i", v] + (S["i", "i"] + 1 / (2 * s)) * S["l", u] * S["l", v]
    return S[u, v] - (first - S["i", "l"] * (S["i", u] * S["l", v] + S["l", u] * S["i", v])) / denominator()


def prove_four_points() -> None:
    """Σ'(1 + 2s(e_i e_iᵀ + e_l e_lᵀ)Σ) = Σ, the mean of the exponential, and Saad & Solla's form at s = ½."""
    whole = sp.Matrix(4, 4, lambda u, v: S[_POINTS[u], _POINTS[v]])
    other = sp.Matrix(4, 4, lambda u, v: tilted(_POINTS[u], _POINTS[v]) * denominator())
    other = other.applyfunc(lambda entry: sp.cancel(sp.together(entry)))
    chosen = sp.diag(2 * s, 2 * s, 0, 0)
    left = other * (sp.eye(4) + chosen * whole) - denominator() * whole
    prove_zero(left.applyfunc(sp.expand), "the tilted covariance")
    block = sp.eye(2) + 2 * s * whole[:2, :2]
    prove_zero(sp.expand(block.det() - 4 * s**2 * denominator()), "(4s/π) det^(-1/2) = 2/(π√D)")
    half = {s: sp.Rational(1, 2)}
    first = denominator().subs(half)
    A_i, A_l = 1 + S["i", "i"], 1 + S["l", "l"]
    zeroth = first * S["k", "n"] - S["l", "k"] * S["l", "n"] * A_i - S["i", "k"] * S["i", "n"] * A_l
    zeroth += S["i", "l"] * (S["i", "k"] * S["l", "n"] + S["i", "n"] * S["l", "k"])
    own = first * (1 + S["k", "k"]) - S["l", "k"] ** 2 * A_i - S["i", "k"] ** 2 * A_l
    own += 2 * S["i", "l"] * S["i", "k"] * S["l", "k"]
    prove_zero(sp.cancel(sp.together(tilted("k", "n").subs(half) * first - zeroth)), "Λ_0")
    prove_zero(sp.cancel(sp.together((1 + tilted("k", "k").subs(half)) * first - own)), "Λ_1")


def derive() -> Derivation:
    """The averages, then the gradient flow by the chain rule, the output scale, and what is conserved."""
    prove_averages()
    prove_chain_rule()
    prove_scale()
    prove_conserved()
    prove_four_points()
    first, layer = velocities()
    of_exp = sp.exp((A + B) / 2 + C)
    return Derivation(
        title="Committee machines with weights of any norms",
        statement=r"$f = c\sum_i b_i\sigma(\langle x, w_i\rangle)$ has a loss in $Q$, $m$ and $b$ through "
        r"$K(A, B; C) = E\,\sigma(u)\sigma(v)$, and moves down its gradient.",
        steps=(
            (r"A stretched Hermite polynomial, $E\,h_{j+2k}(\lambda z)h_j(z)$:", stretched()),
            (r"So for $h_3$, by Mehler's formula,", third()),
            (r"For $\mathrm{erf}(\sqrt{s}z)$ from $\partial K/\partial C = E\,\sigma'(u)\sigma'(v)$:", of_erf()),
            (r"By the chain rule, with $G = \partial L/\partial Q$ and $D = \partial L/\partial m$,", first),
            (r"The second layer holds the output scale, whose square comes before its rate.", layer),
            (r"Under $\sigma'(y_i)\sigma'(y_l)$ of $\mathrm{erf}$ the others stay Gaussian, with the covariance",
             tilted("k", "n")),
        ),
        result={
            "stretched": equation(r"c_j(\lambda)", stretched()),
            "he2": equation("K_{2}", second()),
            "he3": equation("K_{3}", third()),
            "erf": equation(r"K_{\mathrm{erf}}", of_erf()),
            "exp": equation(r"K_{\exp}", of_exp),
            "w": equation(r"\dot{w}_{ie}", first),
            "b": equation(r"\dot{b}_i", layer),
            "tilted": equation(r"\Sigma'_{kn}", tilted("k", "n")),
            "mean": equation(r"E\,\sigma'\sigma'", 2 / (sp.pi * sp.sqrt(denominator()))),
        },
        proved="averages by moments and by Price's theorem; the gradient by the chain rule; the output scale; what "
        "homogeneous links conserve",
    )  # fmt: skip


_PAIRS = ((1.7, -0.6, 0.5), (0.3, 0.2, 2.0), (1.0, 0.9, 1.0))  # A, C and B


@cache
def _computed() -> dict[str, Any]:
    """Stretched links and averages of riccati; for a committee of h_2 + h_3 its velocity and the loss's derivatives."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import Training, student_of
    from riccati.flows.gradient_noise import erf_moments
    from riccati.problem import committee_excess, pair_average
    from riccati.problem import stretched as stretched_by

    def averages(name: str) -> np.ndarray:
        own, shared, another = np.array(_PAIRS).T
        return np.asarray(pair_average(rc.Link.named(name), own, shared, another))

    teacher = rc.Teacher([0.9, -0.5], rc.Link.from_coefficients([0, 0, 1.0, 1.0]))
    start = rc.Start.random(teacher, 3, 9, norm=0.8, seed=3).with_second_layer([0.5, -0.7, 0.2], scale=0.6)
    student = student_of(rc.Problem(teacher, start), 2 * jnp.log(start.norms), training=Training(0.4, 0.3))
    moved = jax.jit(student.velocity)(0.0, student.state, student.args)
    W = np.asarray(start.weights)

    def loss(gram: jax.Array, overlaps: jax.Array, layer: jax.Array) -> jax.Array:
        return committee_excess(teacher, gram, overlaps, layer) / 2

    slopes = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(W @ W.T, W[:, :2], start.second_layer)
    return {
        "stretched": {n: np.asarray(stretched_by(rc.Link.hermite(n), jnp.asarray(1.7))) for n in range(2, _HIGHEST)},
        **{name: averages(name) for name in ("he2", "he3", "erf", "scaled_erf", "exp")},
        "values": {
            G: np.asarray(slopes[0]), D: np.asarray(slopes[1]), P: np.asarray(slopes[2]), w: W,
            b: np.asarray(start.second_layer), theta: np.eye(2, 5), kappa: 0.4, scale: 0.6, decay: 0.3, M: 2, N: 3,
        },
        "w": np.asarray(moved.W), "b": np.asarray(moved.b),
        "four": {name: np.asarray(erf_moments(rc.Teacher([1.0], rc.Link.named(name)), _SIGNED, _COVARIANCE, 2))
                 for name in ("erf", "scaled_erf")},
    }  # fmt: skip


_SIGNED = np.array([-1.0, 0.7, -0.4])  # of a direction and two neurons
_COVARIANCE = np.array([[1.0, 0.5, -0.2], [0.5, 0.8, 0.3], [-0.2, 0.3, 1.6]])


def _moments(d: Derivation, number: float) -> np.ndarray:
    """E e²σ'σ' of erf(√s z) for both neurons, by the derived averages over four points."""
    of_pair, mean = numeric(d["erf"], A, C, B, s), numeric(d["mean"], *(S[pair] for pair in PAIRS), s)
    shared = numeric(d["tilted"], *(S[pair] for pair in PAIRS), s)
    total = np.zeros((2, 2))
    for first, last, k_at, n_at in np.ndindex(2, 2, 3, 3):

        def entries(*at: int) -> list[float]:
            named = dict(zip(_POINTS, at, strict=True))
            return [float(_COVARIANCE[named[u], named[v]]) for u, v in PAIRS]

        ends = first + 1, last + 1
        own, both, another = (shared(*entries(*ends, *pair), number)
                              for pair in ((k_at, k_at), (k_at, n_at), (n_at, n_at)))  # fmt: skip
        size = _SIGNED[k_at] * _SIGNED[n_at] * mean(*entries(*ends, k_at, n_at), number)
        total[first, last] += size * of_pair(own, both, another, number)
    return total


def check(derivation: Derivation | None = None) -> Checked:
    """Against pair_average and stretched, and committee_velocity with the loss's derivatives by JAX."""
    d, code = derivation or derive(), _computed()
    worst = []
    root = sqrt(1.7)
    for n, listed in code["stretched"].items():
        expected = np.zeros(n + 1)
        for pairs in range(n // 2 + 1):
            expected[n - 2 * pairs] = float(d["stretched"].subs({j: n - 2 * pairs, k: pairs, lam: root}))
        worst.append(agree(expected, listed * root ** np.arange(n + 1), f"c_j of h_{n}"))
    for name, result, number in (
        ("he2", "he2", 1.0), ("he3", "he3", 1.0), ("erf", "erf", 1.0), ("scaled_erf", "erf", 0.5), ("exp", "exp", 1.0),
    ):  # fmt: skip
        own, shared, another = np.array(_PAIRS).T
        derived = numeric(d[result], A, C, B, s)(own, shared, another, number)
        worst.append(agree(derived, code[name], f"K of {name}"))
    for name, ranges in (("w", ((i, 3), (e, 5))), ("b", ((i, 3),))):
        worst.append(agree(table(d[name], code["values"], {}, *ranges), code[name], name))
    worst += [agree(_moments(d, number), code["four"][name], f"E e²σ'σ' of {name}")
              for name, number in (("erf", 1.0), ("scaled_erf", 0.5))]  # fmt: skip
    compared = "pair_average, stretched; committee_velocity, derivatives of the loss by JAX; erf_moments"
    return Checked(d.proved, compared, max(worst))
