"""The solution at the output times by charts: chunk by chunk from the host, in one scan under jit.

The number of pivot exchanges depends on the data, so a forward pass is a loop of unknown length, which cannot be
differentiated in reverse. Its derivative needs no exchanges: the subspace at an output time depends on the weights
through the chart at that time alone,

    B_ij(τ) = e^{(ρ_i - ρ_j)τ} (X_r X_p^{-1})_ij,        X = W(0)ᵀ, p the pivots that the forward pass found,

and this expression is differentiated. It keeps nothing between output times, so reverse mode needs the memory of one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...numerics import Outcome, compiled_quickly
from ...problem import Observables, Problem, riccati_rate
from ...support import is_traced, orderly_stop, progress
from ..flow import Solution
from .chart import Chart, carry, drift
from .initial_chart import InitialWeights, chart_at, initial_chart_of, initial_weights_of

Observe = Callable[[Chart, Array], Observables]

_AT_ONCE = 64  # output times that one call of the compiled loop has room for
_CHUNK = 2**32  # rows x neurons² x output times between two looks at a request to stop
_END = 1e300  # Riccati time after which no entry of a chart, nor the risk, has anything left to change


def evolve_in_charts(observe: Observe, problem: Problem, times: Float[Array, " T"], *, with_norms: bool) -> Solution:
    """The solution whose observables are observe(chart, τ) at the canonical output times, the chart evolved exactly.

    Differentiable in the teacher's a, the start and the times, in forward and reverse mode, within what double
    precision gives the inverse of the pivots' rows at the start. SIGINT and SIGTERM end it at an output time.

    `observe` must be a function of a module's top level, so that it compiles once. `with_norms` says whether it needs
    the chart's J.
    """
    weights, rate = initial_weights_of(problem, with_norms=with_norms), riccati_rate(problem.teacher)
    if is_traced(weights, rate, times):
        return Solution(_in_one(observe, weights, jnp.minimum(rate * times, _END))[0])
    return _in_chunks(observe, initial_chart_of(weights), np.minimum(float(rate) * np.asarray(times), _END))


def _in_chunks(observe: Observe, chart: Chart, times: np.ndarray) -> Solution:
    rows, neurons = chart.B.shape
    most = int(np.clip(_CHUNK // (rows * neurons**2), 1, _AT_ONCE))
    observed, done, now = [], 0, np.float64(0.0)
    with orderly_stop() as stop, progress(len(times), "exact flow") as bar:
        while done < len(times) and not (done and stop):
            ahead = times[done : done + most]
            chart, kept = _chunk(observe, chart, now, np.resize(ahead, most), len(ahead))
            observed.append(jax.tree.map(np.asarray, kept))
            done, now = done + len(ahead), ahead[-1]
            bar.update(len(ahead))
    outcome = Outcome.interrupted if stop else Outcome.complete
    joined = jax.tree.map(lambda *parts: jax.device_put(np.concatenate(parts)[:done]), *observed)
    return Solution(joined, outcome, done)


def _like_a_chunk(observe: Observe, chart: Chart, now: Float[Array, ""], *_: Array) -> tuple[Chart, Observables]:
    return chart, jax.eval_shape(observe, chart, now)


@compiled_quickly(like=_like_a_chunk, static_argnums=0, donate_argnums=1)
def _chunk(
    observe: Observe, chart: Chart, now: Float[Array, ""], times: Float[Array, " t"], count: Int[Array, ""]
) -> tuple[Chart, Observables]:
    """The chart after the first `count` of `times`, and the observables at these times; later rows are zero."""
    shapes = jax.eval_shape(observe, chart, now)
    kept = jax.tree.map(lambda leaf: jnp.zeros((times.shape[0], *leaf.shape), leaf.dtype), shapes)

    def step(n: Array, state: tuple) -> tuple:
        chart, before, kept = state
        chart, observed = _at_output_time(observe, chart, before, times[n])
        return chart, times[n], jax.tree.map(lambda all, one: all.at[n].set(one), kept, observed)

    chart, _, kept = jax.lax.fori_loop(0, count, step, (chart, now, kept))
    return chart, kept


def _at_output_time(observe: Observe, chart: Chart, before: Array, time: Array) -> tuple[Chart, Observables]:
    """The chart and the observables at the next output time."""
    chart = carry(chart, time - before)
    return chart, observe(chart, time)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _through(observe: Observe, weights: InitialWeights, times: Array) -> tuple[Observables, Int[Array, "T N"]]:
    """The observables at the output times, and the pivots at each."""

    def step(state: tuple[Chart, Array], time: Array) -> tuple[tuple[Chart, Array], tuple[Observables, Array]]:
        chart, observed = _at_output_time(observe, *state, time)
        return (chart, time), (observed, chart.column)

    return jax.lax.scan(step, (initial_chart_of(weights), jnp.zeros(())), times)[1]


@_through.defjvp
def _through_jvp(observe: Observe, primals: tuple, tangents: tuple) -> tuple:
    observed, columns = _through(observe, *primals)

    def directly(weights: InitialWeights, times: Array) -> Observables:
        @jax.checkpoint
        def at(column: Array, time: Array) -> Observables:
            return observe(drift(chart_at(weights, column)[0], time), time)

        return jax.lax.map(lambda pair: at(*pair), (columns, times))

    moved = jax.jvp(directly, primals, tangents)[1]
    return (observed, columns), (moved, np.zeros(columns.shape, jax.dtypes.float0))


_in_one = compiled_quickly(static_argnums=0)(_through)
