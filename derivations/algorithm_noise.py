"""Second-order terms of a step at step size γ/d for other students, inputs and algorithms.

Whitened weights v_i see an isotropic x, and a step moves their coordinates in a group of the eigenvalue λ by

    v_i -> v_i + η [λ e (g_i v_i + κ_i σ_i' x) - ω v_i],

κ_i = |v_i| of the 2-homogeneous student, b_i of the two-layer one, ω the weight decay, e the residual, y alone on the
correlation loss. To second order in η what grows with d is η² λ² κ_i κ_l e²σ_i'σ_l' |x_λ|², and |x_λ|² is the number of
coordinates in the group, the share n_λ of d. With p_i = κ_i/|v_i|, C_il = p_i p_l E e²σ_i'σ_l' and τ = Σ n_λ λ²,

    d log|v_i|/dt ∋ (γ/2)τ C_ii - ω,    dm_i/dt ∋ -(γ/2)τ C_ii m_i,
    dP_il/dt ∋ γ n_λ λ² C_il - (γ/2)τ(C_ii + C_ll) P_il

for m_i = <v_i, θ>/|v_i| and the Gram matrix P of the unit directions' parts in the group: decay does not turn them.
Σ_λ P_ii + m_i² = 1 is kept. On the sphere |v_i| is put back, and p, m and P move alike (sphere.py).

k = 2 with D = ιS - S*, ι = 0 on the correlation loss and 1 else, in the moving frame of finite_step_weights.py:

    dT/dτ = (K - ιΩ + γH/4 - ω/2) T,    H = 2(||D||² + ΔΣa²) + 8VᵀD²V.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices, rewrite, tr, trace
from ._common import Checked, Derivation, agree, equation, prove_zero

eta, gamma, lam, omega, share, total = sp.symbols(r"eta gamma lambda omega n_lambda tau", positive=True)
e, m, p_il, xi = sp.symbols("e m P xi", real=True)
layers, slopes, growths = (sp.symbols(names, real=True) for names in (r"\kappa_i \kappa_l", "S_i S_l", "g_i g_l"))
gram, across_i, across_l, square = sp.symbols("P_0 x_i x_l rho", real=True)
C_ii, C_il, C_ll = sp.symbols("C_ii C_il C_ll", real=True)
Delta, ambient, iota = sp.symbols("Delta A_2 iota", real=True)
V, Vt, T, F, Omega, K, K2, H = matrices(r"V V^T T S^* \Omega K K_2 H")


def gram_after() -> sp.Expr:
    """<v_i, v_l> in a group after a step, with x_i = <x_λ, v_i>, ρ = |x_λ|² and P_0 = <v_i, v_l> before."""
    kept = [1 + eta * (lam * e * g - omega) for g in growths]
    pushed = [eta * lam * e * layer * slope for layer, slope in zip(layers, slopes, strict=True)]
    return sp.expand(
        kept[0] * kept[1] * gram
        + kept[0] * pushed[1] * across_i
        + kept[1] * pushed[0] * across_l
        + pushed[0] * pushed[1] * square
    )


def unit_rates() -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """What noise and decay add to d log|v_i|, dm_i and dP_il: γ n λ²|v_i||v_l| C_il - 2ω<v_i, v_l> to d<v_i, v_l>."""
    longer = [gamma * total * C / 2 - omega for C in (C_ii, C_ll)]
    in_gram = gamma * share * lam**2 * C_il - 2 * omega * p_il
    return longer[0], sp.expand(-omega * m - m * longer[0]), sp.expand(in_gram - p_il * (longer[0] + longer[1]))


def frame_rates() -> tuple[sp.Expr, sp.Expr]:
    """dT/dτ of W = VT for dW/dτ = -(D + ω/2)W and noise, and H from D = ιS - S*, S = VΩVᵀ."""
    D = iota * V * Omega * Vt - F
    inner = {Vt * V: 1, Vt * F**2 * V: K2, Vt * F * V: K}
    norm = trace(D**2, {Vt * V: 1, Vt * F * V: K}).subs(tr(F**2), ambient)
    inside = rewrite(Vt * D**2 * V, inner)
    noise = sp.expand(2 * (norm + Delta * ambient) + 8 * inside)
    # gradient flow moves V across its span alone; noise takes ν from V, and adds it to T
    along = rewrite(-(Vt * D * V) * T, inner) - omega / 2 * T + gamma / 4 * H * T
    return sp.expand(along), noise


def derive() -> Derivation:
    """A step's second order, the rates of unit directions, and the moving frame of k = 2."""
    after = gram_after()
    growing = after.coeff(eta, 2).coeff(square, 1)
    prove_zero(growing - lam**2 * layers[0] * layers[1] * e**2 * slopes[0] * slopes[1], "the part that grows with d")
    prove_zero(after.coeff(eta, 1).coeff(omega, 1) + 2 * gram, "decay")
    longer, in_m, in_P = unit_rates()
    # Σ_λ n λ² = τ and Σ_λ P_ii = 1 - m² over the groups keep the length of a direction
    own = in_P.subs({C_il: C_ii, C_ll: C_ii})
    summed = sp.expand(own.subs(share, total / lam**2).subs(p_il, 1 - m**2))
    prove_zero(2 * m * in_m + summed, "directions stay of length one")
    prove_zero(sp.diff(in_m, omega), "decay does not turn a direction")
    frame, noise = frame_rates()
    label = sp.expand((e + sp.sqrt(Delta) * xi) ** 2)
    prove_zero(label.coeff(xi, 2) + label.coeff(xi, 0) - e**2 - Delta, "noise of a label")
    prove_zero(noise.subs(iota, 0) - 2 * (1 + Delta) * ambient - 8 * K2, "the correlation loss")
    return Derivation(
        title="The noise of other students, inputs and algorithms",
        statement="Second-order terms of a step for two-layer students, a covariance, weight decay and the correlation "
        "loss.",
        steps=(
            (r"$\langle v_i, v_l\rangle$ in a group after a step, $\rho = |x_\lambda|^2$.", after),
            (r"The part of its second order that grows with $d$, per $\rho$.", growing),
            (r"$\|D\|^2$ and $V^TD^2V$ in $H$.", noise),
        ),
        result={
            "log": equation(r"d\log|v_i|/dt", longer),
            "m": equation(r"dm_i/dt", in_m),
            "P": equation(r"dP_{il}/dt", in_P),
            "dT/dτ": equation("T'", frame),
            "H": equation("H", noise),
        },
        proved="the second order of a step in a group of equal eigenvalues, with decay; unit directions stay so; H and "
        "dT/dτ with and without interaction",
    )  # fmt: skip


