"""A chart followed through the output times: forwards by loops, and replayed for derivatives.

The number of pivot exchanges depends on the data, so the forward pass is a loop of unknown length, which cannot be
differentiated in reverse. Its derivative runs in two passes instead: the first records the exchanges, the second
replays them as a scan of known length. The subspace does not depend on the charts that describe it, so the record
itself needs no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ...support import is_traced, progress, tick
from .chart import BOUND, Chart, advance, drift, exchange, first_chart, largest_entry, strides

Observe = Callable[[Chart, Array], Any]

_LONG = 5e10  # rows x neurons² x outputs that take some seconds, and so a progress bar
_DRIFT, _EXCHANGE, _NOTHING = 0, 1, 2


def follow(
    observe: Observe,
    weighted: bool,
    overlaps: Float[Array, "N M"],
    residual: Float[Array, "N N"],
    rates: Float[Array, " M"],
    times: Float[Array, " T"],
) -> Any:
    """observe(chart, τ) at every output time for the span of [overlaps, residual]ᵀ, stacked.

    Differentiable in the overlaps, the residual factor, the rates and the times.

    `observe` is a function of a module's top level, so that it compiles once. `weighted` asks for the chart's J.
    """
    neurons, directions = overlaps.shape
    work = times.shape[0] * (directions + neurons) * neurons**2
    if is_traced(overlaps, residual, rates, times) or work < _LONG:
        return _follow(observe, weighted, False, overlaps, residual, rates, times)
    with progress(times.shape[0], "exact flow"):
        return jax.block_until_ready(_follow(observe, weighted, True, overlaps, residual, rates, times))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _forwards(
    observe: Observe,
    weighted: bool,
    ticking: bool,
    overlaps: Array,
    residual: Array,
    rates: Array,
    times: Array,
) -> Any:

    def step(state: tuple[Chart, Array], time: Array) -> tuple[tuple[Chart, Array], Any]:
        chart, before = state
        chart = advance(chart, rates, time - before)
        if ticking:
            jax.debug.callback(tick)
        return (chart, time), observe(chart, time)

    return jax.lax.scan(step, (first_chart(overlaps, residual, rates, weighted), jnp.zeros(())), times)[1]


@_forwards.defjvp
def _forwards_jvp(observe: Observe, weighted: bool, _: bool, primals: tuple, tangents: tuple) -> tuple:
    return jax.jvp(partial(_replay, observe, weighted), primals, tangents)


_follow = jax.jit(_forwards, static_argnums=(0, 1, 2))


def _replay(observe: Observe, weighted: bool, overlaps: Array, residual: Array, rates: Array, times: Array) -> Any:
    intervals = jnp.diff(times, prepend=0.0)
    chart = first_chart(overlaps, residual, rates, weighted)
    events, last = _record(*jax.lax.stop_gradient((chart, rates, intervals)))
    counts = jax.lax.stop_gradient(jax.vmap(strides, (None, 0))(rates, intervals))

    def step(chart: Chart, event: Int[Array, " 4"]) -> tuple[Chart, Chart]:
        kind, g, i, j = event
        chart = jax.lax.switch(
            kind,
            [
                lambda c: drift(c, intervals[g] / counts[g]),
                lambda c: exchange(c, i, j),
                lambda c: c,
            ],
            chart,
        )
        return chart, chart

    charts = jax.lax.scan(step, chart, events)[1]
    at_outputs = jax.tree.map(lambda leaf: leaf[last], charts)
    return jax.lax.map(lambda pair: observe(*pair), (at_outputs, times))


def _record(chart: Chart, rates: Array, intervals: Array) -> tuple[Int[Array, "E 4"], Int[Array, " T"]]:
    """The drifts and exchanges of the whole run in order, and the last event of each interval.

    A run makes about N exchanges; room is kept for four times as many, and more is an error, never a wrong result.
    """
    outputs, neurons = intervals.shape[0], chart.B.shape[1]
    counts = jax.vmap(strides, (None, 0))(rates, intervals)
    room = 64 + 4 * neurons + 2 * outputs
    events = jnp.zeros((room, 4), int).at[:, 0].set(_NOTHING)

    def append(events: Array, used: Array, *event: Any) -> tuple[Array, Array]:
        return events.at[used].set(jnp.stack([jnp.asarray(e, int) for e in event]), mode="drop"), used + 1

    def settle(state: tuple, g: Array) -> tuple:
        def swap(state: tuple) -> tuple:
            chart, events, used = state
            _, i, j = largest_entry(chart)
            return (exchange(chart, i, j), *append(events, used, _EXCHANGE, g, i, j))

        return jax.lax.while_loop(lambda s: jnp.max(jnp.abs(s[0].B), initial=0.0) > BOUND, swap, state)

    def interval(g: Array, state: tuple) -> tuple:
        def stride(_: Array, state: tuple) -> tuple:
            chart, events, used = state
            return settle((drift(chart, intervals[g] / counts[g]), *append(events, used, _DRIFT, g, 0, 0)), g)

        *before, last = state
        after = jax.lax.fori_loop(0, counts[g], stride, settle(tuple(before), g))
        return (*after, last.at[g].set(after[2] - 1))

    start = (chart, events, jnp.zeros((), int), jnp.zeros(outputs, int))
    _, events, used, last = jax.lax.fori_loop(0, outputs, interval, start)
    return eqx.error_if(
        (events, last),
        used > room,
        "More changes of chart than a derivative keeps room for: shorten the horizon or add output times.",
    )
