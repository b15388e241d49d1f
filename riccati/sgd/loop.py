"""Many steps in one compiled loop, for several seeds at once.

A step's randomness comes from the seed and the step's number, so where a loop is cut does not matter to the result.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ..numerics import compiled_quickly
from ..problem import Teacher, direction_factor, squared_overlaps
from .engines import Engine, Noise
from .rules import Rule, Weights

STEPS_A_CALL = 4096  # at the most
MOST_STEPS = 2**32 - 1  # a step's key is folded from the low 32 bits of its number


class Dynamics(eqx.Module):
    """What the steps of an experiment have in common.

    Attributes:
        engine: how samples are drawn, and in which coordinates the weights are kept.
        rule: the update rule.
        teacher: the teacher on isotropic input, which whitened coordinates make of any.
        largest: the sum of squared weights, (), beyond which a run counts as diverged.
        follow: whether rates are multiplied by a_p of the direction being learned (PerDirection).
    """

    engine: Engine
    rule: Rule
    teacher: Teacher
    largest: Float[Array, ""]
    follow: bool = eqx.field(static=True)


class Chains(NamedTuple):
    """Where S runs are.

    Attributes:
        W: (S, N, D), weights in the engine's coordinates.
        b: (S, N), second layers; (S, 0) of students without one of their own.
        step: (), steps done.
        time: (S,), canonical.
        diverged: (S,), the step at which each diverged, -1 where it has not.
    """

    W: Float[Array, "S N D"]
    b: Float[Array, "S L"]
    step: Int[Array, ""]
    time: Float[Array, " S"]
    diverged: Int[Array, " S"]

    @property
    def weights(self) -> Weights:
        """W and b."""
        return Weights(self.W, self.b)


class Measured(NamedTuple):
    """What is logged of S runs.

    Attributes:
        risk: (S,), population risk.
        overlaps: (S, M), squared.
    """

    risk: Float[Array, " S"]
    overlaps: Float[Array, "S M"]


@compiled_quickly(eqx.filter_jit)
def take_steps(
    dynamics: Dynamics, keys: Key[Array, " S"], chains: Chains, rates: Float[Array, " n"], count: Int[Array, ""]
) -> Chains:
    """`count` steps, at most as many as there are `rates`.

    A run diverges at the step that makes the sum of squared weights exceed `dynamics.largest`, or not a number; it
    stays as it was before that step.
    """

    def noise(key: Array, step: Array) -> Noise:
        neurons = chains.W.shape[1]
        return dynamics.engine.noise(jax.random.fold_in(key, step), step, neurons)

    def body(n: Array, chains: Chains) -> Chains:
        return _after_step(dynamics, chains, jax.vmap(noise, in_axes=(0, None))(keys, chains.step), rates[n])

    return jax.lax.fori_loop(0, count, body, chains)


@compiled_quickly(eqx.filter_jit)
def take_drawn_steps(
    dynamics: Dynamics,
    noise: Noise,
    chains: Chains,
    rates: Float[Array, " n"],
    first: Int[Array, ""],
    count: Int[Array, ""],
) -> Chains:
    """`count` steps with the noise and rates from `first` on, of n steps that were drawn; see `take_steps`."""

    def body(n: Array, chains: Chains) -> Chains:
        return _after_step(dynamics, chains, jax.tree.map(lambda leaf: leaf[n], noise), rates[n])

    return jax.lax.fori_loop(first, first + count, body, chains)


def _after_step(dynamics: Dynamics, chains: Chains, noise: Noise, rate: Float[Array, ""]) -> Chains:
    """The chains after a step, each with its own noise."""
    rule, teacher = dynamics.rule, dynamics.teacher

    def one(weights: Weights, noise: Noise, rate: Array) -> tuple[Weights, Array, Bool[Array, ""]]:
        if dynamics.follow:
            overlaps = squared_overlaps(teacher, rule.directions(weights.W))
            rate = rate * direction_factor(teacher, overlaps, weights.W.shape[0])
        new = dynamics.engine.step_with(rule, teacher, weights, noise, rate, chains.step)
        return new, rate, jnp.sum(new.W**2) + jnp.sum(new.b**2) <= dynamics.largest

    new, rate, sound = jax.vmap(one, in_axes=(0, 0, None))(chains.weights, noise, rate)
    running = chains.diverged < 0
    going = running & sound
    return Chains(
        jnp.where(going[:, None, None], new.W, chains.W),
        jnp.where(going[:, None], new.b, chains.b),
        chains.step + 1,
        jnp.where(going, chains.time + rate, chains.time),
        jnp.where(running & ~sound, chains.step + 1, chains.diverged),
    )


@compiled_quickly(eqx.filter_jit)
def measured(dynamics: Dynamics, chains: Chains) -> Measured:
    """Risk and squared overlaps of each run, exact in the overlaps, in double precision."""
    rule, teacher = dynamics.rule, dynamics.teacher

    def one(weights: Weights) -> Measured:
        return Measured(rule.risk(teacher, weights), squared_overlaps(teacher, rule.directions(weights.W)))

    return jax.vmap(one)(Weights(chains.W.astype(float), chains.b.astype(float)))


@eqx.filter_jit
def signed_overlaps(dynamics: Dynamics, chains: Chains) -> Float[Array, "S N M"]:
    """The overlaps of each run's unit directions with the teacher's."""
    return jax.vmap(lambda W: dynamics.teacher.overlaps(dynamics.rule.directions(W)))(chains.W.astype(float))
