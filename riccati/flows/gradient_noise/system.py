"""Common code of all systems of SGD at step size γ/d: integration, explosion of the weights, emergence times.

The second-order terms of a step grow faster than the drift once γ times the squared norm of a neuron is large, and the
weights then explode in finite time: this is how SGD diverges at too large a step size. They do not return from there,
so the risk is set to inf from then on, and all velocities are divided by 1 + (γ size/10⁴)⁴, so that the integrator
need not resolve the singularity.

Emergence times are computed on the equations themselves, so that their digits do not depend on the output times: two
output times bracket each crossing, and Newton's method on the log-odds refines it, with one integration per iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from ...numerics import (
    LEAF,
    Integrated,
    Outcome,
    compiled_quickly,
    first_crossings,
    first_reached,
    integrate,
    log_odds,
    padded,
)
from ...problem import Observables, Problem, Start
from ...support import is_traced
from ..flow import Solution

_TOO_LARGE = 1e2  # γ times a neuron's size from which noise outgrows any drift
_SLOW = 1e4  # and around which the clock slows; of its pace 1e-8 is lost where the weights count as exploded
_ROUNDS = 50  # as many as bisection alone would need
_SQUARE = 0.1  # the square of a last Newton step this many √rtol long is below rtol, with some room
_MOST_NUMBERS = 2**25  # of the states at several times, held at once: 256 MB


class FiniteStepSystem(NamedTuple):
    """A finite-step limit in the form that an integrator needs.

    Attributes:
        velocity: `velocity(t, state, args)`, a function of a module's top level, so that it compiles once.
        observe: `observe(state, args)`, likewise: the observables of one time, with infinite risk once the weights
            have exploded.
        state: the initial state.
        args: the constants of the equations.
        rate: the system's own time per canonical time.
        smallest: the size that the absolute tolerance must resolve in the state.
        least_rtol: the relative tolerance below which the right-hand side is not smooth enough.
    """

    velocity: Callable
    observe: Callable
    state: Any
    args: Any
    rate: Float[Array, ""]
    smallest: Float[Array, ""]
    least_rtol: float = 0.0


def pace(gamma: Float[Array, ""], size: Float[Array, ""]) -> Float[Array, ""]:
    """The factor by which all velocities are multiplied: 1 until the weights explode, then falling to 0."""
    return 1 / (1 + (gamma * size / _SLOW) ** 4)


def exploded(gamma: Float[Array, ""], size: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether the weights have grown so far that they cannot return."""
    return ~(gamma * size < _TOO_LARGE)  # not a number counts


def states_at(system: FiniteStepSystem, times: Array, rtol: float) -> Integrated:
    """The system's states at canonical `times`."""
    rtol = max(rtol, system.least_rtol)
    held: tuple[Any, ...] = (system.rate, times, system.smallest)
    rate, at, smallest = held if is_traced(*held) else tuple(map(np.asarray, held))  # by NumPy nothing compiles
    own: Any = rate * at  # output times in the system's own time
    return integrate(system.velocity, system.state, system.args, own, rtol, rtol * smallest)


def solution_at(system: FiniteStepSystem, times: Array, rtol: float) -> Solution:
    """The system's solution at canonical `times`."""
    return _solution(system.observe, system.args, states_at(system, times, rtol))


def state_at(system: FiniteStepSystem, time: float, rtol: float) -> tuple[Any, bool]:
    """The system's state at one canonical time, and whether it was reached before the weights exploded."""
    out = states_at(system, jnp.asarray([time]), rtol)
    state = jax.tree.map(lambda leaf: leaf[0], out.states)
    return state, int(out.reached) == 1 and bool(jnp.isfinite(system.observe(state, system.args).risk))


def start_of_gram(
    problem: Problem, overlaps: Float[Array, "N M"], gram: Float[Array, "N N"], norms: Float[Array, " N"],
    second_layer: Float[Array, " N"] | None = None,
) -> Start:  # fmt: skip
    """The student with these overlaps, Gram matrix of directions, norms and second layer, on isotropic input."""
    teacher, start = problem.teacher, problem.full_start
    C = None if teacher.frame is None else teacher.gram
    reached = Start(overlaps, gram, norms, start.dim, teacher_gram=C)
    if second_layer is None:
        return reached
    return reached.with_second_layer(second_layer / start.output_scale, start.output_scale)


