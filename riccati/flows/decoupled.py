"""k > 2, decoupled: each direction p is learned by one neuron ι(p), and no other pair matters.

With m the overlap of neuron ι(p) with θ_p, s its squared norm and ŝ = s/a_p, in collapsed time y = a_p t,

    dm/dy = g'(m) (1 - m²),        dŝ/dy = 4 ŝ (g(m) - g(1) ŝ).

These two equations are the same for every direction. The first does not contain ŝ or a_p, so m(t) is read off one
master curve for all directions; the second is linear in 1/ŝ (flows/master_curve). Emergence times need no curve:
T_p = (1/a_p) ∫ dv/(g'(v)(1 - v²)), in closed form for h_k.

Neurons that are given no direction are spectators: only their own norm acts on them, ds/dt = -4 g(1) s². For odd k
a_p < 0 is |a_p| towards -θ_p; for even k no neuron learns such a direction. Under a covariance of the input, with
direction p along its p-th eigenvector, the search for direction p runs at a_p λ_p in place of a_p, and its norm is
assumed to follow at that speed. The motion of the neuron's other coordinates is neglected, as are the other overlaps
(derivations/anisotropic.py).
Source: RNWL25 (arXiv 2504.19983), the decoupled dynamics of its proof sketch; derivations/decoupled.py.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..problem import AnyStart, Observables, Problem, Teacher, require_covered
from ..support import is_traced, require, require_open_unit
from .flow import Flow, Solution, at_padded_times
from .master_curve import (
    assigned_pairs,
    curve_of_pairs,
    emergence_of_pairs,
    leading_collapsed_time,
    observables_of_pairs,
    risk_in_threads,
)

_KEPT = 2e7  # entries of an alignment that is kept; a larger one is computed when it is asked for


class Decoupled(Flow):
    """The decoupled overlap equations for k > 2 and c_0 = 0, solved by one master curve for all directions.

    In canonical time, with g the dual activation, m_p the overlap of direction p's neuron and s_p its squared norm,

        dm_p/dt = a_p g'(m_p) (1 - m_p²),        ds_p/dt = 4 s_p (a_p g(m_p) - g(1) s_p).

    `alignment` is m_p² (T, M), `radius` is s_p (T, M), and

        risk = [ Σ_p (a_p² g(1) - 2 a_p s_p g(m_p) + s_p² g(1)) + Σ_spectators g(1) s_i² ] / Σ_p a_p² g(1).

    Neurons are given to directions by greedy maximum selection for a `Start`; a `TypicalStart` holds the outcome.
    Directions without a neuron (N < M) stay unlearned. Neurons without a direction (N > M, or for odd k overlaps that
    are all negative) are spectators, whose norms decay as s_i0/(1 + 4 g(1) s_i0 t).

    The second layer a may have either sign, and the input may have a covariance whose eigenvectors are the directions.

    Source: RNWL25 (arXiv 2504.19983), the decoupled dynamics of its proof sketch; derivations/decoupled.py.

    Raises:
        ArgumentError: by `solve`, for information exponents ≤ 2, c_0 ≠ 0, correlated directions, a link for each
            direction, a two-layer student, and negative overlaps under a link of mixed parity.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=3, beta=1.0, link=rc.Link.hermite(4))
        >>> start = rc.Start.random(teacher, student_width=6, dim=100, norm=0.01, seed=0)
        >>> trajectory = rc.solve(rc.Decoupled(), teacher, start, [0.0, 15.0, 18.0, 30.0])
        >>> [round(float(r), 4) for r in trajectory.risk]
        [1.0, 0.9843, 0.0912, 0.0]
        >>> [round(float(t), 3) for t in rc.Decoupled().emergence_times_of(teacher, start)]
        [13.705, 12.109, 18.595]
    """

    @property
    def label(self) -> str:
        """The flow's name in a legend."""
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
        """The first and the last finite emergence time, canonical; None where nothing emerges."""
        times = np.asarray(emergence_of_pairs(problem.teacher, assigned_pairs(problem), 0.5))
        times = times[np.isfinite(times) & (times > 0)]
        return (float(times.min()), float(times.max())) if len(times) else None

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """The solution at canonical `times`: risk, m_p² and s_p, the latter two left out where T x M is large."""
        teacher, pairs = problem.teacher, assigned_pairs(problem)
        curve = curve_of_pairs(teacher, pairs, times)
        if teacher.width * times.shape[0] > _KEPT and not is_traced(problem, times):
            return Solution(Observables(risk_in_threads(teacher, pairs, curve, times), None, None))
        return at_padded_times(lambda t: Solution(observables_of_pairs(teacher, pairs, curve, t)), times)

    def details(self, problem: Problem, times: Float[Array, " T"]) -> tuple[Float[Array, "T M"], Float[Array, "T M"]]:
        """m_p² and s_p at canonical `times`, for solutions that do not keep them."""
        pairs = assigned_pairs(problem)
        curve = curve_of_pairs(problem.teacher, pairs, times)
        observables = observables_of_pairs(problem.teacher, pairs, curve, times)
        assert observables.alignment is not None
        assert observables.radius is not None
        return observables.alignment, observables.radius

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """The exact inverse t(m² = level) up to times[-1]; differentiable in a and in the initial overlaps."""
        last = times[-1] if is_traced(times) else np.asarray(times)[-1]
        return emergence_of_pairs(problem.teacher, assigned_pairs(problem), level, last)

    def emergence_times_of(self, teacher: Teacher, start: AnyStart, level: float = 0.5) -> Float[Array, " M"]:
        """The canonical times t(m² = level), however late, (M,): (1/a_p) ∫_{m_0}^{√level} dv/(g'(v)(1 - v²)).

        They are inf for directions that are never learned, and need no integration in time.

        Raises:
            ArgumentError: as `solve` with this flow; a level outside (0, 1).
        """
        require_open_unit(level, "level")
        problem = Problem(teacher, start)
        self.check(problem)
        return emergence_of_pairs(teacher, assigned_pairs(problem), level)

    def leading_emergence_times(self, teacher: Teacher, start: AnyStart) -> Float[Array, " M"]:
        """The leading order of T_p for small overlaps, 1/(k(k-2) c_k² a_p m_0^(k-2)), canonical, (M,).

        Source: RNWL25 (arXiv 2504.19983), its emergence times; derivations/emergence_time.py.

        Raises:
            ArgumentError: as `solve` with this flow.
        """
        problem = Problem(teacher, start)
        self.check(problem)
        pairs = assigned_pairs(problem)
        ahead = leading_collapsed_time(teacher.link, pairs.overlaps)
        return jnp.where(pairs.has, ahead / jnp.abs(teacher.search_rates), jnp.inf)
