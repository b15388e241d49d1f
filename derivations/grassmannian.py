"""The Riccati equation is linear and diagonal in an affine chart, and a change of chart is a pivot transform.

Write the span of W as that of X = [I; B] (pivot rows above, the other rows below) and let row i have the rate ρ_i:
a_m for the teacher's rows, 0 for the residual ones. If

    B_ij(τ) = B_ij(0) exp((ρ_i - ρ_j) τ),      ρ_j the rate of the pivot row of column j,

then dX/dτ = ρX - Xρ_p. So X moves by ρ from the left, and what stands to its right does not matter: the projector on
span X solves dP/dτ = (I - P)ρP + Pρ(I - P) (derivations/riccati_equation.py), and its teacher block is G. Likewise
span X(τ) = e^{ρτ} span X(0).

Exchanging row i for the pivot of column j, b = B_ij, multiplies X from the right by the inverse of the new pivot rows:

    B_ij -> 1/b,   B_il -> -B_il/b,   B_kj -> B_kj/b,   B_kl -> B_kl - B_kj B_il/b      (k ≠ i, l ≠ j)

and the companion J, which keeps X(JᵀJ)^{-1}Xᵀ, changes as the rows k do.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices
from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .riccati_equation import projector_velocity

tau = sp.symbols("tau", positive=True)
rho_i, rho_j, B_0 = sp.symbols("rho_i rho_j B_{ij}(0)", real=True)
b, b_il, b_kj, b_kl, j_kj, j_kl = sp.symbols("B_ij B_il B_kj B_kl J_kj J_kl")
Y, Yt, Q = matrices(r"Y Y^T Q")
_I, _J = 3, 1  # the exchange that is compared
_SIZE = 3  # rows and columns of the charts that are written out


def chart_at(rates: list[sp.Symbol], pivots: list[sp.Symbol]) -> sp.Matrix:
    """X(τ) with symbolic initial entries; pivot rows first."""
    moving = sp.Matrix(
        len(rates), len(pivots), lambda x, y: sp.Symbol(f"b_{x}{y}") * sp.exp((rates[x] - pivots[y]) * tau)
    )
    return sp.Matrix.vstack(sp.eye(len(pivots)), moving)  # fmt: skip


def prove_chart_flow() -> sp.Matrix:
    """dX/dτ = ρX - Xρ_p, which is returned, for `_SIZE` pivots and as many other rows."""
    rates = list(sp.symbols(f"rho_:{2 * _SIZE}", real=True))
    X = chart_at(rates[_SIZE:], rates[:_SIZE])
    prove_zero(sp.diff(X, tau) - (sp.diag(*rates) * X - X * sp.diag(*rates[:_SIZE])), "velocity in a chart")
    return X


def prove_riccati() -> None:
    """G(τ) of two directions and one neuron written out, the first direction being the pivot."""
    first, second = sp.symbols("a_:2", positive=True)
    X = chart_at([second, sp.S.Zero], [first])  # rows: direction 0 (pivot), direction 1, residual
    G = X[:2, :] * (X.T * X).inv() * X[:2, :].T
    A = sp.diag(first, second)
    residue = sp.diff(G, tau) - (A * G + G * A - 2 * G * A * G)
    prove_zero(residue.applyfunc(lambda x: sp.cancel(sp.expand(x))), "the Riccati equation in a chart")


def exchanged() -> tuple[sp.Matrix, sp.Matrix, sp.Matrix, sp.Matrix]:
    """B and J before and after row 0 becomes the pivot of column 0, by linear algebra alone."""
    B = sp.Matrix(_SIZE, _SIZE, lambda x, y: sp.Symbol(f"B_{x}{y}"))
    J = sp.Matrix(_SIZE, _SIZE, lambda x, y: sp.Symbol(f"J_{x}{y}"))
    pivots, others = sp.eye(_SIZE), B.copy()
    pivots[0, :], others[0, :] = B[0, :], sp.eye(_SIZE)[0, :]
    right = pivots.inv()
    return B, J, (others * right).applyfunc(sp.cancel), (J * right).applyfunc(sp.cancel)


def transform() -> dict[str, sp.Expr]:
    """The pivot transform, read off one entry of each kind and proved for all."""
    B, J, moved, companion = exchanged()
    names = {B[0, 0]: b, B[0, 1]: b_il, B[1, 0]: b_kj, B[1, 1]: b_kl, J[1, 0]: j_kj, J[1, 1]: j_kl}
    rules = {
        "B_ij": moved[0, 0], "B_il": moved[0, 1], "B_kj": moved[1, 0], "B_kl": moved[1, 1],
        "J_kj": companion[1, 0], "J_kl": companion[1, 1],
    }  # fmt: skip
    rules = {name: sp.expand(rule.subs(names)) for name, rule in rules.items()}
    for x in range(_SIZE):
        for y in range(_SIZE):
            kind = "B_" + ("i" if x == 0 else "k") + ("j" if y == 0 else "l")
            here = {b: B[0, 0], b_il: B[0, y], b_kj: B[x, 0], b_kl: B[x, y], j_kj: J[x, 0], j_kl: J[x, y]}
            prove_zero(sp.cancel(rules[kind].subs(here, simultaneous=True) - moved[x, y]), f"entry {x, y} of B")
            of_J = rules["J_kj" if y == 0 else "J_kl"].subs(here, simultaneous=True)
            prove_zero(sp.cancel(of_J - companion[x, y]), f"entry {x, y} of J")
    return rules


def derive() -> Derivation:
    """The chart's flow, that it solves the Riccati equation, and the pivot transform."""
    X = prove_chart_flow()
    prove_riccati()
    W, Wt, F, R, Rt = matrices("W W^T S^* R R^T")
    with_right, without = (projector_velocity(F * W - W * x, {W: Wt, R: Rt}) for x in (R, 0 * R))
    prove_zero(with_right - without, "independence of what stands on the right")
    rules = transform()
    result = {"B(τ)": equation(r"B_{ij}(\tau)", B_0 * sp.exp((rho_i - rho_j) * tau))}
    result["G(τ)"] = equation(r"G(\tau)", Y * Q * Yt)
    for name, rule in rules.items():
        result[f"new {name}"] = equation(rf"{name[0]}_{{{name[2:]}}}^{{\mathrm{{new}}}}", rule)
    return Derivation(
        title="The chart solution and the principal pivot transform",
        statement=r"$B_{ij}(\tau) = B_{ij}(0)e^{(\rho_i-\rho_j)\tau}$ solves the Riccati equation; "
        r"$Y$ are the teacher rows of $e^{\rho\tau}X(0)$, $Q = (X(0)^Te^{2\rho\tau}X(0))^{-1}$.",
        steps=(
            (r"$X(\tau)$ in a chart; by differentiation $\dot X = \rho X - X\rho_p$.", X),
            (r"For $\dot W = S^*W - WR$ the velocity of the projector does not contain $R$.", with_right),
            (r"The chart after row $0$ has become the pivot of column $0$: $B$ times the inverse of the new pivot "
             r"rows.", exchanged()[2]),
        ),
        result=result,
        proved=f"charts with {_SIZE} pivots and symbolic entries solve it, G written out for M = 2, N = 1; pivot "
        f"transform of B and J",
    )  # fmt: skip


