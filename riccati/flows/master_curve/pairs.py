"""Pairs of a direction and its neuron along the master curve: overlaps, norms, risk and emergence times at any time.

All pairs run along one `MasterCurve`; each is described by its collapsed time R = ∫_m^√½ dv/(g'(v)(1 - v²)) ahead of
emergence, which decreases by |a_p| λ_p t (λ_p = 1 on isotropic input). With ŝ = s/|a_p| the norm's x = 1/ŝ - 1 is

    x = e^{-4I} [ e^{4I_0} x_0 + 4 g(1) (y + H - H_0) ],

I and H the curve's integrals and the index 0 for the start. Derived in derivations/decoupled.py.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from ...problem import Link, Observables, Problem, Spectators, Teacher
from ...support import is_traced, namespace_of, progress
from .curve import MasterCurve, collapsed_time, evaluate_curve, master_curve_of, position_of

_FURTHEST = 1e60  # collapsed time ahead of emergence that the master curve reaches at the most
_LEARNED = 1 - 1e-15  # overlaps this near one count as learned
_HALF = np.sqrt(0.5)  # stands in where there is no overlap


class AssignedPairs(NamedTuple):
    """Each direction with the neuron that greedy selection gives it, at the start.

    Attributes:
        overlaps: (M,), |m_p(0)|; where there is no neuron ½ stands in for m².
        s: (M,), squared norms s_p(0); 1 where there is no neuron.
        has: (M,), whether the direction has a neuron that can grow.
        spectators: the neurons that have no direction.
    """

    overlaps: Float[Array, " M"]
    s: Float[Array, " M"]
    has: Bool[Array, " M"]
    spectators: Spectators


def assigned_pairs(problem: Problem) -> AssignedPairs:
    """The pairs of a problem's start."""
    m, s = problem.assigned()
    xp = namespace_of(m, s)
    m = xp.asarray(m)
    has = m != 0  # assigned neurons' overlaps have a sign that grows
    each: Any = xp.where(has, xp.minimum(xp.abs(m), _LEARNED), _HALF), xp.where(has, xp.asarray(s), 1.0), has
    overlaps, sizes, has = each if xp is jnp else jax.device_put(each)
    return AssignedPairs(overlaps, sizes, has, problem.spectators())


def emergence_of_pairs(
    teacher: Teacher, pairs: AssignedPairs, level: float, until: ArrayLike = jnp.inf
) -> Float[Array, " M"]:
    """The canonical times at which m_p² = `level`, by the exact inverse, (M,); inf where never or past `until`."""
    traced = is_traced(teacher, pairs, level, until)
    if traced or teacher.link.degree is None or teacher.covariance is not None:
        return _inverse(teacher, pairs, jnp.asarray(level, float), jnp.asarray(until, float))
    wait = np.asarray(collapsed_time(teacher.link, pairs.overlaps)) - collapsed_time(teacher.link, np.sqrt(level))
    times = np.maximum(wait, 0.0) / np.abs(np.asarray(teacher.a))  # on the host, where nothing compiles
    return jax.device_put(np.where(np.asarray(pairs.has) & (times <= until), times, np.inf))


@eqx.filter_jit
def _inverse(teacher: Teacher, pairs: AssignedPairs, level: Array, until: Array) -> Float[Array, " M"]:
    wait = collapsed_time(teacher.link, pairs.overlaps) - collapsed_time(teacher.link, jnp.sqrt(level))
    times = jnp.maximum(wait, 0.0) / jnp.abs(teacher.search_rates)
    return jnp.where(pairs.has & (times <= until), times, jnp.inf)


def curve_of_pairs(teacher: Teacher, pairs: AssignedPairs, times: Float[Array, " T"]) -> MasterCurve:
    """The master curve, back to the smallest overlap; under jit, where it is not known, back to R = 10⁶⁰."""
    if is_traced(teacher, pairs, times):
        return master_curve_of(teacher.link, _FURTHEST)
    return master_curve_of(teacher.link, min(float(_furthest(teacher.link, pairs)), _FURTHEST))


@eqx.filter_jit
def _furthest(link: Link, pairs: AssignedPairs) -> Float[Array, ""]:
    return jnp.max(jnp.where(pairs.has, collapsed_time(link, pairs.overlaps), 0.0))


