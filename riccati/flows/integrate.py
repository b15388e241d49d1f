"""What every diffrax call shares, and crossings read off a solution that is known at output times only."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree
from scipy.interpolate import PchipInterpolator

from .._checks import is_traced

_MOST_STEPS = 2**16


def integrate(
    velocity: Callable,
    state: PyTree[Array],
    args: Any,
    times: Float[Array, " T"],
    rtol: ArrayLike,
    atol: ArrayLike,
) -> PyTree[Array]:
    """The solution of dy/dt = velocity(t, y, args), y(0) = state, at `times` (stacked in front).

    Tsitouras' fifth-order pair with a PID controller. Tolerances go in as arrays, so that a new value does not
    compile anew; `atol` should scale with the smallest initial overlap. A solution that ends early is inf from there
    on, and says so in a warning.
    """
    rtol, atol = jnp.asarray(rtol, float), jnp.asarray(atol, float)
    solution, result = _integrate(velocity, state, args, times, rtol, atol)
    if not is_traced(result) and result != diffrax.RESULTS.successful:
        messages: Any = diffrax.RESULTS  # an enumeration that maps each result to its message
        warnings.warn(f"The integration stopped early: {messages[result]}", RuntimeWarning, stacklevel=5)
    return solution


@eqx.filter_jit
def _integrate(velocity: Callable, state: Any, args: Any, times: Array, rtol: Array, atol: Array) -> Any:
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=None,
        y0=state,
        args=args,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        max_steps=_MOST_STEPS,
        throw=False,
    )
    return solution.ys, solution.result


def crossing_times(
    times: Float[Array, " T"], alignment: Float[Array, "T M"] | None, level: float
) -> Float[Array, " M"]:
    """First crossings of `level`, by monotone interpolation of the log-odds between output times.

    Log-odds of an emerging direction are nearly straight in time. The error is that of the output spacing.
    """
    t, aligned = np.asarray(times), np.clip(np.asarray(alignment), np.finfo(float).tiny, 1 - 1e-16)
    odds = np.log(aligned / (1 - aligned)) - np.log(level / (1 - level))
    emergence = np.full(aligned.shape[1], np.inf)
    for m in np.flatnonzero((odds >= 0).any(axis=0)):
        g = int((odds[:, m] >= 0).argmax())
        near = slice(max(g - 3, 0), g + 2)
        emergence[m] = t[0] if g == 0 else _root(t[near], odds[near, m], t[g - 1], t[g])
    return jnp.asarray(emergence)


def _root(t: np.ndarray, odds: np.ndarray, left: float, right: float) -> float:
    roots = PchipInterpolator(t, odds).roots(extrapolate=False)
    return min((r for r in roots if left <= r <= right), default=right)