_GAMMA, _DECAY, _NOISE = 0.3, 0.2, 0.7
_B = np.array([0.8, -0.5])
_SIZES, _VALUES = np.array([1, 1, 6, 2]), np.array([2.0, 0.5, 1.0, 1.6])


@cache
def _computed() -> dict[str, Any]:
    """What noise and decay add to the velocity of two neurons of two layers under a covariance, C, and n, λ, τ."""
    import equinox as eqx
    import jax

    import riccati as rc
    from riccati.flows import PLAIN
    from riccati.flows.gradient_noise import neuron_system, neuron_velocity

    teacher = rc.Teacher(
        [0.9, -0.4], rc.Link.hermite(1), covariance=rc.Covariance(np.repeat(_VALUES, _SIZES)), noise=_NOISE
    )
    start = rc.Start.random(teacher, 2, int(_SIZES.sum()), 0.6, seed=0).with_second_layer(_B)
    problem, velocity = rc.Problem(teacher, start), eqx.filter_jit(neuron_velocity)
    noisy, quiet = (
        neuron_system(problem, g, PLAIN._replace(weight_decay=decay)) for g, decay in ((_GAMMA, _DECAY), (0.0, 0.0))
    )
    rates, without = (velocity(0.0, system.state, system.args) for system in (noisy, quiet))
    state, s = noisy.state, _B * np.asarray(start.norms)
    squares = noisy.args.moments(teacher, state.along, state.rest.sum(axis=0), s)
    q = np.asarray(state.along @ state.along.T + state.rest.sum(axis=0))
    slopes = float(teacher.label_variance) * np.asarray(teacher.link.dual_derivative(q))
    turning = _B / np.asarray(start.norms)
    return {
        "added": jax.tree.map(np.subtract, rates, without), "state": state,
        "C": np.outer(turning, turning) * (np.asarray(squares) + slopes),
        "shares": _SIZES[2:] / _SIZES[2:].sum(), "speeds": _VALUES[2:],
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """The rates against `neuron_velocity`, the moving frame against `weights_velocity`."""
    d, code = derivation or derive(), _computed()
    added, C, state = code["added"], code["C"], code["state"]
    tau, worst = float(code["shares"] @ code["speeds"] ** 2), []
    known = {gamma: _GAMMA, omega: _DECAY, total: tau}
    for i, j in product(range(2), range(2)):
        at = known | {C_ii: C[i, i], C_il: C[i, j], C_ll: C[j, j], m: float(state.along[i, j])}
        worst.append(agree(float(d["log"].subs(at)), added.log_norm[i], "log|v|", 1e-11))
        worst.append(agree(float(d["m"].subs(at)), added.along[i, j], "m", 1e-11))
        for group, (n, value) in enumerate(zip(code["shares"], code["speeds"], strict=True)):
            here = at | {share: n, lam: value, p_il: float(state.rest[group, i, j])}
            worst.append(agree(float(d["P"].subs(here)), added.rest[group, i, j], "P", 1e-11))
    worst += _compared_frame(d)
    return Checked(d.proved, "neuron_velocity, weights_velocity", max(worst))


def _compared_frame(d: Derivation) -> list[float]:
    import jax.numpy as jnp

    from riccati.flows.gradient_noise import WeightsSetting, WeightsState, second_order, weights_velocity

    random, a = np.random.default_rng(5), np.array([0.8, -0.6])
    y, t = np.linalg.qr(random.normal(size=(4, 3)))[0][:2], 0.5 * random.normal(size=(3, 3))
    worst = []
    for interacts in (1.0, 0.0):
        setting = WeightsSetting(
            jnp.asarray(a), jnp.asarray(_GAMMA), jnp.ones(()), jnp.asarray(_NOISE), _DECAY / 2, interacts
        )
        moved = weights_velocity(0.0, WeightsState(jnp.asarray(y), jnp.asarray(t)), setting)
        size, k = t @ t.T, y.T @ np.diag(a) @ y
        given = (jnp.asarray(part) for part in (y, interacts * size, a, _NOISE))
        h = np.asarray(second_order(*given)[2])
        values = {
            T: t, Omega: size, K: k, K2: y.T @ np.diag(a**2) @ y, H: h, gamma: _GAMMA, omega: _DECAY, iota: interacts,
            Delta: _NOISE, ambient: a @ a,
        }  # fmt: skip
        worst.append(agree(evaluate(d["dT/dτ"], values), moved.T, "dT/dτ"))
        worst.append(agree(evaluate(d["H"], values), h, "H"))
    return worst
