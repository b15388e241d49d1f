"""The solution at the output times by charts: on the host, or in one scan under jit.

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

from ...numerics import Outcome
from ...problem import Observables, Teacher, riccati_rate
from ...support import is_traced, orderly_stop, progress
from ..flow import Solution
from .chart import Chart, carry, drift, is_bounded, is_short
from .host import Numbers
from .initial_chart import InitialWeights, chart_at, initial_chart_of
from .shifts import Moment, mean_shift

Observe = Callable[[Chart, Moment], Observables]

_TOGETHER = 2**14  # entries of B, at the output times that are observed together
_END = 1e300  # Riccati time after which no entry of a chart, nor the risk, has anything left to change


def riccati_times(teacher: Teacher, times: Float[Array, " T"]) -> Float[Numbers, " T"]:
    """Riccati times of canonical ones; on the host unless they or the link are traced."""
    rate = riccati_rate(teacher)
    if is_traced(rate, times):
        return jnp.minimum(rate * times, _END)
    return np.minimum(float(rate) * np.asarray(times), _END)


def evolve_in_charts(observe: Observe, weights: InitialWeights, moments: Moment) -> Solution:
    """The solution whose observables are observe(chart, moment) at T moments, the chart evolved exactly.

    Differentiable in the weights, their rates and the moments, in forward and reverse mode, within what double
    precision gives the inverse of the pivots' rows at the start. SIGINT and SIGTERM end it at an output time.

    Outside jit nothing is compiled. `observe` must be a function of a module's top level, so that traced calls share a
    program, and take charts of one time or several.
    """
    if is_traced(weights, moments):
        return Solution(_in_one(observe, weights, moments)[0])
    return _on_host(observe, initial_chart_of(weights), moments)


def _on_host(observe: Observe, chart: Chart, moments: Moment) -> Solution:
    most, last = max(_TOGETHER // max(chart.B.size, 1), 1), len(moments.time)
    observed, done, now = [], 0, moments.begin()
    with orderly_stop() as stop, progress(last, "exact flow") as bar, np.errstate(all="ignore"):
        while done < last and not (done and stop):
            before, now = now, moments.at(done)
            chart = carry(chart, now.time - before.time, mean_shift(before, now))
            if most == 1:
                observed.append(observe(chart, now))
                count = 1
            else:
                every, ahead = _in_one_chart(chart, moments.at(slice(done, done + most)))
                observed.append(observe(every, ahead))
                count = len(ahead.time)
            done += count
            bar.update(count)
    outcome = Outcome.interrupted if stop else Outcome.complete
    join = np.stack if most == 1 else np.concatenate
    return Solution(jax.tree.map(lambda *parts: jax.device_put(join(parts)), *observed), outcome, done)


def _in_one_chart(chart: Chart, moments: Moment) -> tuple[Chart, Moment]:
    """The chart at as many of these moments as its pivots may stay for, from the first on, which is now."""
    first = moments.at(0)
    if not is_short(chart, moments.time[-1] - first.time):
        moments = moments.at(slice(1))
    every = drift(chart, moments.time - first.time, mean_shift(first, moments))
    count = int(np.append(is_bounded(every.B), False).argmin())
    return every._replace(B=every.B[:count], J=every.J[:count]), moments.at(slice(count))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _through(observe: Observe, weights: InitialWeights, moments: Moment) -> tuple[Observables, Int[Array, "T N"]]:
    """The observables at the output times, and the pivots at each."""

    def step(state: tuple[Chart, Moment], now: Moment) -> tuple[tuple[Chart, Moment], tuple[Observables, Array]]:
        chart, before = state
        chart = carry(chart, now.time - before.time, mean_shift(before, now))
        return (chart, now), (observe(chart, now), chart.column)

    return jax.lax.scan(step, (initial_chart_of(weights), moments.begin()), moments)[1]


@_through.defjvp
def _through_jvp(observe: Observe, primals: tuple, tangents: tuple) -> tuple:
    observed, columns = _through(observe, *primals)

    def directly(weights: InitialWeights, moments: Moment) -> Observables:
        @jax.checkpoint
        def at(column: Array, now: Moment) -> Observables:
            shift = mean_shift(now.begin(), now)
            return observe(drift(chart_at(weights, column)[0], now.time, shift), now)

        return jax.lax.map(lambda pair: at(*pair), (columns, moments))

    moved = jax.jvp(directly, primals, tangents)[1]
    return (observed, columns), (moved, np.zeros(columns.shape, jax.dtypes.float0))


_in_one = jax.jit(_through, static_argnums=0)
