"""Online SGD at step size γ/d: its deterministic limit d → ∞, which differs from gradient flow.

A step of size γ/d moves the weights by its mean, which is gradient flow, and by noise. The square of the noise is of
order |x|²/d² ~ 1/d per step, as large as the mean: it turns neurons away from the teacher and lengthens them, at a
rate proportional to γ and to the residual. So SGD ends on a plateau above that of gradient flow, and directions with
small a_m are never learned. Fluctuations of single overlaps, of order d^(-1/2), are not in the limit; the laws of
riccati.laws have them (derivations/search_phase.py).

The equations, in flows/gradient_noise, are derived in derivations/finite_step.py (Stiefel SGD, k = 2),
derivations/finite_step_weights.py (the weights, k = 2), derivations/own_pair.py (k > 2, each direction with its own
neuron), derivations/noise_moments.py (any link), derivations/algorithm_noise.py and derivations/committee.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

from ..problem import SGD, Constraint, Problem, Start, require_covered, sgd_of, uncovered
from ..support import CONSTRAINTS, TrainedLoss, is_traced, require, require_real, warn_renamed
from .coupled import Coupled
from .decoupled import Decoupled
from .flow import Flow, Solution, at_padded_times
from .gradient_noise import (
    FiniteStepSystem,
    committee_system,
    has_subspace,
    neuron_system,
    pair_system,
    refined_crossings,
    solution_at,
    start_of_committee,
    start_of_neurons,
    start_of_weights,
    state_at,
    stiefel_system,
    weights_system,
)
from .quadratic import Quadratic
from .reduced_coordinates import PLAIN, Training
from .riccati import Riccati

_OWN = 'FiniteStep(pairs="own")'


def _as_float(value: Any) -> Any:
    """A number as a Python float, which a static field can hold; anything else as it is, to be refused by a check."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _renamed(algorithm: object, constraint: object) -> Literal["stiefel"] | None:
    """The constraint that the former argument `algorithm` stands for; its γ of Stiefel SGD was εd/B = 2ηd/B."""
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


class _StudentKind(NamedTuple):
    """A kind of student: its system of equations, and what makes a start of a state of that."""

    system: Callable[..., FiniteStepSystem]
    start_of: Callable[..., Start]


