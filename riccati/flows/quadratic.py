"""k = 2, the weights: the full gradient flow of a quadratic student, direction and radius, solved exactly.

With S = W Wᵀ and L = ½ ||S - S*||_F², in Riccati time τ = 2t,

    dW/dτ = S*W - W(WᵀW).

In a chart X = [I; B] of the moving subspace (flows/chart), with J the inverse of the pivot rows of e^{ρτ}W_0,

    S = X Q^{-1} Xᵀ,    Q = JᵀJ + Xᵀ Ψ X,    Ψ = diag((1 - e^{-2ρτ})/ρ),  2τ where ρ = 0,

and the risk splits into what the subspace misses and what the radius misses,

    ||S - S*||_F² = [1 - tr(AGAG)] + ||Lᵀ Q^{-1} L - L^{-1} XᵀAX L^{-T}||_F²,    L Lᵀ = XᵀX.

Source: Martin et al. 2023 and BEVW25 for the equation; derivations/quadratic_weights.py for the solution.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..problem import Observables, Problem, riccati_rate
from .chart import (
    Chart,
    alignment,
    chart_emergence_times,
    follow,
    row_sizes,
    subspace,
    subspace_risk,
    teacher_diagonal,
    weighted_grams,
)
from .flow import Course, Flow, check_quadratic, quadratic_horizon


class Quadratic(Flow):
    """The k = 2 gradient flow of the weights, exact for every time and every initial norm.

    `alignment` is diag G, as in `Riccati`; `radius` is <θ_m, S θ_m>, which tends to a_m where direction m is
    learned; `risk` is ||S - S*||_F², nothing refitted.
    """

    @property
    def label(self) -> str:
        """What it follows, in the words of a legend."""
        return "gradient flow"

    def check(self, problem: Problem) -> None:
        """Pure link h_2 and a start with all overlaps."""
        check_quadratic(problem, "Quadratic")

    def horizon(self, problem: Problem) -> tuple[float, float]:
        """From the decoupled approximation, with the time that a small initial norm needs to grow."""
        teacher, start = problem.teacher, problem.full_start
        first, last = quadratic_horizon(problem)
        overlaps = jnp.sum(start.teacher_overlaps**2, axis=0)
        size = jnp.mean(start.norms**2) * jnp.mean(overlaps)  # θᵀSθ at the start
        a = jnp.sort(teacher.a)[-start.student_width :]
        growth = jnp.max(jnp.log(jnp.maximum(2 * a / size, 2.0)) / (2 * a)) / riccati_rate(teacher)
        return first, max(last, float(growth))

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Course:
        """Risk, diag G and diag ΘᵀSΘ."""
        teacher, start = problem.teacher, problem.full_start
        norms = start.norms[:, None]
        m, factor = norms * start.teacher_overlaps, norms * start.residual_factor
        return Course(follow(_observe, True, m, factor, teacher.a, riccati_rate(teacher) * times))

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], course: Course, level: float
    ) -> Float[Array, " M"]:
        """Bracketed on the output times and refined on the exact subspace."""
        return chart_emergence_times(problem, times, course.seen.alignment, level)


def memory(rate: Float[Array, " n"], time: Float[Array, ""]) -> Float[Array, " n"]:
    """Ψ = (1 - e^{-2ρτ})/ρ, 2τ where ρ = 0."""
    moving = rate != 0
    safe = jnp.where(moving, rate, 1.0)
    return jnp.where(moving, -jnp.expm1(-2 * safe * time) / safe, 2 * time)


def _observe(chart: Chart, time: Array) -> Observables:
    space = subspace(chart)
    L, J = space.L, chart.J
    (gram,) = weighted_grams(chart.B, memory(chart.row_rate, time))
    Q = J.T @ J + jnp.diag(memory(chart.column_rate, time)) + gram
    F = jnp.linalg.cholesky(Q)
    lower = jax.scipy.linalg.solve_triangular
    half = lower(F, L, lower=True)
    K = lower(L, lower(L, jnp.diag(chart.column_rate) + space.C, lower=True).T, lower=True)
    inverse = lower(F, jnp.eye(F.shape[0]), lower=True)
    radius = teacher_diagonal(chart, row_sizes(chart.B, F), jnp.sum(inverse**2, axis=0))
    misfit = jnp.sum((half.T @ half - K) ** 2)
    return Observables(subspace_risk(chart, space) + misfit, alignment(chart, space), radius)
