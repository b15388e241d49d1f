"""The standard parametrisation f = Σ_i b_i σ(<x, w_i>) of a positively homogeneous link, σ(λz) = λσ(z) for λ > 0.

Then f = Σ_i s_i σ(<x, u_i>), s_i = b_i r_i, r_i = |w_i|, w_i = r_i u_i, with s_i of either sign, and the loss is that
of population_gradient.py. With X_i = -∂L/∂s_i and F_i the tangential velocity of the 2-homogeneous student,

    db_i/dt = κ r_i X_i,      dr_i/dt = b_i X_i,      du_i/dt = (b_i/r_i) F_i,      b_i² - κ r_i² = const.

κ is the learning rate of the second layer over that of the first, 0 where it is frozen. At κ = 1, b_i = r_i,
ds_i/dt = 2 s_i X_i against the 2-homogeneous 4 s_i X_i at the same tangential speed: no change of clock makes one flow
the other.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, prove_zero
from .population_gradient import (
    M,
    N,
    a,
    duals_of,
    e,
    gram,
    i,
    overlap,
    s,
    table,
    tangent_parts,
    theta,
    twice_loss,
    u,
    velocities,
)  # fmt: skip

b, r, kappa = sp.IndexedBase("b"), sp.IndexedBase("r"), sp.Symbol("kappa", nonnegative=True)
_WIDTH = 2  # directions and neurons of the explicit chain rule


def prove_chain_rule() -> None:
    """-∂L/∂b_0 and -∂L/∂w_0 with s = b r: the gradient of s along w is b u, those of overlaps are tangent, over r."""
    free = {gram[n, n]: sp.S.One for n in range(_WIDTH)}
    free |= {gram[n, x]: gram[x, n] for n in range(_WIDTH) for x in range(n)}
    here = {M: _WIDTH, N: _WIDTH, i: 0}
    loss = (twice_loss().subs(here).doit() / 2).subs(free)
    product = {s[n]: b[n] * r[n] for n in range(_WIDTH)}
    radial, tangent = (v.subs(here).doit().subs(free) for v in velocities())
    force, tangent = (sp.expand(radial / (4 * s[0])).subs(product), tangent.subs(product))
    prove_zero(r[0] * force + sp.diff(loss.subs(product), b[0]), "the second layer")
    prove_zero(b[0] * force + sp.diff(loss.subs(product), r[0]), "the norm")
    along = tangent_parts(loss).subs(product)
    prove_zero(b[0] / r[0] * tangent + along / r[0] ** 2, "the direction")


def derive() -> Derivation:
    """The gradient by the chain rule, what it conserves, and the balanced flow."""
    prove_chain_rule()
    radial, tangent = velocities()
    X = sp.expand(radial / (4 * s[i]))
    second, norm, direction = kappa * r[i] * X, b[i] * X, b[i] / r[i] * tangent
    prove_zero(sp.expand(b[i] * second - kappa * r[i] * norm), "b² - κr² is conserved")
    speed = sp.expand(second * r[i] + b[i] * norm).subs({b[i]: r[i], kappa: 1})
    prove_zero(speed.subs(r[i] ** 2, s[i]) - sp.expand(2 * s[i] * X), "ds/dt at balance")
    return Derivation(
        title="The standard parametrisation",
        statement=r"$f = \sum_i b_i\sigma(\langle x, w_i\rangle)$ with $\sigma(\lambda z) = \lambda\sigma(z)$ moves by "
        r"$\dot{b}_i = \kappa r_iX_i$, $\dot{r}_i = b_iX_i$, $\dot{u}_i = (b_i/r_i)F_i$.",
        steps=(
            (r"$X_i = -\partial L/\partial s_i$, $s_i = b_ir_i$:", X),
            (
                r"The gradient of $s_i$ in $b_i$ is $r_i$; the second layer's rate is $\kappa$ times the first's.",
                second,
            ),
            (r"In $w_i$ it is $b_iu_i$; so $b_i^2 - \kappa r_i^2$ is conserved.", norm),
            (r"Overlaps change with $w_i$ by their tangential gradients over $r_i$.", direction),
        ),
        result={
            "b": equation(r"\dot{b}_i", second),
            "norm": equation(r"\dot{r}_i", norm),
            "direction": equation(r"\dot{u}_{ie}", direction),
        },
        proved="gradient in b, |w| and u by the chain rule for unspecified g; b² - κ|w|² conserved; the balanced flow",
    )


@cache
def _computed() -> dict[str, Any]:
    """A two-layer ReLU student: the loss differentiated by JAX, and riccati's velocity."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import StudentSetting, TwoLayerState, two_layer_velocity

    teacher = rc.Teacher.power_law(3, 0.7, rc.Link.named("relu"))
    second, rate = np.array([0.5, -0.7, 0.2, -0.1]), 0.4
    start = rc.Start.random(teacher, 4, 9, norm=0.8, seed=3).with_second_layer(second)

    def loss(W: jax.Array, layer: jax.Array) -> jax.Array:
        norm = jnp.linalg.norm(W, axis=1)
        unit, value = W / norm[:, None], layer * norm
        overlaps = jnp.where(jnp.eye(4, dtype=bool), 1.0, unit @ unit.T)
        student = value @ teacher.link.dual(overlaps) @ value
        return (teacher.second_moment - 2 * value @ teacher.link.dual(unit[:, :3]) @ teacher.a + student) / 2

    slope, layer_slope = jax.jit(jax.grad(loss, argnums=(0, 1)))(start.weights, start.second_layer)
    force, directions, norms = -np.asarray(slope), np.asarray(start.directions), np.asarray(start.norms)
    along = np.sum(force * directions, axis=1)
    state = TwoLayerState(start.directions, jnp.asarray(np.log(norms)), start.second_layer)
    flow = jax.jit(two_layer_velocity)(None, state, StudentSetting(teacher, None, rate))
    values = {
        a: np.asarray(teacher.a), b: second, r: norms, s: second * norms, overlap: directions[:, :3],
        gram: directions @ directions.T, theta: np.eye(3, 7), u: directions, kappa: rate, M: 3, N: 4,
    }  # fmt: skip
    return {
        "duals": duals_of(teacher.link), "values": values,
        "b": (-rate * np.asarray(layer_slope), np.asarray(flow.b)),
        "norm": (along, norms * np.asarray(flow.log_norm)),
        "direction": ((force - directions * along[:, None]) / norms[:, None], np.asarray(flow.U)),
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """Against the loss differentiated by JAX and two_layer_velocity."""
    d, code = derivation or derive(), _computed()
    worst = []
    for name, ranges in (("b", ((i, 4),)), ("norm", ((i, 4),)), ("direction", ((i, 4), (e, 7)))):
        derived = table(d[name], code["values"], code["duals"], *ranges)
        worst += [agree(derived, computed, name) for computed in code[name]]
    return Checked(d.proved, "two_layer_velocity; gradient of the loss by JAX", max(worst))