class FiniteStep(Flow):
    """The limit d → ∞ of online SGD with step size γ/d: gradient flow with the second-order terms of a step.

    Observables are defined as in the gradient flow for γ → 0: `Quadratic` (on the Stiefel manifold `Riccati`) for
    k = 2, `Decoupled` for pairs of a direction and its own neuron, `Coupled` for all pairs. The equations are those
    of that gradient flow plus a drag on overlaps and a growth of norms by the gradient noise (flows/gradient_noise),
    for every teacher, student and algorithm that `Coupled` follows, but for directions that are no eigenvectors of the
    input's covariance. For all pairs the noise enters through E e²σ'σ'ᵀ, exact for Hermite series of degree ≤ 6 and for
    committee machines of erf (Saad & Solla 1995), else an average over 2¹⁴ Sobol points with an error of about 10⁻³;
    `rtol` is then at least 10⁻⁶. Fluctuations of single overlaps, of order d^(-1/2), are not in the limit.

    While nothing is learned, A = Σ a_m², a direction grows from a small overlap if

        stiefel              a_m > (γ/2)(1 - N/d)(c²N + A + 4c²),   γA(1 - N/d)(1 + 2/N) for c = ‖a‖/√N
        homogeneous, k = 2   a_m > c_2² γA/2                        small norms
        homogeneous, k > 2   a_p |m_p|^(k-2) > c_k² γA/2            small norms

    Later the noise is weaker, as the residual is smaller. SGD on the weights keeps the learned directions while
    Σ_q γ a_q g'(1)/[2 - γ a_q (E σ'⁴/g'(1) - g'(1))] < 1 over the learned directions, for one direction
    γ < 2g'(1)/(a E σ'⁴): 1/3, 0.0444 and 0.00538 for h_2, h_3 and h_4 with a = 1 (riccati/laws/divergence.py, with the
    fraction of the runs that diverge at finite d). Where γ is so large that the weights explode in finite time, the
    outcome is `exploded`; from then on risk and radius are inf and alignment is 0. For γ > 0 a risk far below `rtol`²
    of its start is not resolved. The integrator's steps are explicit and limited in number, so the flow reaches a
    canonical time of about 10⁴/a_1; past that it ends early, and the trajectory's `outcome` says so.

    Source: BEVW25 (arXiv 2508.03688) and RNWL25 (arXiv 2504.19983) for the algorithms; derivations/finite_step.py,
    derivations/finite_step_weights.py, derivations/own_pair.py, derivations/noise_moments.py.

    Attributes:
        gamma: γ = ηd/B ≥ 0, η the learning rate on ½(f* - f)², that is canonical time per step, B the batch size;
            γ = 0 is gradient flow, and solved as such.
        constraint: None for SGD on the weights; "sphere", where norms and second layer stay as they are; for k = 2 also
            "stiefel", SGD on orthonormal weights, whose radii are fitted afterwards.
        student_scale: c of the student f(x) = c(xᵀWWᵀx - N) of Stiefel SGD; None takes c = ‖a‖/√N.
        rtol: relative tolerance; the absolute one is `rtol` times the smallest initial overlap.
        pairs: `"own"` for pure links of k > 2, where each direction meets its own neuron only; `"all"` for any link
            but h_2, where all neurons and directions meet, at a cost of O(N²(M + N)²) per step. None takes `"own"` for
            the standard problem of pure links and `"all"` for others. For h_2 the limit is always that of all pairs.
        second_layer_rate, weight_decay, loss: κ, λ and the loss, as in `Coupled`.

    Raises:
        ArgumentError: γ < 0 or not finite, an unknown constraint, a tolerance or scale that is not positive, a scale
            without Stiefel SGD, weight decay on the sphere; by `solve`, what problem/scope.py does not list as covered.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=2, beta=1.0, link=rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=1, dim=100, norm=0.1, seed=0)
        >>> flow = rc.FiniteStep.of(rc.SGD(learning_rate=1e-3, batch_size=1), dim=100)
        >>> flow.gamma
        0.1
        >>> trajectory = rc.solve(flow, teacher, start, [1.0, 3.0, 30.0])
        >>> [round(float(r), 4) for r in trajectory.risk]
        [0.993, 0.3091, 0.2244]
    """

    gamma: float = eqx.field(static=True)
    constraint: Constraint | None = eqx.field(static=True, default=None)  # defaults are left out of a repr
    student_scale: float | None = eqx.field(static=True, default=None)
    rtol: float = eqx.field(static=True, default=1e-9)
    pairs: Literal["own", "all"] | None = eqx.field(static=True, default=None)
    second_layer_rate: float = eqx.field(static=True, default=1.0)
    weight_decay: float = eqx.field(static=True, default=0.0)
    loss: TrainedLoss = eqx.field(static=True, default="squared")

    def __init__(
        self,
        gamma: float,
        algorithm: Literal["homogeneous", "stiefel"] | None = None,
        student_scale: float | None = None,
        rtol: float = 1e-9,
        pairs: Literal["own", "all"] | None = None,
        *,
        constraint: Constraint | None = None,
        second_layer_rate: float = 1.0,
        weight_decay: float = 0.0,
        loss: TrainedLoss = "squared",
    ):
        self.gamma, self.constraint, self.loss = _as_float(gamma), constraint, loss
        self.second_layer_rate, self.weight_decay = _as_float(second_layer_rate), _as_float(weight_decay)
        self.student_scale, self.rtol, self.pairs = _as_float(student_scale), _as_float(rtol), pairs
        require_real(self.gamma, "gamma", least=0)
        if algorithm is not None:
            self.constraint = _renamed(algorithm, constraint)
            self.gamma = self.gamma / 2 if self.constraint == "stiefel" else self.gamma
        known = self.constraint is None or self.constraint in CONSTRAINTS
        require(known, "constraint", f"be None or one of {', '.join(CONSTRAINTS)}", repr(self.constraint))
        if self.student_scale is not None:
            must = 'be left out unless constraint="stiefel"'
            require(self.constraint == "stiefel", "student_scale", must, self.student_scale)
            require_real(self.student_scale, "student_scale", above=0)
        require_real(self.rtol, "rtol", above=0)
        require(self.pairs in (None, "own", "all"), "pairs", 'be "own", "all" or None', repr(self.pairs))
        plain, also = self._training == PLAIN, "weight decay, a second layer, the sphere or the correlation loss"
        require(plain or self.pairs != "own", "pairs", f"be left out with {also}", repr(self.pairs))
        require(plain or self.constraint != "stiefel", "constraint", f"be left out with {also}", repr(self.constraint))

    @classmethod
    def of(cls, sgd: SGD, dim: float, student_scale: float | None = None) -> FiniteStep:
        """The limit of this algorithm in dimension `dim`, γ = ηd/B.

        Raises:
            ArgumentError: what is no SGD object, or a learning rate that is a schedule.
        """
        sgd = sgd_of(sgd)
        return cls(
            sgd.gamma(dim), student_scale=student_scale, constraint=sgd.constraint, loss=sgd.loss,
            second_layer_rate=sgd.second_layer_rate, weight_decay=sgd.weight_decay,
        )  # fmt: skip

    @property
    def algorithm(self) -> str:
        """The old name of what `constraint` says."""
        warn_renamed("`algorithm` of FiniteStep", "`constraint`, and its γ of Stiefel SGD ηd/B")
        return "homogeneous" if self.constraint is None else self.constraint

    @property
    def label(self) -> str:
        """The flow's name in a legend."""
        return f"SGD limit at step γ/d, γ = {self.gamma:.3g}"

    def check(self, problem: Problem) -> None:
        """Refuse what this limit does not cover (problem/scope.py), and `pairs` for h_2, which always meets all."""
        teacher, start = problem.teacher, problem.start
        require_covered(self.consumer(problem), teacher, start)
        must = "be left out for the link h_2, whose limit is of all"
        require(teacher.link.degree != 2 or self.pairs is None, "pairs", must, repr(self.pairs))
        if self.constraint != "stiefel" and not start.is_typical:
            self._training.require_fit(problem)

    def consumer(self, problem: Problem) -> str:
        """The key of the table in problem/scope.py whose entry says what this limit covers for this problem."""
        if self.constraint == "stiefel":
            return 'FiniteStep(constraint="stiefel")'
        return _OWN if self._meets_own(problem) else "FiniteStep"

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """First and last emergence time of the gradient flow, canonical; None where nothing emerges."""
        return self._gradient_flow(problem).horizon(problem)

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """The solution at canonical `times`: risk, alignment and, but for Stiefel SGD, radius."""
        if self.gamma == 0:
            return self._gradient_flow(problem).evolve(problem, times)
        system = self._system(problem)
        return at_padded_times(lambda times: solution_at(system, times, self.rtol), times)

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """First crossings, bracketed by the output times and refined by Newton's method on the flow itself.

        Raises:
            TypeError: under jit, where arrays are not concrete.
        """
        if self.gamma == 0:
            return self._gradient_flow(problem).emergence_times(problem, times, solution, level)
        if is_traced(problem, times):
            raise TypeError("Emergence times of FiniteStep need concrete arrays: ask for them outside jit.")
        assert solution.observables.alignment is not None
        return refined_crossings(self._system(problem), times, solution.observables.alignment, level, self.rtol)

    def details(
        self, problem: Problem, times: Float[Array, " T"]
    ) -> tuple[Float[Array, "T M"], Float[Array, "T M"] | None]:
        """Alignment and radius at canonical `times`, for solutions that do not keep them."""
        if self.gamma == 0:
            return self._gradient_flow(problem).details(problem, times)
        return super().details(problem, times)

    def student_at(self, problem: Problem, time: float) -> Start:
        """The student at canonical `time`, as a start from which SGD or another flow goes on.

        Raises:
            ArgumentError: anisotropic input, Stiefel SGD, pairs of a direction and its own neuron, or a time that the
                flow does not reach.
        """
        if self.gamma == 0:
            return self._gradient_flow(problem).student_at(problem, time)
        if self.constraint == "stiefel" or self._meets_own(problem):
            return super().student_at(problem, time)
        must = "live on isotropic input for a student at a time"
        require(problem.teacher.covariance is None, "teacher", must, "under a covariance")
        system = self._system(problem)
        state, reached = state_at(system, time, self.rtol)
        require(reached, "time", "be one that the flow reaches without an explosion", time)
        return self._student(problem).start_of(problem, state, system.args)

    @property
    def _training(self) -> Training:
        return Training.of(self)

    def _gradient_flow(self, problem: Problem) -> Flow:
        """The flow that γ → 0 leads to."""
        if self.constraint == "stiefel":
            return Riccati()
        if self._training == PLAIN and has_subspace(problem):
            return Quadratic()
        if self._meets_own(problem):
            return Decoupled()
        second, decay = self.second_layer_rate, self.weight_decay
        return Coupled(second_layer_rate=second, weight_decay=decay, constraint=self.constraint, loss=self.loss)

    def _meets_own(self, problem: Problem) -> bool:
        """Whether each direction meets its own neuron only."""
        if self.pairs is not None or problem.teacher.link.degree in (None, 1, 2):
            return self.pairs == "own"
        return self._training == PLAIN and not uncovered(_OWN, problem.teacher, problem.start)

    def _system(self, problem: Problem) -> FiniteStepSystem:
        if self.constraint == "stiefel":
            return stiefel_system(problem, self.gamma, self.student_scale)
        if self._meets_own(problem):
            return pair_system(problem, self.gamma)
        return self._student(problem).system(problem, self.gamma, self._training)

    def _student(self, problem: Problem) -> _StudentKind:
        """How a student is followed whose neurons all meet."""
        if has_subspace(problem, self._training.on_sphere):
            return _StudentKind(weights_system, start_of_weights)
        if problem.is_committee:
            return _StudentKind(committee_system, start_of_committee)
        return _StudentKind(neuron_system, start_of_neurons)
