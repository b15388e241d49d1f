"""k > 2 at step size γ/d: the decoupled overlap equations with the second-order terms of a step.

With m the overlap of the neuron of direction p, s its squared norm, link h_k, and e = f* - f,

    dm/dt = a_p g'(m)(1 - m²) - (γ/2) m E e²σ'²,      ds/dt = 4 s (a_p g(m) - g(1) s) + γ s E e²σ'²,
    E e²σ'² = P(m_p; s_p, a_p) + k Σ_{q≠p} [a_q² - 2 a_q s_q m_q^k + s_q²],

so directions meet in the total residual alone. A neuron's own pair is a polynomial,

    P = E (s h_k(z) - a h_k(ν))² h_k'(z)² = C(1)(s - a m^k)² + a² [C(m) - C(1) m^2k],
    C(m) = E h_k(ν)² h_k'(z)² = k Σ_{j<k} binom(k,j) binom(k-1,j) binom(2j,j) m^2j,

in which every term is non-negative. The state is (log m²/(1 - m²), log s): overlaps keep their digits near 0 and 1.
Source: RNWL25 (arXiv 2504.19983) for γ = 0; derivations/own_pair.py.
"""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..teacher import Teacher
from .base import AnyStart, Observables
from .decoupled import assigned
from .finite_step_system import System, exploded, pace

_LARGEST = 1 - 1e-15  # squared overlaps this near one count as learned
_LEAST = 1e-300  # 1 - m² below which nothing is divided by it


class Pairs(NamedTuple):
    """The state: the log-odds of m² and log s of each direction's neuron."""

    odds: Float[Array, " M"]
    log_radius: Float[Array, " M"]


class Setting(NamedTuple):
    """What does not change: a, ±1 for growth or decay, who has a neuron, C's coefficients (k of them), and γ."""

    a: Float[Array, " M"]
    sign: Float[Array, " M"]
    has: Bool[Array, " M"]
    weights: Float[Array, " k"]
    gamma: Float[Array, ""]


def decoupled_system(teacher: Teacher, start: AnyStart, gamma: float) -> System:
    """The pairs that greedy assignment makes, in time c_k² t, for which the link is h_k."""
    k = teacher.link.information_exponent
    rate = teacher.link.coefficients[k] ** 2
    m, s = assigned(teacher, start)
    has = m != 0
    square = jnp.minimum(jnp.where(has, m**2, 0.5), _LARGEST)
    state = Pairs(jnp.log(square) - jnp.log1p(-square), jnp.log(jnp.where(has, s, 1.0)))
    sign = jnp.ones_like(m) if k % 2 == 0 else jnp.where(m < 0, -1.0, 1.0)
    setting = Setting(teacher.a, sign, has, jnp.asarray(own_pair_weights(k)), gamma * rate)
    return System(pair_velocity, _observe, state, setting, rate, jnp.asarray(1.0))


def own_pair_weights(k: int) -> np.ndarray:
    """The coefficients of m^0, m², …, m^(2k-2) in E h_k(ν)² h_k'(z)², whole numbers."""
    return np.array([k * comb(k, j) * comb(k - 1, j) * comb(2 * j, j) for j in range(k)], float)


def pair_residuals(state: Pairs, setting: Setting) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """a² - 2asm^k + s² of each direction, and E e²σ'² at each neuron."""
    a, sign, has, weights, _ = setting
    k = weights.shape[0]
    s = jnp.where(has, jnp.exp(state.log_radius), 0.0)
    L = jax.nn.log_sigmoid(state.odds)  # log m²
    short = -jnp.expm1(k / 2 * L)  # 1 - |m|^k
    missing = jnp.where(sign > 0, short, 2 - short)  # 1 - m^k
    residual = jnp.where(has, (a - s) ** 2 + 2 * a * s * missing, a**2)
    powers = jnp.arange(k)
    low, above = jnp.exp(powers * L[:, None]), -jnp.expm1((k - powers) * L[:, None])
    own = jnp.sum(weights) * (s - a * (1 - missing)) ** 2 + a**2 * ((low * above) @ weights)
    return residual, own + k * (jnp.sum(residual) - residual)


def pair_velocity(_: Any, state: Pairs, setting: Setting) -> Pairs:
    """dλ/dt = 2 a g'(m)/m - γE/(1 - m²), λ the log-odds, and d log s/dt = 4(a g(m) - s) + γE, E = E e²σ'²."""
    a, sign, has, weights, gamma = setting
    k = weights.shape[0]
    _, noise = pair_residuals(state, setting)
    L, s = jax.nn.log_sigmoid(state.odds), jnp.where(has, jnp.exp(state.log_radius), 0.0)
    growth = 2 * k * a * sign * jnp.exp((k / 2 - 1) * L)
    room = jnp.maximum(jax.nn.sigmoid(-state.odds), _LEAST)
    lengthening = 4 * (a * sign * jnp.exp(k / 2 * L) - s)
    slow = pace(gamma, jnp.max(s))
    return Pairs(
        jnp.where(has, slow * (growth - gamma * noise / room), 0.0),
        jnp.where(has, slow * (lengthening + gamma * noise), 0.0),
    )


def _observe(state: Pairs, setting: Setting) -> Observables:
    residual, _ = pair_residuals(state, setting)
    alignment = jnp.where(setting.has, jax.nn.sigmoid(state.odds), 0.0)
    radius = jnp.where(setting.has, jnp.exp(state.log_radius), 0.0)
    risk = jnp.where(exploded(setting.gamma, jnp.max(radius)), jnp.inf, jnp.sum(residual))
    return Observables(risk, alignment, radius)
