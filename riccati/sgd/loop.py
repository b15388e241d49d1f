"""Many steps in one compiled loop, for several seeds at once.

A step's randomness comes from the seed and the step's number, so where a loop is cut does not matter to the result.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ..problem import Teacher, squared_overlaps
from .engine import Engine
from .rule import Rule
from .schedule import direction_factor

LONGEST = 4096  # steps in one call


class State(NamedTuple):
    """Where S runs are: weights, steps done, canonical time, and the step at which each diverged (-1: it has not)."""

    W: Float[Array, "S N D"]
    step: Int[Array, ""]
    time: Float[Array, " S"]
    diverged: Int[Array, " S"]


class Seen(NamedTuple):
    """What is logged of S runs: population risk and squared overlaps."""

    risk: Float[Array, " S"]
    overlaps: Float[Array, "S M"]


@eqx.filter_jit
def advance(
    engine: Engine,
    rule: Rule,
    teacher: Teacher,
    follow: bool,
    largest: Float[Array, ""],
    keys: Key[Array, " S"],
    state: State,
    rates: Float[Array, " n"],
    count: Int[Array, ""],
) -> State:
    """`count` steps, at most as many as there are `rates`; with `follow` the rate is multiplied by a_p (PerDirection).

    A run diverges at the step that makes the sum of squared weights exceed `largest`, or not a number; it stays as it
    was before that step.
    """

    def one(W: Array, key: Array, step: Array, rate: Array) -> tuple[Array, Array, Bool[Array, ""]]:
        if follow:
            overlaps = squared_overlaps(teacher, rule.directions(W))
            rate = rate * direction_factor(teacher, overlaps, W.shape[0])
        new = engine.step(rule, teacher, W, jax.random.fold_in(key, step), rate)
        return new, rate, jnp.sum(new**2) <= largest

    def body(n: Array, state: State) -> State:
        new, rate, sound = jax.vmap(one, in_axes=(0, 0, None, None))(state.W, keys, state.step, rates[n])
        running = state.diverged < 0
        going = running & sound
        return State(
            jnp.where(going[:, None, None], new, state.W),
            state.step + 1,
            jnp.where(going, state.time + rate, state.time),
            jnp.where(running & ~sound, state.step + 1, state.diverged),
        )

    return jax.lax.fori_loop(0, count, body, state)


@eqx.filter_jit
def observe(rule: Rule, teacher: Teacher, state: State) -> Seen:
    """Risk and squared overlaps of each run, exact in the overlaps, in double precision."""

    def one(W: Array) -> Seen:
        return Seen(rule.risk(teacher, W), squared_overlaps(teacher, rule.directions(W)))

    return jax.vmap(one)(state.W.astype(float))
