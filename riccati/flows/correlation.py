"""Prior work: the correlation loss, where neurons do not see each other (OSSW24).

Without the student-student terms and on the sphere every neuron follows its own flow,

    du_i/dt = Σ_m a_m g'(m_im) (θ_m - m_im u_i),        |u_i| = 1,

and goes to argmax_p a_p |m_ip(0)|^(k-2). Nothing is deflated: what that costs in width is in emergence/coverage.py.
Source: Oko, Song, Suzuki & Wu 2024 for the algorithm; derivations/coverage.py.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..numerics import first_crossings, integrate, log_odds
from ..problem import Observables, Problem, Start, Teacher, overlap_scores
from .flow import Course, Flow
from .overlap import collapsed_time

_RTOL = 1e-8


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
        """A start with all overlaps."""
        _ = problem.full_start

    def horizon(self, problem: Problem) -> tuple[float, float]:
        """When the neurons align with the directions they go to, by the decoupled equation."""
        teacher, start = problem.teacher, problem.full_start
        p = np.asarray(destinations(teacher, start))
        m = np.abs(np.asarray(start.teacher_overlaps))[np.arange(len(p)), p]
        times = np.asarray(collapsed_time(teacher.link, m)) / np.asarray(teacher.a)[p]
        times = times[times > 0]
        return (float(times.min()), float(times.max())) if len(times) else (0.1, 1.0)

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Course:
        """Risk after a fit of the second layer, and alignment."""
        teacher, start = problem.teacher, problem.full_start
        U = start.directions
        m = jnp.abs(start.teacher_overlaps)
        # every neuron's own largest overlap is what has to grow; none of them may drown in the tolerance
        atol = jax.lax.stop_gradient(_RTOL * jnp.min(jnp.max(m, axis=1)))
        out = integrate(correlation_velocity, U, teacher, times, _RTOL, atol)
        seen = jax.lax.map(lambda state: _observe(teacher, state), out.states)
        return Course(seen, out.outcome, steps=out.steps)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], course: Course, level: float
    ) -> Float[Array, " M"]:
        """Read off the output times by monotone interpolation of the log-odds."""
        assert course.seen.alignment is not None
        odds = log_odds(course.seen.alignment)
        return jnp.asarray(first_crossings(times, odds, float(log_odds(level)), smooth=True))


def correlation_velocity(_: Any, U: Float[Array, "N D"], teacher: Teacher) -> Float[Array, "N D"]:
    """du_i/dt = Σ_m a_m g'(m_im)(θ_m - m_im u_i)."""
    width = teacher.width
    U = U / jnp.linalg.norm(U, axis=1, keepdims=True)
    m = U[:, :width]
    pull = teacher.a * teacher.link.dual_derivative(m)
    return (-jnp.sum(pull * m, axis=1)[:, None] * U).at[:, :width].add(pull)


def _observe(teacher: Teacher, U: Array) -> Observables:
    U = U / jnp.linalg.norm(U, axis=1, keepdims=True)
    m = U[:, : teacher.width]
    K, b = teacher.link.dual(U @ U.T), teacher.link.dual(m) @ teacher.a
    # neurons that went to the same direction make K singular: the least-squares fit takes any of them
    eigenvalues, vectors = jnp.linalg.eigh(K)
    kept = eigenvalues > 1e-10 * eigenvalues[-1]
    fit = jnp.sum(jnp.where(kept, (vectors.T @ b) ** 2 / jnp.where(kept, eigenvalues, 1.0), 0.0))
    return Observables(1 - fit / teacher.second_moment, jnp.max(m**2, axis=0), None)


def destinations(teacher: Teacher, start: Start) -> Array:
    """argmax_p a_p |m_ip(0)|^(k-2) of every neuron, (N,)."""
    scores = overlap_scores(teacher.a, start.teacher_overlaps, teacher.link)
    return jnp.argmax(scores, axis=1)
