"""Any link at step size γ/d: the second-order terms of a step on all pairs of neurons, and their Gaussian means.

A sample moves w_i by η e [(2σ_i - z_iσ_i') w_i + r_i σ_i' x]. To second order in η, what grows with |x_⊥|² ≈ d is

    <w_i, w_l> -> … + η² r_i r_l e² σ_i'σ_l' |x_⊥|²,

so with γ = ηd/B and C_il = E e²σ_i'σ_l' the Gram matrix P of the weights' parts orthogonal to the teacher gains
γ r_i r_l C_il per unit of time, and with unit directions, s_i = r_i², p_il = P_il/(r_i r_l), m_i = <w_i, θ>/r_i,

    ds_i/dt ∋ γ s_i C_ii,     dm_i/dt ∋ -(γ/2) C_ii m_i,     dp_il/dt ∋ γ C_il - (γ/2)(C_ii + C_ll) p_il.

The means follow from E Π_v exp(t_v y_v - t_v²/2) = exp(Σ_{u<v} R_uv t_u t_v): the coefficient of Π t_v^{j_v} is
E Π h_{j_v}(y_v)/√(j_v!), a sum over multigraphs whose degrees are j_v.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .hermite import mean, polynomial, z

eta, gamma = sp.symbols("eta gamma", positive=True)
e, m, p = sp.symbols("e m p", real=True)
norms = sp.symbols("r_i r_l", positive=True)
slopes = sp.symbols(r"{\sigma'_i} {\sigma'_l}", real=True)
growths = sp.symbols("g_i g_l", real=True)  # 2σ - zσ'
gram, across_i, across_l, square = sp.symbols("P x_i x_l rho", real=True)
C_ii, C_il, C_ll = sp.symbols("C_ii C_il C_ll", real=True)
t = sp.symbols("t_1:5", real=True)
R = {pair: sp.Symbol(f"R_{pair[0] + 1}{pair[1] + 1}", real=True) for pair in combinations(range(4), 2)}
VALUES, SLOPES = (2, 3), (1, 2)
DEGREES = tuple(product(VALUES, VALUES, SLOPES, SLOPES))


def gram_after() -> sp.Expr:
    """<w_i, w_l> of the parts orthogonal to the teacher after a step, x_i = <x_⊥, w_i>, ρ = |x_⊥|²."""
    kept = [1 + eta * e * g for g in growths]
    pushed = [eta * e * r * slope for r, slope in zip(norms, slopes, strict=True)]
    return sp.expand(
        kept[0] * kept[1] * gram
        + kept[0] * pushed[1] * across_i
        + kept[1] * pushed[0] * across_l
        + pushed[0] * pushed[1] * square
    )


def four_points(degrees: tuple[int, ...]) -> sp.Expr:
    """E Π h_{j_v}(y_v) by the generating function."""
    exponent = sum(R[u, v] * t[u] * t[v] for u, v in R)
    edges = sum(degrees) // 2
    if sum(degrees) % 2:
        return sp.S.Zero
    series = sp.Poly(sp.expand(exponent**edges / sp.factorial(edges)), *t)
    size = sp.sqrt(sp.prod([sp.factorial(j) for j in degrees]))
    return sp.expand(size * series.coeff_monomial(sp.prod([x**j for x, j in zip(t, degrees, strict=True)])))


def derive() -> Derivation:
    """The step's second order, the rates of unit directions, and the means of a link of degrees 2 and 3."""
    after = gram_after()
    growing = after.coeff(eta, 2).coeff(square, 1)
    prove_zero(growing - norms[0] * norms[1] * e**2 * slopes[0] * slopes[1], "the part that grows with d")
    # dP = γ r_i r_l C_il and dr² = γ r² C_ii per unit of time, nothing on <w_i, θ>
    half = {r: gamma * C / 2 for r, C in zip(norms, (C_ii, C_ll), strict=True)}  # d log r
    in_p = sp.expand(gamma * C_il - p * (half[norms[0]] + half[norms[1]]))
    in_m = -m * half[norms[0]]
    # |m|² + p_ii = 1 is kept: the rates of m² and p_ii add up to nothing
    own = in_p.subs({C_il: C_ii, C_ll: C_ii, p: 1 - m**2})
    prove_zero(2 * m * in_m + own, "directions stay of length one")
    means = {degrees: four_points(degrees) for degrees in DEGREES}
    for degrees, moments in means.items():
        # all four on one variable, and a pair on each of two independent ones
        one = sp.prod([polynomial(j) for j in degrees])
        prove_zero(moments.subs(dict.fromkeys(R.values(), 1)) - mean(one, z), f"one variable, degrees {degrees}")
        apart = {symbol: int(pair in ((0, 2), (1, 3))) for pair, symbol in R.items()}
        first, second = (sp.expand(polynomial(degrees[n]) * polynomial(degrees[n + 2])) for n in range(2))
        prove_zero(moments.subs(apart) - mean(first, z) * mean(second, z), f"two variables, degrees {degrees}")
    return Derivation(
        title="All pairs of neurons at finite step size",
        statement=r"One step's second-order terms on norms, overlaps and the Gram matrix, for any link, and "
        r"$E\,\prod_v h_{j_v}(y_v)$ of four Gaussian variables.",
        steps=(
            (r"$\langle w_i, w_l\rangle$ after a step, $\rho = |x_\perp|^2$.", after),
            (r"The part of its second order that grows with $d$, per $\rho$.", growing),
            (r"The generating function's exponent.", sum(R[u, v] * t[u] * t[v] for u, v in R)),
        ),
        result={
            "log s": equation(r"d\log s_i/dt", gamma * C_ii),
            "m": equation(r"dm_i/dt", in_m),
            "p": equation(r"dp_{il}/dt", in_p),
        }
        | {f"{degrees}": equation(rf"E\,h h h h{degrees}", value) for degrees, value in means.items() if value != 0},
        proved="the second order of a step on all pairs, unit directions stay so; four-point means, degrees 1 to 3, on "
        "one variable and on two",
    )  # fmt: skip


