"""k = 2: the step size beyond which a direction is lost, from the stationary states of the limit at step size γ/d.

In a stationary state of SGD on the weights (finite_step_weights.py) a learned direction q, G_qq = G, S_qq = Ω, obeys

    a - aG - ν = 0,   aG - Ω + ν = 0,   ν = (γ/4)[2R + 8(Ω² - 2ΩaG + a²G)]:    Ω = a,   1 - G = γR/(2a(1 - 2γa)),

and adds Ω² - 2ΩaG + a² = γRa/(1 - 2γa) to R. A neuron without a direction has Ω = (γ/4)(2R + 8Ω²), or is short, Ω =
0, and a direction grows from nothing in it at the rate a_m - (γ/4)(2R + 8Ω²): which vanishes at 2a_m = γR for short
ones and, as then Ω = a_m, at 2a_m = γ(R + 4a_m²) for long ones. On the Stiefel manifold (finite_step.py), Ω = c, with
κ = (γ/4)(1 - N/d)

    a - aG - κ[2R + 8(c² - 2caG + a²G)] = 0:    G = (a - κ(2R + 8c²))/(a + 8κ(a² - 2ca)),   rate a_m - κ(2R + 8c²).
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero

a, gamma, R, kappa, c = sp.symbols("a gamma R kappa c", positive=True)
G, Omega = sp.symbols("G Omega", real=True)


def inside(length: sp.Expr, overlap: sp.Expr) -> sp.Expr:
    """vᵀD²v of a right direction v that has Ω and G: Ω² - 2ΩaG + a²G."""
    return length**2 - 2 * length * a * overlap + a**2 * overlap


def derive() -> Derivation:
    """The stationary states, and where a small overlap stops to grow in them."""
    nu = gamma / 4 * (2 * R + 8 * inside(Omega, G))
    prove_zero(sp.expand((a - a * G - nu) + (a * G - Omega + nu) - (a - Omega)), "the sum of the two equations")
    learned = sp.solve((a - a * G - nu).subs(Omega, a), G)[0]
    prove_zero(sp.simplify(1 - learned - gamma * R / (2 * a * (1 - 2 * gamma * a))), "1 - G")
    left = sp.factor(sp.simplify((Omega**2 - 2 * Omega * a * G + a**2).subs(Omega, a).subs(G, learned)))
    prove_zero(sp.simplify(left - gamma * R * a / (1 - 2 * gamma * a)), "what a learned direction leaves")
    rate = a - nu.subs(G, 0)
    idle = Omega - nu.subs(G, 0)
    short = sp.solve(rate.subs(Omega, 0), R)[0]
    prove_zero(sp.expand(rate.subs(Omega, a) - idle.subs(Omega, a)), "Ω = a_m at the limit")
    settled = sp.solve(rate.subs(Omega, a), R)[0]
    on_stiefel = sp.solve(a - a * G - kappa * (2 * R + 8 * inside(c, G)), G)[0]
    return Derivation(
        title="Loss of directions",
        statement=r"A direction is lost where $2a_m < \gamma R$ ($c_2 = 1$), $R$ with what a learned direction leaves, "
        r"$\gamma Ra/(1-2\gamma a)$; on the Stiefel manifold where $a_m < \kappa(2R + 8c^2)$.",
        steps=(
            (r"$G$ of a learned direction, where $\Omega = a$.", learned),
            (r"What it leaves of the residual.", left),
            (r"The rate of a small overlap beside neurons of length $\Omega$.", rate),
        ),
        result={
            "G": equation("G", learned),
            "left": equation(r"\Omega^2 - 2\Omega aG + a^2", left),
            "short": equation(r"R, \Omega = 0", short),
            "settled": equation(r"R, \Omega = a_m", settled),
            "G, Stiefel": equation(r"G, \Omega = c", on_stiefel),
            "rate, Stiefel": equation(r"\dot Y/Y", a - kappa * (2 * R + 8 * c**2)),
        },
        proved="the stationary state of a learned direction, what it leaves, and where a small overlap stops to grow",
    )


_WIDTH = 60
_A = np.array([0.6, 0.12, *np.full(_WIDTH - 2, np.sqrt((1 - 0.36 - 0.0144) / (_WIDTH - 2)))])  # in descending order


def _overlaps(overlap: float) -> np.ndarray:
    """Y of two neurons: the first on direction 1 with G_11 = `overlap`, the second barely on direction 2."""
    Y = np.zeros((_WIDTH, 2))
    Y[0, 0], Y[1, 1] = np.sqrt(overlap), 1e-9
    return Y


def _on_weights(overlap: float, length: float, g: float) -> np.ndarray:
    """riccati's relative velocities, all zero where nothing moves: of Y_11, of Y_22, of T_11 and T_22."""
    import jax.numpy as jnp

    from riccati.flows.gradient_noise import WeightsSetting, WeightsState, weights_velocity

    state = WeightsState(jnp.asarray(_overlaps(overlap)), jnp.diag(jnp.sqrt(jnp.array([_A[0], length]))))
    moved = weights_velocity(0.0, state, WeightsSetting(jnp.asarray(_A), jnp.asarray(g), jnp.asarray(1.0), None))
    return np.array([moved.Y[0, 0] / state.Y[0, 0], moved.Y[1, 1] / 1e-9, moved.T[0, 0], moved.T[1, 1]])


def _on_stiefel(overlap: float, scale: float, strength: float) -> np.ndarray:
    """The same of Y_11 and Y_22 on the Stiefel manifold."""
    import jax.numpy as jnp

    from riccati.flows.gradient_noise import stiefel_velocity

    Y = jnp.asarray(_overlaps(overlap))
    moved = stiefel_velocity(0.0, Y, (jnp.asarray(_A), jnp.asarray(scale), jnp.asarray(strength), None))
    return np.array([moved[0, 0] / Y[0, 0], moved[1, 1] / 1e-9])


def check(derivation: Derivation | None = None) -> Checked:
    """The limits of `largest_step` against the velocities of the flow: nothing moves in the states they describe."""
    from riccati.laws import homogeneous_limit, homogeneous_residual, stiefel_limit, stiefel_residual

    d = derivation or derive()
    worst = []

    def same(derived: float, computed: float, what: str) -> None:
        worst.append(agree(derived, computed, what, 1e-10))

    for name, long in (("short", 0), ("settled", 1)):
        g = homogeneous_limit(_A, 1, long, np.inf)
        residual = homogeneous_residual(_A, 1, long, g)
        same(numeric(d[name], a, gamma)(_A[1], g), residual, name)
        overlap = numeric(d["G"], a, gamma, R)(_A[0], g, residual)
        unlearned = np.sum(_A[1:] ** 2) + long * _A[1] ** 2
        same(numeric(d["left"], a, gamma, R)(_A[0], g, residual), residual - unlearned, "left")
        same(1 + _on_weights(overlap, long * _A[1], g), np.ones(4), f"{name}: the flow")
    scale = 0.4
    strength = stiefel_limit(_A, 2, 1, scale, stiefel_limit(_A, 2, 0, scale, np.inf))
    residual = stiefel_residual(_A, 2, 1, scale, strength)
    overlap = numeric(d["G, Stiefel"], a, kappa, R, c)(_A[0], strength, residual, scale)
    same(1 + _on_stiefel(overlap, scale, strength), np.ones(2), "Stiefel: the flow")
    rate = numeric(d["rate, Stiefel"], a, kappa, R, c)
    same(rate(_A[1], 2 * strength, residual, scale), -_A[1], "rate, Stiefel")
    return Checked(d.proved, "largest_step; weights_velocity, stiefel_velocity", max(worst))
