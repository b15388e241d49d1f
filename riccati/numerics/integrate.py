"""The one place where diffrax solves an ordinary differential equation through output times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.interpreters import ad
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from ..support import is_traced
from .compiling import compiled_quickly
from .outcome import Outcome

_MOST_STEPS = 2**16
_BLOCK = 64  # output times; compiled programs see multiples of it


class Integrated(NamedTuple):
    """What an integration yields.

    Attributes:
        states: stacked in front at the T output times, inf where the integration did not get.
        outcome: how it ended.
        reached: how many output times it reached.
        steps: the solver's steps.
    """

    states: PyTree[Array]
    outcome: Outcome
    reached: Int[Array, ""]
    steps: Int[Array, ""]


def integrate(
    velocity: Callable,
    state: PyTree[Array],
    args: Any,
    times: Float[Array, " T"],
    rtol: ArrayLike,
    atol: ArrayLike,
    *,
    largest_component: bool = False,
    max_steps: int = _MOST_STEPS,
) -> Integrated:
    """The solution of dy/dt = velocity(t, y, args), y(0) = state, at `times`.

    Tsitouras' fifth-order pair with a PID controller on the root mean square error, or with `largest_component` on
    the largest. `velocity` is a function of a module's level and tolerances go in as arrays, so that new numbers
    compile nothing anew; output times may repeat, `atol` should scale with the smallest initial overlap.

    Differentiable in reverse mode by checkpoints, and in forward mode, of which diffrax has to be told: it is seen from
    the tangents that `state`, `args` or `times` carry, so `jax.jacfwd` and `jax.jvp` are to be called on a function
    that is not compiled itself (`jax.jit(jax.jacfwd(f))`, not `jax.jacfwd(jax.jit(f))`).
    """
    rtol, atol = _as_array(rtol), _as_array(atol)
    forward = is_pushed_forward(state, args, times)
    return _integrate(velocity, state, args, times, rtol, atol, largest_component, max_steps, forward)


def is_pushed_forward(*values: Any) -> bool:
    """Whether any leaf carries a tangent of forward mode, in `jax.jvp` or `jax.jacfwd`."""
    return any(_has_tangent(leaf) for leaf in jax.tree.leaves(values))


def _has_tangent(leaf: Any) -> bool:
    """Below the batches of vmap; a tangent that reverse mode has left open does not count."""
    leaf = _unbatched(leaf)
    return isinstance(leaf, ad.JVPTracer) and type(_unbatched(leaf.tangent)).__name__ != "JaxprTracer"


def _unbatched(leaf: Any) -> Any:
    while type(leaf).__name__ == "BatchTracer":  # which JAX does not export
        leaf = leaf.val
    return leaf


def padded(times: ArrayLike, fewest: int = 0) -> Float[Array, " T"]:
    """Concrete `times` with the last repeated up to a multiple of 64, `fewest` at the least.

    So compiled programs see few different numbers of output times.
    """
    count = np.shape(times)[0]
    wanted = max(count, fewest)
    return jax.device_put(np.pad(np.asarray(times, float), (0, wanted + -wanted % _BLOCK - count), mode="edge"))


def controller(rtol: Array, atol: Array, largest_component: bool) -> diffrax.PIDController:
    """The step size controller of every integration."""
    # where the largest component decides, one small overlap counts among many
    norm = optx.max_norm if largest_component else optx.rms_norm
    return diffrax.PIDController(rtol=rtol, atol=atol, norm=norm)


def outcome_of(result: diffrax.RESULTS) -> Outcome:
    """diffrax's result in this package's words."""
    spent = Outcome.where(result == diffrax.RESULTS.max_steps_reached, Outcome.max_steps_reached, Outcome.step_vanished)
    return Outcome.where(result == diffrax.RESULTS.successful, Outcome.complete, spent)


def _as_array(number: ArrayLike) -> Array:
    return jnp.asarray(number, float) if is_traced(number) else jax.device_put(np.asarray(number, float))


@compiled_quickly(eqx.filter_jit)
def _integrate(
    velocity: Callable, state: Any, args: Any, times: Array, rtol: Array, atol: Array, largest: bool, max_steps: int,
    forward: bool,
) -> Integrated:  # fmt: skip
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=None,
        y0=state,
        args=args,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=controller(rtol, atol, largest),
        max_steps=max_steps,
        adjoint=diffrax.ForwardMode() if forward else diffrax.RecursiveCheckpointAdjoint(),
        throw=False,
    )
    finite = [jnp.isfinite(leaf.reshape(times.shape[0], -1)).all(axis=1) for leaf in jax.tree.leaves(solution.ys)]
    reached = jnp.sum(jnp.cumprod(jnp.all(jnp.stack(finite), axis=0)))
    return Integrated(solution.ys, outcome_of(solution.result), reached, solution.stats["num_steps"])
