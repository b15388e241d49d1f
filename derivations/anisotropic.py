"""Anisotropic input x ~ N(0, Σ), Σ = diag λ: the flow in whitened weights, and the two-parameter law.

The student Σ s_i σ(<x, w_i>/|w_i|_Σ), s_i = w_iᵀΣw_i, has the loss of whitened weights v = Σ^½ w on isotropic input, so
dw/dt = -∂L/∂w is dv/dt = -Σ ∂L/∂v. In polar coordinates, with y = Σ(F + 2Xu) and the F, X of isotropic input,

    d log s/dt = 2 <u, y>,        du/dt = y - <u, y> u.

One direction along e_p, one neuron, m = u_p, uᵀΣu = λ_p m² + λ̄ (1 - m²) with λ̄ the mean of λ over the rest of u:

    dm/dt = (1 - m²) [ λ_p a g'(m) + (λ_p - λ̄) (2X - a g'(m) m) m ],    X = a g(m) - g(1) s,
    ds/dt = 2 s [ λ_p m (a g'(m) + Y m) + λ̄ (1 - m²) Y ],               Y = 2X - a g'(m) m.

The search has the leading term λ_p a g'(m) alone, from v_p² = λ_p u_p²/Σ_i λ_i u_i² for w = u uniform on the sphere.
So for h_k and a_p ∝ p^-β, λ_p ∝ p^-α, T_p ∝ 1/(a_p λ_p v_p^{k-2}) ∝ p^{β + αk/2} (k > 2), 1/(a_p λ_p) ∝ p^{β+α}
(k = 2), and risk ∝ n^{1-2β} after n directions ∝ t^{(1-2β)/(β + αk/2)}: the two-parameter law, with k = 2 in it too.

One neuron, σ = z², f = <x, w>², far from the teacher <x, w*>²: dw/dt = 2(s* Λ + 2 Λw*w*ᵀΛ)w for the loss ½E(f* - f)²,
twice that in arXiv 2511.18661, where the growth rate ρ is the largest root of 1 = 8 Σ_i (w*_i λ_i)²/(ρ - 4 s* λ_i).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .population_gradient import dual, dual_slope

a, s, t, lam, mean = sp.symbols(r"a s t lambda \bar\lambda", positive=True)
m, rho, w_star, slope = sp.symbols(r"m rho w^* \partial{L}", real=True)
beta, alpha, k, p, d, u_0, c = sp.symbols("beta alpha k p d u_0 c", positive=True)
_BETA, _ALPHA = 0.9, 0.4
_SIZE = 3


def prove_whitened() -> sp.Expr:
    """dv_e/dt = √λ_e dw_e/dt = -√λ_e ∂L/∂w_e = -λ_e ∂L/∂v_e for any L(v)."""
    v = sp.symbols(f"v_:{_SIZE}", real=True)
    w = sp.symbols(f"w_:{_SIZE}", real=True)
    scales = sp.symbols(f"lambda_:{_SIZE}", positive=True)
    loss = sp.Function("L")(*v)
    whitened = {v[n]: sp.sqrt(scales[n]) * w[n] for n in range(_SIZE)}
    for n in range(_SIZE):
        by_chain_rule = sum(sp.diff(loss, v[x]) * sp.diff(whitened[v[x]], w[n]) for x in range(_SIZE))
        prove_zero(sp.sqrt(scales[n]) * by_chain_rule - scales[n] * sp.diff(loss, v[n]), "the whitened gradient")
    return -lam * slope


def one_neuron() -> tuple[sp.Expr, sp.Expr]:
    """dm/dt and ds/dt of one neuron in the plane of e_p and the rest of u, whose coordinates have λ̄ on average."""
    X = a * dual(m) - dual(1) * s
    rest = sp.sqrt(1 - m**2)
    F = a * dual_slope(m) * sp.Matrix([1 - m**2, -m * rest])
    y = sp.diag(lam, mean) * (F + 2 * X * sp.Matrix([m, rest]))
    along = y.dot(sp.Matrix([m, rest]))
    Y = 2 * X - a * dual_slope(m) * m
    velocity = (1 - m**2) * (lam * a * dual_slope(m) + (lam - mean) * Y * m)
    growth = 2 * s * (lam * m * (a * dual_slope(m) + Y * m) + mean * (1 - m**2) * Y)
    prove_zero(sp.expand(y[0] - along * m - velocity), "dm/dt")
    prove_zero(sp.expand(2 * s * along - growth), "ds/dt")
    prove_zero(sp.expand(velocity.subs(mean, lam) - lam * a * dual_slope(m) * (1 - m**2)), "λ̄ = λ")
    return velocity, growth


def prove_growth_rate() -> sp.Expr:
    """det(ρ - 4Λs* - 8Λw*w*ᵀΛ) = Π(ρ - 4λ_i s*) (1 - 8 Σ (w*_i λ_i)²/(ρ - 4λ_i s*)), from the loss of one neuron."""
    w, star = (sp.Matrix(sp.symbols(f"{name}_:{_SIZE}", real=True)) for name in ("w", "x"))
    scales = sp.symbols(f"lambda_:{_SIZE}", positive=True)
    L, target = sp.diag(*scales), sp.Symbol("s^*", positive=True)
    square, along = w.dot(L * w), w.dot(L * star)
    loss = (3 * square**2 - 2 * (square * target + 2 * along**2)) / 2  # E<x,w>²<x,w*>² = s s* + 2u², less a constant
    moved = -sp.Matrix([sp.diff(loss, x) for x in w])
    theirs = 4 * L * (target - 3 * square) * w + 8 * along * L * star
    prove_zero((2 * moved - theirs).applyfunc(sp.expand), "the flow of one neuron")
    matrix = 4 * target * L + 8 * L * star * star.T * L
    poles = sp.prod([rho - 4 * target * x for x in scales])
    secular = 1 - sum(8 * (x * y) ** 2 / (rho - 4 * target * x) for x, y in zip(scales, star, strict=True))
    prove_zero(
        sp.simplify((rho * sp.eye(_SIZE) - matrix).det() - sp.expand(sp.cancel(poles * secular))), "the growth rate"
    )
    return 8 * (w_star * lam) ** 2 / (rho - 4 * lam)


def derive() -> Derivation:
    """Whitened flow, one neuron, emergence times and exponents, the growth rate."""
    whitened, (velocity, growth), secular = prove_whitened(), one_neuron(), prove_growth_rate()
    search = lam * a * dual_slope(m)
    prove_zero(sp.limit((velocity / search).subs({dual(m): 0, dual(1): 0}), m, 0) - 1, "the search phase")
    typical = sp.sqrt(lam * u_0**2 / (lam * u_0**2 + (1 - u_0**2) * mean))
    leading = 1 / (k * (k - 2) * a * lam * m ** (k - 2))
    power = leading.subs({m: u_0 * sp.sqrt(lam)}).subs({a: p**-beta, lam: p**-alpha})
    exponent = sp.simplify(sp.expand_log(p * sp.diff(sp.log(power), p), force=True))
    prove_zero(exponent - (beta + alpha * k / 2), "the exponent of T")
    prove_zero(exponent.subs(k, 2) - (beta + alpha), "the exponent of T, k = 2")
    return Derivation(
        title="Anisotropic input",
        statement=r"In whitened weights gradient flow is that of isotropic input times $\Sigma$; for "
        r"$\lambda_p \propto p^{-\alpha}$ direction $p$ emerges at $p^{\beta + \alpha k/2}$.",
        steps=(
            (r"$v = \Sigma^{1/2}w$ moves by", whitened),
            (r"One neuron, $m = u_p$, the rest of $u$ at $\bar\lambda$:", velocity),
            (r"its squared norm:", growth),
            (r"$w$ uniform on the sphere, $w_p = u_0|w|$, overlaps by", typical),
            (r"For $\sigma = h_k$ direction $p$ emerges to leading order at", leading),
        ),
        result={
            "dv/dt": equation(r"\dot{v}_e", whitened),
            "dm/dt": equation(r"\dot{m}", velocity),
            "ds/dt": equation(r"\dot{s}", growth),
            "start": equation("v_p(0)", typical),
            "T": equation("T_p", leading),
            "exponent of T": equation(r"\partial\log T/\partial\log p", exponent),
            "exponent of risk": equation(r"\partial\log R/\partial\log t", (1 - 2 * beta) / exponent),
            "growth rate": equation("1", secular),
        },
        proved="whitened gradient of any loss; one neuron, any g; exponents for symbolic k, β, α; the secular equation",
    )  # fmt: skip


@cache
def _computed() -> dict[str, Any]:
    """riccati's velocities, starts, emergence times, and the linear flow of one small neuron."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import Neurons, StudentSetting, anisotropic_velocity
    from riccati.scaling import sharp_limit

    link = rc.Link.hermite(4)
    cov = rc.Covariance([1.3, 0.4, 0.4, 0.4])
    single = rc.Teacher([1.0], link, covariance=cov)
    start = rc.Start.from_weights([[0.8, 0.3, 0.5, -0.2]], np.eye(1, 4), cov)
    state = Neurons(start.directions, jnp.asarray(2 * np.log(start.norms)))
    speeds = rc.Problem(single, start).speeds
    flow = jax.jit(anisotropic_velocity)(None, state, StudentSetting(single, speeds))

    def loss(v: jax.Array) -> jax.Array:
        square = v @ v
        return (1 - 2 * square * link.dual(v[0] / jnp.sqrt(square)) + square**2) / 2

    v, turned = np.asarray(start.weights)[0], np.asarray(flow.U)[0]
    growth, norm = float(np.asarray(flow.log_s)[0]), float(np.asarray(start.norms)[0])
    radial = growth / 2 * v + norm * turned
    law = rc.Covariance.power_law(40, _ALPHA)
    teacher = rc.Teacher.power_law(20, _BETA, link, covariance=law)
    typical = rc.Start.typical(teacher, 1, 40)
    eigenvalues = np.asarray(law.eigenvalues)
    overlap = 1e-3 * np.sqrt(eigenvalues[:20])
    limit = sharp_limit(teacher)
    given = rc.Start.random(teacher, 20, 40)
    given = eqx.tree_at(lambda at: at.teacher_overlaps, given, jnp.asarray(np.diag(overlap)))
    return {
        "link": link, "v": radial, "slope": np.asarray(jax.jit(jax.grad(loss))(v)), "speeds": np.asarray(speeds),
        "m": float(np.asarray(start.teacher_overlaps)[0, 0]), "s": norm**2,
        "flow": (float(turned[0]), norm**2 * growth),
        "typical": float(typical.overlaps[0]), "u": float(rc.Start.typical(rc.Teacher([1.0], link), 1, 40).overlaps[0]),
        "rest": float(eigenvalues[1:].mean()),
        "a": np.asarray(teacher.a), "λ": eigenvalues[:20], "overlap": overlap,
        "T": np.asarray(rc.Decoupled().leading_emergence_times(teacher, given)),
        "sharp": limit.emergence_times * limit.unit(40),
        "overlaps": np.sqrt(eigenvalues[:20] / eigenvalues.sum()),
        "growth": _growth(),
    }  # fmt: skip


