"""k = 2, the subspace: the matrix Riccati equation for the overlap Gram matrix G = Θᵀ P Θ.

With σ = h_2, S* = Θ A Θᵀ, A = diag a, the student's weights obey dW/dτ = S*W - W(WᵀW) in Riccati time τ = 2t. The
second term acts from the right, so the column space moves alone, and with P the projector on it

    dG/dτ = A G + G A - 2 G A G,        0 ≼ G ≼ I,   rank G ≤ N.

Exact solution: span W(τ) = e^{ρτ} span W(0), rates ρ = (a_1 … a_M, 0 … 0) in reduced coordinates (flows/grassmannian).
Source: BEVW25 (arXiv 2508.03688), the gradient-flow theorem; derivations/riccati_equation.py and
derivations/grassmannian.py.
"""

from __future__ import annotations

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from ..numerics import Outcome, compiled_quickly, first_crossings, integrate, log_odds
from ..problem import Observables, Problem, require_covered, riccati_rate
from ..support import require, require_real
from .flow import Flow, Solution, quadratic_horizon
from .grassmannian import (
    Chart,
    Moment,
    along_directions,
    chart_emergence_times,
    diagonal,
    evolve_in_charts,
    initial_weights_of,
    relative,
    riccati_times,
    subspace,
    subspace_risk,
    weighted_grams,
)

_DENSE_RTOL = 1e-8
_LEAK = 100  # this many tolerances out of bounds is noise that has turned into rank
_PLAIN = 0.1  # a G_mm this far outside [0, 1] is no projection's at any tolerance


