"""k = 2: the quadratic student's gradient flow moves its subspace by a matrix Riccati equation.

σ = h_2 gives g(q) = q², so with S = W Wᵀ and S* = Θ A Θᵀ (A = diag a) the loss is L = ½ ||S - S*||_F², and in
Riccati time τ = 2t

    dW/dτ = S*W - W(WᵀW).

Whatever stands to the right of W leaves its span alone: for dW/dτ = S*W - W R the projector P = W(WᵀW)^{-1}Wᵀ obeys
dP/dτ = (I - P)S*P + P S*(I - P), so tr P is conserved, and G = ΘᵀPΘ obeys

    dG/dτ = A G + G A - 2 G A G.

G = Z Zᵀ with dZ/dτ = (I - G)A Z, so rank G is conserved. The log-odds of G_mm grow at 2a_m minus
2 Σ_{n≠m} a_n G_mn²/(G_mm(1 - G_mm)): at most at 2a_m, and at 2a_m where the direction is alone, which gives
G_mm = 1/(1 + (1/G_0 - 1)e^{-2a_m τ}) and G_mm = ½ at τ = log(1/G_0 - 1)/(2a_m).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices, rate, rewrite, trace, transpose
from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .population_gradient import M, N, a, dual, gram, overlap, s, twice_loss

W, Wt, K, P, F, R, Rt = matrices("W W^T K P S^* R R^T")
Theta, Thetat, A, G, Z, Zt = matrices(r"\Theta \Theta^T A G Z Z^T")
tau = sp.symbols("tau", positive=True)
alpha, start = sp.symbols("a G_0", positive=True)
_M = 3  # directions where entries are written out
_G_0 = 0.0025
_STEP = 0.02
_FORWARD = np.array(
    [-761 / 280, 8, -14, 56 / 3, -35 / 2, 56 / 5, -14 / 3, 8 / 7, -1 / 8]
)  # difference quotient, order 8
weights = sp.IndexedBase("a")
entry = sp.IndexedBase("G")


def prove_matrix_loss() -> None:
    """2L = ||S - S*||² and -∂L/∂W = 2(S* - S)W in R³, for two neurons and two directions, entry by entry."""
    w = sp.Matrix(3, 2, sp.symbols("w:6", positive=True))
    second = sp.symbols("a_:2", positive=True)
    target = sp.diag(*second, 0)
    lengths = [sum(w[:, n].multiply_elementwise(w[:, n])) for n in range(2)]
    values = {s[n]: lengths[n] for n in range(2)} | {a[n]: second[n] for n in range(2)}
    for n in range(2):
        values |= {overlap[n, x]: w[x, n] / sp.sqrt(lengths[n]) for x in range(2)}
        values |= {gram[n, x]: w[:, n].dot(w[:, x]) / sp.sqrt(lengths[n] * lengths[x]) for x in range(2)}
    from_links = twice_loss().subs({M: 2, N: 2}).doit().replace(dual, lambda q: q**2).subs(values)
    difference = w * w.T - target
    frobenius = sum(x**2 for x in difference)
    prove_zero(sp.expand(from_links) - sp.expand(frobenius), "the loss as a Frobenius norm")
    gradient = sp.Matrix(3, 2, lambda x, y: sp.diff(frobenius / 2, w[x, y]))
    prove_zero(gradient + 2 * (target - w * w.T) * w, "gradient of the Frobenius norm")


def projector_velocity(weights_velocity: sp.Expr, transposes: dict) -> sp.Expr:
    """dP/dτ for P = W K Wᵀ, K = (WᵀW)^{-1}, in terms of P."""
    velocity = {W: weights_velocity, Wt: transpose(weights_velocity, transposes)}
    velocity[K] = -K * rate(Wt * W, velocity) * K
    return rewrite(rate(W * K * Wt, velocity), {Wt * W * K: 1, K * Wt * W: 1, W * K * Wt: P})


def log_odds_velocity(m: int) -> sp.Expr:
    """d log(G_mm/(1 - G_mm))/dτ for `_M` directions."""
    g = sp.Matrix(_M, _M, lambda x, y: sp.Symbol(f"G_{min(x, y)}{max(x, y)}", positive=True))
    rates = sp.symbols(f"a_:{_M}", positive=True)
    velocity = (sp.diag(*rates) * g + g * sp.diag(*rates) - 2 * g * sp.diag(*rates) * g)[m, m]
    others = sum(rates[n] * g[m, n] ** 2 for n in range(_M) if n != m)
    claimed = 2 * rates[m] - 2 * others / (g[m, m] * (1 - g[m, m]))
    prove_zero(sp.together(velocity / (g[m, m] * (1 - g[m, m])) - claimed), "log-odds")
    named = {g[x, y]: entry[x, y] for x in range(_M) for y in range(x, _M)}
    return claimed.subs(named | {rates[n]: weights[n] for n in range(_M)})


def derive() -> Derivation:
    """From the loss to the equations of W, P, G and Z."""
    prove_matrix_loss()
    transposes = {W: Wt, Theta: Thetat, Z: Zt, R: Rt}
    oja = F * W - W * Wt * W
    projected = projector_velocity(F * W - W * R, transposes)
    prove_zero(projected - sp.expand((1 - P) * F * P + P * F * (1 - P)), "motion of the projector")
    prove_zero(projector_velocity(oja, transposes) - projected, "motion of the projector under the flow")
    prove_zero(trace(projected, {P**2: P}), "trace")
    turned = projected.subs(F, Theta * A * Thetat)
    in_G = rewrite(Thetat * turned * Theta, {Thetat * Theta: 1, Thetat * P * Theta: G})
    prove_zero(in_G - (A * G + G * A - 2 * G * A * G), "the Riccati equation")
    factor = (1 - Z * Zt) * A * Z
    outer = rate(Z * Zt, {Z: factor, Zt: transpose(factor, transposes)})
    prove_zero(outer - sp.expand(in_G.subs(G, Z * Zt)), "the factor's equation")
    odds = log_odds_velocity(0)
    scalar = 1 / (1 + (1 / start - 1) * sp.exp(-2 * alpha * tau))
    prove_zero(sp.diff(scalar, tau) - 2 * alpha * scalar * (1 - scalar), "one direction alone")
    emergence = sp.log(1 / start - 1) / (2 * alpha)
    prove_zero(scalar.subs(tau, emergence) - sp.Rational(1, 2), "emergence of one direction alone")
    return Derivation(
        title="The matrix Riccati equation",
        statement=r"For $\sigma = h_2$ the overlap matrix $G = \Theta^T P \Theta$ obeys $dG/d\tau = AG + GA - "
        r"2GAG$, $\tau = 2t$.",
        steps=(
            (r"$g(q) = q^2$ makes the loss $\frac12\|WW^T - S^*\|_F^2$, $-\partial L/\partial W = 2(S^* - "
             r"WW^T)W$, so in $\tau = 2t$ the weights move by", oja),
            (r"The projector $P = WKW^T$, $K = (W^TW)^{-1}$, for $\dot W = S^*W - WR$ with any $R$:", projected),
            (r"With $S^* = \Theta A \Theta^T$, before multiplying by $\Theta^T$ and $\Theta$:", turned),
            (r"$\Theta^T\Theta = 1$ and $G = \Theta^T P\Theta$.", in_G),
            (r"A factor, $G = ZZ^T$, with a linear equation in $Z$ given $G$: the rank is conserved.", factor),
        ),
        result={
            "dW/dτ": equation(r"\dot W", oja),
            "dG/dτ": equation(r"\dot G", in_G),
            "dZ/dτ": equation(r"\dot Z", sp.expand(factor)),
            "log-odds": equation(r"\frac{d}{d\tau}\log\frac{G_{00}}{1-G_{00}}", odds),
            "alone": equation(r"G(\tau)", scalar),
            "emergence": equation("T", emergence),
        },
        proved="loss as ½||S-S*||², projector, G and its factor for matrices of any size; trace and rank "
        "conserved; log-odds bound",
    )  # fmt: skip


@cache
def _computed() -> dict[str, Any]:
    """What riccati says of random points, of a chart, and of one direction alone."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import dense_velocity
    from riccati.flows.grassmannian import LogOdds, initial_chart_of, initial_weights_of

    link = rc.Link.hermite(2)
    teacher = rc.Teacher.power_law(_M, 0.8, link)
    begin = rc.Start.random(teacher, 2, 12, norm=0.7, seed=5)
    w = np.asarray(begin.weights).T

    def loss(w: jax.Array) -> jax.Array:
        squares = jnp.sum(w**2, axis=0)
        u = w / jnp.sqrt(squares)
        return squares @ link.dual(u.T @ u) @ squares / 2 - squares @ link.dual(u[:_M].T) @ teacher.a

    factors = [np.linalg.qr(np.random.default_rng(n).normal(size=(_M + 2, 2)))[0][:_M] for n in range(3)]
    odds = LogOdds(initial_chart_of(initial_weights_of(rc.Problem(teacher, begin), with_norms=False)), 8 * _STEP)
    ahead = [odds(n * _STEP, np.arange(1)) for n in range(len(_FORWARD))]
    alone = rc.solve(rc.Riccati(), rc.Teacher([1.0], link), rc.Start([[_G_0**0.5]]), np.linspace(0.1, 4, 9))
    return {
        "a": np.asarray(teacher.a), "weights": w, "factors": factors,
        "descent": -np.asarray(jax.jit(jax.grad(loss))(w)) / 2,
        "dG/dτ": [jax.jit(dense_velocity)(None, z @ z.T, teacher.a) for z in factors],
        "log-odds": np.dot(_FORWARD, ahead) / _STEP,
        "alone": alone, "emergence": alone.emergence_times(),
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """The dense velocity at random points, log-odds of a chart, one direction solved and its emergence time."""
    d, code = derivation or derive(), _computed()
    at, w = code["a"], code["weights"]
    values = {F: np.diag([*at, 0, 0]), W: w, Wt: w.T}
    worst = [agree(evaluate(d["dW/dτ"], values), code["descent"], "dW/dτ")]
    for z, velocity in zip(code["factors"], code["dG/dτ"], strict=True):
        worst.append(agree(evaluate(d["dG/dτ"], {A: np.diag(at), G: z @ z.T}), velocity, "dG/dτ"))
        moved = evaluate(d["dZ/dτ"], {A: np.diag(at), Z: z, Zt: z.T}) @ z.T
        worst.append(agree(moved + moved.T, velocity, "dZ/dτ"))
    z = np.linalg.qr(w)[0][:_M]
    worst.append(agree([numeric(d["log-odds"], weights, entry)(at, z @ z.T)], code["log-odds"], "log-odds"))
    values = {alpha: 1.0, start: _G_0}
    aligned = numeric(d["alone"].subs(values), tau)(np.asarray(code["alone"].times_in("riccati")))
    worst.append(agree(aligned, code["alone"].alignment[:, 0], "one direction alone"))
    worst.append(agree([float(d["emergence"].subs(values)) / 2], code["emergence"], "emergence of one direction"))
    return Checked(d.proved, "dense_velocity, log_odds, solve(Riccati()), emergence_times", max(worst))
