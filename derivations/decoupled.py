"""k > 2: the overlap equations decouple, and in collapsed time all directions follow one curve.

For the neuron assigned to direction p, while its other overlaps are small of order ε, with m = m_{ι(p),p},

    dm/dt = a_p g'(m)(1 - m²),      ds/dt = 4 s (a_p g(m) - g(1) s)

up to terms of order ε^{k-1}; in the search phase, where m is of order ε itself, up to a relative error of order ε.
In y = a_p t, ŝ = s/a_p the amplitude drops out; λ = log(m/√(1 - m²)) has dλ/dy = g'(m)/m. The radius is Bernoulli:
x = 1/ŝ obeys dx/dy = 4(g(1) - g(m)x), so with dI/dy = g(m), dH/dy = (1 - g(m)/g(1)) e^{4I} - 1

    1/ŝ - 1 = e^{-4I} [ e^{4I_0}(1/ŝ_0 - 1) + 4 g(1)(y + H - H_0) ]

and for h_k, where I = -log(1 - m²)/(2k),

    1/ŝ = (1 - m²)^{2/k} [ (1 - m_0²)^{-2/k}/ŝ_0 + (4/k) ∫_{m_0}^m v^{1-k} (1 - v²)^{-1-2/k} dv ].

The overlap's exact inverse t(m) and the emergence times are in derivations/emergence_time.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .population_gradient import M, N, a, c, dual, dual_slope, e, gram, i, k, overlap, pure, s, theta, u, velocities

m, m_0, v, x, y, a_p, s_p, s_hat, s_0, eps = sp.symbols(r"m m_0 v x y a_p s \hat{s} \hat{s}_0 epsilon", positive=True)
DEGREES = (3, 4)  # where the flow is compared
_M, _A, _S = 0.3, 0.4, 0.25  # where numbers are compared


def decoupled() -> tuple[sp.Expr, sp.Expr]:
    """dm/dt and ds/dt of one neuron and one direction, from the population equations."""
    alone = {M: 1, N: 1, i: 0}
    named = {overlap[0, 0]: m, gram[0, 0]: 1, a[0]: a_p, s[0]: s_p, theta[0, e]: 1, u[0, e]: m}
    radial, tangent = (rhs.subs(alone).doit().subs(named) for rhs in velocities())
    return sp.factor(tangent), radial


def prove_decoupling() -> sp.Expr:
    """dm/dt with a second direction and a second neuron, overlaps ε: the rest, over ε^{k-1}, is returned."""
    mu, kappa, nu = sp.symbols("mu kappa nu", positive=True)
    pair = {M: 2, N: 2, i: 0}
    small = {overlap[0, 0]: m, overlap[0, 1]: eps * mu, gram[0, 0]: 1, gram[0, 1]: eps * kappa}
    small |= {theta[0, e]: 1, theta[1, e]: 0, u[0, e]: m, u[1, e]: eps * nu, a[0]: a_p, s[0]: s_p}
    radial, tangent = (pure(rhs.subs(pair).doit()).subs(small) for rhs in velocities())
    parts = []
    for full, alone in zip((tangent, radial), decoupled(), strict=True):
        rest = sp.powsimp(sp.expand((full - pure(alone)) / eps ** (k - 1)))
        prove_zero(sp.limit(rest * eps, eps, 0), "the rest is of order ε^(k-1)")
        parts.append(rest)
    # in the search phase m = ε x: the rest over the leading term, which is a c² k ε^{k-1} x^{k-1}
    relative = sp.powsimp(sp.expand(parts[0].subs(m, eps * x) / (a_p * c**2 * k * x ** (k - 1))))
    prove_zero(sp.limit(relative, eps, 0), "the relative error of the search phase")
    return parts[0]


def derive() -> Derivation:
    """Decoupling, collapse, radius and inverse."""
    rest = prove_decoupling()
    tangent, radial = decoupled()
    # in y = a t, ŝ = s/a: d/dy = (1/a) d/dt
    master = sp.cancel(tangent / a_p)
    radius = sp.expand(sp.cancel(radial.subs(s_p, a_p * s_hat) / a_p**2))
    prove_zero(sp.Matrix([sp.diff(master, a_p), sp.diff(radius, a_p)]), "collapse: no amplitude is left")
    linear = sp.expand(-radius / s_hat**2).subs(s_hat, 1 / x)
    prove_zero(sp.diff(linear, x, 2), "Bernoulli: linear in 1/ŝ")

    weight = v ** (1 - k) * (1 - v**2) ** (-1 - 2 / k)
    kernel = sp.Integral(weight, (v, m_0, m))
    closed = (1 - m**2) ** (2 / k) * ((1 - m_0**2) ** (-2 / k) / s_0 + 4 / k * kernel)
    along = (pure(linear) / pure(master)).subs(c, 1)  # d(1/ŝ)/dm
    prove_zero(sp.simplify(sp.diff(closed, m) - along.subs(x, closed)), "radius in closed form")
    prove_zero(closed.subs(m, m_0).doit() - 1 / s_0, "radius at the start")

    # the same in y: dI/dy = g(m), dH/dy = e^{4I} - 1; H stands for H - H_0 and C for e^{4I_0}(1/ŝ_0 - 1)
    I_y, H_y, g_one, start = sp.Function("I")(y), sp.Function("H")(y), dual(1), sp.Symbol("C")
    in_y = 1 + sp.exp(-4 * I_y) * (start + 4 * g_one * (y + H_y))
    rates = {sp.diff(I_y, y): dual(m), sp.diff(H_y, y): (1 - dual(m) / g_one) * sp.exp(4 * I_y) - 1}
    prove_zero(sp.diff(in_y, y).subs(rates) - linear.subs(x, in_y), "radius as a function of y")
    exponent = -sp.log(1 - m**2) / (2 * k)
    prove_zero(sp.simplify(sp.diff(exponent, m) * pure(master).subs(c, 1) - m**k), "the exponent I")
    position = sp.log(m / sp.sqrt(1 - m**2))
    velocity = sp.simplify(sp.diff(position, m) * master)
    prove_zero(velocity - dual_slope(m) / m, "velocity of λ")
    result = {
        "dm/dt": equation(r"\dot m", tangent),
        "ds/dt": equation(r"\dot s", radial),
        "dm/dy": equation("dm/dy", master),
        "dŝ/dy": equation(r"d\hat{s}/dy", radius),
        "dx/dy": equation(r"dx/dy", linear),
        "1/ŝ": equation(r"1/\hat{s}", closed),
        "I": equation("I", exponent),
        "dλ/dy": equation(r"d\lambda/dy", velocity),
    }
    return Derivation(
        title="Decoupled overlap equations",
        statement=r"For $k > 2$ each direction obeys $\dot m = a_p g'(m)(1-m^2)$, $\dot s = 4s(a_pg(m) - g(1)s)$ "
        r"on its own; $y = a_pt$ and $\hat{s} = s/a_p$ remove $a_p$.",
        steps=(
            (r"What a second direction and neuron, overlaps $\epsilon\mu$, $\epsilon\kappa$, $\epsilon\nu$, add "
             r"to $\dot m$, divided by $\epsilon^{k-1}$.", rest),
            (r"In $y = a_pt$ the overlap's equation is autonomous and free of $a_p$.", master),
            (r"So is that of $\hat{s}$; it is Bernoulli, linear in $x = 1/\hat{s}$.", linear),
            (r"As a function of $y$, with $\dot I = g(m)$ and $\dot H = (1 - g(m)/g(1))e^{4I} - 1$, $x$ is", in_y),
            (r"and as one of $m$, for $\sigma = h_k$,", closed),
        ),
        result=result,
        proved="decoupling to order ε^(k-1), collapse, Bernoulli radius in y for any link and in m for symbolic k",
    )  # fmt: skip


@cache
def _computed() -> dict[str, Any]:
    """The gradient of one neuron's loss by JAX, and what riccati's decoupled flow says."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import Decoupled
    from riccati.flows.master_curve import growth_integral, position_of

    def gradient_flow(link: rc.Link) -> tuple[float, float]:
        def loss(w: jax.Array) -> jax.Array:
            square = w @ w
            return (_A**2 - 2 * _A * square * link.dual(w[0] / jnp.sqrt(square)) + square**2) / 2

        direction = np.array([_M, np.sqrt(1 - _M**2)])
        force = -np.asarray(jax.grad(loss)(jnp.asarray(np.sqrt(_S) * direction)))
        along = float(force @ direction)
        return (force[0] - direction[0] * along) / np.sqrt(_S), 2 * np.sqrt(_S) * along

    def flow(link: rc.Link) -> tuple[np.ndarray, ...]:
        """m, s and their rates at some times, by the decoupled flow of one direction."""
        single = rc.Problem(rc.Teacher([1.0], link), rc.Start([[_M]], norms=0.3))
        times = jnp.array([0.3, 0.8])
        observed, rate = jax.jvp(lambda t: Decoupled().evolve(single, t).observables, (times,), (jnp.ones(2),))
        overlaps = np.sqrt(np.asarray(observed.alignment[:, 0]))
        return (
            overlaps,
            np.asarray(observed.radius[:, 0]),
            np.asarray(rate.alignment[:, 0]) / (2 * overlaps),
            np.asarray(rate.radius[:, 0]),
        )

    links = {degree: rc.Link.hermite(degree) for degree in DEGREES}
    return {
        "links": links,
        "gradient": {degree: gradient_flow(link) for degree, link in links.items()},
        "flow": {degree: flow(link) for degree, link in links.items()},
        "I": {degree: growth_integral(link, position_of(jnp.asarray(_M))) for degree, link in links.items()},
    }