def _growth() -> tuple[float, np.ndarray, np.ndarray]:
    """ρ from the linear map that small weights obey, the teacher's weights, and λ."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import Neurons, StudentSetting, anisotropic_velocity

    scales, star = np.array([1.0, 0.5, 0.2]), np.array([[0.5, -0.7, 0.9]])
    star /= np.sqrt(np.sum(scales * star**2))
    cov = rc.Covariance(scales)
    link = rc.Link.from_coefficients([1, 0, np.sqrt(2)])
    teacher = rc.Teacher.from_directions(star, [1.0], link, covariance=cov)

    def moved(v: jax.Array) -> jax.Array:
        size = jnp.linalg.norm(v)
        state = Neurons((v / size)[None], jnp.full(1, -200.0))
        flow = anisotropic_velocity(None, state, StudentSetting(teacher, cov.eigenvalues))
        return size * flow.U[0] + flow.log_s[0] / 2 * v

    matrix = np.asarray(jax.jit(jax.vmap(moved, out_axes=1))(np.eye(3)))
    return 2 * float(np.linalg.eigvals(matrix).real.max()), star[0], scales


def check(derivation: Derivation | None = None) -> Checked:
    """anisotropic_velocity, Start.typical, Decoupled.leading_emergence_times, sharp_limit, a Jacobian."""
    derived, code = derivation or derive(), _computed()
    duals = {
        "dual": lambda x: float(code["link"].dual(x)),
        "dual_slope": lambda x: float(code["link"].dual_derivative(x)),
    }
    worst = [agree(numeric(derived["dv/dt"], lam, slope)(code["speeds"], code["slope"]), code["v"], "dv/dt")]
    for name, computed in zip(("dm/dt", "ds/dt"), code["flow"], strict=True):
        of = sp.lambdify((a, m, s, lam, mean), derived[name], modules=[duals, "numpy"])
        worst.append(agree(of(1.0, code["m"], code["s"], 1.3, 0.4), computed, name))
    start = numeric(derived["start"], lam, u_0, mean)(1.0, code["u"], code["rest"])
    worst.append(agree(start, code["typical"], "start"))
    times = numeric(derived["T"], a, lam, m, k)(code["a"], code["λ"], code["overlap"], 4)
    worst.append(agree(times, code["T"], "T"))
    sharp = numeric(derived["T"], a, lam, m, k)(code["a"], code["λ"], code["overlaps"], 4)
    worst.append(agree(sharp, code["sharp"], "the sharp limit's T"))
    measured = np.log(code["T"][-1] / code["T"][0]) / np.log(20)
    worst.append(agree(numeric(derived["exponent of T"], beta, alpha, k)(_BETA, _ALPHA, 4), measured, "exponent of T"))
    falls = (1 - 2 * _BETA) / measured
    worst.append(
        agree(numeric(derived["exponent of risk"], beta, alpha, k)(_BETA, _ALPHA, 4), falls, "exponent of risk")
    )
    rate, star, scales = code["growth"]
    secular = numeric(derived["growth rate"], rho, w_star, lam)(rate, star, scales)
    worst.append(agree(np.sum(secular), 1.0, "growth rate"))
    return Checked(
        derived.proved, "anisotropic_velocity, Start.typical, Decoupled's T, the Jacobian of small weights", max(worst)
    )
