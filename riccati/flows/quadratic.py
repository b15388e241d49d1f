"""k = 2, the weights: the full gradient flow of a quadratic student, subspace and radius, solved exactly.

With S = W Wᵀ and L = ½ ||S - S*||_F², in Riccati time τ = 2t,

    dW/dτ = S*W - W(WᵀW).

In a chart X = [I; B] of the moving subspace (flows/grassmannian), with J the inverse of the pivot rows of e^{ρτ}W_0,

    S = X Q^{-1} Xᵀ,    Q = JᵀJ + Xᵀ Ψ X,    Ψ = diag((1 - e^{-2ρτ})/ρ),  2τ where ρ = 0,

and the risk splits into what the subspace misses and what the radius misses,

    ||S - S*||_F² = [1 - tr(AGAG)] + ||Lᵀ Q^{-1} L - L^{-1} XᵀAX L^{-T}||_F²,    L Lᵀ = XᵀX.

Weight decay λ adds -θW, θ = λ/(2c_2²), which leaves the subspace as it is and shifts the rates in the rest to ρ - θ
(flows/grassmannian/shifts.py).

Source: Martin et al. 2023 and BEVW25 for the equation; for the solution derivations/quadratic_weights.py and
derivations/shifted_rates.py.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..numerics import Outcome, is_outcome
from ..problem import SGD, Observables, Problem, Start, require_algorithm, require_covered, riccati_rate, sgd_of
from ..support import ArgumentError, is_traced, namespace_of, require, require_real
from .coupled import Coupled
from .flow import Flow, Solution, growing_rates, quadratic_horizon
from .grassmannian import (
    Chart,
    InitialWeights,
    Moment,
    along_directions,
    chart_emergence_times,
    cholesky,
    diagonal,
    evolve_in_charts,
    gram,
    initial_weights_of,
    inverse_of_lower,
    kernel_parts,
    namespace,
    relative,
    require_decay,
    riccati_times,
    subspace,
    subspace_risk,
    target_trace,
    under_constant_shift,
    under_varying_shift,
    weighted_grams,
)

_LARGEST_NORM = 1e75  # up to which the risk's r⁴ is in range; a start's least norm keeps r² and 1/r² there


class Quadratic(Flow):
    """The k = 2 gradient flow of the weights, exact at every time and for initial norms from 1e-150 to 1e75.

    With S = W Wᵀ and S* = Σ_m a_m θ_m θ_mᵀ, σ = c_0 + c_2 h_2, in Riccati time τ = 2 c_2² t and with weight decay λ,

        dW/dτ = (S* - θ)W - W(WᵀW),        θ = λ/(2 c_2²) + (c_0/c_2)² tr(S - S*).

    θ leaves the subspace as it is. Where it is constant, the whole solution is exact: directions with a_m > θ are
    learned to the norm a_m - θ, the weights along the others vanish, and the risk tends to Σ min(a_m, θ)²/Σa² for
    N ≥ M. Under a decay that depends on time, and for links with c_0 ≠ 0 such as z², alignments and emergence times
    are exact, and ∫θ is integrated, with a relative tolerance of 1e-10 at which norms and risk hold; changes of λ that
    are short against the flow's own times may be missed.

    `alignment` (T, M) is diag G as in `Riccati`, `radius` (T, M) is <θ_m, S θ_m>, which tends to a_m where direction m
    is learned, and `risk` (T,) is ||S - S*||_F²/||S*||_F² for c_0 = 0; nothing
    is refitted.

    The second layer a may have either sign: S ≽ 0 never learns a negative eigenvalue of S*, whose square stays in the
    risk. Correlated directions are solved in the eigenbasis of S*; alignment and radius are those of the original
    directions. In both cases an alignment may fall again; emergence times are first crossings. Under jit without decay,
    where signs cannot be read, negative rates ρ overflow beyond Riccati time 350/|ρ|, and the observables are NaN.

    Source: Martin et al. 2023 and BEVW25 (arXiv 2508.03688) for the equation; derivations/quadratic_weights.py and
    derivations/shifted_rates.py.

    Attributes:
        weight_decay: λ ≥ 0, of the loss ½E(f* - f)² + ½λ|w|²; or a function of canonical time that returns it, which
            JAX must be able to trace. Each new function compiles anew.

    Raises:
        ArgumentError: a negative weight decay; by `solve`, for a link other than c_0 + c_2 h_2, a `TypicalStart`, a
            covariance, a two-layer student, or norms above 1e75.

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

    weight_decay: float | Callable[[Array], Array] = eqx.field(static=True, default=0.0)

    @classmethod
    def of(cls, sgd: SGD) -> Quadratic:
        """The gradient flow that SGD is at small steps, in canonical time, where momentum is in the clock.

        Raises:
            ArgumentError: SGD on the sphere, on the Stiefel manifold or on the correlation loss.
        """
        sgd = sgd_of(sgd)
        require_algorithm("Quadratic", sgd)
        require(not sgd.on_stiefel, "sgd", "be another algorithm than Stiefel SGD, whose flow is Riccati()", repr(sgd))
        return cls(sgd.weight_decay)

    def __check_init__(self) -> None:
        must = "be a number, or a function of canonical time (of which files keep the name alone: solve again)"
        require(not isinstance(self.weight_decay, str), "weight_decay", must, repr(self.weight_decay))
        if not callable(self.weight_decay):
            require_real(self.weight_decay, "weight_decay", least=0)

    @property
    def label(self) -> str:
        """The flow's name in a legend."""
        return "gradient flow"

    def settings(self) -> dict[str, object]:
        """The weight decay, or the name of the function that it is."""
        decay = self.weight_decay
        return {"weight_decay": getattr(decay, "__qualname__", type(decay).__name__) if callable(decay) else decay}

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
        decay = 0.0 if callable(self.weight_decay) else self.weight_decay
        shift = decay / float(riccati_rate(problem.teacher))
        norms, a = np.asarray(start.norms), growing_rates(problem) - shift
        if not (a > 0).any():
            return expected
        a = a[a > 0]
        grown = np.log(2 * a) - np.log(np.mean(norms**2) * np.mean(overlaps))  # from θᵀSθ at the start
        growth = np.max(np.maximum(grown, np.log(2)) / (2 * a)) / riccati_rate(problem.teacher)
        return first, max(last, float(growth))

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """The solution at canonical `times`: risk, diag G and diag ΘᵀSΘ."""
        if callable(self.weight_decay) and not is_traced(times):
            require_decay(self.weight_decay, times)
        weights, times = initial_weights_of(problem, with_norms=True), riccati_times(problem.teacher, times)
        if callable(self.weight_decay) or weights.share is not None:
            return self._under_varying_shift(problem, weights.with_origin(), times)
        if self.weight_decay == 0 and (is_traced(weights) or not bool((np.asarray(weights.rates) < 0).any())):
            return evolve_in_charts(_observe, weights, Moment(times))
        clock = riccati_rate(problem.teacher)
        xp = namespace_of(weights.rates, clock, times)
        shift = self.weight_decay / xp.asarray(clock)
        moments = under_constant_shift(xp.asarray(weights.rates), shift, times)
        return evolve_in_charts(_observe, weights.with_origin(), moments)

    def _under_varying_shift(self, problem: Problem, weights: InitialWeights, times: Float[Array, " T"]) -> Solution:
        moments, shift = under_varying_shift(weights, times, riccati_rate(problem.teacher), self.weight_decay)
        solved = evolve_in_charts(_observe, weights, moments)
        if is_traced(solved):
            return solved._replace(outcome=shift.outcome, reached=shift.reached, steps=shift.steps)
        if is_outcome(solved.outcome, Outcome.interrupted):
            return solved._replace(steps=shift.steps)
        return solved._replace(outcome=shift.outcome, reached=min(int(shift.reached), len(times)), steps=shift.steps)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """First crossings, bracketed by the output times and found to rounding on the exact subspace."""
        return chart_emergence_times(problem, times, solution.observables.alignment, level)

    def student_at(self, problem: Problem, time: float) -> Start:
        """The student at canonical `time`, whose neurons `Coupled` follows along the same flow, integrated."""
        decay = self.weight_decay
        if callable(decay):
            raise ArgumentError("weight_decay", "be a number where the student at a time is asked for", repr(decay))
        return Coupled(weight_decay=decay).student_at(problem, time)


def _observe(chart: Chart, moment: Moment) -> Observables:
    begun, on_rows, on_pivots = kernel_parts(chart, moment)
    S, C, kept = weighted_grams(chart.B, chart.row_rate, on_rows)
    space, xp = subspace(S, C), namespace(S)
    unit = xp.eye(S.shape[-1])
    inverse = inverse_of_lower(cholesky(begun + on_pivots[..., None] * unit + kept))
    aligned = along_directions(chart, space.inverse, diagonal(space.W))
    radius = along_directions(chart, inverse, xp.sum(inverse**2, axis=-2))
    half = inverse @ space.L
    K = space.inverse @ (chart.column_rate[:, None] * unit + C) @ space.inverse.mT
    missed = subspace_risk(chart, space) + xp.sum((gram(half) - K) ** 2, axis=(-2, -1))
    if chart.share is not None:
        missed = missed + chart.share * (xp.sum(half**2, axis=(-2, -1)) - target_trace(chart)) ** 2
    return Observables(relative(chart, missed), aligned, radius)
