"""k > 2: the risk of SGD when emergence times are given: who is learned when, and what the others do meanwhile.

A direction's neuron comes to its emergence time T_p on the decoupled flow's own curve, m(t) = Φ(Φ⁻¹(√level) + a_p(t -
T_p)): what noise does in the search phase is in T_p already. Once it is there, the second-order terms of a step act
on it as in flows/noise/pairs.py, weighted by m², so that they fade in as it emerges; on norms, spectators' too, they
act throughout:

    dm/dt = a_p g'(m)(1 - m²) - (γ/2) m³ E e²σ'²,      ds/dt = 4s(a_p g(m) - g(1)s) + γ s E e²σ'².

A neuron that escapes to a direction that another has shares it, and is not counted. Before anything is learned the risk
still fluctuates, as a martingale of relative variance (η/B)v t, v = Var (e <∂R/∂W, ∂f/∂W>)/R² at the start.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key
from scipy.special import ndtri

from ..flows.noise import Pairs, Setting, own_pair_weights, pair_residuals, pair_velocity
from ..flows.overlap import collapsed_time, evaluate, master_curve
from ..numerics import as_key, integrate
from ..problem import Problem, Start, Teacher, population_risk
from .race import Raced

_RTOL, _ATOL = 1e-6, 1e-9  # of log-odds and log-norms: far below the spread of any draw
_SAMPLES = 14  # their binary logarithm


class Draws(NamedTuple):
    """What differs between draws.

    Attributes:
        has: (n, M), whether the direction is learned at all.
        idle: (n, N), how many neurons of each size have no direction.
    """

    has: Bool[Array, "n M"]
    idle: Float[Array, "n N"]


def raced_risk(
    problem: Problem,
    raced: Raced,
    step: float,
    level: float,
    times: Float[np.ndarray, " T"],
    seed: int | Key[Array, ""],
) -> Float[np.ndarray, "n T"]:
    """The risk of each draw at `times`, for a pure link h_k and `step` = η/B; `seed` of the early fluctuations."""
    teacher = problem.teacher
    k = teacher.link.information_exponent
    rate = teacher.link.coefficients[k] ** 2
    gamma = step * float(problem.start.dim or 0)
    draws, state = _begun(problem, raced, level)
    setting = Setting(teacher.a, draws.has, draws.idle, jnp.asarray(own_pair_weights(k)), jnp.asarray(gamma) * rate)
    ahead = np.concatenate([[0.0], times]) if times[0] > 0 else times
    out = integrate(_velocity, state, setting, rate * jnp.asarray(ahead), _RTOL, _ATOL)
    risk = np.asarray(jax.lax.map(lambda state: _risk(state, setting), out.states)).T[:, -len(times) :]
    begun, variance = early_risk(problem)
    moved = np.asarray(jax.random.normal(as_key(seed), risk.shape)) * np.sqrt(np.diff(times, prepend=0.0))
    early = np.exp(np.sqrt(variance * step) * np.cumsum(moved, axis=1))
    return risk * early * (begun / np.asarray(_risk(state, setting))[:, None] if begun else 1.0)


def early_risk(problem: Problem) -> tuple[float, float]:
    """The risk of the start with all its overlaps, and v by quasi-random samples of the reduced coordinates.

    Zeros for a typical start, which does not hold them.
    """
    if not isinstance(problem.start, Start):
        return 0.0, 0.0
    dimensions = problem.start.weights.shape[1]
    from scipy.stats import qmc  # 0.3 s to import, needed here only

    points = qmc.Sobol(dimensions, seed=0).random_base2(_SAMPLES)
    value, variance = _early_risk(problem.teacher, problem.start.weights, jnp.asarray(ndtri(points)))
    return float(value), float(variance)


@jax.jit
def _early_risk(
    teacher: Teacher, W: Float[Array, "N D"], x: Float[Array, "n D"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    def risk(W: Array) -> Array:
        s = jnp.sum(W**2, axis=1)
        return population_risk(teacher, W / jnp.sqrt(s)[:, None], s)

    def student(W: Array) -> Array:
        r = jnp.linalg.norm(W, axis=1)
        return teacher.link(x @ W.T / r) @ r**2

    value, slope = jax.value_and_grad(risk)(W)
    here, change = jax.jvp(student, (W,), (slope,))
    wrong = teacher.link(x[:, : teacher.width]) @ teacher.a - here
    return value, jnp.var(wrong * change) / value**2


def _begun(problem: Problem, raced: Raced, level: float) -> tuple[Draws, Pairs]:
    """Each draw's neurons at time 0: overlaps from T_p, norms from the start."""
    teacher, start = problem.teacher, problem.start
    has, owner = jnp.asarray(np.isfinite(raced.emerged)), jnp.asarray(raced.neuron)
    ahead = collapsed_time(teacher.link, jnp.sqrt(level)) + teacher.a * jnp.where(has, raced.emerged, 0.0)
    ahead = jnp.where(has, ahead, 0.0)
    curve = master_curve(teacher.link, float(ahead.max()))
    position = evaluate(teacher.link, curve, ahead.ravel())[0].reshape(ahead.shape)
    if isinstance(start, Start):
        norms = start.norms
        own = norms[jnp.maximum(owner, 0)]
        idle = jnp.asarray(raced.free)
    else:
        norms, own = start.norms[:1], jnp.broadcast_to(start.norms, has.shape)
        idle = jnp.maximum(start.student_width - jnp.sum(has, axis=1, keepdims=True), 0)
    idle = idle.astype(float)
    spectators = jnp.broadcast_to(2 * jnp.log(norms), idle.shape)
    return Draws(has, idle), Pairs(2 * position, 2 * jnp.log(own), spectators)


def _each(setting: Setting, has: Array, idle: Array) -> Setting:
    return setting._replace(has=has, idle=idle)


def _velocity(_: Any, state: Pairs, setting: Setting) -> Pairs:
    """`pair_velocity` of every draw, with the drag of overlaps weighted by m²."""

    def one(state: Pairs, has: Array, idle: Array) -> Pairs:
        own = _each(setting, has, idle)
        free = pair_velocity(0.0, state, own._replace(gamma=jnp.zeros(())))
        noisy = pair_velocity(0.0, state, own)
        odds = free.odds + jax.nn.sigmoid(state.odds) * (noisy.odds - free.odds)
        return noisy._replace(odds=odds)

    return jax.vmap(one)(state, setting.has, setting.idle)


def _risk(state: Pairs, setting: Setting) -> Float[Array, " n"]:
    def one(state: Pairs, has: Array, idle: Array) -> Array:
        residual = pair_residuals(state, _each(setting, has, idle))[0]
        return jnp.sum(residual) + jnp.sum(idle * jnp.exp(2 * state.log_idle))

    return jax.vmap(one)(state, setting.has, setting.idle)