_M0 = np.array([[0.5, -0.2], [0.3, 0.6]])
_Q = np.array([[1.0, 0.35], [0.35, 1.0]])
_ALL_R = np.block([[np.eye(2), _M0.T], [_M0, _Q]])
_LINK = np.array([0.0, 0.0, 0.8, 0.6])
_LAYER = np.array([-0.9, -0.4, 0.5, 0.3])
_RATE = 0.3


@cache
def _computed() -> dict[str, Any]:
    """The code's sum over multigraphs; what γ adds to the velocity of two neurons, and the C that it takes."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows.gradient_noise import NeuronState, counted_moments, graphs_of, neuron_system, neuron_velocity

    link = rc.Link.from_coefficients(_LINK)
    problem = rc.Problem(rc.Teacher([0.9, 0.4], link), rc.Start(_M0, _Q, [0.7, 0.55]))
    with_noise, without = (neuron_system(problem, g) for g in (_RATE, 0.0))
    state, setting = with_noise.state, with_noise.args
    velocity, quiet = (
        eqx.filter_jit(neuron_velocity)(0.0, system.state, system.args) for system in (with_noise, without)
    )
    slopes = np.repeat((_LINK[1:] * np.sqrt(np.arange(1, 4)))[:, None], 2, axis=1)
    added = jax.tree.map(np.subtract, velocity, quiet)
    assert isinstance(added, NeuronState)
    return {
        "moments": np.asarray(
            counted_moments(graphs_of(link), jnp.outer(_LINK, _LAYER), jnp.asarray(slopes), jnp.asarray(_ALL_R))
        ),
        "added": added, "p": np.asarray(state.rest[0]),
        "C": np.asarray(setting.moments(problem.teacher, state.along, state.rest[0], jnp.exp(2 * state.log_norm))),
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """The means against the code's sum over multigraphs, the rates against the flow's."""
    d, code = derivation or derive(), _computed()
    slope = _LINK[1:] * np.sqrt(np.arange(1, 4))
    points = np.array([(n, other, 2 + i, 2 + j) for n, other, i, j in product(range(4), range(4), range(2), range(2))])
    correlations = [_ALL_R[points[:, u], points[:, v]] for u, v in R]
    total = np.zeros(len(points))
    for degrees in (degrees for degrees in DEGREES if str(degrees) in d.result):
        size = _LINK[degrees[0]] * _LINK[degrees[1]] * slope[degrees[2]] * slope[degrees[3]]
        total += size * numeric(d[str(degrees)], *R.values())(*correlations)
    derived = np.sum((_LAYER[points[:, 0]] * _LAYER[points[:, 1]] * total).reshape(16, 2, 2), axis=0)
    worst = [agree(derived, code["moments"], "E e²σ'σ'")]
    added, C = code["added"], code["C"]
    for i, j in product(range(2), range(2)):
        at = {gamma: _RATE, C_ii: C[i, i], C_il: C[i, j], C_ll: C[j, j], m: _M0[i, j], p: float(code["p"][i, j])}
        worst += [
            agree(float(d["log s"].subs(at)), 2 * added.log_norm[i], "log s", 1e-11),
            agree(float(d["m"].subs(at)), added.along[i, j], "m", 1e-11),
            agree(float(d["p"].subs(at)), added.rest[0, i, j], "p", 1e-11),
        ]
    return Checked(d.proved, "counted_moments, neuron_velocity", max(worst))
