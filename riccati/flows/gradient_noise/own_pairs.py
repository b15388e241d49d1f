"""k > 2 at step size γ/d: the decoupled overlap equations with the second-order terms of a step.

With m the overlap of the neuron of direction p, s its squared norm, link h_k, and e = f* - f,

    dm/dt = a_p g'(m)(1 - m²) - (γ/2) m E e²σ'²,      ds/dt = 4 s (a_p g(m) - g(1) s) + γ s E e²σ'²,
    E e²σ'² = P(m_p; s_p, a_p) + k Σ_{q≠p} [a_q² - 2 a_q s_q m_q^k + s_q²],

so directions are coupled through the total residual alone. The term of a neuron's own pair is a polynomial,

    P = E (s h_k(z) - a h_k(ν))² h_k'(z)² = C(1)(s - a m^k)² + a² [C(m) - C(1) m^2k],
    C(m) = E h_k(ν)² h_k'(z)² = k Σ_{j<k} binom(k,j) binom(k-1,j) binom(2j,j) m^2j,

in which every term is non-negative. Neurons without a direction, the spectators, have ds/dt = -4 g(1) s² + γ s E e²σ'²
and add s² to the residual. Label noise Δ adds kΔΣa² to every E e²σ'². The state is (log m²/(1 - m²), log s): overlaps
keep their digits near 0 and 1.
Source: RNWL25 (arXiv 2504.19983) for γ = 0; derivations/own_pair.py.
"""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ...numerics import LEAF, compiled_quickly, log_odds
from ...problem import Observables, Problem, Spectators, Teacher
from .system import FiniteStepSystem, exploded, pace

_LEAST = 1e-300  # 1 - m² below which nothing is divided by it


class PairState(NamedTuple):
    """The state of the neurons, each with its own direction, and of the spectators.

    Attributes:
        odds: (M,), log-odds of m² of each direction's neuron.
        log_radius: (M,), log s of each direction's neuron.
        log_idle: (n,), log s of the spectators.
    """

    odds: Float[Array, " M"]
    log_radius: Float[Array, " M"]
    log_idle: Float[Array, " n"]


class PairSetting(NamedTuple):
    """The constants of the equations.

    Attributes:
        a: (M,), the second layer.
        has: (M,), whether the direction has a neuron.
        idle: (n,), how many spectators there are of each size.
        weights: (k,), coefficients of C(m) in powers of m².
        gamma: γ c_k².
        label_noise: Δ; None without.
    """

    a: Float[Array, " M"]
    has: Bool[Array, " M"]
    idle: Float[Array, " n"]
    weights: Float[Array, " k"]
    gamma: Float[Array, ""]
    label_noise: Float[Array, ""] | None = None


def pair_system(problem: Problem, gamma: float) -> FiniteStepSystem:
    """The system of the pairs that greedy assignment makes, in time c_k² t, in which the link is h_k."""
    teacher = problem.teacher
    k = teacher.link.information_exponent
    state, setting, rate = _begun(
        teacher, *problem.assigned(), problem.spectators(), own_pair_weights(k), np.asarray(gamma)
    )
    return FiniteStepSystem(pair_velocity, _observe, state, setting, rate, jax.device_put(np.ones(())))


@compiled_quickly(
    like=lambda teacher, *_: (
        PairState(LEAF, LEAF, LEAF),
        PairSetting(LEAF, LEAF, LEAF, LEAF, LEAF, teacher.noise),
        LEAF,
    )
)
def _begun(
    teacher: Teacher, m: Array, s: Array, spectators: Spectators, weights: Float[Array, " k"], gamma: Array
) -> tuple[PairState, PairSetting, Float[Array, ""]]:
    """Initial state, constants and rate of the time."""
    rate = teacher.link.coefficients[weights.shape[0]] ** 2
    has = m != 0
    squares = jnp.log(jnp.where(has, s, 1.0))
    state = PairState(log_odds(jnp.where(has, m**2, 0.5)), squares, jnp.log(spectators.squared_norms))
    return state, PairSetting(teacher.a, has, spectators.counts, weights, gamma * rate, teacher.noise), rate


def own_pair_weights(k: int) -> np.ndarray:
    """The coefficients of m^0, m², …, m^(2k-2) in C(m) = E h_k(ν)² h_k'(z)², whole numbers, (k,)."""
    return np.array([k * comb(k, j) * comb(k - 1, j) * comb(2 * j, j) for j in range(k)], float)


