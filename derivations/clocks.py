"""The clocks and normalisations of this package, of the two papers, and of the talk.

Canonical time t is gradient-flow time of L = ½E(f* - f)². One step of online SGD with learning rate η adds

    η to t on ½(f* - f)²,      2η on (f* - f)²        (the gradient's mean is ∇L, or 2∇L).

For σ = c h_2, dW/dt = 2c²(S* - S)W: Riccati time is τ = 2c² t; h_2 has c = 1, z² - 1 = √2 h_2 has c² = 2. A student
prefactor κ, f = κ Σ_i …, multiplies the clock by κ (weights √κ W). Beside ν a the squared norms ν s_i have the
velocities of s_i beside a, ν times as fast: t -> t/ν, r -> √ν r, loss -> ν² loss, for every link, and η -> η/ν for SGD,
whose step is linear in η e. With Σa² = 1 the talk's A/||A||_F is A. For
β < ½, a_M = M^{-β}/(Σ_m m^{-2β})^{1/2} → √(1-2β) M^{-1/2}: the last direction emerges at τ = log(d/N)/(2a_M), of order
√M log d, and with κ = 1/√N, N ≍ M, at t of order M log d, the talk's clock.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._algebra import matrices, rewrite
from ._common import Checked, Derivation, agree, equation, prove_zero
from .hermite import mean, polynomial, z
from .population_gradient import M, N, a, i, s, velocities

eta, c, kappa, beta, nu = sp.symbols("eta c kappa beta nu", positive=True)
width, log_d = sp.symbols(r"M {\log\,d}", positive=True)
W, Wt, V, Vt, F, P = matrices("W W^T V V^T S^* P")
_C, _KAPPA = 1.3, 0.4
_BETA, _MANY, _NU = 0.2, 10**6, 1.7
_WIDTH = 2  # directions and neurons of the explicit scaling


def prove_prefactor() -> sp.Expr:
    """V = √κ W obeys the plain equation with its clock multiplied by 2κc²; dV/dt is returned."""
    # f = κc Σ s h_2 and f* = c Σ a h_2 give L = ½c² ||κWWᵀ - S*||², so dW/dt = 2c²κ(S* - κWWᵀ)W
    velocity = 2 * c**2 * kappa * (F * W - kappa * W * Wt * W)
    root = sp.sqrt(kappa)
    in_V = rewrite(sp.expand((root * velocity).subs({W: V / root, Wt: Vt / root})), {})
    prove_zero(in_V - sp.expand(2 * c**2 * kappa * (F * V - V * Vt * V)), "clock with a prefactor")
    return in_V


def prove_norm() -> None:
    """Beside ν a, neurons of squared norms ν s turn ν times as fast, and ν s grows by ν times ν ds/dt."""
    larger = {x[n]: nu * x[n] for x in (a, s) for n in range(_WIDTH)}
    for velocity, power in zip(velocities(), (2, 1), strict=True):
        here = sp.expand(velocity.subs({M: _WIDTH, N: _WIDTH, i: 0}).doit())
        prove_zero(sp.expand(here.subs(larger, simultaneous=True)) - sp.expand(nu**power * here), "a teacher of norm ν")


def derive() -> Derivation:
    """Mean gradients, the k = 2 clock, the prefactor, and the last emergence for β < ½."""
    star, student = sp.symbols("f^* f", real=True)
    half, full = ((star - student) ** 2 / 2, (star - student) ** 2)
    ratio = sp.cancel(sp.diff(full, student) / sp.diff(half, student))
    amplitude = sp.sqrt(mean((z**2 - 1) * polynomial(2), z) ** 2)
    in_V = prove_prefactor()
    prove_norm()
    # Stiefel SGD: E(ŷ - y)xxᵀ = 2D, D = cP - S*, and (I - P)P = 0, PW = W
    mean_step = rewrite(-(1 - P) * (c * P - F) * W, {P**2: P, P * W: W})
    prove_zero(mean_step - sp.expand((1 - P) * F * W), "one Stiefel step")
    # Σ_m m^{-2β} grows like ∫_0^M x^{-2β} dx = M^{1-2β}/(1-2β)
    total = width ** (1 - 2 * beta) / (1 - 2 * beta)
    prove_zero(sp.diff(total, width) - width ** (-2 * beta), "growth of the norm")
    last = sp.sqrt((1 - 2 * beta) / width)
    prove_zero(sp.powsimp(width ** (-2 * beta) / total) - last**2, "least amplitude")
    emergence = log_d / (2 * last)
    talk = sp.simplify(emergence * sp.sqrt(width))  # τ = κt up to a constant, κ = 1/√N, N ≍ M
    prove_zero(sp.diff(talk / (width * log_d), width), "the talk's clock, M log d")
    return Derivation(
        title="Clocks and normalisations",
        statement=r"$t = \eta\cdot$step on $\frac12(f^*-f)^2$, $2\eta\cdot$step on $(f^*-f)^2$; $\tau = "
        r"2c^2\kappa t$ for $\sigma = c\,h_2$ and student prefactor $\kappa$.",
        steps=(
            (r"The gradient of $(f^*-f)^2$ over that of $\frac12(f^*-f)^2$.", ratio),
            (r"$\langle z^2 - 1, h_2\rangle$: $z^2 - 1 = \sqrt2\,h_2$.", amplitude),
            (r"With $\sigma = c\,h_2$ and $f = \kappa\sum_i\ldots$, $V = \sqrt\kappa W$ obeys", in_V),
            (r"Beside $\nu a$ squared norms $\nu s_i$ move as $s_i$ beside $a$, faster by", nu),
            (r"One step of Stiefel SGD, $W - \frac\epsilon2(\hat y - y)(I-P)xx^TW$, has the mean $\epsilon$ "
             r"times", mean_step),
            (r"For $\beta < \frac12$ the least amplitude is, to leading order in $M$,", last),
            (r"so that with $\kappa \asymp M^{-1/2}$ the last emergence, in $t$, is in proportion to", talk),
        ),
        result={
            "t per step, half square": equation("dt/dn", eta),
            "t per step, full square": equation("dt/dn", ratio * eta),
            "τ per t": equation(r"d\tau/dt", 2 * c**2),
            "τ per t, prefactor": equation(r"d\tau/dt", 2 * c**2 * kappa),
            "t of a over that of νa": equation("t/t'", nu),
            "c of z² - 1": equation("c", amplitude),
            "least amplitude": equation("a_M", last),
        },
        proved="factor 2 of the talk's loss, c² = 2 of z² - 1, clock with a prefactor, norm of a, Stiefel step = ε, "
        "M log d for β < ½",
    )  # fmt: skip


@cache
def _computed() -> dict[str, Any]:
    """What riccati's clocks say, and gradients by JAX."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import Neurons, coupled_velocity
    from riccati.problem import riccati_rate

    square = rc.Link.from_function(lambda x: x**2 - 1, degree=4)
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.from_coefficients([0.0, 0.0, _C]))
    solved = rc.solve(rc.Riccati(), teacher, rc.Start.random(teacher, 2, 9), [1.0])
    random = np.random.default_rng(8)
    w, target = random.normal(size=(3, 2)), np.diag([*np.asarray(teacher.a), 0.0])

    def loss(w: jax.Array) -> jax.Array:
        squares = jnp.sum(w**2, axis=0)
        u, g = w / jnp.sqrt(squares), teacher.link.dual
        return _KAPPA**2 * squares @ g(u.T @ u) @ squares / 2 - _KAPPA * squares @ g(u[:2].T) @ teacher.a

    grown = np.sqrt(_KAPPA) * w
    plain = (target - grown @ grown.T) @ grown
    moved = -np.sqrt(_KAPPA) * np.asarray(jax.jit(jax.grad(loss))(w))
    whole, half = (jax.jit(jax.grad(lambda f, by=by: (0.3 - f) ** 2 / by))(0.1) for by in (1, 2))
    residual = float(whole) / float(half)
    cubic = rc.Teacher([0.9, -0.4], rc.Link.from_coefficients([0.2, 0.5, 1.0, 0.7]))
    start = rc.Start.random(cubic, 3, 9, norm=0.6, seed=1)
    turned, faster = (
        jax.jit(coupled_velocity)(
            None,
            Neurons(start.directions, np.log(v * np.asarray(start.amplitudes))),
            rc.Teacher(v * np.asarray(cubic.a), cubic.link),
        )
        for v in (1.0, _NU)
    )
    turned, faster = np.asarray(turned.U), np.asarray(faster.U)
    many = rc.Teacher.power_law(_MANY, _BETA, rc.Link.hermite(2))
    return {
        "t per step, half square": 1 / solved.times_in("steps", 0.02)[0],
        "t per step, full square": residual / solved.times_in("steps", 0.02)[0],
        "τ per t": riccati_rate(teacher),
        "τ per t, prefactor": np.sum(moved * plain) / np.sum(plain**2),
        "t of a over that of νa": np.sum(faster * turned) / np.sum(turned**2),
        "c of z² - 1": np.asarray(square.coefficients)[2],
        "least amplitude": np.asarray(many.a)[-1],
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """coupled_velocity, riccati_rate, times_in, Link.from_function, Teacher.power_law, and gradients by JAX."""
    d, code = derivation or derive(), _computed()
    values = {eta: 0.02, c: _C, nu: _NU, kappa: _KAPPA, beta: _BETA, width: _MANY}
    worst = []
    for name, computed in code.items():
        leading_order = name == "least amplitude"
        deviation = agree(float(d[name].subs(values)), computed, name, 1e-3 if leading_order else 1e-12)
        worst += [] if leading_order else [deviation]
    return Checked(
        d.proved,
        "coupled_velocity, riccati_rate, times_in, Link.from_function, Teacher.power_law; gradients",
        max(worst),
    )
