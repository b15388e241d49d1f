"""Online SGD at step size γ/d: the deterministic limit d → ∞ that gradient flow misses.

A step of size γ/d moves the weights by its mean, which is gradient flow, and by noise. Squared, the noise is of order
|x|²/d² ~ 1/d a step, as large as the mean: it draws directions away from the teacher and lengthens neurons, at a rate
proportional to γ and to the residual. So SGD ends on a plateau above gradient flow's, and directions with small a_m
are never learned. The systems are derived in derivations/finite_step.py (Stiefel SGD, k = 2),
derivations/finite_step_weights.py (the weights, k = 2), derivations/own_pair.py (k > 2, each direction with its own
neuron) and derivations/noise_moments.py (any link, all neurons). Fluctuations of single
overlaps, of order d^(-1/2), are not in the limit; the search phase's are in derivations/search_phase.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..numerics import Integrated, Outcome, compiled_quickly
from ..problem import SGD, Constraint, Link, Observables, Problem, require_standard
from ..support import is_traced, require, require_real, warn_renamed
from .coupled import Coupled
from .decoupled import Decoupled
from .flow import Flow, Solution, in_blocks
from .gradient_noise import (
    System,
    neuron_system,
    pair_system,
    refined_crossings,
    states_at,
    stiefel_system,
    weights_system,
)
from .quadratic import Quadratic
from .riccati import Riccati


def _plain(value: Any) -> Any:
    """A number as a Python float, which is what a static field may hold; anything else is left to be refused."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _renamed(algorithm: object, constraint: object) -> Literal["stiefel"] | None:
    """The constraint that the old argument `algorithm` stands for; its γ of Stiefel SGD was εd/B = 2ηd/B."""
    require(constraint is None, "algorithm", "be left out beside `constraint`", repr(algorithm))
    known = algorithm in ("homogeneous", "stiefel")
    require(known, "algorithm", 'be left out, or "stiefel" or "homogeneous" in the old way', repr(algorithm))
    if algorithm == "homogeneous":
        warn_renamed('FiniteStep(γ, algorithm="homogeneous")', "FiniteStep(γ)")
        return None
    warn_renamed(
        'FiniteStep(γ, algorithm="stiefel"), with γ = εd/B,', 'FiniteStep(γ/2, constraint="stiefel"), with γ = ηd/B'
    )
    return "stiefel"


