"""k = 2 with a multiple of W added: weight decay, and the mean error of a link with a constant.

For σ = c_0 + c_2 h_2, D = S - S* and decay λ the loss is ½[c_2² ||D||² + c_0² (tr D)² + λ||W||²], and in τ = 2c_2² t

    dW/dτ = (S* - θ)W - W(WᵀW),        θ = λ/(2c_2²) + κ tr D,   κ = c_0²/c_2².

θ may depend on time in any way. It is a number, so the projector P on the span of W does not see it, and neither do G
and the emergence times. The weights move as in the plain flow with rates ρ - θ. With Θ = ∫θ and Y = e^{ρτ - Θ}W_0,

    S = Y K^{-1} Yᵀ,    dK/dτ = 2YᵀY,    K = I + W_0ᵀΦW_0,    dΦ/dτ = 2e^ℓ,    ℓ = 2(ρτ - Θ),

so that the norms depend on the one number Θ of time alone; and ∫tr S = ½ log det K. η = Φ/(1 + e^ℓ) is bounded where
rows grow and where they shrink,

    dη/dτ = 2(1 - (ρ - θ)η)/(1 + e^{-ℓ}),        η = tanh((ρ - θ)τ)/(ρ - θ) for a constant θ.

A direction alone tends to the norm a - θ where a > θ, else to 0: the risk keeps min(a, θ)².
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices, rate, rewrite, tr, trace
from ._common import Checked, Derivation, agree, equation, numeric, prove_zero, slopes_in_time

tau, a, s_0, kappa, c_0, c_2, decay = sp.symbols(r"tau a s_0 kappa c_0 c_2 lambda", positive=True)
theta, rho, eta, ell = sp.symbols(r"theta rho eta ell", real=True)
Y, Yt, K, R, S, W, Wt, F, P = matrices(r"Y Y^T K^{-1} \rho S W W^T S^* P")
D, dW, dWt = matrices(r"D \dot{W} \dot{W}^T")
_TIMES = np.array([0.4, 1.1])
_DECAY = 0.5


def prove_gradient() -> sp.Expr:
    """2c_2²(-D - κ tr D)W - λW is -∇ of ½[c_2² tr D² + c_0² (tr D)²] + ½λ tr WWᵀ: the loss falls by its square."""
    moved = dW * Wt + W * dWt  # dD
    slope = c_2**2 * trace(D * moved) + c_0**2 * tr(D) * trace(moved) + decay / 2 * trace(moved)
    downhill = -2 * c_2**2 * (D * W + kappa * tr(D) * W) - decay * W
    transposed = -2 * c_2**2 * (Wt * D + kappa * tr(D) * Wt) - decay * Wt
    along = -(trace(sp.expand(dWt * downhill)) + trace(sp.expand(transposed * dW))) / 2
    prove_zero(sp.expand(slope - along.subs(kappa, c_0**2 / c_2**2)), "the gradient")
    in_tau = sp.expand(downhill / (2 * c_2**2))
    shift = kappa * tr(D) + decay / (2 * c_2**2)
    plain = F * W - W * Wt * W
    prove_zero(sp.expand(in_tau - (rewrite(plain, {W * Wt: S}) - shift * W).subs(S, D + F)), "dW/dτ")
    return shift


def prove_solution() -> sp.Expr:
    """dS/dτ for S = Y K^{-1} Yᵀ, dY/dτ = (ρ - θ)Y, dK/dτ = 2YᵀY, and ∫tr S, for matrices of any size."""
    velocity = {Y: R * Y - theta * Y, Yt: Yt * R - theta * Yt, K: -K * (2 * Yt * Y) * K}
    moved = rewrite(rate(Y * K * Yt, velocity), {Y * K * Yt: S})
    weights = {W: F * W - W * Wt * W - theta * W, Wt: Wt * F - Wt * W * Wt - theta * Wt}
    prove_zero(rewrite(rate(W * Wt, weights), {W * Wt: S}) - moved.subs(R, F), "dS/dτ from dW/dτ")
    log_det = trace(K * (2 * Yt * Y), {Y * K * Yt: S})  # d log det K = tr K^{-1}dK
    prove_zero(log_det - 2 * tr(S), "∫tr S")
    return moved


def prove_subspace() -> sp.Expr:
    """dP/dτ = (1 - P)ZP + PZᵀ(1 - P) of a span that moves by Z; θ in Z = S* - θ drops out."""
    shifted = F - theta
    moved = rewrite((1 - P) * shifted * P + P * shifted * (1 - P), {P * P: P})
    prove_zero(moved - (F * P + P * F - 2 * P * F * P), "the subspace does not see θ")
    return moved


def prove_memory() -> tuple[sp.Expr, sp.Expr]:
    """dη/dτ of η = Φ/(1 + e^ℓ), and its solution for a constant θ, which is Φ/(1 + e^ℓ) of Φ = (e^ℓ - 1)/(ρ - θ)."""
    Phi = sp.Symbol("Phi", real=True)
    grown, left = sp.exp(ell), rho - theta
    ratio = Phi / (1 + grown)
    slope = sp.diff(ratio, Phi) * 2 * grown + sp.diff(ratio, ell) * 2 * left
    claimed = 2 * (1 - left * eta) / (1 + sp.exp(-ell))
    prove_zero(slope - claimed.subs(eta, ratio), "dη/dτ")
    constant = sp.tanh(left * tau) / left
    by_parts = ((grown - 1) / left / (1 + grown)).subs(ell, 2 * left * tau)
    prove_zero(sp.expand((constant - by_parts).rewrite(sp.exp)), "η for a constant θ")
    return claimed, constant


def derive() -> Derivation:
    """The shift, the motion of S and P under it, the memory η and a direction alone."""
    shift, moved, space = prove_gradient(), prove_solution(), prove_subspace()
    slope, constant = prove_memory()
    left = sp.Symbol("a_theta", nonzero=True, real=True)
    alone = left / (1 - (1 - left / s_0) * sp.exp(-2 * left * tau))
    prove_zero(sp.diff(alone, tau) - (2 * left * alone - 2 * alone**2), "one direction alone")
    prove_zero(alone.subs(tau, 0) - s_0, "one direction alone, at the start")
    alone = alone.subs(left, a - theta)
    floor = sp.Min(a, theta) ** 2
    return Derivation(
        title="Rates shifted by a number",
        statement=r"$\theta(\tau)$ in $\dot W = (S^* - \theta)W - WW^TW$ leaves the subspace as it is and shifts the "
        "rates of the weights.",
        steps=(
            (r"Weight decay $\lambda$ and the mean error of $\sigma = c_0 + c_2h_2$ add $-\theta W$ with", shift),
            (r"$S = YK^{-1}Y^T$ with $\dot Y = (\rho - \theta)Y$, $\dot K = 2Y^TY$ moves by", moved),
            (r"The projector on the span of $W$ moves by", space),
            (r"$\eta = \Phi/(1 + e^\ell)$ with $\dot\Phi = 2e^\ell$, $\dot\ell = 2(\rho - \theta)$ moves by", slope),
            (r"so that for a constant $\theta$", constant),
        ),
        result={
            "θ": equation(r"\theta", shift),
            "dS/dτ": equation(r"\dot S", moved),
            "dP/dτ": equation(r"\dot P", space),
            "dη/dτ": equation(r"\dot\eta", slope),
            "η": equation(r"\eta", constant),
            "alone": equation(r"s(\tau)", alone),
            "floor": equation(r"R_\infty", floor),
        },
        proved="the gradient, dS/dτ, ∫tr S and dP/dτ for matrices of any size; dη/dτ, η for a constant θ, and one "
        "direction alone",
    )  # fmt: skip


@cache
def _computed() -> dict[str, Any]:
    """What riccati says of a small problem under weight decay."""
    import riccati as rc
    from riccati.flows import Neurons, coupled_velocity
    from riccati.flows.grassmannian import under_constant_shift

    flow, link = rc.Quadratic(weight_decay=_DECAY), rc.Link.from_coefficients([0, 0, 0.8])
    teacher = rc.Teacher.power_law(4, 0.6, link)
    start = rc.Start.random(teacher, 3, 9, norm=0.6, seed=4)

    def observed(name: str, times: np.ndarray) -> np.ndarray:
        return getattr(rc.solve(flow, teacher, start, times), name)

    slopes = {name: slopes_in_time(partial(observed, name), _TIMES) for name in ("radius", "alignment")}
    uncentred = rc.Teacher(teacher.a, rc.Link.from_coefficients([0.5, 0, 0.8]))
    neurons = Neurons(start.directions, 2 * np.log(start.norms))
    turned, grown = coupled_velocity(None, neurons, uncentred)
    single, one = rc.Teacher([1.0], rc.Link.hermite(2)), rc.Start([[1.0]], norms=0.1)
    rates, shift = np.array([0.9, 0.3, -0.4]), 0.25
    return {
        "uncentred": 2 * (neurons.s[:, None] * neurons.U * (turned + grown[:, None] * neurons.U / 2)).sum(axis=0)[:4],
        "weights": np.asarray(start.weights), "a": np.asarray(teacher.a), "slopes": slopes,
        "η": lambda times: under_constant_shift(rates, shift, times).memory[:, :3], "rates": rates, "shift": shift,
        "alone": lambda times: rc.solve(flow, single, one, times),
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """solve(Quadratic(weight_decay=λ)): radius, alignment, their rates, limits; η; the coupled flow's mean error."""
    d, code = derivation or derive(), _computed()
    shift = numeric(d["θ"].subs({tr(D): 0}), c_2, decay)(0.8, _DECAY)
    rates, w = np.concatenate([code["a"], np.zeros(3)]), code["weights"].T
    target, clock, worst = np.diag(rates), 2 * 0.8**2, []
    for n, time in enumerate(clock * _TIMES):
        grown = np.exp((rates - shift) * time)[:, None] * w
        phi = np.expm1(2 * (rates - shift) * time) / (rates - shift)
        s = grown @ np.linalg.inv(np.eye(3) + w.T @ (phi[:, None] * w)) @ grown.T
        worst.append(agree(np.diag(s)[:4], code["slopes"]["radius"][0][n], "S"))
        velocity = clock * evaluate(d["dS/dτ"], {R: target, S: s, theta: shift})
        worst.append(agree(np.diag(velocity)[:4], code["slopes"]["radius"][1][n], "dS/dτ"))
        basis = np.linalg.qr(grown)[0]
        p = basis @ basis.T
        worst.append(agree(np.diag(p)[:4], code["slopes"]["alignment"][0][n], "P"))
        velocity = clock * evaluate(d["dP/dτ"], {F: target, P: p})
        worst.append(agree(np.diag(velocity)[:4], code["slopes"]["alignment"][1][n], "dP/dτ"))

    s = w @ w.T
    mean_error = {kappa: (0.5 / 0.8) ** 2, decay: 0, tr(D): np.trace(s - target)}
    values = {R: target, S: s, theta: float(d["θ"].subs(mean_error))}
    worst.append(agree(np.diag(clock * evaluate(d["dS/dτ"], values))[:4], code["uncentred"], "the mean error"))

    at, values = np.array([0.5, 2.0]), {theta: code["shift"]}
    memory, slopes = slopes_in_time(code["η"], at)
    constant, slope = numeric(d["η"].subs(values), rho, tau), numeric(d["dη/dτ"].subs(values), eta, rho, ell)
    worst.append(agree(constant(code["rates"], at[:, None]), memory, "η"))
    growth = 2 * (code["rates"] - code["shift"]) * at[:, None]
    worst.append(agree(slope(memory, code["rates"], growth), slopes, "dη/dτ"))

    values = {a: 1.0, s_0: 0.01, theta: _DECAY / 2}
    alone = numeric(d["alone"].subs(values), tau)(2 * _TIMES)
    worst.append(agree(alone, code["alone"](_TIMES).radius[:, 0], "one direction alone"))
    worst.append(agree([float(d["floor"].subs(values))], code["alone"]([60.0]).risk, "floor"))
    return Checked(
        d.proved, "solve(Quadratic(weight_decay=λ)): radius, alignment, their rates, the floor; η", max(worst)
    )
