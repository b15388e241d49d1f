"""k = 2, the subspace: the matrix Riccati equation for the overlap Gram matrix G = Θᵀ P Θ.

With σ = h_2, S* = Θ A Θᵀ, A = diag a, the student's weights obey dW/dτ = S*W - W(WᵀW) in Riccati time τ = 2t. The
second term acts from the right, so the column space moves alone, and with P the projector on it

    dG/dτ = A G + G A - 2 G A G,        0 ≼ G ≼ I,   rank G ≤ N.

Exact solution: span W(τ) = e^{ρτ} span W(0), rates ρ = (a_1 … a_M, 0 … 0) in reduced coordinates (flows/chart).
Source: BEVW25 (arXiv 2508.03688), the gradient-flow theorem; derivations/riccati_equation.py, grassmannian.py.
"""

from __future__ import annotations

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..numerics import Outcome, first_crossings, integrate, log_odds
from ..problem import Observables, Problem, riccati_rate
from ..support import require, require_real
from .chart import (
    Chart,
    along_directions,
    chart_emergence_times,
    follow,
    relative,
    subspace,
    subspace_risk,
    weighted_grams,
)
from .flow import Course, Flow, check_quadratic, quadratic_horizon

_DENSE_RTOL = 1e-8
_LEAK = 100  # this many tolerances out of bounds is noise that has turned into rank
_PLAIN = 0.1  # a G_mm this far outside [0, 1] is no projection's at any tolerance


class Riccati(Flow):
    """The k = 2 flow of the student's subspace; radius refitted optimally, risk = 1 - tr(AGAG)/Σa².

    a may have either sign, as may the fitted radial part: what the span holds of a direction with a_m < 0 is fitted.
    Correlated directions are solved in the eigenbasis of S*, and `alignment` is ||P θ_m||² of the original ones. With
    either an alignment may fall again; emergence times are its first crossings.

    `method="exact"` is the chart solution: no time step, relative error of diag G near rounding at every τ, cost
    O((M + N) N²) per output time, however far apart they are. `method="ode"` integrates the dense M x M equation with
    diffrax, as a cross-check on short horizons; `rtol` is its relative tolerance, and its absolute tolerance is rtol
    times the least initial G_mm above 0. At long times it is wrong at any tolerance where not every direction emerges
    (N < M, or a direction without overlap): once diag G cannot be that of a projection of the overlaps' rank, the
    outcome is `rank_lost`, and the trajectory ends before.

    Raises:
        ArgumentError: an unknown method, or `rtol` given to the exact solution, which has none.
    """

    method: Literal["exact", "ode"] = eqx.field(static=True, default="exact")
    rtol: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        require(self.method in ("exact", "ode"), "method", 'be "exact" or "ode"', repr(self.method))
        if self.rtol is not None:
            require(self.method == "ode", "rtol", 'be left out for method="exact"', self.rtol)
            require_real(self.rtol, "rtol", above=0)

    @property
    def label(self) -> str:
        """What it follows, in the words of a legend."""
        return "gradient flow, radius refitted" if self.method == "exact" else "dense Riccati equation"

    def check(self, problem: Problem) -> None:
        """Pure link h_2 and a start with all overlaps; orthonormal directions for the dense equation."""
        check_quadratic(problem, "Riccati")
        must = 'be "exact" for correlated directions'
        require(self.method == "exact" or problem.teacher.frame is None, "method", must, repr(self.method))

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """From the decoupled approximation."""
        return quadratic_horizon(problem)

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Course:
        """Risk after the best radial fit and diag G; no radius."""
        if self.method == "ode":
            return self._dense(problem, times)
        return follow(_observe, problem, times, with_norms=False)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], course: Course, level: float
    ) -> Float[Array, " M"]:
        """Bracketed on the output times, refined on the exact solution; the dense equation interpolates."""
        if self.method == "exact":
            return chart_emergence_times(problem, times, course.seen.alignment, level, with_norms=False)
        assert course.seen.alignment is not None
        odds = log_odds(course.seen.alignment)
        return jnp.asarray(first_crossings(times, odds, float(log_odds(level)), smooth=True))

    def _dense(self, problem: Problem, times: Float[Array, " T"]) -> Course:
        teacher, start = problem.teacher, problem.full_start
        rtol = _DENSE_RTOL if self.rtol is None else self.rtol
        Z = jnp.linalg.qr(start.directions.T)[0][: teacher.width]
        G = Z @ Z.T
        least = jnp.min(jnp.where(jnp.diag(G) > 0, jnp.diag(G), 1.0))  # a direction without overlap has no scale
        out = integrate(dense_velocity, G, teacher.a, riccati_rate(teacher) * times, rtol, rtol * least)
        aligned = jnp.diagonal(out.states, axis1=1, axis2=2)
        explained = jnp.einsum("i,tij,j,tji->t", teacher.a, out.states, teacher.a, out.states)
        risk = 1 - explained / jnp.sum(teacher.a**2)
        sound = _keeps_its_rank(aligned, jnp.linalg.matrix_rank(start.teacher_overlaps), rtol)
        outcome = Outcome.where(jnp.all(sound), out.outcome, Outcome.rank_lost)
        seen = Observables(jnp.where(sound, risk, jnp.nan), jnp.where(sound[:, None], aligned, jnp.nan), None)
        return Course(seen, outcome, jnp.sum(sound), out.steps)


def _keeps_its_rank(aligned: Float[Array, "T M"], rank: Int[Array, ""], rtol: float) -> Bool[Array, " T"]:
    """Up to which output time diag G is that of a projection of this rank: 0 ≤ G_mm ≤ 1 and tr G ≤ rank."""
    noise = _LEAK * rtol
    one = min(
        noise * aligned.shape[1], _PLAIN
    )  # the tolerance is on the root mean square: one entry may have M times it
    within = jnp.all((aligned >= -one) & (aligned <= 1 + one), axis=1)
    return jnp.cumprod(within & (jnp.sum(aligned, axis=1) <= rank * (1 + noise))) > 0


def dense_velocity(_: Any, G: Float[Array, "M M"], a: Float[Array, " M"]) -> Float[Array, "M M"]:
    """dG/dτ = AG + GA - 2GAG."""
    return a[:, None] * G + G * a - 2 * G @ (a[:, None] * G)


def _observe(chart: Chart, _: Array) -> Observables:
    S, C = weighted_grams(chart.B, jnp.ones_like(chart.row_rate), chart.row_rate)
    space = subspace(S, C)
    (aligned,) = along_directions(chart, (space.inverse, jnp.diag(space.W)))
    return Observables(relative(chart, subspace_risk(chart, space)), aligned, None)
