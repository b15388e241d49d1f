"""k > 2, decoupled: each direction p is learned by its own neuron ι(p), and no other pair matters.

With m the overlap of neuron ι(p) with θ_p and s its squared norm, ŝ = s/a_p, in collapsed time y = a_p t,

    dm/dy = g'(m) (1 - m²),        dŝ/dy = 4 ŝ (g(m) - g(1) ŝ),

the same two equations for every direction. The first is autonomous, so m(t) is read off one master curve; 1/ŝ obeys
a linear equation, whence

    1/ŝ = e^{-4I} [ e^{4I_0}/ŝ_0 + 4 g(1) (y + H - H_0) ],      dI/dy = g(m),   dH/dy = e^{4I} - 1.

Emergence times need no curve: T_p = (1/a_p) ∫ dv/(g'(v)(1 - v²)), in closed form for h_k. Neurons that are given no
direction are spectators: only their own norm acts on them, ds/dt = -4 g(1) s².
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

from ..problem import AnyStart, Observables, Problem, Spectators, Teacher
from ..support import is_traced, progress, require
from .flow import Course, Flow
from .overlap import MasterCurve, collapsed_time, evaluate, leading_collapsed_time, master_curve, position_of

_MANY = 5e6  # directions x times that take a second or two
_FURTHEST = 1e60  # collapsed time before emergence that the master curve reaches at the most
_LEARNED = 1 - 1e-15  # overlaps this near one count as learned
_HALF = np.sqrt(0.5)  # stands in where there is no overlap
_KEPT = 2e7  # entries of an alignment that is kept; a larger one is computed when it is asked for


class Decoupled(Flow):
    """The decoupled overlap equations, k > 2 and c_0 = 0; one master curve for all directions.

    Starts: `Start`, whose neurons are given to directions by greedy maximum selection, or `TypicalStart`. Directions
    without a neuron (N < M) stay unlearned. Neurons without a direction (N > M, or for odd k overlaps that are all
    negative) are spectators, whose norms decay as s_i0/(1 + 4 g(1) s_i0 t).

    `alignment` is m_p², `radius` is s_p, and

        risk = [ Σ_p (a_p² g(1) - 2 a_p s_p g(m_p) + s_p² g(1)) + Σ_spectators g(1) s_i² ] / Σ_p a_p² g(1).
    """

    @property
    def label(self) -> str:
        """What it follows, in the words of a legend."""
        return "decoupled gradient flow"

    def check(self, problem: Problem) -> None:
        """k > 2, c_0 = 0; with a link of mixed parity, positive overlaps of the assigned neurons."""
        link = problem.teacher.link
        require(link.information_exponent > 2, "teacher", "have information exponent > 2 for Decoupled", repr(link))
        require(link.is_centred, "teacher", "have a link with c_0 = 0 for Decoupled (or use Coupled())", repr(link))
        if link.is_even or link.is_odd or is_traced(problem):
            return
        overlaps, _ = problem.assigned()
        must = "have positive overlaps for a link of mixed parity (use Coupled() for others)"
        require(not bool((overlaps < 0).any()), "start", must, "negative in some")

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """The first and the last finite emergence time."""
        times = np.asarray(_emergence(problem, 0.5))
        found = times[np.isfinite(times) & (times > 0)]
        return (float(found.min()), float(found.max())) if len(found) else None

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Course:
        """Risk, m_p² and s_p; the latter two on demand where T x M is large."""
        curve = _curve(problem, times)
        begun = _begin(problem, curve)
        many = problem.teacher.width * times.shape[0]
        if is_traced(problem, times) or many < _MANY:
            risk = _risk(problem.teacher, begun, curve, times)
        else:
            risk = _risk_in_threads(problem.teacher, begun, curve, times)
        if many > _KEPT:
            return Course(Observables(risk, None, None))
        return Course(Observables(risk, *_overlaps_and_radii(problem.teacher, begun, curve, times)))

    def details(self, problem: Problem, times: Float[Array, " T"]) -> tuple[Float[Array, "T M"], Float[Array, "T M"]]:
        """m_p² and s_p."""
        curve = _curve(problem, times)
        return _overlaps_and_radii(problem.teacher, _begin(problem, curve), curve, times)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], course: Course, level: float
    ) -> Float[Array, " M"]:
        """The exact inverse t(m² = level); differentiable in a and in the initial overlaps."""
        found = _emergence(problem, level)
        return jnp.where(found <= times[-1], found, jnp.inf)

    def emergence_times_of(self, teacher: Teacher, start: AnyStart, level: float = 0.5) -> Float[Array, " M"]:
        """T_p = t(m² = level) with no horizon: (1/a_p) ∫_{m_0}^{√level} dv/(g'(v)(1 - v²)), inf where never.

        Raises:
            ArgumentError: as `solve` with this flow.
        """
        problem = Problem(teacher, start)
        self.check(problem)
        return _emergence(problem, level)

    def leading_emergence_times(self, teacher: Teacher, start: AnyStart) -> Float[Array, " M"]:
        """The leading order of T_p for small overlaps, 1/(k(k-2) c_k² a_p m_0^(k-2)) (RNWL25).

        Raises:
            ArgumentError: as `solve` with this flow.
        """
        problem = Problem(teacher, start)
        self.check(problem)
        overlaps, has = _given(problem)
        return jnp.where(has, leading_collapsed_time(teacher.link, overlaps) / teacher.a, jnp.inf)


def _given(problem: Problem) -> tuple[Float[Array, " M"], Bool[Array, " M"]]:
    """|m_p(0)| of the neuron that direction p gets, and whether it gets one; ½ stands in for m² where not."""
    m, _ = problem.assigned()
    grows = m != 0 if problem.teacher.link.either_sign else m > 0
    return jnp.where(grows, jnp.minimum(jnp.abs(m), _LEARNED), _HALF), grows


def _emergence(problem: Problem, level: float) -> Float[Array, " M"]:
    return _inverse(problem.teacher, *_given(problem), jnp.asarray(level, float))


@eqx.filter_jit
def _inverse(teacher: Teacher, overlaps: Array, has: Array, level: ArrayLike) -> Float[Array, " M"]:
    ahead = collapsed_time(teacher.link, overlaps) - collapsed_time(teacher.link, jnp.sqrt(level))
    return jnp.where(has, jnp.maximum(ahead, 0.0) / teacher.a, jnp.inf)


def _curve(problem: Problem, times: Float[Array, " T"]) -> MasterCurve:
    """The master curve, long enough for the smallest overlap."""
    link = problem.teacher.link
    if is_traced(problem, times):
        return master_curve(link, _FURTHEST)
    overlaps, has = _given(problem)
    longest = jnp.max(jnp.where(has, collapsed_time(link, overlaps), 0.0))
    return master_curve(link, min(float(longest), _FURTHEST))


class _Begun(NamedTuple):
    """What every output time shares, for each direction's neuron, and the spectators.

    `position` is λ and `ahead` the collapsed time until m² = ½, both at the start; `exponent` and `H` the integrals I
    and H there; `inverse` 1/ŝ there; `has` tells whether there is a neuron at all.
    """

    position: Float[Array, " M"]
    ahead: Float[Array, " M"]
    exponent: Float[Array, " M"]
    H: Float[Array, " M"]
    inverse: Float[Array, " M"]
    has: Bool[Array, " M"]
    spectators: Spectators


def _begin(problem: Problem, curve: MasterCurve) -> _Begun:
    overlaps, has = _given(problem)
    return _begin_at(problem.teacher, curve, overlaps, has, problem.assigned()[1], problem.spectators())


@eqx.filter_jit
def _begin_at(
    teacher: Teacher, curve: MasterCurve, overlaps: Array, has: Array, s0: Array, spectators: Spectators
) -> _Begun:
    ahead = collapsed_time(teacher.link, overlaps)
    _, exponent, H, _ = evaluate(teacher.link, curve, ahead)
    inverse = jnp.where(has, teacher.a / jnp.where(has, s0, 1.0), 1.0)
    return _Begun(position_of(overlaps), ahead, exponent, H, inverse, has, spectators)


def _at(teacher: Teacher, begun: _Begun, curve: MasterCurve, time: Float[Array, ""]) -> tuple[Array, Array, Array]:
    """λ_p of |m_p|, ŝ_p (0 without a neuron) and 1 - g(m_p)/g(1) at one time."""
    target, y = teacher.link.dual(1.0), teacher.a * time
    ahead = begun.ahead - y
    past = jnp.maximum(curve.end - ahead, 0.0)  # time since the curve's end, where m = 1 to the last bit
    position, exponent, H, gap = evaluate(teacher.link, curve, ahead + past)
    growth = jnp.exp(4 * (begun.exponent - exponent)) * begun.inverse
    fed = 4 * target * jnp.exp(-4 * exponent) * (y - past + (H - begun.H))
    still = time == 0  # the start itself, to the last bit
    inverse = jnp.where(still, begun.inverse, growth + fed)
    inverse = 1 + (inverse - 1) * jnp.exp(-4 * target * past)
    position = jnp.where(still, begun.position, position)
    missing = jnp.exp(gap - 2 * curve.rate * past)
    return position, jnp.where(begun.has, 1 / inverse, 0.0), missing


@jax.jit
def _weigh(
    teacher: Teacher, spectators: Spectators, time: Array, _: Array, radius: Array, gap: Array
) -> Float[Array, ""]:
    """Σ_p a_p² (1 - 2ŝ g(m)/g(1) + ŝ²) + Σ_spectators s², written so that nothing cancels when all is learned."""
    directions = jnp.sum(teacher.a**2 * ((1 - radius) ** 2 + 2 * radius * gap))
    return directions + spectators.energy(4 * teacher.link.dual(1.0) * time)


_at_once = jax.jit(_at)


@jax.jit
def _risk(teacher: Teacher, begun: _Begun, curve: MasterCurve, times: Float[Array, " T"]) -> Float[Array, " T"]:
    return jax.lax.map(lambda t: _weigh(teacher, begun.spectators, t, *_at(teacher, begun, curve, t)), times)


def _risk_in_threads(teacher: Teacher, begun: _Begun, curve: MasterCurve, times: Array) -> Float[Array, " T"]:
    """Output times are independent, and compiled code leaves Python's lock: one thread for each core."""

    def at(time: Array) -> Array:
        # apart, as XLA sums fused look-ups one by one
        return jax.block_until_ready(_weigh(teacher, begun.spectators, time, *_at_once(teacher, begun, curve, time)))

    parts = []
    with progress(times.shape[0], "decoupled flow") as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(at, times):
            parts.append(part)
            bar.update()
    return jnp.stack(parts)


@jax.jit
def _overlaps_and_radii(
    teacher: Teacher, begun: _Begun, curve: MasterCurve, times: Float[Array, " T"]
) -> tuple[Float[Array, "T M"], Float[Array, "T M"]]:
    def at(time: Array) -> tuple[Array, Array]:
        position, radius, _ = _at(teacher, begun, curve, time)
        return jnp.where(begun.has, jax.nn.sigmoid(2 * position), 0.0), radius * teacher.a

    return jax.lax.map(at, times)