def pair_residuals(
    state: PairState, setting: PairSetting
) -> tuple[Float[Array, " M"], Float[Array, " M"], Float[Array, " n"]]:
    """The residuals a² - 2asm^k + s² (M,), and E e²σ'² at each direction's neuron (M,) and at each spectator (n,).

    A spectator's own term is E s²h_k²h_k'² = C(1)s², the rest of the residual is independent of it.
    """
    a, has, idle, weights, _, label_noise = setting
    k = weights.shape[0]
    s = jnp.where(has, jnp.exp(state.log_radius), 0.0)
    energy = jnp.exp(2 * state.log_idle)
    L = jax.nn.log_sigmoid(state.odds)  # log m²
    short = -jnp.expm1(k / 2 * L)  # 1 - |m|^k
    residual = jnp.where(has, (a - s) ** 2 + 2 * a * s * short, a**2)
    total = jnp.sum(residual) + jnp.sum(idle * energy)
    if label_noise is not None:
        total += label_noise * jnp.sum(a**2)
    powers = jnp.arange(k)
    low, above = jnp.exp(powers * L[:, None]), -jnp.expm1((k - powers) * L[:, None])
    own = jnp.sum(weights) * (s - a * (1 - short)) ** 2 + a**2 * ((low * above) @ weights)
    return residual, own + k * (total - residual), jnp.sum(weights) * energy + k * (total - energy)


def pair_velocity(_: Any, state: PairState, setting: PairSetting) -> PairState:
    """dλ/dt = 2 a g'(m)/m - γE/(1 - m²), λ the log-odds, and d log s/dt = 4(a g(m) - s) + γE, E = E e²σ'²."""
    a, has, _, weights, gamma, _ = setting
    k = weights.shape[0]
    _, noise, idle_noise = pair_residuals(state, setting)
    L, s = jax.nn.log_sigmoid(state.odds), jnp.where(has, jnp.exp(state.log_radius), 0.0)
    growth = 2 * k * a * jnp.exp((k / 2 - 1) * L)
    room = jnp.maximum(jax.nn.sigmoid(-state.odds), _LEAST)
    lengthening = 4 * (a * jnp.exp(k / 2 * L) - s)
    idle = jnp.exp(state.log_idle)
    slow = pace(gamma, _excess(setting, s, idle))
    return PairState(
        jnp.where(has, slow * (growth - gamma * noise / room), 0.0),
        jnp.where(has, slow * (lengthening + gamma * noise), 0.0),
        jnp.where(setting.idle > 0, slow * (gamma * idle_noise - 4 * idle), 0.0),  # a row of no neuron keeps still
    )


def pair_risk(state: PairState, setting: PairSetting) -> Float[Array, ""]:
    """The risk [Σ (a² - 2asm^k + s²) + Σ_spectators s²]/Σa²; inf once the weights have exploded."""
    radius, idle = jnp.where(setting.has, jnp.exp(state.log_radius), 0.0), jnp.exp(state.log_idle)
    left = jnp.sum(pair_residuals(state, setting)[0]) + jnp.sum(setting.idle * idle**2)
    lost = exploded(setting.gamma, _excess(setting, radius, idle))
    return jnp.where(lost, jnp.inf, left / jnp.sum(setting.a**2))


def _observe(state: PairState, setting: PairSetting) -> Observables:
    alignment = jnp.where(setting.has, jax.nn.sigmoid(state.odds), 0.0)
    radius = jnp.where(setting.has, jnp.exp(state.log_radius), 0.0)
    return Observables(pair_risk(state, setting), alignment, radius)


def _excess(setting: PairSetting, s: Float[Array, " M"], idle: Float[Array, " n"]) -> Float[Array, ""]:
    """C(1) times the largest squared norm beyond 2a: there e² ≥ s²h_k²/4 where it counts, so noise is C(1)s²/4."""
    beyond = jnp.max(jnp.where(setting.has, s - 2 * setting.a, 0.0), initial=0.0)
    alone = jnp.max(jnp.where(setting.idle > 0, idle, 0.0), initial=0.0)
    return jnp.sum(setting.weights) * jnp.maximum(beyond, alone)