def check(derivation: Derivation | None = None) -> Checked:
    """The loss differentiated by JAX, the decoupled flow with its rates, and the master curve's growth_integral."""
    d, code = derivation or derive(), _computed()
    radius = numeric(d["1/ŝ"], k, m, m_0, s_0)
    worst = []
    for degree in DEGREES:
        dm, ds = code["gradient"][degree]
        size = _S / _A
        computed = {"dm/dt": dm, "ds/dt": ds, "dm/dy": dm / _A, "dŝ/dy": ds / _A**2, "dx/dy": -ds / (_A * size) ** 2}
        at = {m: _M, a_p: _A, s_p: _S, s_hat: size, x: 1 / size}
        worst += [agree(_at(d[n], degree, at), value, n) for n, value in computed.items()]
        worst.append(agree(numeric(d["I"], k, m)(degree, _M), code["I"][degree], "I"))
        for overlap_now, s_now, m_rate, s_rate in zip(*code["flow"][degree], strict=True):
            at = {m: overlap_now, a_p: 1.0, s_p: s_now}
            worst.append(agree(_at(d["dm/dt"], degree, at), m_rate, "dm/dt of the flow", 1e-11))
            worst.append(agree(_at(d["ds/dt"], degree, at), s_rate, "ds/dt of the flow", 1e-11))
            speed = m_rate / (overlap_now * (1 - overlap_now**2))
            worst.append(agree(_at(d["dλ/dy"], degree, at), speed, "dλ/dy of the flow", 1e-11))
            inverse_radius = radius(degree, overlap_now, _M, 0.09)
            worst.append(agree(inverse_radius, 1 / s_now, "1/ŝ of the flow", 1e-11))
    return Checked(
        d.proved, "Decoupled: overlap, radius and their rates, growth_integral; gradient of the loss by JAX", max(worst)
    )


def _at(expression: sp.Expr, degree: int, values: dict) -> float:
    link = _computed()["links"][degree]
    duals = {"dual": lambda y: float(link.dual(y)), "dual_slope": lambda y: float(link.dual_derivative(y))}
    return float(sp.lambdify(list(values), expression, modules=[duals, "numpy"])(*values.values()))
