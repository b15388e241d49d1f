"""k = 2 at step size γ/d: the term of Stiefel SGD that gradient flow leaves out.

One step is W <- polar(W + εΔ), Δ = -(1/2B) Σ_b e_b (I - P)x_b x_bᵀW, e = xᵀDx - tr D, D = cP - S*. As WᵀΔ = 0,

    polar(W + εΔ) = W + εΔ - ½ε² WΔᵀΔ + O(ε³),      E Δ = (I - P)S*W,

and the part of E ΔᵀΔ that grows with d is (1/4B)(d - N) E e²uuᵀ, u = Wᵀx. With ε = 2η, γ = ηd/B, Z = ΘᵀW,
K = ZᵀAZ, K₂ = ZᵀA²Z, in Riccati time,

    dZ/dτ = A Z - Z K - (γ/4)(1 - N/d) Z H,      H = 2(c²N - 2c tr K + Σa²) I + 8(c² I - 2cK + K₂).

In full, with Q = I - P: E e²|x_⊥|²uuᵀ = Wᵀ[(d - N)(2 tr D² + 8D²) + 8 tr(QD) D + 8 tr(QD²) + 16 DQD]W, where
QD = -QS* keeps all but the first bounded.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp

from ._algebra import evaluate, factors, matrices, rewrite, tr, trace
from ._common import Checked, Derivation, agree, equation, prove_zero
from .wick import mean_outer, quadrature

W, Wt, F, P, D, Q, X = matrices(r"W W^T S^* P D Q {\Delta^T\Delta}")
Theta, Thetat, A, Z, Zt, K, K2, H = matrices(r"\Theta \Theta^T A Z Z^T K K_2 H")
Delta = matrices(r"\Delta")
c, eps, gamma, dim, neurons, batch = sp.symbols("c epsilon gamma d N B", positive=True)
_C, _GAMMA, _DIM = 0.7, 0.8, 50


def retraction() -> sp.Expr:
    """polar(W + εΔ) to second order; its factor's square times W̃ᵀW̃ = 1 + ε²ΔᵀΔ is 1 up to ε⁴."""
    root = 1 - eps**2 * X / 2
    left = sp.expand(root * (1 + eps**2 * X) * root - 1)
    prove_zero(sp.Matrix([left.coeff(eps, n) for n in range(4)]), "inverse square root")
    return sp.series(sp.expand((W + eps * Delta) * root), eps, 0, 3).removeO()


def noise() -> sp.Expr:
    """E e²(xᵀQx)xxᵀ between projectors P, where PQ = 0: products that begin or end with Q drop out."""
    three = mean_outer([D, D, Q]) - 2 * tr(D) * mean_outer([D, Q]) + tr(D) ** 2 * mean_outer([Q])
    kept = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(three)):
        product = factors(term)[1]
        if not product or Q not in (product[0], product[-1]):
            kept += term
    return sp.expand(kept)


def derive() -> Derivation:
    """The retraction, the noise, and the factor equation."""
    polar, full = retraction(), noise()
    drift = rewrite(-(1 - P) * (c * P - F) * W, {P**2: P, P * W: W})  # E e xxᵀ = 2D
    in_Z = rewrite(
        Thetat * drift.subs({P: W * Wt, F: Theta * A * Thetat}), {Thetat * Theta: 1, Thetat * W: Z, Wt * Theta: Zt}
    )
    prove_zero(in_Z - sp.expand((1 - Z * Zt) * A * Z), "mean step")
    leading = full.coeff(tr(Q))
    rest = sp.expand(full - tr(Q) * leading)
    prove_zero(leading - (2 * tr(D**2) + 8 * D**2), "the part that grows with d is E e² xxᵀ")
    form = {D: c * P - F}
    inside = rewrite(
        (Wt * D**2 * W).subs(form), {P * W: W, Wt * P: Wt, P**2: P, Wt * W: 1, Wt * F**2 * W: K2, Wt * F * W: K}
    )
    norm = trace((D**2).subs(form), {P**2: P}).subs(tr(P), neurons)
    norm = norm.subs({trace(F * P): tr(K), tr(F**2): tr(A**2)})  # tr(PS*) = tr(WᵀS*W)
    whole = sp.expand(2 * norm + 8 * inside)
    step = 2 * gamma * batch / dim  # ε = 2η
    weight = sp.cancel(step / 2 * (dim - neurons) / (4 * batch))
    velocity = A * Z - Z * K - gamma / 4 * (1 - neurons / dim) * Z * H
    prove_zero(velocity - (A * Z - Z * K - weight * Z * H), "the factor equation's coefficient")
    return Derivation(
        title="The limit at step size gamma/d",
        statement=r"$dZ/d\tau = AZ - ZK - \frac\gamma4(1-\frac Nd)ZH$, $H = 2\|D\|^2 + 8W^TD^2W$, $D = cP - S^*$.",
        steps=(
            (r"$W^T\Delta = 0$, so the polar retraction to second order in $\epsilon$ is", polar),
            (r"$E\,e\,xx^T = 2D$ gives $E\,\Delta = (1-P)S^*W$, and $\Theta^TE\,\Delta$ is", in_Z),
            (r"$E\,e^2(x^TQx)xx^T$ between projectors $P$, over 105 pairings:", full),
            (r"Beside $\mathrm{tr}Q = d - N$ the rest stays bounded:", rest),
            (r"$W^TD^2W$ with $D = cP - S^*$:", inside),
        ),
        result={
            "polar": equation(r"\mathrm{polar}(W+\epsilon\Delta)", polar),
            "noise": equation(r"E\,e^2|x_\perp|^2xx^T", full),
            "mean step": equation(r"\Theta^TE\,\Delta", in_Z),
            "H": equation("H", whole),
            "dZ/dτ": equation(r"\dot Z", velocity),
        },
        proved="retraction to second order, E e²|x_⊥|²uuᵀ over 105 pairings with its growth in d, H and the "
        "factor equation",
    )  # fmt: skip


