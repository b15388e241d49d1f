"""k = 2, the weights: the full gradient flow of a quadratic student, subspace and radius, solved exactly.

With S = W Wᵀ and L = ½ ||S - S*||_F², in Riccati time τ = 2t,

    dW/dτ = S*W - W(WᵀW).

In a chart X = [I; B] of the moving subspace (flows/grassmannian), with J the inverse of the pivot rows of e^{ρτ}W_0,

    S = X Q^{-1} Xᵀ,    Q = JᵀJ + Xᵀ Ψ X,    Ψ = diag((1 - e^{-2ρτ})/ρ),  2τ where ρ = 0,

and the risk splits into what the subspace misses and what the radius misses,

    ||S - S*||_F² = [1 - tr(AGAG)] + ||Lᵀ Q^{-1} L - L^{-1} XᵀAX L^{-T}||_F²,    L Lᵀ = XᵀX.

Source: Martin et al. 2023 and BEVW25 for the equation; derivations/quadratic_weights.py for the solution.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float

from ..problem import Observables, Problem, require_covered, riccati_rate
from ..support import is_traced, require
from .flow import Flow, Solution, growing_rates, quadratic_horizon
from .grassmannian import (
    Chart,
    along_directions,
    chart_emergence_times,
    cholesky,
    diagonal,
    evolve_in_charts,
    gram,
    inverse_of_lower,
    namespace,
    relative,
    subspace,
    subspace_risk,
    weighted_grams,
)

_LARGEST_NORM = 1e75  # up to which the risk's r⁴ is in range; a start's least norm keeps r² and 1/r² there


class Quadratic(Flow):
    """The k = 2 gradient flow of the weights, exact at every time and for initial norms from 1e-150 to 1e75.

    With S = W Wᵀ and S* = Σ_m a_m θ_m θ_mᵀ, in Riccati time τ = 2 c_2² t,

        dW/dτ = S*W - W(WᵀW).

    `alignment` (T, M) is diag G as in `Riccati`, `radius` (T, M) is <θ_m, S θ_m>, which tends to a_m where direction m
    is learned, and `risk` (T,) is ||S - S*||_F²/||S*||_F²; nothing is refitted.

    The second layer a may have either sign: S ≽ 0 never learns a negative eigenvalue of S*, whose square stays in the
    risk. Correlated directions are solved in the eigenbasis of S*; alignment and radius are those of the original
    directions. In both cases an alignment may fall again; emergence times are first crossings. Under jit, where signs
    cannot be read, negative rates ρ overflow beyond Riccati time 350/|ρ|, and the observables are NaN.

    Source: Martin et al. 2023 and BEVW25 (arXiv 2508.03688) for the equation; derivations/quadratic_weights.py.

    Raises:
        ArgumentError: by `solve`, for a link other than c h_2, a `TypicalStart`, a covariance, a two-layer student, or
            norms above 1e75.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=2, beta=1.0, link=rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=2, dim=100, norm=1e-3, seed=0)
        >>> trajectory = rc.solve(rc.Quadratic(), teacher, start, [5.0, 10.0, 15.0])
        >>> [round(float(r), 4) for r in trajectory.risk]
        [0.4291, 0.0329, 0.0]
        >>> [round(float(s), 4) for s in trajectory.radius[-1] / teacher.a]
        [1.0, 0.9999]
    """

    @property
    def label(self) -> str:
        """The flow's name in a legend."""
        return "gradient flow"

    def check(self, problem: Problem) -> None:
        """Refuse what this flow does not cover (problem/scope.py), and norms whose squares are out of range."""
        require_covered("Quadratic", problem.teacher, problem.start)
        norms = problem.full_start.norms
        if not is_traced(norms):
            largest = np.asarray(norms).max()
            require(bool(largest <= _LARGEST_NORM), "norms", f"be ≤ {_LARGEST_NORM:g} for Quadratic", f"{largest:g}")

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """First and last emergence time of the decoupled approximation, the last not before small norms have grown."""
        start, expected = problem.full_start, quadratic_horizon(problem)
        if expected is None:
            return None
        first, last = expected
        overlaps = np.sum(np.asarray(start.teacher_overlaps) ** 2, axis=0)
        norms, a = np.asarray(start.norms), growing_rates(problem)
        grown = np.log(2 * a) - np.log(np.mean(norms**2) * np.mean(overlaps))  # from θᵀSθ at the start
        growth = np.max(np.maximum(grown, np.log(2)) / (2 * a)) / riccati_rate(problem.teacher)
        return first, max(last, float(growth))

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """The solution at canonical `times`: risk, diag G and diag ΘᵀSΘ."""
        return evolve_in_charts(_observe, problem, times, with_norms=True)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """First crossings, bracketed by the output times and found to rounding on the exact subspace."""
        return chart_emergence_times(problem, times, solution.observables.alignment, level)


def memory(rate: Float[Array, " n"], time: Float[Array, "*T"]) -> Float[Array, "*T n"]:
    """Ψ = (1 - e^{-2ρτ})/ρ of each rate ρ, 2τ where ρ = 0."""
    xp, moving = namespace(rate), rate != 0
    time = xp.asarray(time)[..., None]
    safe = xp.where(moving, rate, 1.0)
    return xp.where(moving, -xp.expm1(-2 * safe * time) / safe, 2 * time)


def _observe(chart: Chart, time: Array) -> Observables:
    S, C, kept = weighted_grams(chart.B, chart.row_rate, _kept(chart, chart.row_rate, time))
    space, xp = subspace(S, C), namespace(S)
    start, unit = gram(chart.J), xp.eye(S.shape[-1])
    if chart.fading is not None:
        start = start + chart.J.mT @ chart.fading.memory(time) @ chart.J
    Q = start + _kept(chart, chart.column_rate, time)[..., None] * unit + kept
    inverse = inverse_of_lower(cholesky(Q))
    aligned = along_directions(chart, space.inverse, diagonal(space.W))
    radius = along_directions(chart, inverse, xp.sum(inverse**2, axis=-2))
    half = inverse @ space.L
    K = space.inverse @ (chart.column_rate[:, None] * unit + C) @ space.inverse.mT
    missed = subspace_risk(chart, space) + xp.sum((gram(half) - K) ** 2, axis=(-2, -1))
    return Observables(relative(chart, missed), aligned, radius)


def _kept(chart: Chart, rate: Float[Array, " n"], time: Float[Array, "*T"]) -> Float[Array, "*T n"]:
    """Ψ of each rate; 0 for negative rates where `Fading` remembers these."""
    if chart.fading is None:
        return memory(rate, time)
    xp = namespace(rate)
    return xp.where(rate < 0, 0.0, memory(xp.maximum(rate, 0.0), time))
