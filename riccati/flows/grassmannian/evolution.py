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
from ...problem import Observables, Problem, riccati_rate
from ...support import is_traced, orderly_stop, progress
from ..flow import Solution
from .chart import Chart, carry, drift, is_bounded, is_short
from .host import Numbers
from .initial_chart import InitialWeights, chart_at, initial_chart_of, initial_weights_of

Observe = Callable[[Chart, Numbers], Observables]

_TOGETHER = 2**14  # entries of B, at the output times that are observed together
_END = 1e300  # Riccati time after which no entry of a chart, nor the risk, has anything left to change


def evolve_in_charts(observe: Observe, problem: Problem, times: Float[Array, " T"], *, with_norms: bool) -> Solution:
    """The solution whose observables are observe(chart, τ) at the canonical output times, the chart evolved exactly.

    Differentiable in the teacher's a, the start and the times, in forward and reverse mode, within what double
    precision gives the inverse of the pivots' rows at the start. SIGINT and SIGTERM end it at an output time.

    Outside jit nothing is compiled. `observe` must be a function of a module's top level, so that traced calls share a
    program, and take charts of one time or several. `with_norms` says whether it needs the chart's J.
    """
    weights, rate = initial_weights_of(problem, with_norms=with_norms), riccati_rate(problem.teacher)
    if is_traced(weights, rate, times):
        return Solution(_in_one(observe, weights, jnp.minimum(rate * times, _END))[0])
    return _on_host(observe, initial_chart_of(weights), np.minimum(float(rate) * np.asarray(times), _END))


def _on_host(observe: Observe, chart: Chart, times: np.ndarray) -> Solution:
    most = max(_TOGETHER // max(chart.B.size, 1), 1)
    observed, done, now = [], 0, 0.0
    with orderly_stop() as stop, progress(len(times), "exact flow") as bar, np.errstate(all="ignore"):
        while done < len(times) and not (done and stop):
            chart, now = carry(chart, times[done] - now), times[done]
            if most == 1:
                observed.append(observe(chart, now))
                count = 1
            else:
                every, ahead = _in_one_chart(chart, times[done : done + most])
                observed.append(observe(every, ahead))
                count = len(ahead)
            done += count
            bar.update(count)
    outcome = Outcome.interrupted if stop else Outcome.complete
    join = np.stack if most == 1 else np.concatenate
    return Solution(jax.tree.map(lambda *parts: jax.device_put(join(parts)), *observed), outcome, done)


def _in_one_chart(chart: Chart, times: np.ndarray) -> tuple[Chart, np.ndarray]:
    """The chart at as many of these times as its pivots may stay for, from the first on, which is now."""
    later = times - times[0]
    if not is_short(chart, later[-1]):
        later = later[:1]
    every = drift(chart, later)
    count = int(np.append(is_bounded(every.B), False).argmin())
    return every._replace(B=every.B[:count], J=every.J[:count]), times[:count]


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


_in_one = jax.jit(_through, static_argnums=0)
