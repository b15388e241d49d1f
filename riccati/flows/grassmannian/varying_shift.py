"""A shift θ of the rates that varies: weight decay that depends on time, and the mean error of a link with c_0 ≠ 0.

In Riccati time τ = 2c_2² t, with κ = c_0²/c_2² and the sums over all rows of the reduced space,

    θ = λ(t)/(2c_2²) + κ(tr S - tr S*),        dΘ/dτ = θ,        dη/dτ = 2(1 - (ρ - θ)η)/(1 + e^{-ℓ}),   ℓ = 2(ρτ - Θ),

with η of each rate as in shifts.py. θ does not depend on S where c_0 = 0; else tr S = Σ|w|² is that of the weights' own
equation, integrated beside it,

    dW/dτ = (ρ - θ)W - W(WᵀW),

and used for nothing but Θ: the subspace stays exact, and norms and risk are those of the charts at this Θ.

Derived in derivations/shifted_rates.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...numerics import Integrated, integrate, padded
from ...support import ArgumentError, is_traced, namespace_of, require
from .host import Numbers
from .initial_chart import InitialWeights
from .shifts import Moment

RTOL = 1e-10  # of Θ, and of what decides it
_NEAR_ZERO = 1e-3  # of it is the absolute tolerance, of rows in units of what they are at the start


class ShiftState(NamedTuple):
    """What is integrated.

    Attributes:
        total: Θ.
        memory: (M+1,), η of the teacher's rates and of the rate 0.
        rows: (M+N, N), W with each row in units of its length at the start; None where θ does not depend on it.
    """

    total: Float[Array, ""]
    memory: Float[Array, " M+1"]
    rows: Float[Array, "M+N N"] | None


class ShiftSetting(NamedTuple):
    """The constants of the equations.

    Attributes:
        rates: ρ of the teacher's rows, and 0, (M+1,).
        clock: dτ/dt = 2c_2².
        decay: λ, or a `jax.tree_util.Partial` of canonical time that returns it.
        share: κ; None for 0.
        lengths: (M+N,), of the rows of W at the start; None where they are not integrated.
    """

    rates: Float[Array, " M+1"]
    clock: Float[Array, ""]
    decay: Any
    share: Float[Array, ""] | None
    lengths: Float[Array, " M+N"] | None


def shift_velocity(time: Any, state: ShiftState, setting: ShiftSetting) -> ShiftState:
    """dΘ/dτ, dη/dτ and dW/dτ of the module's equations."""
    rates, decay = setting.rates, setting.decay
    theta = (decay(time / setting.clock) if callable(decay) else decay) / setting.clock
    if state.rows is None or setting.lengths is None or setting.share is None:
        return ShiftState(jnp.asarray(theta, float), _memory_rate(time, state, rates, theta), None)
    W = setting.lengths[:, None] * state.rows
    theta = theta + setting.share * (jnp.sum(W**2) - jnp.sum(rates))
    own = rates[jnp.minimum(jnp.arange(len(W)), len(rates) - 1)]
    rows = (own - theta)[:, None] * state.rows - state.rows @ (W.T @ W)
    return ShiftState(theta, _memory_rate(time, state, rates, theta), rows)


def _memory_rate(time: Any, state: ShiftState, rates: Array, theta: Array) -> Float[Array, " M+1"]:
    return 2 * jax.nn.sigmoid(2 * (rates * time - state.total)) * (1 - (rates - theta) * state.memory)


def under_varying_shift(
    weights: InitialWeights, times: Float[Numbers, " T"], clock: Numbers, decay: Callable | float
) -> tuple[Moment, Integrated]:
    """The moments of the Riccati `times`, and how the integration ended; outside jit fewer moments if early.

    `weights` have an `origin`. `decay` is λ, or a function of canonical time that JAX can trace.
    """
    xp, concrete = namespace_of(weights, times, clock), not is_traced(weights, times, clock)
    rates, rows, lengths = xp.append(xp.asarray(weights.rates), 0.0), None, None
    if weights.share is not None:
        origin = xp.asarray(weights.origin)
        lengths = xp.sqrt(xp.sum((origin if concrete else jax.lax.stop_gradient(origin)) ** 2, axis=1))
        lengths = xp.where(lengths > 0, lengths, 1.0)
        rows = origin / lengths[:, None]
    begin = ShiftState(xp.zeros(()), xp.zeros_like(rates), rows)
    # a function in a wrapper without a name: programs that are kept for other processes know functions by theirs
    rule = jax.tree_util.Partial(decay) if callable(decay) else xp.asarray(decay, float)
    setting = ShiftSetting(rates, xp.asarray(clock), rule, weights.share, lengths)
    if concrete:  # on the host, where nothing compiles
        begin, setting = jax.device_put((begin, setting))
    out = integrate(shift_velocity, begin, setting, padded(times) if concrete else times, RTOL, RTOL * _NEAR_ZERO)
    total, memory, _ = out.states
    if not concrete:
        return Moment(jnp.asarray(times), total, memory), out
    reached = min(int(out.reached), len(times))
    rows = slice(max(reached, 1))
    return Moment(times, np.asarray(total)[: len(times)], np.asarray(memory)[: len(times)]).at(rows), out


def require_decay(decay: Callable, times: Float[Numbers, " T"]) -> None:
    """Refuse a decay that is no function of canonical time which JAX can trace, or not ≥ 0 and finite at `times`.

    Raises:
        ArgumentError: on `weight_decay`, with what it must be.
    """
    must = "be a number, or a function of canonical time that JAX can trace (jax.numpy, jnp.where in place of if)"
    try:
        values = np.asarray(jax.vmap(decay)(padded(times)))
    except (TypeError, ValueError, jax.errors.JAXTypeError) as error:
        raise ArgumentError("weight_decay", must, f"one that fails ({type(error).__name__})") from None
    require(values.shape == padded(times).shape, "weight_decay", must, f"one of shape {values.shape[1:]}")
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        at = float(padded(times)[bad[0]])
        raise ArgumentError("weight_decay", "be ≥ 0 and finite at every time", f"{values[bad[0]]:g} at t = {at:g}")
