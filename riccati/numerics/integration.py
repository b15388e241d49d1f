"""Integration of ordinary differential equations by diffrax, and how an integration can end.

`integrate` computes a whole solution at given output times; `controller` is the step size control that it shares with
the chunked solve of flows/reduced_coordinates. diffrax takes half as long to import as JAX, and is imported where a
program that integrates is traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from ..support import is_traced
from .compiling import LEAF, compiled_quickly

if TYPE_CHECKING:
    import diffrax

_MOST_STEPS = 2**16
_BLOCK = 64  # output times; compiled programs see multiples of it


class Outcome(eqx.Enumeration):
    """How a flow ended: a name, and a message that says what to do about anything but `complete`.

    Items are arrays, so they pass through jit and vmap; compare them by `==`, which is an array too.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=3, beta=1.0, link=rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=3, dim=100, norm=0.1, seed=0)
        >>> trajectory = rc.solve(rc.Riccati(), teacher, start, [0.0, 2.0, 8.0])
        >>> bool(trajectory.outcome == rc.Outcome.complete)
        True
    """

    complete: Outcome = "every output time was reached"
    interrupted: Outcome = "it was interrupted: what was reached is kept; solve again for the rest"
    max_steps_reached: Outcome = "its steps are used up: raise max_steps or rtol, if the flow has them, or end earlier"
    step_vanished: Outcome = "the step size vanished, so the equation is singular there: end times earlier"
    exploded: Outcome = "the weights explode, as in SGD at this step size, and the risk is inf: take a smaller gamma"
    norm_vanished: Outcome = (
        "a neuron's norm falls to 0, where it has no direction: end times earlier, or run SGD itself (riccati.sgd)"
    )
    norm_unresolved: Outcome = (
        "a neuron's norm has outgrown what averages over its link are resolved for: end times earlier, or take a link "
        "in closed form (scaled_erf for tanh)"
    )
    rank_lost: Outcome = 'tolerance error has turned into rank (phantom emergence): take method="exact"'


_NAMES = (
    "complete", "interrupted", "max_steps_reached", "step_vanished", "exploded", "norm_vanished", "norm_unresolved",
    "rank_lost",
)  # fmt: skip
_messages: Any = Outcome  # an enumeration maps each item to its message


def message_of(outcome: Outcome) -> str:
    """The item's message: what happened, and the remedy."""
    return _messages[outcome]


def is_outcome(outcome: Outcome, item: Outcome) -> bool:
    """Whether a concrete outcome is this item; `==`, whose result is an array, compiles."""
    one, other = (np.asarray(*jax.tree.leaves(each)) for each in (outcome, item))
    return bool(one == other)


def name_of(outcome: Outcome) -> str:
    """The item's name, as saved files hold it."""
    return next(name for name in _NAMES if is_outcome(outcome, getattr(Outcome, name)))


def outcome_named(name: str) -> Outcome:
    """The item of that name; raises KeyError where there is none."""
    if name not in _NAMES:
        raise KeyError(name)
    return getattr(Outcome, name)


class Integrated(NamedTuple):
    """The result of an integration.

    Attributes:
        states: the states at the T output times, stacked along a first axis; inf at times that were not reached.
        outcome: how the integration ended.
        reached: how many output times were reached.
        steps: how many steps the integrator took.
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
    """Solve dy/dt = velocity(t, y, args), y(0) = state, and return the states at `times`.

    The method is Tsitouras' pair of order 5(4). A PID controller chooses the steps from the root mean square of the
    error, or with `largest_component` from its largest component. `velocity` must be a function of a module's top
    level, and tolerances are passed as arrays, so that new numbers compile nothing anew. Output times may repeat.
    `atol` should be proportional to the smallest initial overlap.

    Reverse mode differentiates through checkpoints. diffrax needs to know of forward mode beforehand: it is recognised
    by the tangents that `state`, `args` or `times` carry, so `jax.jacfwd` and `jax.jvp` must be applied to a function
    that is not compiled itself (`jax.jit(jax.jacfwd(f))`, not `jax.jacfwd(jax.jit(f))`).
    """
    rtol, atol = _as_array(rtol), _as_array(atol)
    forward = is_pushed_forward(state, args, times)
    return _integrate(velocity, state, args, times, rtol, atol, largest_component, max_steps, forward)


def is_pushed_forward(*values: Any) -> bool:
    """Whether any leaf carries a tangent of forward mode, in `jax.jvp` or `jax.jacfwd`."""
    return any(_has_tangent(leaf) for leaf in jax.tree.leaves(values))


def _has_tangent(leaf: Any) -> bool:
    """Whether the leaf, below the batches of vmap, carries a tangent of forward mode."""
    leaf = _unbatched(leaf)
    return isinstance(leaf, ad.JVPTracer) and type(_unbatched(leaf.tangent)).__name__ != "JaxprTracer"


def _unbatched(leaf: Any) -> Any:
    while type(leaf).__name__ == "BatchTracer":  # which JAX does not export
        leaf = leaf.val
    return leaf


def padded(times: ArrayLike, fewest: int = 0) -> Float[Array, " T"]:
    """Concrete `times` with the last one repeated until their number is a multiple of 64 and at least `fewest`.

    This way compiled programs see few different numbers of output times.
    """
    count = np.shape(times)[0]
    wanted = max(count, fewest)
    return jax.device_put(np.pad(np.asarray(times, float), (0, wanted + -wanted % _BLOCK - count), mode="edge"))


def controller(rtol: Array, atol: Array, largest_component: bool) -> diffrax.PIDController:
    """The step size controller that every integration uses."""
    import diffrax
    import optimistix as optx

    # where the largest component decides, one small overlap counts among many
    norm = optx.max_norm if largest_component else optx.rms_norm
    return diffrax.PIDController(rtol=rtol, atol=atol, norm=norm)


def outcome_of(result: diffrax.RESULTS) -> Outcome:
    """The outcome that corresponds to a result of diffrax."""
    import diffrax

    spent = Outcome.where(result == diffrax.RESULTS.max_steps_reached, Outcome.max_steps_reached, Outcome.step_vanished)
    return Outcome.where(result == diffrax.RESULTS.successful, Outcome.complete, spent)


def _as_array(number: ArrayLike) -> Array:
    return jnp.asarray(number, float) if is_traced(number) else jax.device_put(np.asarray(number, float))


@compiled_quickly(eqx.filter_jit, like=lambda velocity, state, *_: Integrated(state, Outcome.complete, LEAF, LEAF))
def _integrate(
    velocity: Callable, state: Any, args: Any, times: Array, rtol: Array, atol: Array, largest: bool, max_steps: int,
    forward: bool,
) -> Integrated:  # fmt: skip
    import diffrax

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
