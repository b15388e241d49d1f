"""k > 2, decoupled: each direction p is learned by its own neuron ι(p), and no other pair matters.

With m the overlap of neuron ι(p) with θ_p and s its squared norm, ŝ = s/a_p, in collapsed time y = a_p t,

    dm/dy = g'(m) (1 - m²),        dŝ/dy = 4 ŝ (g(m) - g(1) ŝ),

the same two equations for every direction. The first is autonomous, so m(t) is read off one master curve; 1/ŝ obeys
a linear equation, whence

    1/ŝ = e^{-4I} [ e^{4I_0}/ŝ_0 + 4 g(1) (y + H - H_0) ],      dI/dy = g(m),   dH/dy = e^{4I} - 1.

Emergence times need no curve: T_p = (1/a_p) ∫ dv/(g'(v)(1 - v²)), in closed form for h_k.
Source: RNWL25 (arXiv 2504.19983), the decoupled dynamics of its proof sketch; derivations/decoupled.py.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import ArgumentError, is_traced, require
from .._progress import progress
from ..teacher import Teacher
from ..typical import TypicalStart
from .base import AnyStart, Flow, Observables
from .collapsed_time import collapsed_time, leading_collapsed_time
from .master_curve import MasterCurve, evaluate, master_curve, position_of

_LONG = 5e6  # directions x times that take a second or two
_LONGEST = 1e60  # collapsed time before emergence that the master curve reaches at the most
_LARGEST = 1 - 1e-15  # overlaps this near one count as learned
_HALF = np.sqrt(0.5)  # stands in where there is no overlap
_FEW = 2e7  # entries of an alignment that is kept; a larger one is computed when it is asked for


class Decoupled(Flow):
    """The decoupled overlap equations; one master curve for all directions.

    Starts: `Start`, whose neurons are given to directions by greedy maximum selection, or `TypicalStart`. Directions
    without a neuron (N < M) stay unlearned and neurons without a direction (N > M) do not count. For odd links only a
    positive overlap grows; a direction whose neuron has a negative one is never learned.

    `alignment` is m_p², `radius` is s_p, `risk` is Σ_p (a_p² g(1) - 2 a_p s_p g(m_p) + s_p² g(1))/Σ_p a_p² g(1).
    """

    def check(self, teacher: Teacher, start: AnyStart) -> None:
        """k ≥ 2; with a link of mixed parity, positive overlaps of the assigned neurons."""
        link = teacher.link
        require(link.information_exponent >= 2, "teacher", "have information exponent ≥ 2 for Decoupled", repr(link))
        if link.is_even or link.is_odd or is_traced(start):
            return
        overlaps, _ = assigned(teacher, start)
        if bool((overlaps < 0).any()):
            raise ArgumentError(
                "Argument `start` must have positive overlaps for a link of mixed parity, but some are negative: "
                "use Coupled()."
            )

    def horizon(self, teacher: Teacher, start: AnyStart) -> tuple[float, float]:
        """The first and the last finite emergence time."""
        times = np.asarray(self.emergence_times_of(teacher, start))
        found = times[np.isfinite(times) & (times > 0)]
        return (float(found.min()), float(found.max())) if len(found) else (0.1, 1.0)

    def evolve(self, teacher: Teacher, start: AnyStart, times: Float[Array, " T"]) -> Observables:
        """Risk, m_p² and s_p; the latter two on demand where T x M is large."""
        traced = is_traced(teacher, start, times)
        curve = _curve(teacher, start, times)
        begun = _begin(teacher, start, curve)
        many = teacher.width * times.shape[0]
        if traced or many < _LONG:
            risk = _risk(teacher, begun, curve, times)
        else:

            def at(time: Array) -> Array:
                # apart, as XLA sums fused look-ups one by one
                return jax.block_until_ready(_weigh(teacher, *_at_once(teacher, begun, curve, time)))

            # output times are independent, and compiled code leaves Python's lock: one thread for each core
            with progress(times.shape[0], "decoupled flow") as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
                parts = []
                for part in pool.map(at, times):
                    parts.append(part)
                    bar.update()
            risk = jnp.stack(parts)
        if many > _FEW:
            return Observables(risk, None, None)
        return Observables(risk, *_overlaps_and_radii(teacher, begun, curve, times))

    def details(
        self, teacher: Teacher, start: AnyStart, times: Float[Array, " T"]
    ) -> tuple[Float[Array, "T M"], Float[Array, "T M"]]:
        """m_p² and s_p."""
        curve = _curve(teacher, start, times)
        return _overlaps_and_radii(teacher, _begin(teacher, start, curve), curve, times)

    def emergence_times(
        self,
        teacher: Teacher,
        start: AnyStart,
        times: Float[Array, " T"],
        alignment: Float[Array, "T M"] | None,
        level: float,
    ) -> Float[Array, " M"]:
        """The exact inverse t(m² = level); differentiable in a and in the initial overlaps."""
        found = self.emergence_times_of(teacher, start, level)
        return jnp.where(found <= times[-1], found, jnp.inf)

    def emergence_times_of(self, teacher: Teacher, start: AnyStart, level: float = 0.5) -> Float[Array, " M"]:
        """T_p = t(m² = level) with no horizon: (1/a_p) ∫_{m_0}^{√level} dv/(g'(v)(1 - v²)), inf where never."""
        overlaps, grows, _ = _growing(teacher, start)
        safe = jnp.where(grows, jnp.minimum(overlaps, _LARGEST), _HALF)
        left = collapsed_time(teacher.link, safe) - collapsed_time(teacher.link, jnp.sqrt(level))
        never = jnp.where(overlaps**2 >= level, 0.0, jnp.inf)  # but for a decaying overlap that is there at the start
        return jnp.where(grows, jnp.maximum(left, 0.0) / teacher.a, never)

    def leading_emergence_times(self, teacher: Teacher, start: AnyStart) -> Float[Array, " M"]:
        """The leading order of T_p for small overlaps, 1/(k(k-2) c_k² a_p m_0^(k-2)), k > 2 (RNWL25)."""
        k = teacher.link.information_exponent
        require(k > 2, "teacher", "have information exponent > 2", k)
        overlaps, grows, _ = _growing(teacher, start)
        safe = jnp.where(grows, jnp.minimum(overlaps, _LARGEST), _HALF)
        return jnp.where(grows, leading_collapsed_time(teacher.link, safe) / teacher.a, jnp.inf)


def assigned(teacher: Teacher, start: AnyStart) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """m_p(0) and s_p(0) of the neuron that direction p gets; both 0 where it gets none."""
    if isinstance(start, TypicalStart):
        return start.overlaps, jnp.where(start.overlaps != 0, start.norms**2, 0.0)
    neuron = start.assignment(teacher)
    has = neuron >= 0
    m = start.teacher_overlaps[neuron, jnp.arange(teacher.width)]
    return jnp.where(has, m, 0.0), jnp.where(has, start.norms[neuron] ** 2, 0.0)


def _growing(teacher: Teacher, start: AnyStart) -> tuple[Array, Array, Array]:
    """|m_p(0)|, whether it grows, and s_p(0)."""
    m, s = assigned(teacher, start)
    size = jnp.abs(m)
    return size, (size > 0 if teacher.link.is_even else m > 0), s


def _curve(teacher: Teacher, start: AnyStart, times: Float[Array, " T"]) -> MasterCurve:
    """The master curve, long enough for the smallest overlap, and for the decay of an odd link's negative ones."""
    if is_traced(teacher, start, times):
        return master_curve(teacher.link, _LONGEST)
    overlaps, _, _ = _growing(teacher, start)
    present = overlaps > 0
    left = collapsed_time(teacher.link, jnp.where(present, jnp.minimum(overlaps, _LARGEST), _HALF))
    longest = jnp.max(jnp.where(present, left + teacher.a * times[-1], 0.0))
    return master_curve(teacher.link, min(float(longest), _LONGEST))


class _Begun(NamedTuple):
    """What every output time shares: λ and y* at the start, ±1 for growth or decay, I, H, 1/ŝ, and who has a neuron."""

    position: Float[Array, " M"]
    left: Float[Array, " M"]
    sign: Float[Array, " M"]
    exponent: Float[Array, " M"]
    H: Float[Array, " M"]
    inverse: Float[Array, " M"]
    has: Bool[Array, " M"]


def _begin(teacher: Teacher, start: AnyStart, curve: MasterCurve) -> _Begun:
    overlaps, grows, s0 = _growing(teacher, start)
    has = overlaps > 0
    safe = jnp.where(has, jnp.minimum(overlaps, _LARGEST), _HALF)
    left = collapsed_time(teacher.link, safe)
    _, exponent, H, _ = evaluate(teacher.link, curve, left)
    inverse = jnp.where(has, teacher.a / jnp.where(has, s0, 1.0), 1.0)
    return _Begun(position_of(safe), left, jnp.where(grows, 1.0, -1.0), exponent, H, inverse, has)


def _at(teacher: Teacher, begun: _Begun, curve: MasterCurve, time: Float[Array, ""]) -> tuple[Array, Array, Array]:
    """λ_p of |m_p|, ŝ_p (0 without a neuron) and 1 - g(m_p)/g(1) at one time."""
    target, y = teacher.link.dual(1.0), teacher.a * time
    left = begun.left - begun.sign * y
    past = jnp.maximum(curve.end - left, 0.0)  # time since the curve's end, where m = 1 to the last bit
    position, exponent, H, gap = evaluate(teacher.link, curve, left + past)
    growth = jnp.exp(4 * (begun.exponent - exponent)) * begun.inverse
    fed = 4 * target * jnp.exp(-4 * exponent) * (y - past + begun.sign * (H - begun.H))
    still = time == 0  # the start itself, to the last bit
    inverse = jnp.where(still, begun.inverse, growth + fed)
    inverse = 1 + (inverse - 1) * jnp.exp(-4 * target * past)
    position = jnp.where(still, begun.position, position)
    missing = jnp.exp(gap - 2 * curve.rate * past)
    missing = jnp.where(begun.sign > 0, missing, 2 - missing)  # g is odd where an overlap decays
    return position, jnp.where(begun.has, 1 / inverse, 0.0), missing


@jax.jit
def _weigh(teacher: Teacher, _: Array, radius: Array, gap: Array) -> Float[Array, ""]:
    """Σ_p a_p² (1 - 2ŝ g(m)/g(1) + ŝ²), written so that nothing cancels when a direction is learned."""
    return jnp.sum(teacher.a**2 * ((1 - radius) ** 2 + 2 * radius * gap))


_at_once = jax.jit(_at)


@jax.jit
def _risk(teacher: Teacher, begun: _Begun, curve: MasterCurve, times: Float[Array, " T"]) -> Float[Array, " T"]:
    return jax.lax.map(lambda time: _weigh(teacher, *_at(teacher, begun, curve, time)), times)


@jax.jit
def _overlaps_and_radii(
    teacher: Teacher, begun: _Begun, curve: MasterCurve, times: Float[Array, " T"]
) -> tuple[Float[Array, "T M"], Float[Array, "T M"]]:
    def at(time: Array) -> tuple[Array, Array]:
        position, radius, _ = _at(teacher, begun, curve, time)
        return jnp.where(begun.has, jax.nn.sigmoid(2 * position), 0.0), radius * teacher.a

    return jax.lax.map(at, times)
