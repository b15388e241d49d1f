"""The full gradient flow in reduced coordinates, for any link, teacher, input covariance and parametrisation.

f(x) = Σ_i s_i σ(<x, u_i>), |u_i| = 1, with overlaps m_im = <u_i, θ_m>, q_il = <u_i, u_l> and dual activation g:

    ds_i/dt = 4 s_i [ Σ_m a_m g(m_im) - Σ_l s_l g(q_il) ]
    du_i/dt = Σ_m a_m g'(m_im) (θ_m - m_im u_i) - Σ_l s_l g'(q_il) (u_l - q_il u_i)
    2L      = Σ_mn a_m a_n Γ_mn - 2 Σ_im s_i a_m g(m_im) + Σ_il s_i s_l g(q_il)

An isometry puts u_i in R^(M+N), so that q = U Uᵀ stays a Gram matrix, a right-hand side is two matrix products, and d
enters through the start alone. The state is (U, log s): small norms keep their digits. These are the equations of the
2-homogeneous student on isotropic input; flows/reduced_coordinates has the equations of the other cases.
Source: RNWL25 (arXiv 2504.19983), equation of the population gradient flow; derivations/population_gradient.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..numerics import Outcome, first_crossings, integrate, is_outcome, log_odds, message_of
from ..problem import SGD, Feature, Problem, Start, features, require_covered
from ..support import is_traced, namespace_of, require, require_integer, require_real
from .decoupled import Decoupled
from .flow import Flow, Solution, quadratic_horizon
from .reduced_coordinates import (
    PLAIN,
    ChunkedSolve,
    OddsRecord,
    Student,
    Training,
    directions_and_layers,
    joined,
    observe,
    student_of,
)

_SCOUT_RTOL, _SCOUT_STEPS, _DOUBLINGS = 1e-5, 4096, 60  # of the integration that looks for a horizon
_FALLS = 0.99  # a risk that keeps this share over three doublings of time is at rest
_MOST_RECORDED = 2**26  # numbers of the record of all steps, 512 MB; beyond, emergence times integrate again


class Coupled(Flow):
    """The full gradient flow of all weights and norms, integrated numerically, for any teacher, covariance and student.

    With unit directions u_i, s_i = |w_i|², m_im = <u_i, θ_m>, q_il = <u_i, u_l> and dual activation g, canonical time,

        ds_i/dt = 4 s_i [ Σ_m a_m g(m_im) - Σ_l s_l g(q_il) ]
        du_i/dt = Σ_m a_m g'(m_im) (θ_m - m_im u_i) - Σ_l s_l g'(q_il) (u_l - q_il u_i)

    and likewise under a covariance, for two-layer students, where s_i = b_i|w_i| has either sign, with weight decay,
    on the sphere and on the correlation loss (flows/reduced_coordinates/student.py). Two-layer students of links
    without σ(λz) = λσ(z) are committee machines f = c Σ b_i σ(<x, w_i>), whose weights move down the gradient of their
    own loss (flows/reduced_coordinates/committee.py). The method is Tsitouras 5(4) of diffrax, on (u, log s) or w in
    R^(M+N).

    `risk` (T,) is E(f* - f)²/E f*². `alignment` (T, M) is max_i m_im², and `radius` (T, M) the s_i of that neuron, of
    a committee machine |w_i|²; for h_2 and z², where neurons share directions, they are diag G and diag ΘᵀSΘ as in
    `Quadratic`.

    Outside jit the flow runs in chunks of steps, with a progress bar. An interrupt, or the last of `max_steps`, ends it
    with the output times reached so far, and the trajectory's `outcome` says so; under jit the other times are inf. A
    two-layer neuron whose |w_i| reaches 0, as it can where |b_i| > |w_i|, ends the flow there, and so does a committee
    machine of a link such as tanh, averages over which are series, where |w_i| outgrows these.

    Source: RNWL25 (arXiv 2504.19983), equation of the population gradient flow; derivations/population_gradient.py,
    derivations/anisotropic.py, derivations/two_layer.py, derivations/committee.py.

    Attributes:
        rtol: relative tolerance; the absolute one is `rtol` times the smallest overlap that greedy assignment relies
            on, so that tiny overlaps escape on time.
        max_steps: how many steps the integrator may take in all.
        overlap: which overlap `alignment` is, "subspace" (diag G) or "neuron" (max_i m_im²); None chooses by the link.
        second_layer_rate: κ ≥ 0 of a two-layer student, the second layer's learning rate over the first's; 0 freezes b.
        weight_decay: λ ≥ 0, of the loss ½E(f* - f)² + ½λ(|w|² + |b|²).
        constraint: None, or "sphere", on which neurons' norms and the second layer stay as they are (isotropic input).
        loss: "squared", or "correlation", 1 - E f*f, on which neurons do not see each other.

    Raises:
        ArgumentError: tolerances or step numbers that are not positive, another `overlap`; by `solve`, a start without
            all overlaps, a link such as sign whose g'(1) is infinite.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=2, beta=1.0, link=rc.Link.hermite(4))
        >>> start = rc.Start.random(teacher, student_width=4, dim=50, norm=0.1, seed=0)
        >>> trajectory = rc.solve(rc.Coupled(rtol=1e-6), teacher, start, [5.0, 7.0, 10.0])
        >>> [round(float(r), 3) for r in trajectory.risk]
        [1.0, 0.88, 0.002]
    """

    rtol: float = eqx.field(static=True, default=1e-8)
    max_steps: int = eqx.field(static=True, default=2_000_000)
    overlap: str | None = eqx.field(static=True, default=None)
    second_layer_rate: float = eqx.field(static=True, default=1.0)
    weight_decay: float = eqx.field(static=True, default=0.0)
    constraint: str | None = eqx.field(static=True, default=None)
    loss: str = eqx.field(static=True, default="squared")

    @classmethod
    def of(cls, sgd: SGD, overlap: str | None = None) -> Coupled:
        """The gradient flow that SGD is at small steps, in canonical time, where momentum is in the clock.

        Raises:
            ArgumentError: Stiefel SGD, whose flow is `Riccati`.
        """
        require(not sgd.on_stiefel, "sgd", "be another algorithm than Stiefel SGD, whose flow is Riccati()", repr(sgd))
        return cls(
            overlap=overlap, second_layer_rate=sgd.second_layer_rate, weight_decay=sgd.weight_decay,
            constraint=sgd.constraint, loss=sgd.loss,
        )  # fmt: skip

    @property
    def _training(self) -> Training:
        return Training.of(self)

    def __check_init__(self) -> None:
        known = self.overlap in (None, "subspace", "neuron")
        require(known, "overlap", 'be "subspace" or "neuron"', repr(self.overlap))
        require_real(self.rtol, "rtol", above=0)
        require_integer(self.max_steps, "max_steps", 1)
        require(self.constraint in (None, "sphere"), "constraint", 'be None or "sphere"', repr(self.constraint))
        Training.of(self)

    @property
    def label(self) -> str:
        """The flow's name in a legend."""
        return "gradient flow"

    def check(self, problem: Problem) -> None:
        """Refuse what no gradient flow covers (problem/scope.py), and a second layer's rate where there is none."""
        require_covered("Coupled", problem.teacher, problem.start)
        self._training.require_fit(problem)

    def horizon(self, problem: Problem) -> tuple[float, float] | None:
        """First and last emergence time, canonical, by the decoupled equations or by a coarse integration.

        The decoupled equations are used for the standard problem with h_k, k ≥ 2. Else an integration doubles its time
        until min(N, M) directions have emerged, or until one has and the risk no longer falls; it takes at most 4096
        steps.
        """
        degree = problem.teacher.link.degree
        beyond = set(features(problem.teacher, problem.start)) - {Feature.DIMENSIONLESS}
        if degree is None or degree < 2 or beyond or self._training != PLAIN:
            return _scouted(problem, self._training)
        return quadratic_horizon(problem) if degree == 2 else Decoupled().horizon(problem)

    def evolve(self, problem: Problem, times: Float[Array, " T"]) -> Solution:
        """The solution at canonical `times`: risk, alignment and radius; outside jit fewer times if it stops early."""
        if is_traced(problem, times):
            student, tolerances = _begin(problem, self.rtol, self.overlap, self._training)
            out = integrate(
                student.velocity, student.state, student.args, times, *tolerances,
                largest_component=True, max_steps=self.max_steps,
            )  # fmt: skip
            observed = jax.lax.map(lambda s: observe(problem.teacher, s, self.overlap), out.states)
            return Solution(observed, out.outcome, out.reached, out.steps)
        return self._in_chunks(problem, np.asarray(times))

    def emergence_times(
        self, problem: Problem, times: Float[Array, " T"], solution: Solution, level: float
    ) -> Float[Array, " M"]:
        """First crossings by Hermite interpolation of the log-odds between the integrator's own steps.

        A solution without a record of its steps (it was loaded, or they were too many to keep) is integrated again.

        Raises:
            TypeError: under jit, where arrays are not concrete.
        """
        if is_traced(problem, times):
            raise TypeError("Emergence times of the coupled flow need concrete arrays: ask for them outside jit.")
        pieces = self._pieces(problem, np.asarray(times)) if solution.record is None else [solution.record]
        emergence, goal = np.full(problem.teacher.width, np.inf), float(log_odds(level))
        for steps in pieces:
            emergence = np.minimum(emergence, first_crossings(steps.times, steps.odds, goal, rates=steps.rates))
        return jax.device_put(emergence)

    def student_at(self, problem: Problem, time: float) -> Start:
        """The student at canonical `time`, as a start from which SGD or another flow goes on.

        Raises:
            ArgumentError: a time that the flow does not reach.
        """
        start, chunks = problem.full_start, self._chunked(problem)
        reached = len(list(chunks.through(np.array([time]))))
        require(reached == 1, "time", "be one that the flow reaches", f"{time:g}, but {message_of(chunks.outcome)}")
        U, norms, b = directions_and_layers(chunks.student.state, start)
        return start.moved_to(problem.teacher, U, norms, b)

    def _chunked(self, problem: Problem) -> ChunkedSolve:
        student, tolerances = _begin(problem, self.rtol, self.overlap, self._training)
        return ChunkedSolve(student, tolerances, self.max_steps, float(problem.teacher.norm))

    def _in_chunks(self, problem: Problem, times: np.ndarray) -> Solution:
        observed, pieces, kept = [], [], 0
        chunks = self._chunked(problem)
        for observables in chunks.through(times):
            observed.append(observables)
            steps = chunks.new_steps()
            kept += 2 * steps.odds.size
            if kept <= _MOST_RECORDED:
                pieces.append(steps)
        if not observed and is_outcome(chunks.outcome, Outcome.interrupted):
            raise KeyboardInterrupt  # there is nothing to keep
        must = "start before the flow is stopped"
        require(len(observed) > 0, "times", must, f"{times[0]:g}, but {message_of(chunks.outcome)}")
        stacked = jax.tree.map(lambda *rows: jax.device_put(np.stack(rows)), *observed)  # compiles nothing
        record = joined(pieces) if kept <= _MOST_RECORDED else None
        return Solution(stacked, chunks.outcome, len(observed), chunks.used, record)

    def _pieces(self, problem: Problem, times: np.ndarray) -> Iterator[OddsRecord]:
        """The record of the integrator's steps, integrated again, up to one output time after the other."""
        chunks = self._chunked(problem)
        for _ in chunks.through(times):
            yield chunks.new_steps()


