"""The risk that is left after the best radial fit, and its form in a chart.

Among S = VΩVᵀ with V an orthonormal basis of the student's span, ||S - S*||² is least at Ω* = VᵀS*V ≽ 0, and what is
left is Σa² - tr(AGAG), which is 1 - tr(AGAG) for Σa² = 1.

In a chart X = [I; B], S = BᵀB, W = (I + S)^{-1}, the projector has the blocks P_pp = W, P_rp = BW, P_rr = BWBᵀ, and
I - P_pp = SW. With the rates α_p of the pivots, α_r of the other rows, and C = Bᵀ diag(α_r) B, Σa² - tr(AGAG) is

    2 tr(α_p² SW) - tr(α_p SW α_p SW) + Σ_r α_r² - 2 tr(α_p W C W) - tr(CWCW).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices, rewrite, tr, trace
from ._common import Checked, Derivation, agree, equation, prove_zero

V, Vt, F, P, Omega, Step = matrices(r"V V^T S^* P \Omega^* H")
Theta, Thetat, A, G = matrices(r"\Theta \Theta^T A G")
W, S, C, pivots, rows = matrices(r"W S C \alpha_p \alpha_r")
_TIMES = np.array([0.4, 1.5])


def prove_best_fit() -> sp.Expr:
    """The risk of V(Ω* + H)Vᵀ exceeds that of Ω* = VᵀS*V by tr H², whatever H: Ω* is the unique minimum."""
    rules = {Vt * V: 1, Vt * F * V: Omega}  # Ω stands for Ω*
    best, moved = (V * fit * Vt - F for fit in (Omega, Omega + Step))
    left = trace(best * best, rules)
    prove_zero(trace(moved * moved, rules) - left - tr(Step**2), "the best radial fit")
    return left


def prove_overlap_form() -> sp.Expr:
    """tr Ω*² = tr(S*PS*P) = tr(AGAG), P = VVᵀ, S* = ΘAΘᵀ, G = ΘᵀPΘ."""
    square = Vt * F * V * Vt * F * V
    prove_zero(trace(square, {Vt * F * V: Omega}) - tr(Omega**2), "square of the best fit")
    prove_zero(trace(square, {V * Vt: P}) - trace(F * P * F * P), "square of the best fit in P")
    teacher = {F: Theta * A * Thetat}
    in_G = trace(rewrite(F * P * F * P, teacher), {Thetat * P * Theta: G})
    left = trace(rewrite(F**2, teacher), {Thetat * Theta: 1}) - in_G
    prove_zero(left - (tr(A**2) - tr(A * G * A * G)), "1 - tr(AGAG)")
    return left


def chart_form() -> sp.Expr:
    """tr ρ² - tr(ρPρP) for P = XWXᵀ, XᵀρX = α_p + C, without cancellation once SW is small."""
    plain = tr(pivots**2) + tr(rows**2) - trace((pivots + C) * W * (pivots + C) * W)
    missed = 2 * tr(pivots**2 * S * W) - tr(pivots * S * W * pivots * S * W)
    rest = tr(rows**2) - 2 * tr(pivots * W * C * W) - tr(C * W * C * W)
    by_terms = sum(c * trace(t.args[0], {S * W: 1 - W}) for t, c in (missed + rest).as_coefficients_dict().items())
    prove_zero(by_terms - plain, "chart form of the risk")
    return missed + rest


def derive() -> Derivation:
    """The best fit, what it leaves, and that in a chart."""
    left, in_G, in_chart = prove_best_fit(), prove_overlap_form(), chart_form()
    Xt, X = matrices("X^T X")
    prove_zero(rewrite((X * W * Xt) ** 2, {Xt * X: 1 + S, W * S: 1 - W}) - X * W * Xt, "the projector in a chart")
    return Derivation(
        title="The risk after the best radial fit",
        statement=r"$\min_\Omega\|V\Omega V^T - S^*\|^2 = \mathrm{tr}A^2 - \mathrm{tr}(AGAG)$, attained at "
        r"$\Omega^* = V^TS^*V$.",
        steps=(
            (r"The projector in a chart: $P = XWX^T$, $W = (1 + S)^{-1}$, $S = B^TB$, is idempotent.", X * W * Xt),
            (r"At $\Omega^* = V^TS^*V$ the risk is as follows, and at $\Omega^* + H$ it is larger by "
             r"$\mathrm{tr}H^2$.", left),
            (r"$\Omega^{*}$'s square is that of the overlaps.", in_G),
            (r"$X^T\rho X = \alpha_p + C$ with $C = B^T\alpha_rB$, and $W = 1 - SW$ between the $\alpha_p$.", in_chart),
        ),
        result={
            "best fit": equation(r"\Omega^*", Vt * F * V),
            "risk": equation("R", in_G),
            "risk in a chart": equation("R", in_chart),
        },
        proved="Ω* = VᵀS*V is the unique minimum, Σa² - tr(AGAG) is left, and the chart form equals it, for "
        "matrices of any size",
    )  # fmt: skip


@cache
def _computed() -> dict[str, Any]:
    """A random chart's risk, and the risks of both k = 2 flows from one start."""
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows.grassmannian import Chart, subspace, subspace_risk, weighted_grams

    random = np.random.default_rng(7)
    b = random.normal(size=(6, 3))
    alpha_p, alpha_r = random.uniform(0.2, 1, size=3), np.r_[random.uniform(0.2, 1, size=3), np.zeros(3)]
    parts = (b, np.zeros((0, 3)), alpha_r, alpha_p, np.arange(6), np.arange(6, 9), 1.0)
    chart = Chart(*(jnp.asarray(part) for part in parts))
    space = subspace(*weighted_grams(chart.B, chart.row_rate))
    teacher = rc.Teacher.power_law(4, 0.6, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 9, seed=6)
    flow = rc.solve(rc.Riccati(), teacher, start, _TIMES)
    return {
        "B": b, "pivots": alpha_p, "rows": alpha_r, "risk in a chart": subspace_risk(chart, space),
        "a": np.asarray(teacher.a), "span": np.asarray(start.directions).T, "risk": flow.risk,
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """subspace_risk on a random chart, the risk of solve(Riccati()), and Ω* against least squares."""
    d, code = derivation or derive(), _computed()
    b, rates = code["B"], code["rows"]
    small = np.linalg.inv(np.eye(3) + b.T @ b)
    values = {S: b.T @ b, W: small, C: b.T @ np.diag(rates) @ b, pivots: np.diag(code["pivots"]), rows: np.diag(rates)}
    worst = [agree(evaluate(d["risk in a chart"], values), code["risk in a chart"], "risk in a chart")]
    a = np.r_[code["a"], np.zeros(3)]
    for time, risk in zip(2 * _TIMES, code["risk"], strict=True):
        v = np.linalg.qr(np.exp(a * time)[:, None] * code["span"])[0]
        overlaps = v[:4] @ v[:4].T
        worst.append(agree(evaluate(d["risk"], {A: np.diag(code["a"]), G: overlaps}), risk, "risk"))
    design = np.kron(v, v)
    fit = np.linalg.lstsq(design, np.diag(a).ravel(), rcond=None)[0].reshape(3, 3)
    worst.append(agree(evaluate(d["best fit"], {V: v, Vt: v.T, F: np.diag(a)}), fit, "best fit"))
    return Checked(d.proved, "subspace_risk, solve(Riccati()).risk; Ω* by least squares", max(worst))
