"""k = 2 at step size γ/d, SGD on the weights: noise that lengthens the neurons and leaves ΘᵀW as it was.

For σ = h_2 the student is (xᵀSx - tr S)/√2, S = WWᵀ, and f* - f = -e/√2 with e = xᵀDx - tr D, D = S - S*. A step is

    W <- W - η mean_b e_b (x_b x_bᵀ - 1) W,      E e(xxᵀ - 1) = 2D,

so Z = ΘᵀW moves by its mean alone, while Q = WᵀW gets (η²/B) Wᵀ[E e²(xxᵀ - 1)²]W. Over 105 pairings

    E e²(xxᵀ - 1)² = d(2 tr D² + 8D²) + 8 tr(D) D + 10 tr D² + 32D²,

and what does not grow with d is dropped, with η²(1 - 1/B) 4D² for batches. With γ = ηd/B, K_Z = ZᵀAZ, K₂ = ZᵀA²Z,

    dZ/dt = 2(AZ - ZQ),
    dQ/dt = -4(Q² - K_Z) + γ[2||D||²Q + 8(Q³ - QK_Z - K_ZQ + K₂)],     ||D||² = tr Q² - 2 tr K_Z + Σa².

In a moving frame W = VT, VᵀV = 1, Y = ΘᵀV, Ω = TTᵀ, K = YᵀAY, H = 2||D||² + 8VᵀD²V, in Riccati time τ = 2t

    dY/dτ = AY - Y(K + γH/4),      dT/dτ = (K - Ω + γH/4) T,

which is Stiefel SGD's equation (finite_step.py) with Ω in the place of c, d → ∞.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices, rate, rewrite, tr, trace
from ._common import Checked, Derivation, agree, equation, prove_zero
from .wick import mean_form, mean_outer, quadrature

W, Wt, F, D, One = matrices("W W^T S^* D U")
Theta, Thetat, A, Z, Q, KZ, K2 = matrices(r"\Theta \Theta^T A Z Q K_Z K_2")
Y, Yt, T, Tt, K, Omega, H = matrices(r"Y Y^T T T^T K \Omega H")
eta, gamma, dim, z, r, e = sp.symbols("eta gamma d z r e", real=True)
_GAMMA = 0.3


def prove_step() -> None:
    """e_f (2σ w + r σ'(x - zu)), w = ru, e_f = -e/√2, by its coefficients on x and on u."""
    sigma = (z**2 - 1) / sp.sqrt(2)
    slope = sp.diff(sigma, z)
    residual = -e / sp.sqrt(2)
    prove_zero(residual * r * slope + e * r * z, "step along x")
    prove_zero(residual * (2 * sigma * r - r * slope * z) - e * r, "step along u")


def noise() -> sp.Expr:
    """E e²(xxᵀ - 1)² = E e²|x|²xxᵀ - 2E e²xxᵀ + E e²; U is the identity, whose trace is d."""

    def squared(*more: sp.Symbol) -> sp.Expr:
        return mean_outer([D, D, *more]) - 2 * tr(D) * mean_outer([D, *more]) + tr(D) ** 2 * mean_outer([*more])

    scalar = mean_form([D, D]) - tr(D) ** 2
    return sp.expand((squared(One) - 2 * squared() + scalar).subs(tr(One), dim).subs(One, 1))


def derive() -> Derivation:
    """The step, its noise, the equations for Z and Q, and those in the moving frame."""
    prove_step()
    mean = sp.expand(mean_outer([D]) - tr(D) * mean_outer([]))
    full = noise()
    leading = full.coeff(dim)
    prove_zero(leading - (2 * tr(D**2) + 8 * D**2), "the part that grows with d")
    prove_zero(sp.diff(full - dim * leading, dim), "the rest is bounded")

    form = {D: W * Wt - F}
    to_Z = {Thetat * F: A * Thetat, Thetat * W: Z, Wt * W: Q}
    in_Z = rewrite(Thetat * (-mean).subs(form) * W, to_Z)
    inner = {Wt * W: Q, Wt * F**2 * W: K2, Wt * F * W: KZ}
    inside = rewrite((Wt * D**2 * W).subs(form), inner)
    norm = trace((D**2).subs(form), {Wt * W: Q}).subs({trace(F * W * Wt): tr(KZ), tr(F**2): tr(A**2)})
    drift = rewrite(-2 * (Wt * mean * W).subs(form), inner)
    lengthening = gamma * (2 * norm * Q + 8 * inside)
    in_Q = drift + lengthening

    nu = gamma / 4 * H
    frame = {Y: A * Y - Y * K - Y * nu, T: (K - Omega + nu) * T, Tt: Tt * (K - Omega + nu)}
    moved = rewrite(rate(Y * T, frame), {Omega * T: T * Q, Y * T: Z})
    prove_zero(2 * moved - in_Z, "dZ/dt from the frame")
    to_Q = {Tt * K * T: KZ, Tt * Omega * T: Q**2, Tt * H * T: 2 * norm * Q + 8 * inside}
    prove_zero(sp.expand(2 * rewrite(rate(Tt * T, frame), to_Q) - in_Q), "dQ/dt from the frame")
    # VᵀD²V with S = VΩVᵀ, and T from both sides
    V, Vt, KV2 = matrices("V V^T K_{V2}")
    in_frame = rewrite((Vt * D**2 * V).subs({D: V * Omega * Vt - F}), {Vt * V: 1, Vt * F**2 * V: KV2, Vt * F * V: K})
    both = rewrite(Tt * in_frame * T, {Omega: T * Tt, Tt * T: Q, Tt * K * T: KZ, Tt * KV2 * T: K2})
    prove_zero(both - inside, "TᵀVᵀD²VT")
    return Derivation(
        title="The limit at step size gamma/d, on the weights",
        statement=r"$dZ/dt = 2(AZ - ZQ)$, $dQ/dt = -4(Q^2 - K_Z) + \gamma[2\|D\|^2Q + 8W^TD^2W]$, $D = WW^T - S^*$.",
        steps=(
            (r"The mean step, $E\,e(xx^T-1)$:", mean),
            (r"The second-order term $E\,e^2(xx^T-1)^2$ over 105 pairings:", full),
            (r"What grows with $d$ in it:", leading),
            (r"$W^TD^2W$ with $D = WW^T - S^*$:", inside),
            (r"$\mathrm{tr}D^2$:", norm),
        ),
        result={
            "mean step": equation(r"E\,e(xx^T-1)", mean),
            "noise": equation(r"E\,e^2(xx^T-1)^2", full),
            "dZ/dt": equation(r"\dot Z", in_Z),
            "dQ/dt": equation(r"\dot Q", in_Q),
            "dY/dτ": equation(r"Y'", frame[Y]),
            "dT/dτ": equation(r"T'", frame[T]),
        },
        proved="the step of h_2, E e²(xxᵀ - 1)² over 105 pairings with its growth in d, dZ/dt, dQ/dt and the moving "
        "frame",
    )  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """The means by Gauss-Hermite quadrature in R³, the equations against `weights_velocity`."""
    import jax.numpy as jnp

    from riccati.flows.gradient_noise import WeightsSetting, WeightsState, second_order, weights_velocity

    d = derivation or derive()
    random = np.random.default_rng(5)
    form = random.normal(size=(3, 3))
    form = form + form.T
    x, weights = quadrature(3, 6)
    scalar = np.einsum("ni,ij,nj->n", x, form, x) - np.trace(form)
    outer = np.einsum("ni,nj->nij", x, x) - np.eye(3)
    means = np.einsum("n,nij->ij", weights * scalar, outer)
    squares = np.einsum("n,nij,njk->ik", weights * scalar**2, outer, outer)

    a = np.array([0.8, 0.6])
    y = np.linalg.qr(random.normal(size=(4, 3)))[0][:2]
    t = 0.5 * random.normal(size=(3, 3))
    unit = 0.7
    state = WeightsState(jnp.asarray(y), jnp.asarray(t / unit))
    velocity = weights_velocity(
        0.0, state, WeightsSetting(jnp.asarray(a), jnp.asarray(_GAMMA), jnp.asarray(unit), None)
    )
    _, k, h = second_order(state.Y, jnp.asarray(t @ t.T), jnp.asarray(a))
    moved_y, moved_t = np.asarray(velocity.Y), unit * np.asarray(velocity.T)
    overlap = y @ t
    values = {
        D: form, dim: 3, gamma: _GAMMA, A: np.diag(a), Z: overlap, Q: t.T @ t, KZ: overlap.T @ np.diag(a) @ overlap,
        K2: overlap.T @ np.diag(a**2) @ overlap, Y: y, T: t, K: np.asarray(k), H: np.asarray(h), Omega: t @ t.T,
    }  # fmt: skip
    grown = moved_t.T @ t
    worst = [
        agree(evaluate(d["mean step"], values), means, "mean step"),
        agree(evaluate(d["noise"], values), squares, "noise"),
        agree(evaluate(d["dZ/dt"], values), 2 * (moved_y @ t + y @ moved_t), "dZ/dt"),
        agree(evaluate(d["dQ/dt"], values), 2 * (grown + grown.T), "dQ/dt"),
        agree(evaluate(d["dY/dτ"], values), moved_y, "dY/dτ"),
        agree(evaluate(d["dT/dτ"], values), moved_t, "dT/dτ"),
    ]
    return Checked(d.proved, "second_order, weights_velocity; quadrature over samples in R³", max(worst))