def _scouted(problem: Problem, training: Training) -> tuple[float, float] | None:
    """The first and the last emergence time of a coarse integration; None where nothing emerges."""
    teacher = problem.teacher
    chunks = ChunkedSolve(*_begin(problem, _SCOUT_RTOL, None, training), _SCOUT_STEPS, float(teacher.norm))
    begin = 1 / float(teacher.link.dual_derivative(1.0) * jnp.max(jnp.abs(teacher.search_rates)))
    emergence, risks = np.full(teacher.width, np.inf), []
    for observables in chunks.through(begin * 2.0 ** np.arange(_DOUBLINGS), ahead=1):
        steps = chunks.new_steps()
        emergence = np.minimum(emergence, first_crossings(steps.times, steps.odds, 0.0, rates=steps.rates))
        risks.append(float(observables.risk))
        emerged = int(np.isfinite(emergence).sum())
        at_rest = emerged > 0 and len(risks) > 3 and risks[-1] > _FALLS * risks[-4]
        if at_rest or emerged >= min(teacher.width, problem.start.student_width):
            break
    if is_outcome(chunks.outcome, Outcome.interrupted):
        raise KeyboardInterrupt
    later = emergence[np.isfinite(emergence) & (emergence > 0)]
    return (float(later.min()), float(later.max())) if len(later) else None


def _begin(
    problem: Problem, rtol: float, overlap: str | None, training: Training
) -> tuple[Student, tuple[Array, Array]]:
    """The student at its start, and the tolerances, relative and absolute."""
    norms, overlaps = problem.full_start.norms, problem.assigned()[0]
    xp = namespace_of(norms, overlaps)
    size = xp.where(xp.asarray(overlaps) != 0, xp.abs(xp.asarray(overlaps)), 1.0)
    smallest = xp.min(size)
    if problem.is_committee:
        smallest = smallest * xp.min(xp.asarray(norms))  # the state holds weights, not directions
    log_s, atol = 2 * xp.log(xp.asarray(norms)), jax.lax.stop_gradient(rtol * smallest)
    if xp is np:  # on the host, where nothing compiles
        log_s, atol = jax.device_put((log_s, np.asarray(atol)))
    return student_of(problem, log_s, overlap, training), (jax.device_put(np.asarray(rtol)), atol)
