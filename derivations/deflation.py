"""Automatic deflation: a learned direction disappears from the other neurons' equations.

Once neuron j has u_j = θ_p, every other neuron i has q_ij = m_ip, and what direction p and neuron j together add to
its equations is

    ds_i/dt:  4 s_i (a_p - s_p) g(m_ip),        du_i/dt:  (a_p - s_p) g'(m_ip)(θ_p - m_ip u_i)

which vanishes at s_p = a_p, for any link. There the learned neuron's own radius is at rest, and it is stable:
ds_p/dt = 4 g(1) s_p (a_p - s_p), so a_p - s_p falls like exp(-4 g(1) a_p t).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, prove_zero
from .population_gradient import M, N, a, dual, dual_slope, e, gram, i, overlap, s, theta, u, velocities

a_p, s_p, s_i, m, theta_e, u_e = sp.symbols("a_p s_p s_i m_ip theta_pe u_ie", real=True)


def contribution(rhs: sp.Expr) -> sp.Expr:
    """What direction 1 and neuron 1 = its learner add to the equation of neuron 0."""
    pair = {M: 2, N: 2, i: 0}
    learned = {gram[0, 1]: m, overlap[0, 1]: m, u[1, e]: theta_e, theta[1, e]: theta_e}
    others = {s[0]: s_i, u[0, e]: u_e, a[1]: a_p, s[1]: s_p}
    with_pair = rhs.subs(pair).doit().subs(learned).subs(others)
    return sp.factor(with_pair - with_pair.subs({a_p: 0, s_p: 0}))


def derive() -> Derivation:
    """The pair's contribution to both equations, and the learned neuron's own radius."""
    radial, tangent = (contribution(rhs) for rhs in velocities())
    prove_zero(radial.subs(s_p, a_p), "radial contribution at s = a")
    prove_zero(tangent.subs(s_p, a_p), "tangent contribution at s = a")
    aligned = {M: 1, N: 1, i: 0}
    own = velocities()[0].subs(aligned).doit().subs({overlap[0, 0]: 1, gram[0, 0]: 1, a[0]: a_p, s[0]: s_p})
    prove_zero(own.subs(s_p, a_p), "rest of the learned radius")
    decay = sp.diff(own, s_p).subs(s_p, a_p)
    return Derivation(
        title="Automatic deflation",
        statement=r"A learned direction, $u_j = \theta_p$ and $s_j = a_p$, no longer acts on the other neurons.",
        steps=(
            (r"With $u_j = \theta_p$ and $q_{ij} = m_{ip}$ the pair's part of $\dot s_i$ is", radial),
            (r"and its part of $\dot u_i$, coordinate $e$, is", tangent),
            (r"Both vanish at $s_p = a_p$, where the learned neuron's own radius", own),
            (r"is at rest, with the linear rate", decay),
        ),
        result={
            "radial": equation(r"\Delta\dot{s}_i", radial),
            "tangent": equation(r"\Delta\dot{u}_{ie}", tangent),
            "own radius": equation(r"\dot{s}_p", own),
            "decay": equation(r"\partial\dot{s}_p/\partial s_p", decay),
        },
        proved="the pair adds (a - s) times a common factor to both equations; s = a is a stable rest",
    )


@cache
def _computed() -> dict[str, Any]:
    """The force on a neuron with and without a learned pair, by JAX through riccati's dual activation."""
    import jax
    import jax.numpy as jnp

    import riccati as rc

    link = rc.Link.hermite(3)
    learned, direction, w = 0.3, np.array([0.0, 1.0, 0.0]), np.array([0.5, 0.4, -0.3])

    def loss(w: jax.Array, amplitude: float, size: float) -> jax.Array:
        square = w @ w
        g = link.dual(w @ direction / jnp.sqrt(square))
        return square * g * (size - amplitude) + square**2 / 2

    def force(amplitude: float, size: float) -> np.ndarray:
        gradient = jax.grad(loss)(jnp.asarray(w), amplitude, size)
        return -np.asarray(gradient)

    added = force(0.7, learned) - force(0.0, 0.0)
    r = np.linalg.norm(w)
    direction_now = w / r

    def own(size: float) -> jax.Array:
        slope = jax.grad(lambda x: (0.7 - x**2) ** 2 / 2 * link.dual(1.0))(jnp.sqrt(size))
        return -2 * jnp.sqrt(size) * slope

    return {
        "link": link, "size": learned,
        "m": direction_now @ direction, "s": r**2, "u": direction_now, "theta": direction,
        "radial": 2 * w @ added, "tangent": (added - direction_now * (direction_now @ added)) / r,
        "own": own(learned), "decay": jax.grad(own)(0.7),
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """Against the forces that JAX finds from riccati's dual activation."""
    d, code = derivation or derive(), _computed()
    functions = {dual: code["link"].dual, dual_slope: code["link"].dual_derivative}

    def at(name: str, **more: float) -> float:
        values = {m: code["m"], s_i: code["s"], a_p: 0.7, s_p: code["size"]} | {
            u_e: more.get("u"),
            theta_e: more.get("theta"),
        }
        expression = d[name].subs({symbol: v for symbol, v in values.items() if v is not None})
        for function, values_of in functions.items():
            expression = expression.replace(function, lambda x, f=values_of: sp.Float(float(f(float(x))), 17))
        return float(expression)

    tangent = [at("tangent", u=x, theta=y) for x, y in zip(code["u"], code["theta"], strict=True)]
    worst = [
        agree(at("radial"), code["radial"], "radial"),
        agree(tangent, code["tangent"], "tangent"),
        agree(at("own radius"), code["own"], "own radius"),
        agree(at("decay"), code["decay"], "decay"),
    ]
    return Checked(d.proved, "forces with and without the pair, by JAX from Link.dual", max(worst))