def _like_a_solution(observe: Callable, args: Any, out: Integrated) -> Solution:
    state = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), out.states)
    return Solution(jax.eval_shape(lambda state: observe(state, args), state), out.outcome, LEAF, LEAF)


@compiled_quickly(eqx.filter_jit, like=_like_a_solution)
def _solution(observe: Callable, args: Any, out: Integrated) -> Solution:
    """The solution from the states; risk is inf and alignment 0 where weights exploded or a time was not reached."""

    def at(state: Any) -> Observables:
        observed, reached = observe(state, args), jnp.isfinite(ravel_pytree(state)[0]).all()
        held = reached & jnp.isfinite(observed.risk)
        risk = jnp.where(held, observed.risk, jnp.inf)
        radius = None if observed.radius is None else jnp.where(held, observed.radius, jnp.inf)
        return Observables(risk, jnp.where(held, observed.alignment, 0.0), radius)

    observed = jax.lax.map(at, out.states)
    sound = jnp.sum(jnp.cumprod(jnp.isfinite(observed.risk)))
    outcome = Outcome.where(sound < out.reached, Outcome.exploded, out.outcome)
    return Solution(observed, outcome, sound, out.steps)


def refined_crossings(
    system: FiniteStepSystem, times: Float[Array, " T"], alignment: Float[Array, "T M"], level: float, rtol: float
) -> Float[Array, " M"]:
    """The canonical times at which alignments first reach `level`, (M,), to `rtol`; inf where they never do."""
    goal = float(log_odds(level))
    guess = first_crossings(times, log_odds(np.asarray(alignment)), goal, smooth=True)
    moving = np.isfinite(guess)
    first = first_reached(np.asarray(alignment) >= level) % len(times)
    right = np.asarray(times)[first]
    left = np.where(first > 0, np.asarray(times)[first - 1], 0.0)
    alike = len(times)  # so that the program of the output times serves
    begun = moving & (_odds_at(system, np.zeros(len(guess)), rtol, alike)[0] >= goal)
    guess, moving = np.where(begun, 0.0, guess), moving & ~begun
    guess = np.where(moving & (guess == right), (left + right) / 2, guess)
    for _ in range(_ROUNDS):
        if not moving.any():
            break
        odds, rate = _odds_at(system, np.where(moving, guess, guess[moving].min()), rtol, alike)
        above = odds >= goal
        right, left = np.where(above, guess, right), np.where(above, left, guess)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = guess - (odds - goal) / rate
        inside = (newton > left) & (newton < right)
        new = np.where(inside, newton, (left + right) / 2)
        step = np.abs(new[moving] - guess[moving]) / guess[moving]
        guess = np.where(moving, new, guess)
        # what a Newton step leaves is of the size of its square
        moving[moving] = step > np.where(inside[moving], _SQUARE * rtol**0.5, rtol)
    return jax.device_put(guess)


def _odds_at(system: FiniteStepSystem, times: np.ndarray, rtol: float, alike: int) -> tuple[np.ndarray, np.ndarray]:
    """The log-odds of direction m and their rate at times[m], (M,) each; integrated through `alike` times or more."""
    order = np.argsort(times)
    most = max(_MOST_NUMBERS // sum(leaf.size for leaf in jax.tree.leaves(system.state)), 1)
    parts = []
    for block in np.array_split(order, -(-len(order) // most)):
        states = states_at(system, padded(times[block], min(alike, most)), rtol).states
        parts.append(_odds(system, _first(states, len(block)), jax.device_put(block)))
    odds, rates = np.empty(len(order)), np.empty(len(order))
    odds[order], rates[order] = (np.concatenate(part) for part in zip(*parts, strict=True))
    return odds, rates


def _first(states: Any, count: int) -> Any:
    """The first rows, cut on the host, where nothing compiles."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], states)


@compiled_quickly(eqx.filter_jit, like=lambda system, states, directions: (LEAF, LEAF))
def _odds(
    system: FiniteStepSystem, states: Any, directions: Int[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """The log-odds of direction directions[i] in state i, and their rate in canonical time."""

    def at(pair: tuple[Any, Array]) -> tuple[Array, Array]:
        state, direction = pair

        def own(state: Any) -> Array:
            return log_odds(system.observe(state, system.args).alignment[direction])

        value, slope = jax.jvp(own, (state,), (system.velocity(0.0, state, system.args),))
        return value, system.rate * slope

    return jax.lax.map(at, (states, directions))