class Riccati(Flow):
    """The k = 2 gradient flow of the student's subspace, with the radius refitted optimally at every time.

    With P the projector on the span of the student's weights and G = Θᵀ P Θ (M x M), in Riccati time τ = 2 c_2² t,

        dG/dτ = A G + G A - 2 G A G,        A = diag(a_1 … a_M).

    `alignment` is diag G (T, M) in [0, 1], `risk` is 1 - tr(AGAG)/Σa² (T,), and there is no radius.

    The second layer a may have either sign, as may the fitted radial part, which then also fits what the subspace holds
    of a direction with a_m < 0. Correlated directions are solved in the eigenbasis of S* = Θ A Θᵀ, and `alignment` is
    ||P θ_m||² of the original ones. In both cases an alignment may fall again; emergence times are first crossings.

    Source: BEVW25 (arXiv 2508.03688), the gradient-flow theorem; derivations/riccati_equation.py and
    derivations/grassmannian.py.

    Attributes:
        method: `"exact"` solves the equation in charts of the Grassmannian: no time step, a relative error of diag G
            near rounding at every τ, and a cost of O((M + N) N²) per output time, however far apart they are. `"ode"`
            integrates the dense M x M equation by diffrax, as a cross-check on short horizons. At long times it is
            wrong at any tolerance where not every direction emerges (N < M, or a direction without overlap): once
            diag G cannot be that of a projection of the overlaps' rank, the outcome is `rank_lost`, and the trajectory
            ends before.
        rtol: relative tolerance of `"ode"`, 1e-8 if None; the absolute tolerance is `rtol` times the least positive
            initial G_mm.

    Raises:
        ArgumentError: an unknown method, or `rtol` given to the exact solution, which has none; by `solve`, a link
            other than c h_2, a `TypicalStart`, a covariance or a two-layer student.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=3, beta=1.0, link=rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=3, dim=100, norm=0.1, seed=0)
        >>> trajectory = rc.solve(rc.Riccati(), teacher, start, [0.0, 2.0, 8.0])
        >>> [round(float(r), 4) for r in trajectory.risk]
        [0.999, 0.3214, 0.0019]
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
        """The flow's name in a legend."""
        return "gradient flow, radius refitted" if self.method == "exact" else "dense Riccati equation"

    def check(self, problem: Problem) -> None:
        """Refuse what this method does not cover: see problem/scope.py."""
        consumer = "Riccati" if self.method == "exact" else 'Riccati(method="ode")'
        require_covered(consumer, problem.teacher, problem.start)

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """First and last emergence time of the decoupled approximation, canonical; None where nothing emerges."""
        return quadratic_horizon(problem)

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """The solution at canonical `times`: risk after the best radial fit and diag G, no radius."""
        if self.method == "ode":
            return self._dense(problem, times)
        return evolve_in_charts(
            _observe, initial_weights_of(problem, with_norms=False), Moment(riccati_times(problem.teacher, times))
        )

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """First crossings, found to rounding on the exact solution; interpolated for the dense equation."""
        if self.method == "exact":
            return chart_emergence_times(problem, times, solution.observables.alignment, level)
        assert solution.observables.alignment is not None
        odds = log_odds(np.asarray(solution.observables.alignment))
        return jnp.asarray(first_crossings(times, odds, float(log_odds(level)), smooth=True))

    def _dense(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        teacher, start = problem.teacher, problem.full_start
        rtol = _DENSE_RTOL if self.rtol is None else self.rtol
        G, own_times, least, rank = _begun(start.directions, start.teacher_overlaps, riccati_rate(teacher), times)
        out = integrate(dense_velocity, G, teacher.a, own_times, rtol, rtol * least)
        observed, sound = _observe_dense(teacher.a, out.states, rank, rtol)
        outcome = Outcome.where(jnp.all(sound), out.outcome, Outcome.rank_lost)
        return Solution(observed, outcome, jnp.sum(sound), out.steps)


@compiled_quickly()
def _begun(
    directions: Float[Array, "N D"], overlaps: Float[Array, "N M"], rate: Array, times: Float[Array, " T"]
) -> tuple[Float[Array, "M M"], Float[Array, " T"], Float[Array, ""], Int[Array, ""]]:
    """G at the start, Riccati times, the least G_mm there is, and the rank of the overlaps."""
    Z = jnp.linalg.qr(directions.T)[0][: overlaps.shape[1]]
    G = Z @ Z.T
    least = jnp.min(jnp.where(jnp.diag(G) > 0, jnp.diag(G), 1.0))  # a direction without overlap has no scale
    return G, rate * times, least, jnp.linalg.matrix_rank(overlaps)


@compiled_quickly()
def _observe_dense(
    a: Float[Array, " M"], states: Float[Array, "T M M"], rank: Int[Array, ""], rtol: ArrayLike
) -> tuple[Observables, Bool[Array, " T"]]:
    """Risk and diag G, NaN from the time on at which G has no longer its rank; and up to which time it has."""
    aligned = jnp.diagonal(states, axis1=1, axis2=2)
    risk = 1 - jnp.einsum("i,tij,j,tji->t", a, states, a, states) / jnp.sum(a**2)
    sound = _keeps_its_rank(aligned, rank, rtol)
    return Observables(jnp.where(sound, risk, jnp.nan), jnp.where(sound[:, None], aligned, jnp.nan), None), sound


def _keeps_its_rank(aligned: Float[Array, "T M"], rank: Int[Array, ""], rtol: ArrayLike) -> Bool[Array, " T"]:
    """Whether diag G has been that of a projection of this rank, 0 ≤ G_mm ≤ 1 and tr G ≤ rank, up to each time."""
    noise = _LEAK * rtol
    # the tolerance is on the root mean square: one entry may have M times it
    one = jnp.minimum(noise * aligned.shape[1], _PLAIN)
    within = jnp.all((aligned >= -one) & (aligned <= 1 + one), axis=1)
    return jnp.cumprod(within & (jnp.sum(aligned, axis=1) <= rank * (1 + noise))) > 0


def dense_velocity(_: Any, G: Float[Array, "M M"], a: Float[Array, " M"]) -> Float[Array, "M M"]:
    """dG/dτ = AG + GA - 2GAG, in Riccati time τ."""
    return a[:, None] * G + G * a - 2 * G @ (a[:, None] * G)


def _observe(chart: Chart, _: Moment) -> Observables:
    space = subspace(*weighted_grams(chart.B, chart.row_rate))
    aligned = along_directions(chart, space.inverse, diagonal(space.W))
    return Observables(relative(chart, subspace_risk(chart, space)), aligned, None)
