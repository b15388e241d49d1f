"""Teachers of any signs, directions and links: dual activations, E f*², and k = 2 in the eigenbasis of S*.

Direction m with its own link σ_m = Σ_j c_j^{(m)} h_j meets the student's σ = Σ_j c_j h_j in
g_m(q) = Σ_j c_j c_j^{(m)} q^j, and another direction n at <θ_m, θ_n> = C_mn in Γ_mn = Σ_j c_j^{(m)} c_j^{(n)} C_mn^j;
E f*² = Σ_mn a_m a_n Γ_mn.

For σ = h_2, f* = <S*, xxᵀ - I>/√2 with S* = Σ_m a_m θ_mθ_mᵀ whatever the overlaps, so in its eigenbasis the teacher is
orthonormal, with real rates. One direction of rate ρ alone has ds/dτ = 2s(ρ - s): for ρ < 0 s falls to 0 and (s - ρ)²
stays at ρ² in the risk.

P moves by dP/dτ = S*P + PS* - 2PS*P = H + Hᵀ, H = (I - P)S*P. So y = θᵀPθ has dy/dτ = 2θᵀ(I - P)S*Pθ, of size at most
2 √(y(1 - y)) ‖H‖: with y = sin²φ, |dφ/dτ| ≤ ‖H‖. And dH/dτ = [(I - P)S*(I - P)]H - H[PS*P] + HHᵀ - HᵀH, whose first
two terms alone act in the block of H, so ‖H‖ grows no faster than at the spread of S*'s spectrum.

For an eigenvector θ_m, y = G_mm and θ_nᵀPθ_m = G_mn: d log(y/(1-y))/dτ = 2a_m - 2 Σ_{n≠m} a_n G_mn²/(y(1-y)), and as
Σ_{n≠m} G_mn² ≤ y - y², negative a_n add at most 2 max|a_n| to 2a_m.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._algebra import matrices, rate, rewrite, transpose
from ._common import Checked, Derivation, agree, equation, numeric, prove_zero, slopes_in_time
from .hermite import mean, polynomial, q, w, z

tau = sp.symbols("tau", real=True)
s, s_0, size = sp.symbols("s s_0 rho", positive=True)
own, student = sp.symbols("c_0:4"), sp.symbols("d_0:4")
P, F, H, Ht = matrices("P S^* H H^T")
theta, theta_t = matrices(r"\theta \theta^T")
a = sp.IndexedBase("a")
gram = sp.IndexedBase("Gamma")
n, m, M = sp.symbols("n m M", integer=True, nonnegative=True)
_TIMES = np.array([0.4, 1.5])


def prove_motion() -> tuple[sp.Expr, sp.Expr]:
    """dP/dτ = H + Hᵀ, dH/dτ by the product rule with P² = P, and dy/dτ."""
    flow = F * P + P * F - 2 * P * F * P
    held = {P * P: P}
    block = F * P - P * F * P
    other = P * F - P * F * P
    prove_zero(sp.expand(block + other - flow), "dP/dτ = H + Hᵀ")
    moved = rewrite(rate(block, {P: flow}), held)
    outside, inside = F - P * F - F * P + P * F * P, P * F * P
    claimed = rewrite(outside * block - block * inside + block * other - other * block, held)
    prove_zero(sp.expand(moved - claimed), "dH/dτ")
    along = sp.expand(theta_t * flow * theta)
    prove_zero(sp.expand(along - theta_t * (block + other) * theta), "dy/dτ")
    prove_zero(sp.expand(transpose(block, {theta: theta_t}) - other), "Hᵀ")
    return flow, along


def fading() -> sp.Expr:
    """s(τ) of one direction of rate -ρ: s' = -2s(ρ + s); (s + ρ)² tends to ρ²."""
    alone = size / ((size / s_0 + 1) * sp.exp(2 * size * tau) - 1)
    prove_zero(sp.simplify(sp.diff(alone, tau) + 2 * alone * (size + alone)), "a fading direction")
    prove_zero(sp.simplify(alone.subs(tau, 0) - s_0), "its start")
    prove_zero(sp.limit((alone + size) ** 2, tau, sp.oo) - size**2, "what stays in the risk")
    return alone