class FiniteStep(Flow):
    """SGD with step size γ/d, d → ∞.

    Attributes:
        gamma: γ = ηd/B ≥ 0, η the learning rate on ½(f* - f)², that is canonical time per step, B the batch. γ = 0 is
            gradient flow, and solved as such.
        constraint: None, SGD on the weights of the 2-homogeneous student (gradient flow: `Quadratic` for k = 2,
            `Decoupled` for k > 2, as `solve` takes them), or, for k = 2, `"stiefel"`, SGD on orthonormal weights
            (`Riccati`), whose radii are fitted afterwards.
        student_scale: Stiefel SGD's student is f(x) = c(xᵀWWᵀx - N); None takes c = ‖a‖/√N.
        pairs: `"own"`, pure links of k > 2: each direction meets its own neuron, as in `Decoupled`; `"all"`, any link
            but h_2: all neurons and directions meet, as in `Coupled`, at a cost of O(N²(M + N)²) a step. None takes
            `"own"` for pure links and `"all"` for others. For h_2 the limit is always that of all.
        rtol: relative tolerance; the absolute one is `rtol` times the smallest initial overlap.

    Observables are those of the gradient flow named above. For `"all"` the noise enters through E e²σ'σ'ᵀ: exact for
    Hermite series of degree ≤ 6, else averaged over 2¹⁴ Sobol points, right to some 10⁻³; `rtol` is then 10⁻⁶ at the
    least. A direction grows from a small overlap if

        stiefel              a_m > (γ/4)(1 - N/d)(c²N + A + 4c²),   γA(1 - N/d)(½ + 1/N) for c = ‖a‖/√N
        homogeneous, k = 2   a_m > c_2² γA/2                        small norms
        homogeneous, k > 2   a_p |m_p|^(k-2) > c_k² γA/2            small norms

    while nothing is learned, A = Σ a_m²; later the noise is less, as the residual is. SGD on the weights holds what it
    has learned while Σ_q γ a_q g'(1)/[2 - γ a_q (E σ'⁴/g'(1) - g'(1))] < 1 over the learned directions, for one
    direction γ < 2g'(1)/(a E σ'⁴): 1/3, 0.0444 and 0.00538 for h_2, h_3 and h_4 with a = 1
    (riccati/laws/divergence.py, with the fraction of the runs that diverge at finite d). Where γ is so large that
    the weights explode in finite time, the outcome is `exploded`; from then on risk and radius are inf and alignment is
    0. A risk far below `rtol`² of its start is not resolved for γ > 0. Steps are explicit, so the flow reaches some
    10⁴/a_1 of canonical time; beyond that it ends likewise, with its outcome.

    Raises:
        ArgumentError: γ < 0 or not finite, an unknown constraint, a tolerance or scale that is not positive, a scale
            without Stiefel SGD.
    """

    gamma: float = eqx.field(static=True)
    constraint: Constraint | None = eqx.field(static=True)
    student_scale: float | None = eqx.field(static=True)
    rtol: float = eqx.field(static=True)
    pairs: Literal["own", "all"] | None = eqx.field(static=True)

    def __init__(
        self,
        gamma: float,
        algorithm: Literal["homogeneous", "stiefel"] | None = None,
        student_scale: float | None = None,
        rtol: float = 1e-9,
        pairs: Literal["own", "all"] | None = None,
        *,
        constraint: Constraint | None = None,
    ):
        self.gamma, self.constraint = _plain(gamma), constraint
        self.student_scale, self.rtol, self.pairs = _plain(student_scale), _plain(rtol), pairs
        require_real(self.gamma, "gamma", least=0)
        if algorithm is not None:
            self.constraint = _renamed(algorithm, constraint)
            self.gamma = self.gamma / 2 if self.constraint == "stiefel" else self.gamma
        known = self.constraint in (None, "stiefel")
        require(known, "constraint", 'be None or "stiefel"', repr(self.constraint))
        if self.student_scale is not None:
            must = 'be left out unless constraint="stiefel"'
            require(self.constraint == "stiefel", "student_scale", must, self.student_scale)
            require_real(self.student_scale, "student_scale", above=0)
        require_real(self.rtol, "rtol", above=0)
        require(self.pairs in (None, "own", "all"), "pairs", 'be "own", "all" or None', repr(self.pairs))

    @classmethod
    def of(cls, sgd: SGD, dim: float, student_scale: float | None = None) -> FiniteStep:
        """The limit of this algorithm in dimension `dim`, γ = ηd/B.

        Raises:
            ArgumentError: a learning rate that is a schedule.
        """
        return cls(sgd.gamma(dim), student_scale=student_scale, constraint=sgd.constraint)

    @property
    def label(self) -> str:
        """What it follows, in the words of a legend."""
        return f"SGD limit at step γ/d, γ = {self.gamma:.3g}"

    def check(self, problem: Problem) -> None:
        """The standard problem; h_2 with all overlaps, its Stiefel SGD with `dim`; for `"own"` a pure h_k, k > 2."""
        link = problem.teacher.link
        require_standard("FiniteStep", problem.teacher, problem.start)
        if link.degree != 2:
            must = "be left out unless the link is h_2"
            require(self.constraint is None, "constraint", must, repr(self.constraint))
            if self._meets_all(link):
                Coupled().check(problem)
                return
            pure = 'have a pure link h_k, k > 2, for pairs="own"'
            require(link.degree is not None and link.degree > 2, "teacher", pure, repr(link))
            return
        require(self.pairs is None, "pairs", "be left out for the link h_2, whose limit is of all", repr(self.pairs))
        start = problem.full_start
        if self.constraint == "stiefel":
            must = 'have `dim` for constraint="stiefel", as in Start(…, dim=d)'
            require(start.dim is not None, "start", must, "without")

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """That of gradient flow."""
        return self._gradient_flow(problem).horizon(problem)

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """Risk, alignment and, but for Stiefel SGD, radius; the outcome says where the weights explode."""
        if self.gamma == 0:
            return self._gradient_flow(problem).evolve(problem, times)
        system = self._system(problem)

        def evolved(times: Array) -> Solution:
            out = states_at(system, times, self.rtol)
            return _solution(system.observe, system.args, out)

        return in_blocks(evolved, times)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """Bracketed on the output times, then by Newton's method on the log-odds, the flow integrated each time."""
        if self.gamma == 0:
            return self._gradient_flow(problem).emergence_times(problem, times, solution, level)
        if is_traced(problem, times):
            raise TypeError("Emergence times of FiniteStep need concrete arrays: ask for them outside jit.")
        assert solution.observables.alignment is not None
        return refined_crossings(self._system(problem), times, solution.observables.alignment, level, self.rtol)

    def details(
        self, problem: Problem, times: Float[Array, " T"]
    ) -> tuple[Float[Array, "T M"], Float[Array, "T M"] | None]:
        """Alignment and radius."""
        if self.gamma == 0:
            return self._gradient_flow(problem).details(problem, times)
        return super().details(problem, times)

    def _gradient_flow(self, problem: Problem) -> Flow:
        """What γ → 0 tends to."""
        link = problem.teacher.link
        if link.degree == 2:
            return Riccati() if self.constraint == "stiefel" else Quadratic()
        return Coupled() if self._meets_all(link) else Decoupled()

    def _meets_all(self, link: Link) -> bool:
        return self.pairs == "all" or (self.pairs is None and link.degree in (None, 1))

    def _system(self, problem: Problem) -> System:
        link = problem.teacher.link
        if link.degree != 2:
            return (neuron_system if self._meets_all(link) else pair_system)(problem, self.gamma)
        if self.constraint == "stiefel":
            return stiefel_system(problem, self.gamma, self.student_scale)
        return weights_system(problem, self.gamma)


@compiled_quickly(eqx.filter_jit)
def _solution(observe: Callable, args: Any, out: Integrated) -> Solution:
    """The observables at each time; what exploded, or was not reached, has infinite risk and no alignment."""

    def at(state: Any) -> Observables:
        observed, reached = observe(state, args), jnp.isfinite(ravel_pytree(state)[0]).all()
        held = reached & jnp.isfinite(observed.risk)
        risk = jnp.where(held, observed.risk, jnp.inf)
        radius = None if observed.radius is None else jnp.where(held, observed.radius, jnp.inf)
        return Observables(risk, jnp.where(held, observed.alignment, 0.0), radius)

    observed = jax.lax.map(at, out.states)
    sound = jnp.sum(jnp.cumprod(jnp.isfinite(observed.risk)))
    outcome = Outcome.where(sound < out.reached, Outcome.exploded, out.outcome)
    return Solution(observed, outcome, sound, out.steps)
