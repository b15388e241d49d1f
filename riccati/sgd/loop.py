"""Many steps in one compiled loop, for several seeds at once.

A step's randomness comes from the seed and the step's number, so the result does not depend on how a loop is divided.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ..numerics import LEAF, compiled_quickly
from ..problem import Teacher, direction_factor, squared_overlaps
from .engines import Engine, Noise, State
from .rules import Descent, Rate, Rule, Weights

STEPS_A_CALL = 4096  # at the most
_NUMBERS, _MOST_AT_ONCE = 2**15, 64  # numbers that are drawn at once, as many as a core's own cache holds, and steps
MOST_STEPS = 2**32 - 1  # a step's key is folded from the low 32 bits of its number


class Dynamics(eqx.Module):
    """The constants of all steps of an experiment.

    Attributes:
        engine: how samples are drawn, and in which coordinates the weights are held.
        rule: the update rule.
        descent: momentum and weight decay; None where there is neither.
        teacher: the teacher on isotropic input, which whitened coordinates make of any.
        largest: the sum of squared weights, (), beyond which a run counts as diverged.
        follow: whether rates are multiplied by a_p of the direction being learned (PerDirection).
    """

    engine: Engine
    rule: Rule
    descent: Descent | None
    teacher: Teacher
    largest: Float[Array, ""]
    follow: bool = eqx.field(static=True)


class RunStates(NamedTuple):
    """The states of S runs.

    Attributes:
        W: (S, N, D), weights in the engine's coordinates.
        b: (S, N), second layers; (S, 0) of students without one of their own.
        velocity_W, velocity_b: the momentum's buffers of W and b; (S, 0, D) and (S, 0) without momentum.
        step: (), steps done.
        time: (S,), canonical.
        diverged: (S,), the step at which each diverged, -1 where it has not.
    """

    W: Float[Array, "S N D"]
    b: Float[Array, "S L"]
    velocity_W: Float[Array, "S N D"]
    velocity_b: Float[Array, "S L"]
    step: Int[Array, ""]
    time: Float[Array, " S"]
    diverged: Int[Array, " S"]

    @property
    def weights(self) -> Weights:
        """W and b."""
        return Weights(self.W, self.b)

    @property
    def velocity(self) -> Weights | None:
        """The momentum's buffers; None without momentum."""
        return None if self.velocity_W.shape[1] == 0 else Weights(self.velocity_W, self.velocity_b)


class DrawnAhead(NamedTuple):
    """The randomness and the learning rates of n steps of S runs.

    Attributes:
        noise: the engine's own arrays, leaves (n, S, …).
        rates: (n,).
    """

    noise: Noise
    rates: Float[Array, " n"]


class Measured(NamedTuple):
    """The logged numbers of S runs at one step.

    Attributes:
        risk: (S,), population risk.
        overlaps: (S, M), squared.
    """

    risk: Float[Array, " S"]
    overlaps: Float[Array, "S M"]


@compiled_quickly(eqx.filter_jit, like=lambda dynamics, keys, states, *_: states)
def take_steps(
    dynamics: Dynamics, keys: Key[Array, " S"], states: RunStates, rates: Float[Array, " n"], count: Int[Array, ""]
) -> RunStates:
    """Return the states `count` steps later, at most as many as there are `rates`, each run with its own key.

    A run diverges at the step that makes the sum of squared weights exceed `dynamics.largest`, or not a number; it
    stays as it was before that step. The randomness of several steps is drawn at once, of the same ones wherever the
    loop is cut, so that no digit depends on that.
    """

    runs, neurons, _ = states.W.shape
    engine, first, last = dynamics.engine, states.step, states.step + count
    size = min(max(_NUMBERS // (runs * engine.batch_size * engine.coordinates), 1), _MOST_AT_ONCE)

    def noise(key: Array, step: Array) -> Noise:
        return engine.noise(jax.random.fold_in(key, step), step, neurons)

    def block(states: RunStates) -> RunStates:
        begin = states.step // size * size
        drawn = jax.vmap(jax.vmap(noise, in_axes=(0, None)), in_axes=(None, 0))(keys, begin + jnp.arange(size))

        def body(step: Array, states: RunStates) -> RunStates:
            return _after_step(
                dynamics, states, jax.tree.map(lambda leaf: leaf[step - begin], drawn), rates[step - first]
            )

        return jax.lax.fori_loop(states.step, jnp.minimum(begin + size, last), body, states)

    return jax.lax.while_loop(lambda states: states.step < last, block, states)


@compiled_quickly(eqx.filter_jit, like=lambda dynamics, drawn, states, *_: states)
def take_drawn_steps(
    dynamics: Dynamics, drawn: DrawnAhead, states: RunStates, first: Int[Array, ""], count: Int[Array, ""]
) -> RunStates:
    """Return the states `count` steps later, with noise and rates from `first` on of those drawn; see `take_steps`."""

    def body(n: Array, states: RunStates) -> RunStates:
        return _after_step(dynamics, states, jax.tree.map(lambda leaf: leaf[n], drawn.noise), drawn.rates[n])

    return jax.lax.fori_loop(first, first + count, body, states)


def _after_step(dynamics: Dynamics, states: RunStates, noise: Noise, rate: Rate) -> RunStates:
    """Return the states after a step, each run with its own noise."""
    rule, teacher = dynamics.rule, dynamics.teacher

    def one(state: State, noise: Noise, rate: Array) -> tuple[State, Array, Bool[Array, ""]]:
        if dynamics.follow:
            overlaps = squared_overlaps(teacher, rule.directions(state.weights.W))
            rate = rate * direction_factor(teacher, overlaps, state.weights.W.shape[0])
        new = dynamics.engine.step(rule, dynamics.descent, teacher, state, noise, rate, states.step)
        size = jnp.sum(new.weights.W**2) + jnp.sum(new.weights.b**2)
        return new, rate, size <= dynamics.largest

    before = State(states.weights, states.velocity)
    new, rate, sound = jax.vmap(one, in_axes=(0, 0, None))(before, noise, rate)
    running = states.diverged < 0
    going = running & sound

    def kept(old: Array, new: Array) -> Array:
        return jnp.where(going.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

    weights, velocity = jax.tree.map(kept, before, new)
    W_buffer, b_buffer = (states.velocity_W, states.velocity_b) if velocity is None else velocity
    return RunStates(
        weights.W,
        weights.b,
        W_buffer,
        b_buffer,
        states.step + 1,
        jnp.where(going, states.time + rate, states.time),
        jnp.where(running & ~sound, states.step + 1, states.diverged),
    )


@compiled_quickly(eqx.filter_jit, like=lambda dynamics, states: Measured(LEAF, LEAF))
def measured(dynamics: Dynamics, states: RunStates) -> Measured:
    """Return risk and squared overlaps of each run, exact in the overlaps, in double precision."""
    rule, teacher = dynamics.rule, dynamics.teacher

    def one(weights: Weights) -> Measured:
        return Measured(rule.risk(teacher, weights), squared_overlaps(teacher, rule.directions(weights.W)))

    return jax.vmap(one)(Weights(states.W.astype(float), states.b.astype(float)))


@eqx.filter_jit
def signed_overlaps(dynamics: Dynamics, states: RunStates) -> Float[Array, "S N M"]:
    """Return the overlaps of each run's unit directions with the teacher's."""
    return jax.vmap(lambda W: dynamics.teacher.overlaps(dynamics.rule.directions(W)))(states.W.astype(float))
