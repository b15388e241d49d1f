"""k > 2, decoupled: each direction p is learned by its own neuron ι(p), and no other pair matters.

With m the overlap of neuron ι(p) with θ_p and s its squared norm, ŝ = s/a_p, in collapsed time y = a_p t,

    dm/dy = g'(m) (1 - m²),        dŝ/dy = 4 ŝ (g(m) - g(1) ŝ),

the same two equations for every direction. The first is autonomous, so m(t) is read off one master curve; x = 1/ŝ - 1
obeys a linear equation, whence, with dI/dy = g(m) and dH/dy = (1 - g(m)/g(1)) e^{4I} - 1,

    x = e^{-4I} [ e^{4I_0} x_0 + 4 g(1) (y + H - H_0) ].

Emergence times need no curve: T_p = (1/a_p) ∫ dv/(g'(v)(1 - v²)), in closed form for h_k. Neurons that are given no
direction are spectators: only their own norm acts on them, ds/dt = -4 g(1) s².

For odd k a_p < 0 is |a_p| towards -θ_p; for even k nothing learns it. Under the input's covariance, with direction p
along its p-th eigenvector, the search for it runs at a_p λ_p in place of a_p, and its norm is taken to follow at that
speed; what turns the neuron's other coordinates meanwhile is left out, as the other overlaps are
(derivations/anisotropic.py).
Source: RNWL25 (arXiv 2504.19983), the decoupled dynamics of its proof sketch; derivations/decoupled.py.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from ..problem import AnyStart, Link, Observables, Problem, Spectators, Teacher, require_covered
from ..support import is_traced, progress, require, require_open_unit
from .flow import Course, Flow, in_blocks
from .overlap import MasterCurve, collapsed_time, evaluate, leading_collapsed_time, master_curve, position_of

_FURTHEST = 1e60  # collapsed time ahead of emergence that the master curve reaches at the most
_LEARNED = 1 - 1e-15  # overlaps this near one count as learned
_HALF = np.sqrt(0.5)  # stands in where there is no overlap
_KEPT = 2e7  # entries of an alignment that is kept; a larger one is computed when it is asked for


class Decoupled(Flow):
    """The decoupled overlap equations, k > 2 and c_0 = 0; one master curve for all directions.

    Starts: `Start`, whose neurons are given to directions by greedy maximum selection, or `TypicalStart`. Directions
    without a neuron (N < M) stay unlearned. Neurons without a direction (N > M, or for odd k overlaps that are all
    negative) are spectators, whose norms decay as s_i0/(1 + 4 g(1) s_i0 t).

    a may have either sign, and the input a covariance with directions along eigenvectors; correlated directions, a
    link for each and two-layer students are refused.

    `alignment` is m_p², `radius` is s_p, and

        risk = [ Σ_p (a_p² g(1) - 2 a_p s_p g(m_p) + s_p² g(1)) + Σ_spectators g(1) s_i² ] / Σ_p a_p² g(1).
    """

    @property
    def label(self) -> str:
        """What it follows, in the words of a legend."""
        return "decoupled gradient flow"

    def check(self, problem: Problem) -> None:
        """Refuse what this flow does not cover (problem/scope.py), and negative overlaps under mixed parity."""
        require_covered("Decoupled", problem.teacher, problem.start)
        link = problem.teacher.link
        if link.is_even or link.is_odd or is_traced(problem):
            return
        overlaps, _ = problem.assigned()
        must = "have positive overlaps for a link of mixed parity (use Coupled() for others)"
        require(not bool((overlaps < 0).any()), "start", must, "negative in some")

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """The first and the last finite emergence time."""
        times = np.asarray(_emergence(problem.teacher, _pairs(problem), 0.5))
        found = times[np.isfinite(times) & (times > 0)]
        return (float(found.min()), float(found.max())) if len(found) else None

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Course:
        """Risk, m_p² and s_p; the latter two on demand where T x M is large."""
        pairs = _pairs(problem)
        curve = _curve(problem.teacher, pairs, times)
        if problem.teacher.width * times.shape[0] > _KEPT and not is_traced(problem, times):
            return Course(Observables(_risk_in_threads(problem.teacher, pairs, curve, times), None, None))
        return in_blocks(lambda t: Course(_seen(problem.teacher, pairs, curve, t)), times)

    def details(self, problem: Problem, times: Float[Array, " T"]) -> tuple[Float[Array, "T M"], Float[Array, "T M"]]:
        """m_p² and s_p."""
        pairs = _pairs(problem)
        seen = _seen(problem.teacher, pairs, _curve(problem.teacher, pairs, times), times)
        assert seen.alignment is not None
        assert seen.radius is not None
        return seen.alignment, seen.radius

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], course: Course, level: float
    ) -> Float[Array, " M"]:
        """The exact inverse t(m² = level); differentiable in a and in the initial overlaps."""
        last = times[-1] if is_traced(times) else np.asarray(times)[-1]
        return _emergence(problem.teacher, _pairs(problem), level, last)

    def emergence_times_of(self, teacher: Teacher, start: AnyStart, level: float = 0.5) -> Float[Array, " M"]:
        """T_p = t(m² = level) with no horizon: (1/a_p) ∫_{m_0}^{√level} dv/(g'(v)(1 - v²)), inf where never.

        Raises:
            ArgumentError: as `solve` with this flow; a level outside (0, 1).
        """
        require_open_unit(level, "level")
        problem = Problem(teacher, start)
        self.check(problem)
        return _emergence(teacher, _pairs(problem), level)

    def leading_emergence_times(self, teacher: Teacher, start: AnyStart) -> Float[Array, " M"]:
        """The leading order of T_p for small overlaps, 1/(k(k-2) c_k² a_p m_0^(k-2)) (RNWL25).

        Raises:
            ArgumentError: as `solve` with this flow.
        """
        problem = Problem(teacher, start)
        self.check(problem)
        pairs = _pairs(problem)
        return jnp.where(
            pairs.has, leading_collapsed_time(teacher.link, pairs.overlaps) / jnp.abs(teacher.search_rates), jnp.inf
        )


class _Pairs(NamedTuple):
    """Each direction with its neuron, at the start.

    Attributes:
        overlaps: |m_p(0)|; where there is no neuron ½ stands in for m².
        s: s_p(0); 1 where there is no neuron.
        has: whether there is a neuron that can grow.
        spectators: the neurons that have no direction.
    """

    overlaps: Float[Array, " M"]
    s: Float[Array, " M"]
    has: Bool[Array, " M"]
    spectators: Spectators


def _pairs(problem: Problem) -> _Pairs:
    m, s = problem.assigned()
    return _pairs_of(problem.teacher.link, m, s, problem.spectators())


@eqx.filter_jit
def _pairs_of(link: Link, m: Array, s: Array, spectators: Spectators) -> _Pairs:
    has = m != 0  # assigned neurons' overlaps have a sign that grows
    return _Pairs(jnp.where(has, jnp.minimum(jnp.abs(m), _LEARNED), _HALF), jnp.where(has, s, 1.0), has, spectators)


def _emergence(teacher: Teacher, pairs: _Pairs, level: float, until: ArrayLike = jnp.inf) -> Float[Array, " M"]:
    return _inverse(teacher, pairs, jnp.asarray(level, float), jnp.asarray(until, float))


@eqx.filter_jit
def _inverse(teacher: Teacher, pairs: _Pairs, level: Array, until: Array) -> Float[Array, " M"]:
    """t(m² = level), inf where it is past `until`."""
    wait = collapsed_time(teacher.link, pairs.overlaps) - collapsed_time(teacher.link, jnp.sqrt(level))
    found = jnp.maximum(wait, 0.0) / jnp.abs(teacher.search_rates)
    return jnp.where(pairs.has & (found <= until), found, jnp.inf)


def _curve(teacher: Teacher, pairs: _Pairs, times: Float[Array, " T"]) -> MasterCurve:
    """The master curve, long enough for the smallest overlap."""
    if is_traced(teacher, pairs, times):
        return master_curve(teacher.link, _FURTHEST)
    return master_curve(teacher.link, min(float(_furthest(teacher.link, pairs)), _FURTHEST))


@eqx.filter_jit
def _furthest(link: Link, pairs: _Pairs) -> Float[Array, ""]:
    return jnp.max(jnp.where(pairs.has, collapsed_time(link, pairs.overlaps), 0.0))


class _Begun(NamedTuple):
    """What every output time shares, for each direction's neuron, at the start.

    Attributes:
        position: λ.
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


def _begin(teacher: Teacher, pairs: _Pairs, curve: MasterCurve) -> _Begun:
    ahead = collapsed_time(teacher.link, pairs.overlaps)
    _, growth, H, _ = evaluate(teacher.link, curve, ahead)
    return _Begun(position_of(pairs.overlaps), ahead, growth, H, jnp.abs(teacher.a) / pairs.s - 1)


class _Now(NamedTuple):
    """Each direction's neuron at one time.

    Attributes:
        position: λ.
        lag: 1/ŝ - 1.
        deficit: 1 - g(m)/g(1).
    """

    position: Float[Array, " M"]
    lag: Float[Array, " M"]
    deficit: Float[Array, " M"]


def _at(teacher: Teacher, pairs: _Pairs, begun: _Begun, curve: MasterCurve, time: Float[Array, ""]) -> _Now:
    target, y = teacher.link.dual(1.0), jnp.abs(teacher.search_rates) * time
    ahead = begun.ahead - y
    past = jnp.maximum(curve.end - ahead, 0.0)  # time since the curve's end, where m = 1 to the last bit
    position, growth, H, log_deficit = evaluate(teacher.link, curve, ahead + past)
    kept = jnp.exp(4 * (begun.growth - growth)) * begun.lag
    fed = 4 * target * jnp.exp(-4 * growth) * (y - past + (H - begun.H))
    still = time == 0  # the start itself, to the last bit
    lag = jnp.where(still, begun.lag, (kept + fed) * jnp.exp(-4 * target * past))
    position = jnp.where(still, begun.position, position)
    deficit = jnp.exp(log_deficit - 2 * curve.rate * past)
    return _Now(position, lag, deficit)


def _risk(teacher: Teacher, pairs: _Pairs, now: _Now, time: Float[Array, ""]) -> Float[Array, ""]:
    """[Σ_p a_p² (1 - 2ŝ g(m)/g(1) + ŝ²) + Σ_spectators s²]/Σa², so that nothing cancels when all is learned."""
    radius = 1 / (1 + now.lag)
    each = jnp.where(pairs.has, (radius * now.lag) ** 2 + 2 * radius * now.deficit, 1.0)
    directions = jnp.sum(teacher.a**2 * each)
    return (directions + pairs.spectators.energy(4 * teacher.link.dual(1.0) * time)) / jnp.sum(teacher.a**2)


@eqx.filter_jit
def _seen(teacher: Teacher, pairs: _Pairs, curve: MasterCurve, times: Float[Array, " T"]) -> Observables:
    """Everything at every time."""
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


def _risk_in_threads(teacher: Teacher, pairs: _Pairs, curve: MasterCurve, times: Array) -> Float[Array, " T"]:
    """Output times are independent, and compiled code leaves Python's lock: one thread for each core."""
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