@cache
def _computed() -> dict[str, Any]:
    """A random chart before and after a drift and an exchange, and a solution across many exchanges."""
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows.grassmannian import Chart, drift, exchange

    random = np.random.default_rng(2)
    B, J = random.normal(size=(5, 3)), random.normal(size=(3, 3))
    rates, pivots = random.uniform(size=5), random.uniform(size=3)
    chart = Chart(*(jnp.asarray(part) for part in (B, J, rates, pivots, np.arange(5), np.arange(5, 8), 1.0)))
    teacher = rc.Teacher.power_law(6, 0.5, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 4, 40, seed=1)
    times = np.linspace(0.5, 3, 4)
    return {
        "chart": (B, J, rates, pivots), "drifted": drift(chart, jnp.asarray(0.7)).B,
        "exchanged": exchange(chart, jnp.asarray(_I), jnp.asarray(_J)),
        "span": np.asarray(start.directions).T, "rates": np.concatenate([teacher.a, np.zeros(4)]),
        "times": 2 * times, "aligned": rc.solve(rc.Riccati(), teacher, start, times).alignment,
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """flows/grassmannian's drift and exchange on a random chart, and solve(Riccati()) across many exchanges."""
    d, code = derivation or derive(), _computed()
    B, J, rates, pivots = code["chart"]
    moved = numeric(d["B(τ)"], B_0, rho_i, rho_j, tau)(B, rates[:, None], pivots, 0.7)
    worst = [agree(moved, code["drifted"], "drift")]

    rule = {name: numeric(d[f"new {name}"], b, b_il, b_kj, b_kl) for name in ("B_ij", "B_il", "B_kj", "B_kl")}
    rule |= {name: numeric(d[f"new {name}"], b, b_il, j_kj, j_kl) for name in ("J_kj", "J_kl")}
    new_B, new_J = np.empty_like(B), np.empty_like(J)
    for y in range(B.shape[1]):
        column = "j" if y == _J else "l"
        for x in range(B.shape[0]):
            row = "B_i" if x == _I else "B_k"
            new_B[x, y] = rule[row + column](B[_I, _J], B[_I, y], B[x, _J], B[x, y])
        for x in range(J.shape[0]):
            new_J[x, y] = rule["J_k" + column](B[_I, _J], B[_I, y], J[x, _J], J[x, y])
    worst.append(agree(new_B, code["exchanged"].B, "exchange, B"))
    worst.append(agree(new_J, code["exchanged"].J, "exchange, J"))

    for time, aligned in zip(code["times"], code["aligned"], strict=True):
        grown = np.exp(code["rates"] * time)[:, None] * code["span"]
        values = {Y: grown[:6], Q: np.linalg.inv(grown.T @ grown), Yt: grown[:6].T}
        worst.append(agree(np.diag(evaluate(d["G(τ)"], values)), aligned, "diag G"))
    return Checked(d.proved, "drift, exchange, solve(Riccati())", max(worst))
