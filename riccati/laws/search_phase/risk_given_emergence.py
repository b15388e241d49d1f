"""k > 2: the risk of SGD given its emergence times, and which neuron learns which direction.

A direction's neuron comes to its emergence time T_p on the decoupled flow's own curve, m(t) = Φ(Φ⁻¹(√level) + a_p(t -
T_p)), as the effect of noise in the search phase is contained in T_p. After emergence the second-order terms of a step
act on m as in `FiniteStep`; they are weighted by m², so that they set in as the direction emerges. On norms, those of
spectators too, they act at all times:

    dm/dt = a_p g'(m)(1 - m²) - (γ/2) m³ E e²σ'²,      ds/dt = 4s(a_p g(m) - g(1)s) + γ s E e²σ'².

A neuron that escapes towards a direction of another neuron shares it, and is left out of the risk. Before anything is
learned the risk fluctuates as a martingale of relative variance (η/B)v t, v = Var (e <∂R/∂W, ∂f/∂W>)/R² at the start.
The equations are those of derivations/own_pair.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Bool, Float, Key

from ...flows import (
    PairSetting,
    PairState,
    collapsed_time,
    own_pair_weights,
    pair_risk,
    pair_velocity,
    position_ahead,
)
from ...numerics import LEAF, as_key, compiled_quickly, integrate, kept_numbers, padded
from ...problem import SGD, Problem, Start, Teacher, population_risk
from .competition import Winners, numbers_of

_RTOL, _ATOL = 1e-6, 1e-9  # of log-odds and log-norms: far below the spread of any draw
_SAMPLES = 14  # their binary logarithm


class Roles(NamedTuple):
    """Which directions have a neuron, and how many neurons have none, in n draws.

    Attributes:
        has: (n, M), whether the direction is learned at all.
        idle: (n, N), how many neurons of each size have no direction.
    """

    has: Bool[Array, "n M"]
    idle: Float[Array, "n N"]


def risk_given_emergence(
    problem: Problem,
    sgd: SGD,
    winners: Winners,
    level: float,
    times: Float[np.ndarray, " T"],
    seed: int | Key[Array, ""],
) -> tuple[Float[np.ndarray, "n T"], int]:
    """The risk of each draw at the canonical `times`, for a pure link h_k, k > 2, and how many of the times it reaches.

    `level` is the squared overlap at T_p; `seed` is of the fluctuations before anything is learned. The risk is inf
    where a draw has diverged, and at times that are too late for the integrator.
    """
    teacher = problem.teacher
    k = teacher.link.information_exponent
    rate = np.asarray(teacher.link.coefficients)[k] ** 2
    gamma = sgd.gamma(float(problem.start.dim or 0))
    roles, state = _begun(problem, winners, level)
    weights, noise, clock = jax.device_put((own_pair_weights(k), np.asarray(gamma * rate), rate * times))
    setting = PairSetting(teacher.a, roles.has, roles.idle, weights, noise, teacher.noise)
    out = integrate(_velocity, state, setting, padded(clock), _RTOL, _ATOL)
    at_start, risk = (np.asarray(values).T for values in _risks(state, out.states, setting))
    risk = risk[:, : len(times)]
    begun, variance = early_risk(problem)
    moved = numbers_of(jax.random.normal, as_key(seed), risk.shape) * np.sqrt(np.diff(times, prepend=0.0))
    early = np.exp(np.sqrt(variance * sgd.rate_per_sample) * np.cumsum(moved, axis=1))
    return risk * early * (begun / at_start[:, None] if begun else 1.0), min(int(out.reached), len(times))


def early_risk(problem: Problem) -> tuple[float, float]:
    """The risk of the start, and v by quasi-random samples of the reduced coordinates; zeros for a typical start."""
    if not isinstance(problem.start, Start):
        return 0.0, 0.0
    dimensions = problem.start.weights.shape[1]
    x = kept_numbers(f"sobol_{dimensions}", lambda: _samples(dimensions))
    value, variance = _early_risk(problem.teacher, problem.start.weights, x)
    return float(value), float(variance)


def _samples(dimensions: int) -> Float[np.ndarray, "n D"]:
    return scipy.special.ndtri(scipy.stats.qmc.Sobol(dimensions, seed=0).random_base2(_SAMPLES))


@compiled_quickly(like=lambda teacher, W, x: (LEAF, LEAF))
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
    return value, (jnp.var(wrong * change) + teacher.label_variance * jnp.mean(change**2)) / value**2


def _begun(problem: Problem, winners: Winners, level: float) -> tuple[Roles, PairState]:
    """Each draw's neurons at time 0: overlaps from T_p, norms from the start."""
    teacher, start = problem.teacher, problem.start
    emerged, norms = np.asarray(winners.emerged), np.asarray(start.norms)
    has = np.isfinite(emerged)
    # the collapsed time from 0 to m² = ½ of each direction, 0 where it is not learned
    late = np.asarray(collapsed_time(teacher.link, np.sqrt(level)))
    late = late + np.asarray(teacher.a) * np.where(has, emerged, 0.0)
    odds = 2 * position_ahead(teacher.link, np.where(has, late, 0.0))
    if isinstance(start, Start):
        own, idle = norms[np.maximum(np.asarray(winners.neuron), 0)], np.asarray(winners.free, float)
    else:
        own, norms = np.broadcast_to(norms, has.shape), norms[:1]
        idle = np.maximum(start.student_width - np.sum(has, axis=1, keepdims=True), 0.0)
    spectators = np.broadcast_to(2 * np.log(norms), idle.shape)
    learned, unused, *state = jax.device_put((has, idle, odds, 2 * np.log(own), spectators))
    return Roles(learned, unused), PairState(*state)


def _each(setting: PairSetting, has: Array, idle: Array) -> PairSetting:
    return setting._replace(has=has, idle=idle)


def _velocity(_: Any, state: PairState, setting: PairSetting) -> PairState:
    """`pair_velocity` of every draw, with the drag of overlaps weighted by m²."""

    def one(state: PairState, has: Array, idle: Array) -> PairState:
        own = _each(setting, has, idle)
        free = pair_velocity(0.0, state, own._replace(gamma=jnp.zeros(())))
        noisy = pair_velocity(0.0, state, own)
        odds = free.odds + jax.nn.sigmoid(state.odds) * (noisy.odds - free.odds)
        return noisy._replace(odds=odds)

    return jax.vmap(one)(state, setting.has, setting.idle)


@compiled_quickly(like=lambda begun, states, setting: (LEAF, LEAF))
def _risks(begun: PairState, states: PairState, setting: PairSetting) -> tuple[Float[Array, " n"], Float[Array, "T n"]]:
    """The risk of every draw at the start and at the output times."""
    return _risk(begun, setting), jax.lax.map(lambda state: _risk(state, setting), states)


def _risk(state: PairState, setting: PairSetting) -> Float[Array, " n"]:
    def one(state: PairState, has: Array, idle: Array) -> Array:
        return pair_risk(state, _each(setting, has, idle))

    return jax.vmap(one)(state, setting.has, setting.idle)
