"""Prior work: the correlation loss, where neurons do not see each other (OSSW24).

Without the student-student terms and on the sphere every neuron follows its own flow,

    du_i/dt = Σ_m a_m g'(m_im) (θ_m - m_im u_i),        |u_i| = 1,

and goes to argmax_p a_p |m_ip(0)|^(k-2). Nothing is deflated: what that costs in width is in laws/coverage.py.
Source: Oko, Song, Suzuki & Wu 2024 for the algorithm; derivations/coverage.py.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..numerics import Integrated, first_crossings, integrate, log_odds
from ..problem import Observables, Problem, Start, Teacher, overlap_scores, require_standard
from ..support import is_traced
from .coupled import check_slope
from .flow import Flow, Solution, in_blocks
from .reduced_coordinates import on_sphere

_RTOL = 1e-8
_ROUNDS, _FACTOR = 16, 4.0  # of the integrations that look for a horizon, each so many times longer
_LOOKS = 256  # their output times
_AT_REST = 1e-3  # a neuron is at rest if it would move by less, relative to its overlap, in all of the time so far


class Correlation(Flow):
    """The correlation-loss flow: each neuron alone on the sphere.

    `alignment` is max_i m_im²; there is no radius. `risk` is that after the second layer has been fitted to the
    neurons, 1 - bᵀ K^{-1} b/E f*² with K = g(q), b = g(m) a, the second stage of layer-wise training.
    """

    @property
    def label(self) -> str:
        """What it follows, in the words of a legend."""
        return "correlation-loss flow"

    def check(self, problem: Problem) -> None:
        """The standard problem with all overlaps, a link with finite g'(1)."""
        _ = problem.full_start
        require_standard("Correlation", problem.teacher, problem.start)
        check_slope(problem.teacher.link, "Correlation")

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """Found by integrations, each four times longer than the last, until every neuron is at rest."""
        teacher = problem.teacher
        found = np.full(teacher.width, np.inf)
        end = 1 / float(teacher.link.dual_derivative(1.0) * jnp.max(teacher.a))
        for _ in range(_ROUNDS):
            end *= _FACTOR
            times = jnp.asarray(np.geomspace(1e-2 * end, end, _LOOKS))
            out = _through(problem, times)
            solution = Solution(_observables(teacher, out.states))
            # a round looks at no time before its first: emergences up to there are an earlier round's
            found = np.minimum(found, self.emergence_times(problem, times, solution, 0.5))
            if bool(_is_at_rest(teacher, out.states, times) | (out.reached < _LOOKS)):
                break
        found = found[np.isfinite(found) & (found > 0)]
        return (float(found.min()), float(found.max())) if len(found) else None

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """Risk after a fit of the second layer, and alignment."""

        def evolved(times: Array) -> Solution:
            out = _through(problem, times)
            return Solution(_observables(problem.teacher, out.states), out.outcome, out.reached, out.steps)

        return in_blocks(evolved, times)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """Read off the output times by monotone interpolation of the log-odds."""
        if is_traced(times, solution.observables):
            raise TypeError("Emergence times of Correlation need concrete arrays: ask for them outside jit.")
        assert solution.observables.alignment is not None
        odds = log_odds(np.asarray(solution.observables.alignment))
        return jnp.asarray(first_crossings(times, odds, float(log_odds(level)), smooth=True))


def correlation_velocity(_: Any, U: Float[Array, "N D"], teacher: Teacher) -> Float[Array, "N D"]:
    """du_i/dt = Σ_m a_m g'(m_im)(θ_m - m_im u_i)."""
    width = teacher.width
    U = on_sphere(U)
    m = U[:, :width]
    pull = teacher.a * teacher.link.dual_derivative(m)
    return (-jnp.sum(pull * m, axis=1)[:, None] * U).at[:, :width].add(pull)


def _through(problem: Problem, times: Float[Array, " T"]) -> Integrated:
    """The neurons' directions at `times`."""
    start = problem.full_start
    # every neuron's own largest overlap is what has to grow; none of them may drown in the tolerance
    size = jnp.max(jnp.abs(start.teacher_overlaps), axis=1)
    atol = jax.lax.stop_gradient(_RTOL * jnp.min(jnp.where(size > 0, size, 1.0)))
    return integrate(correlation_velocity, start.directions, problem.teacher, times, _RTOL, atol)


@eqx.filter_jit
def _observables(teacher: Teacher, states: Float[Array, "T N D"]) -> Observables:
    return jax.lax.map(lambda U: _observe(teacher, U), states)


@eqx.filter_jit
def _is_at_rest(teacher: Teacher, states: Float[Array, "T N D"], times: Float[Array, " T"]) -> Bool[Array, ""]:
    """Whether no neuron has anywhere left to go at the last time; overlaps that cannot grow go nowhere."""
    U = states[-1]
    m = U[:, : teacher.width]
    move = times[-1] * jnp.abs(correlation_velocity(0.0, U, teacher)).max(axis=1)
    stuck = jnp.max(overlap_scores(teacher.a, m, teacher.link), axis=1) <= 0
    return jnp.all(stuck | (move <= _AT_REST * jnp.max(jnp.abs(m), axis=1)))


def _observe(teacher: Teacher, U: Array) -> Observables:
    U = on_sphere(U)
    m = U[:, : teacher.width]
    K, b = teacher.link.dual(U @ U.T), teacher.link.dual(m) @ teacher.a
    # neurons that went to the same direction make K singular: the least-squares fit takes any of them
    eigenvalues, vectors = jnp.linalg.eigh(K)
    kept = eigenvalues > 1e-10 * eigenvalues[-1]
    weights = vectors @ jnp.where(kept, (vectors.T @ b) / jnp.where(kept, eigenvalues, 1.0), 0.0)
    weights = jax.lax.stop_gradient(weights)  # the best ones, where their derivative does not count
    fit = 2 * weights @ b - weights @ K @ weights
    return Observables(1 - fit / teacher.second_moment, jnp.max(m**2, axis=0), None)


def destinations(teacher: Teacher, start: Start) -> Array:
    """argmax_p a_p |m_ip(0)|^(k-2) of every neuron, (N,)."""
    scores = overlap_scores(teacher.a, start.teacher_overlaps, teacher.link)
    return jnp.argmax(scores, axis=1)