def derive() -> Derivation:
    """Dual activations of two links, E f*², the motion of P and a fading direction."""
    pair = sum(c * x * q**j for j, (c, x) in enumerate(zip(own, student, strict=True)))
    other = q * z + sp.sqrt(1 - q**2) * w  # <v, x> of <u, x> = z at <u, v> = q
    first = sum(c * polynomial(j) for j, c in enumerate(own))
    last = sum(c * polynomial(j).subs(z, other) for j, c in enumerate(student))
    prove_zero(sp.expand(mean(sp.expand(first * last), z, w) - pair), "g_m")
    second = sp.Sum(a[m] * a[n] * gram[m, n], (m, 0, M - 1), (n, 0, M - 1))
    flow, along = prove_motion()
    alone = fading()
    return Derivation(
        title="Signed, correlated and mixed teachers",
        statement=r"$g_m(q) = \sum_j c_jc^{(m)}_jq^j$, $E f^{*2} = \sum_{mn}a_ma_n\Gamma_{mn}$; for $h_2$ the "
        r"eigenbasis of $S^*$ is an orthonormal teacher with real rates.",
        steps=(
            (r"Two series $\sum_j c_jh_j$, $\sum_j d_jh_j$ at overlap $q$:", pair),
            (r"So the teacher has the second moment", second),
            (r"The projector of the student's span moves by $H + H^T$, $H = (1 - P)S^*P$:", flow),
            (r"$\theta^TP\theta$ moves by", along),
            (r"One direction of rate $-\rho$ fades as", alone),
        ),
        result={
            "g": equation("g_m(q)", pair),
            "E f*²": equation(r"E f^{*2}", second),
            "dy/dτ": equation(r"\dot{y}", along),
            "fading": equation(r"s(\tau)", alone),
        },
        proved="g_m to degree 3; dP/dτ, dH/dτ and dy/dτ for matrices of any size; a fading direction",
    )


@cache
def _computed() -> dict[str, Any]:
    """A mixed, correlated teacher; the k = 2 flow of a correlated one; one direction with a < 0."""
    import jax.numpy as jnp

    import riccati as rc

    rows = np.array([[0.3, -0.4, 0.8, 0.2], [0.1, 0.7, 0.5, -0.6], [0.2, 0.5, -0.3, 0.9]])
    ours, *theirs = (rc.Link.from_coefficients(row) for row in rows)
    C = np.array([[1.0, 0.3], [0.3, 1.0]])
    mixed = rc.Teacher([1.0, -0.6], ours, links=theirs, gram=C)
    rng = np.random.default_rng(0)
    Theta, W = rng.normal(size=(3, 6)), rng.normal(size=(2, 6))
    link = rc.Link.hermite(2)
    teacher, start = (
        rc.Teacher.from_directions(Theta, [1.0, -0.7, 0.5], link, lengths="divided"),
        rc.Start.from_weights(W, Theta),
    )
    slope = slopes_in_time(lambda t: rc.solve(rc.Riccati(), teacher, start, t).alignment, _TIMES)[1]
    lone = rc.solve(rc.Quadratic(), rc.Teacher([-1.0], link), rc.Start([[1.0]], norms=0.5), _TIMES)
    return {
        "rows": rows, "C": C, "g": mixed.dual(jnp.array([[0.4, 0.4]])), "a": np.asarray(mixed.a),
        "second": float(mixed.second_moment), "slope": slope, "Theta": Theta, "W": W,
        "teacher": np.asarray(teacher.a), "lone": np.asarray(lone.radius[:, 0]), "risk": np.asarray(lone.risk),
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """Teacher.dual and second_moment; Riccati's alignments of correlated directions; Quadratic with a < 0."""
    d, code = derivation or derive(), _computed()
    pair = numeric(d["g"], own, student, q)
    rows, C = code["rows"], code["C"]
    worst = [agree([pair(rows[0], row, 0.4) for row in rows[1:]], np.asarray(code["g"])[0], "g")]
    table = np.array([[pair(x, y, C[i, j]) for j, y in enumerate(rows[1:])] for i, x in enumerate(rows[1:])])
    worst.append(agree(numeric(d["E f*²"], a, gram, M)(code["a"], table, 2), code["second"], "E f*²"))
    units = code["Theta"] / np.linalg.norm(code["Theta"], axis=1)[:, None]
    target = units.T @ np.diag(code["teacher"]) @ units
    worst += [_speeds(d["dy/dτ"], target, units, code, row) for row in range(len(_TIMES))]
    alone = numeric(d["fading"], size, s_0, tau)(1.0, 0.25, 2 * _TIMES)
    worst.append(agree(alone, code["lone"], "fading"))
    worst.append(agree((alone + 1) ** 2, code["risk"], "risk of a fading direction"))
    return Checked(d.proved, "Teacher.dual, second_moment; alignments by Riccati; Quadratic with a < 0", max(worst))


def _speeds(velocity: sp.Expr, target: np.ndarray, units: np.ndarray, code: dict, row: int) -> float:
    """dy/dt = 2 dy/dτ of every direction, from the span of e^{S*τ}W."""
    import scipy.linalg

    from ._algebra import evaluate

    basis = np.linalg.qr(scipy.linalg.expm(2 * _TIMES[row] * target) @ code["W"].T)[0]
    values = {P: basis @ basis.T, F: target}
    moved = [2 * evaluate(velocity, {**values, theta: x[:, None], theta_t: x[None]}).item() for x in units]
    return agree(moved, code["slope"][row], "dy/dτ")