class _PairsBegun(NamedTuple):
    """The constants of each pair that its state at every output time is computed from, all at the start.

    Attributes:
        position: λ = log(m/√(1 - m²)).
        ahead: the collapsed time R until m² = ½.
        growth: the integral I.
        H: the integral H.
        lag: x = 1/ŝ - 1.
    """

    position: Float[Array, " M"]
    ahead: Float[Array, " M"]
    growth: Float[Array, " M"]
    H: Float[Array, " M"]
    lag: Float[Array, " M"]


def _begin(teacher: Teacher, pairs: AssignedPairs, curve: MasterCurve) -> _PairsBegun:
    ahead = collapsed_time(teacher.link, pairs.overlaps)
    _, growth, H, _ = evaluate_curve(teacher.link, curve, ahead)
    return _PairsBegun(position_of(pairs.overlaps), ahead, growth, H, jnp.abs(teacher.a) / pairs.s - 1)


class _PairsNow(NamedTuple):
    """Each pair at one time.

    Attributes:
        position: λ = log(m/√(1 - m²)).
        lag: x = 1/ŝ - 1.
        deficit: 1 - g(m)/g(1).
    """

    position: Float[Array, " M"]
    lag: Float[Array, " M"]
    deficit: Float[Array, " M"]


def _at(
    teacher: Teacher, pairs: AssignedPairs, begun: _PairsBegun, curve: MasterCurve, time: Float[Array, ""]
) -> _PairsNow:
    target, y = teacher.link.dual(1.0), jnp.abs(teacher.search_rates) * time
    ahead = begun.ahead - y
    past = jnp.maximum(curve.end - ahead, 0.0)  # time since the curve's end, where m = 1 to the last bit
    position, growth, H, log_deficit = evaluate_curve(teacher.link, curve, ahead + past)
    kept = jnp.exp(4 * (begun.growth - growth)) * begun.lag
    fed = 4 * target * jnp.exp(-4 * growth) * (y - past + (H - begun.H))
    still = time == 0  # the start itself, to the last bit
    lag = jnp.where(still, begun.lag, (kept + fed) * jnp.exp(-4 * target * past))
    position = jnp.where(still, begun.position, position)
    deficit = jnp.exp(log_deficit - 2 * curve.rate * past)
    return _PairsNow(position, lag, deficit)


def _risk(teacher: Teacher, pairs: AssignedPairs, now: _PairsNow, time: Float[Array, ""]) -> Float[Array, ""]:
    """[Σ_p a_p² (1 - 2ŝ g(m)/g(1) + ŝ²) + Σ_spectators s²]/Σa², so that nothing cancels when all is learned."""
    radius = 1 / (1 + now.lag)
    each = jnp.where(pairs.has, (radius * now.lag) ** 2 + 2 * radius * now.deficit, 1.0)
    directions = jnp.sum(teacher.a**2 * each)
    return (directions + pairs.spectators.energy(4 * teacher.link.dual(1.0) * time)) / jnp.sum(teacher.a**2)


@eqx.filter_jit
def observables_of_pairs(
    teacher: Teacher, pairs: AssignedPairs, curve: MasterCurve, times: Float[Array, " T"]
) -> Observables:
    """Risk (T,), alignment m_p² (T, M) and radius s_p (T, M) at canonical times."""
    begun = _begin(teacher, pairs, curve)

    def at(time: Array) -> Observables:
        now = _at(teacher, pairs, begun, curve, time)
        alignment = jnp.where(pairs.has, jax.nn.sigmoid(2 * now.position), 0.0)
        radius = jnp.where(pairs.has, jnp.abs(teacher.a) / (1 + now.lag), 0.0)
        return Observables(_risk(teacher, pairs, now, time), alignment, radius)

    return jax.lax.map(at, times)


_begin_once = eqx.filter_jit(_begin)
_at_once = jax.jit(_at)
_risk_once = jax.jit(_risk)


def risk_in_threads(
    teacher: Teacher, pairs: AssignedPairs, curve: MasterCurve, times: Float[Array, " T"]
) -> Float[Array, " T"]:
    """The risk alone at canonical times, computed with one thread for each core.

    Output times are independent of each other, and compiled code runs outside Python's lock.
    """
    begun = _begin_once(teacher, pairs, curve)

    def at(time: float) -> float:
        # in two programs, as XLA sums fused look-ups one by one
        now = _at_once(teacher, pairs, begun, curve, jnp.asarray(time))
        return float(_risk_once(teacher, pairs, now, jnp.asarray(time)))

    parts = []
    with progress(times.shape[0], "decoupled flow") as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(at, np.asarray(times).tolist()):
            parts.append(part)
            bar.update()
    return jnp.asarray(np.array(parts))
