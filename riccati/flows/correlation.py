"""Prior work: the correlation loss, under which neurons do not act on each other (OSSW24).

Without the student-student terms and on the sphere every neuron follows its own flow,

    du_i/dt = Σ_m a_m g'(m_im) (θ_m - m_im u_i),        |u_i| = 1,

and goes to the direction argmax_p a_p |m_ip(0)|^(k-2). Learned directions are not taken off the target (no deflation);
laws/coverage.py computes how wide a student must be then.
Source: Oko, Song, Suzuki & Wu 2024 for the algorithm; derivations/coverage.py.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..numerics import Integrated, first_crossings, integrate, log_odds, message_of
from ..problem import Observables, Problem, Start, Teacher, overlap_scores, require_covered
from ..support import is_traced, require
from .flow import Flow, Solution, at_padded_times
from .reduced_coordinates import on_sphere

_RTOL = 1e-8
_ROUNDS, _FACTOR = 16, 4.0  # of the integrations that look for a horizon, each so many times longer
_LOOKS = 256  # their output times
_AT_REST = 1e-3  # a neuron is at rest if it would move by less, relative to its overlap, in all of the time so far


class Correlation(Flow):
    """The gradient flow of the correlation loss, under which each neuron moves alone on the sphere.

    With |u_i| = 1, overlaps m_im = <u_i, θ_m> and dual activation g, in canonical time,

        du_i/dt = Σ_m a_m g'(m_im) (θ_m - m_im u_i).

    `alignment` (T, M) is max_i m_im², and there is no radius. `risk` (T,) is the risk after the second layer has been
    fitted to the neurons, 1 - bᵀ K^{-1} b/E f*² with K = g(q), b = g(m) a: the second stage of layer-wise training.

    Source: Oko, Song, Suzuki & Wu 2024 for the algorithm; derivations/coverage.py.

    Raises:
        ArgumentError: by `solve`, for signed or correlated teachers, a link for each direction, a covariance, a
            two-layer student, a `TypicalStart`, or a link with infinite g'(1).

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=2, beta=1.0, link=rc.Link.hermite(4))
        >>> start = rc.Start.random(teacher, student_width=2, dim=50, norm=0.1, seed=0)
        >>> trajectory = rc.solve(rc.Correlation(), teacher, start, [5.0, 7.0, 10.0])
        >>> [round(float(r), 4) for r in trajectory.risk]
        [0.9999, 0.2456, 0.2]
    """

    @property
    def label(self) -> str:
        """The flow's name in a legend."""
        return "correlation-loss flow"

    def check(self, problem: Problem) -> None:
        """Refuse what this flow does not cover: see problem/scope.py."""
        require_covered("Correlation", problem.teacher, problem.start)

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """First and last emergence time, canonical; integrations get four times longer until every neuron rests."""
        teacher = problem.teacher
        emergence = np.full(teacher.width, np.inf)
        end = 1 / float(teacher.link.dual_derivative(1.0) * jnp.max(teacher.a))
        for _ in range(_ROUNDS):
            end *= _FACTOR
            times = jnp.asarray(np.geomspace(1e-2 * end, end, _LOOKS))
            out = _through(problem, times)
            solution = Solution(_observables(teacher, out.states))
            # a round looks at no time before its first: emergences up to there are an earlier round's
            emergence = np.minimum(emergence, self.emergence_times(problem, times, solution, 0.5))
            if bool(_is_at_rest(teacher, out.states, times) | (out.reached < _LOOKS)):
                break
        later = emergence[np.isfinite(emergence) & (emergence > 0)]
        return (float(later.min()), float(later.max())) if len(later) else None

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """The solution at canonical `times`: risk after a fit of the second layer, and alignment."""

        def evolved(times: Array) -> Solution:
            out = _through(problem, times)
            return Solution(_observables(problem.teacher, out.states), out.outcome, out.reached, out.steps)

        return at_padded_times(evolved, times)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """First crossings by monotone interpolation of the log-odds between output times.

        Raises:
            TypeError: under jit, where arrays are not concrete.
        """
        if is_traced(times, solution.observables):
            raise TypeError("Emergence times of Correlation need concrete arrays: ask for them outside jit.")
        assert solution.observables.alignment is not None
        odds = log_odds(np.asarray(solution.observables.alignment))
        return jnp.asarray(first_crossings(times, odds, float(log_odds(level)), smooth=True))

    def student_at(self, problem: Problem, time: float) -> Start:
        """The student at canonical `time`, with the norms and the second layer of its start."""
        start, out = problem.full_start, _through(problem, jnp.asarray([float(time)]))
        reached = int(out.reached)
        require(reached == 1, "time", "be one that the flow reaches", f"{time:g}, but {message_of(out.outcome)}")
        return start.moved_to(problem.teacher, on_sphere(out.states[-1]), start.norms, start.second_layer)


def correlation_velocity(_: Any, U: Float[Array, "N D"], teacher: Teacher) -> Float[Array, "N D"]:
    """du_i/dt = Σ_m a_m g'(m_im)(θ_m - m_im u_i), canonical time, (N, D)."""
    width = teacher.width
    U = on_sphere(U)
    m = U[:, :width]
    pull = teacher.a * teacher.link.dual_derivative(m)
    return jnp.pad(pull, ((0, 0), (0, U.shape[1] - width))) - jnp.sum(pull * m, axis=1)[:, None] * U


def _through(problem: Problem, times: Float[Array, " T"]) -> Integrated:
    """The neurons' directions at canonical `times`, (T, N, D)."""
    start = problem.full_start
    atol = _absolute_tolerance(start.teacher_overlaps)
    return integrate(correlation_velocity, start.directions, problem.teacher, times, _RTOL, atol)


@jax.jit
def _absolute_tolerance(overlaps: Float[Array, "N M"]) -> Float[Array, ""]:
    """Every neuron's own largest overlap is what has to grow, and none of them may drown in the tolerance."""
    size = jnp.max(jnp.abs(overlaps), axis=1)
    return jax.lax.stop_gradient(_RTOL * jnp.min(jnp.where(size > 0, size, 1.0)))


@eqx.filter_jit
def _observables(teacher: Teacher, states: Float[Array, "T N D"]) -> Observables:
    return jax.lax.map(lambda U: _observe(teacher, U), states)


@eqx.filter_jit
def _is_at_rest(teacher: Teacher, states: Float[Array, "T N D"], times: Float[Array, " T"]) -> Bool[Array, ""]:
    """Whether every neuron is at rest at the last time, or has no overlap that can grow."""
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
    """The direction that each neuron goes to under the correlation loss, argmax_p a_p |m_ip(0)|^(k-2), (N,)."""
    scores = overlap_scores(teacher.a, start.teacher_overlaps, teacher.link)
    return jnp.argmax(scores, axis=1)