def _by_code(w: np.ndarray, a: np.ndarray) -> dict[str, np.ndarray]:
    """H and dY/dτ, gradient flow and noise, by the flow that integrates them."""
    import jax.numpy as jnp

    from riccati.flows.gradient_noise import second_order, stiefel_velocity

    Y, weights = jnp.asarray(w[:2]), jnp.asarray(a)
    noise = jnp.asarray(_GAMMA / 4 * (1 - 2 / _DIM))
    velocity = stiefel_velocity(0.0, Y, (weights, jnp.asarray(_C), noise, None))
    return {"H": second_order(Y, _C * jnp.eye(2), weights)[2], "dZ/dτ": velocity}


@cache
def _computed() -> dict[str, np.ndarray]:
    """A step in R⁴ with two directions and two neurons: its means by quadrature, its retraction by differences."""
    random = np.random.default_rng(3)
    w, a = np.linalg.qr(random.normal(size=(4, 2)))[0], np.array([0.8, 0.6])
    target, projector = np.diag([*a, 0, 0]), w @ w.T
    form, rest = _C * projector - target, np.eye(4) - projector
    x, weights = quadrature(4, 6)
    e, u = np.einsum("ni,ij,nj->n", x, form, x) - np.trace(form), x @ w
    step = -np.einsum("n,ni,nj->ij", weights * e, x @ rest, u) / 2
    size = weights * e**2
    noise = np.einsum("n,ni,nj->ij", size * np.einsum("ni,ij,nj->n", x, rest, x), u, u)

    def polar(t: float) -> np.ndarray:
        left, _, right = np.linalg.svd(w + t * step, full_matrices=False)
        return left @ right

    H = np.einsum("n,ni,nj->ij", size, u, u)
    epsilon = 2 * _GAMMA / _DIM  # batches of one
    velocity = step[:2] - epsilon / 2 * (_DIM - 2) / 4 * w[:2] @ H
    return {
        "w": w, "a": a, "target": target, "form": form, "rest": rest, "step": step, "noise": noise, "H": H,
        "polar": polar(1e-3), "dZ/dτ": velocity,
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """Against means by Gauss-Hermite quadrature in R⁴, a retraction by singular values, and the flow's velocity."""
    d, code = derivation or derive(), _computed()
    w, a, step = code["w"], np.diag(code["a"]), code["step"]
    flow = _by_code(w, code["a"])
    z = w[:2]
    values = {
        W: w, Delta: step, X: step.T @ step, eps: 1e-3, D: code["form"], Q: code["rest"], A: a, Z: z, Zt: z.T,
        K: z.T @ a @ z, K2: z.T @ a @ a @ z, c: _C, neurons: 2, gamma: _GAMMA, dim: _DIM, H: code["H"],
    }  # fmt: skip
    agree((evaluate(d["polar"], values) - w) / 1e-3, (code["polar"] - w) / 1e-3, "polar", 1e-5)
    bend = (evaluate(d["polar"], values) - w - 1e-3 * step) / 1e-6
    agree(bend, (code["polar"] - w - 1e-3 * step) / 1e-6, "polar, second order", 1e-3)
    worst = [
        agree(w.T @ evaluate(d["noise"], values) @ w, code["noise"], "noise"),
        agree(evaluate(d["mean step"], values), step[:2], "mean step"),
        agree(evaluate(d["H"], values), code["H"], "H"),
        agree(evaluate(d["dZ/dτ"], values), code["dZ/dτ"], "dZ/dτ"),
        *(agree(evaluate(d[name], values), flow[name], f"{name} of the flow") for name in flow),
    ]
    compared = "quadrature over samples in R⁴, retraction by singular values; second_order, stiefel_velocity"
    return Checked(d.proved, compared, max(worst))
