"""k = 2, the weights: S = W Wᵀ under dW/dτ = S*W - W(WᵀW) in closed form, in a chart, and its risk in two parts.

S obeys dS/dτ = ρS + Sρ - 2S², ρ = diag(a_1 … a_M, 0 …). With Y = e^{ρτ}W_0 the solution is

    S = Y K^{-1} Yᵀ,    K = I + 2 ∫_0^τ YᵀY = I + W_0ᵀ diag((e^{2ρτ} - 1)/ρ) W_0.

In a chart Y = X C (C the pivot rows of Y, J = C^{-1}), because e^{-ρτ}Y = W_0,

    S = X Q^{-1} Xᵀ,    Q = JᵀJ + XᵀΨX,    Ψ = diag((1 - e^{-2ρτ})/ρ), 2τ where ρ = 0.

With V = X L^{-T} orthonormal (L Lᵀ = XᵀX), Ω = VᵀSV = LᵀQ^{-1}L and Κ = VᵀS*V = L^{-1}XᵀAXL^{-T},

    ||S - S*||² = [Σa² - tr(AGAG)] + ||Ω - Κ||²:

what the subspace misses and what the radius misses. One direction: θᵀSθ = a/(1 + (a/s_0 - 1)e^{-2aτ}), a/2 at
τ = log(a/s_0 - 1)/(2a).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices, rate, rewrite, tr, trace
from ._common import Checked, Derivation, agree, equation, numeric, prove_zero, slopes_in_time

tau, x = sp.symbols("tau x", positive=True)
a, s_0 = sp.symbols("a s_0", positive=True)
rho = sp.symbols("rho", nonzero=True, real=True)
Y, Yt, K, R, Et, W, Wt, Phi = matrices(r"Y Y^T K^{-1} \rho e^{-\rho\tau} W_0 W_0^T \Phi")
S, X, Xt, J, Jt, Psi, Qi = matrices(r"S X X^T J J^T \Psi Q^{-1}")
V, Vt, F, Omega, Kappa = matrices(r"V V^T S^* \Omega \mathcal{K}")
_TIMES = np.array([0.4, 1.1])


def prove_solution() -> sp.Expr:
    """dS/dτ for S = Y K^{-1} Yᵀ, dY/dτ = ρY, dK/dτ = 2YᵀY, for matrices of any size."""
    velocity = {Y: R * Y, Yt: Yt * R, K: -K * (2 * Yt * Y) * K}
    moved = rewrite(rate(Y * K * Yt, velocity), {Y * K * Yt: S})
    prove_zero(moved - (R * S + S * R - 2 * S**2), "dS/dτ")
    W, Wt, A = matrices("W W^T S^*")
    weights = {W: A * W - W * Wt * W, Wt: Wt * A - Wt * W * Wt}
    prove_zero(rewrite(rate(W * Wt, weights), {W * Wt: S}) - moved.subs(R, A), "dS/dτ from dW/dτ")
    return moved


def prove_chart() -> sp.Expr:
    """Cᵀ^{-1} K C^{-1} with K = I + W_0ᵀΦW_0, Y = XC: W_0 C^{-1} = e^{-ρτ}X turns Φ into Ψ = e^{-ρτ}Φe^{-ρτ}."""
    carried = rewrite(Jt * (1 + Wt * Phi * W) * J, {W * J: Et * X, Jt * Wt: Xt * Et, Et * Phi * Et: Psi})
    prove_zero(carried - (Jt * J + Xt * Psi * X), "Q in a chart")
    return carried


def prove_split() -> sp.Expr:
    """||VΩVᵀ - S*||² by the trace, VᵀV = I, VVᵀ = P, VᵀS*V = Κ."""
    difference = V * Omega * Vt - F
    square = trace(difference * difference, {Vt * V: 1, Vt * F * V: Kappa})
    missed = tr(F**2) - tr(Kappa**2)  # tr(S*PS*P) = tr(Κ²) is tr(AGAG)
    prove_zero(square - missed - trace((Omega - Kappa) ** 2), "split of the risk")
    return missed + tr((Omega - Kappa) ** 2)


def derive() -> Derivation:
    """The solution, its form in a chart, the memory Ψ, and the split."""
    moved, Q, split = prove_solution(), prove_chart(), prove_split()
    integral = sp.integrate(2 * sp.exp(2 * rho * x), (x, 0, tau))
    memory = sp.expand(sp.exp(-2 * rho * tau) * integral)
    prove_zero(memory - (1 - sp.exp(-2 * rho * tau)) / rho, "Ψ")
    still = sp.limit(memory, rho, 0)
    alone = a / (1 + (a / s_0 - 1) * sp.exp(-2 * a * tau))
    prove_zero(sp.diff(alone, tau) - (2 * a * alone - 2 * alone**2), "one direction alone")
    prove_zero(alone.subs(tau, 0) - s_0, "one direction alone, at the start")
    half = sp.log(a / s_0 - 1) / (2 * a)
    prove_zero(alone.subs(tau, half) - a / 2, "half its radius")
    return Derivation(
        title="The quadratic student's weights",
        statement=r"$S = WW^T$ solves $\dot S = \rho S + S\rho - 2S^2$ with $S = XQ^{-1}X^T$, $Q = J^TJ + X^T\Psi X$.",
        steps=(
            (r"$S = YK^{-1}Y^T$ with $\dot Y = \rho Y$, $\dot K = 2Y^TY$ moves by", moved),
            (r"$K - 1 = W_0^T\Phi W_0$; each entry of $\Phi$ is", integral),
            (r"$Y = XC$, $J = C^{-1}$, $W_0J = e^{-\rho\tau}X$: $J^TKJ$ becomes", Q),
            (r"The risk with $S = V\Omega V^T$, $V^TV = 1$, $\mathcal{K} = V^TS^*V$:", split),
        ),
        result={
            "dS/dτ": equation(r"\dot S", moved),
            "S": equation("S", Y * K * Yt),
            "Q": equation("Q", Q),
            "Ψ": equation(r"\Psi", memory),
            "Ψ, ρ = 0": equation(r"\Psi_0", still),
            "risk": equation(r"\|S-S^*\|^2", split),
            "alone": equation(r"s(\tau)", alone),
            "half radius": equation("T", half),
        },
        proved="S = Y K⁻¹ Yᵀ solves dS/dτ, its chart form and the split of the risk for matrices of any size; Ψ "
        "and its limit",
    )  # fmt: skip


@cache
def _computed() -> dict[str, Any]:
    """What riccati says of a small problem and of one direction alone."""
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import memory
    from riccati.flows.grassmannian import carry, initial_chart_of, initial_weights_of

    link, flow = rc.Link.hermite(2), rc.Quadratic()
    teacher = rc.Teacher.power_law(4, 0.6, link)
    start = rc.Start.random(teacher, 3, 9, norm=0.6, seed=4)
    solved = rc.solve(flow, teacher, start, _TIMES)
    slope = slopes_in_time(lambda t: rc.solve(flow, teacher, start, t).radius, _TIMES)[1]
    weights = initial_weights_of(rc.Problem(teacher, start), with_norms=True)
    single, one = rc.Teacher([1.0], link), rc.Start([[1.0]], norms=0.1)
    return {
        "weights": np.asarray(start.weights), "rates": np.concatenate([teacher.a, np.zeros(3)]),
        "radius": solved.radius, "risk": solved.risk, "slope": slope,
        "charts": [carry(initial_chart_of(weights), t) for t in 2 * _TIMES],
        "memory": memory(jnp.array([0.9, -0.3, 0.0]), 0.8),
        "alone": lambda times: rc.solve(flow, single, one, times).radius[:, 0],
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """solve(Quadratic()) and its time derivative, memory, and the chart's Q on the way."""
    d, code = derivation or derive(), _computed()
    psi = [float(d["Ψ"].subs({rho: r, tau: 0.8})) for r in (0.9, -0.3)] + [float(d["Ψ, ρ = 0"].subs(tau, 0.8))]
    worst = [agree(psi, code["memory"], "memory")]
    rates, w = code["rates"], code["weights"].T
    target = np.diag(rates)
    for n, time in enumerate(2 * _TIMES):
        grown = np.exp(rates * time)[:, None] * w
        psi = np.array([float(d["Ψ"].subs({rho: r, tau: time})) if r else 2 * time for r in rates])
        kernel = np.eye(3) + w.T @ np.diag(psi * np.exp(2 * rates * time)) @ w
        s = evaluate(d["S"], {Y: grown, K: np.linalg.inv(kernel), Yt: grown.T})
        worst.append(agree(np.diag(s)[:4], code["radius"][n], "S"))
        velocity = 2 * evaluate(d["dS/dτ"], {R: target, S: s})
        worst.append(agree(np.diag(velocity)[:4], code["slope"][n], "dS/dτ"))
        basis = np.linalg.qr(grown)[0]
        values = {F: target, Omega: basis.T @ s @ basis, Kappa: basis.T @ target @ basis}
        worst.append(agree(evaluate(d["risk"], values), code["risk"][n], "risk"))

        chart = code["charts"][n]
        order = np.concatenate([chart.column, chart.row])
        rows, companion = np.concatenate([np.eye(3), chart.B]), np.asarray(chart.J)
        values = {J: companion, Jt: companion.T, X: rows, Xt: rows.T, Psi: np.diag(psi[order])}
        in_chart = rows @ np.linalg.inv(evaluate(d["Q"], values)) @ rows.T
        worst.append(agree(in_chart, s[np.ix_(order, order)], "Q"))

    values = {a: 1.0, s_0: 0.01}
    alone = numeric(d["alone"].subs(values), tau)(2 * _TIMES)
    worst.append(agree(alone, code["alone"](_TIMES), "one direction alone"))
    reached = code["alone"]([float(d["half radius"].subs(values)) / 2])
    worst.append(agree([0.5], reached, "half its radius"))
    return Checked(d.proved, "solve(Quadratic()): radius, its rate, risk; memory; Q of a chart", max(worst))
