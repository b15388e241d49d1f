"""For each direction the step size beyond which SGD does not learn it.

Noise turns neurons away from direction m at a rate proportional to γ times the residual R that is left when m begins to
grow. By then the directions of larger a_q are learned, as far as the same noise allows. In the limit d → ∞ of
`FiniteStep` the stationary state with those directions learned has a closed form, and direction m is lost if it does
not grow from there. For directions in decreasing order of a, with U_m = Σ_{q≥m} a_q², c_2 = 1 and γ = ηd/B,

    weights, k = 2       2a_m = γR,              R = U_m / [1 - Σ_{q<m} γa_q/(1 - 2γa_q)],
      settled            2a_m = γ(R + 4a_m²),    U_m + (N - m + 1)a_m² in the place of U_m,
    Stiefel SGD, k = 2   a_m = κ(2R + 8c²),      R = c²N + Σa² - 2c Σ_{q<m} a_q G_q,     κ = (γ/4)(1 - N/d),
                         G_q = (a_q - κ(2R + 8c²))/(a_q + 8κ(a_q² - 2ca_q)),
    weights, k > 2       2a_p |m_p|^(k-2) = c_k²γ Σa²,  nothing learned yet, small norms,

and a direction is lost if any before it is. Label noise Δ is added to R, and to Σa² of k > 2, as ΔΣa²; U_m + ΔΣa² then
stands in the place of U_m. In the first line the neurons without a direction still have small norms,
in the second the squared norm Ω that noise gives them in the end, Ω = γR/2 + 2γΩ², which equals a_m where direction m
stops growing. To leading order R = U_m. SGD on the weights diverges where it does not hold the learned directions
(divergence.py), so no step may be larger than that. Derived in derivations/step_limits.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Float

from ..problem import AnyStart, Constraint, Problem, Teacher, rate_of_gamma, require_covered
from ..support import require, require_integer, require_real, warn_renamed
from .divergence import can_be_learned, largest_held, moments_of
from .law import constraint_of, old_name_of

_INSIDE = 1 - 1e-9  # of a pole
_SHOWN = 8  # directions in a repr


class StepLimit(NamedTuple):
    """The largest step of one direction; its fields are those of `StepLimits`."""

    gamma: float
    settled: float
    held: float
    learning_rate: float | None


class StepLimits(eqx.Module):
    """The largest steps of M directions, made by `largest_step`; `limits[m]` are those of direction m, from 0.

    Attributes:
        gamma: (M,), γ = ηd/B beyond which the direction is not learned (γ as in `FiniteStep`, for Stiefel SGD too);
            0 for a direction that no step learns. Never more than `held`.
        settled: (M,), the same when the neurons without a direction have the norms that noise gives them in the end;
            for Stiefel SGD and k > 2, where their norms do not matter, it equals `gamma`.
        held: (M,), γ beyond which SGD on the weights diverges once it has learned the direction and those before it, as
            d → ∞; inf for Stiefel SGD, 0 for a direction that no step learns.
        learning_rate: (M,), `gamma` as η, canonical time per step of a batch; None without the start's dimension.
        constraint: None, SGD on the weights, or "stiefel".
        formula: the equation that was solved.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher([0.8, 0.6], rc.Link.hermite(2))
        >>> limits = rc.largest_step(teacher, rc.Start.random(teacher, student_width=2, dim=1000, seed=0))
        >>> [round(limit.gamma, 3) for limit in limits]
        [0.417, 0.35]
    """

    gamma: Float[Array, " M"]
    settled: Float[Array, " M"]
    held: Float[Array, " M"]
    learning_rate: Float[Array, " M"] | None
    constraint: Constraint | None = eqx.field(static=True)
    formula: str = eqx.field(static=True)

    @property
    def algorithm(self) -> str:
        """The old name of what `constraint` says."""
        warn_renamed("`algorithm` of StepLimits", "`constraint`")
        return old_name_of(self.constraint)

    def __len__(self) -> int:
        return len(self.gamma)

    def __getitem__(self, m: int) -> StepLimit:
        at = range(len(self))[m]  # an index of a JAX array that is out of range would give its last entry
        rate = None if self.learning_rate is None else float(self.learning_rate[at])
        return StepLimit(float(self.gamma[at]), float(self.settled[at]), float(self.held[at]), rate)

    def __repr__(self) -> str:
        more = " …" if len(self) > _SHOWN else ""
        rows = {
            name: " ".join(f"{value:.4g}" for value in np.asarray(values)[:_SHOWN]) + more
            for name, values in (("gamma", self.gamma), ("settled", self.settled), ("held", self.held))
        }
        rows |= {"from": self.formula, "constraint": str(self.constraint)}
        return "StepLimits\n" + "\n".join(f"  {name:<10} {value}" for name, value in rows.items())


def largest_step(
    teacher: Teacher,
    start: AnyStart,
    *,
    batch_size: int = 1,
    constraint: Constraint | None = None,
    student_scale: float | None = None,
    algorithm: str | None = None,
) -> StepLimits:
    """The γ and the η beyond which SGD does not learn a direction, for each direction; pure links h_k, k ≥ 2.

    The learning rate is the result, so there is no argument `sgd`: `rc.SGD(limits.learning_rate[m])` uses one.

    k = 2: in the limit d → ∞, with the directions of larger a learned as far as noise allows; only the first min(N, M)
    are learned at all. Below `settled` a direction is learned, above `gamma` it is lost; between the two it is learned
    only if it grows before noise has lengthened the neurons that have no direction, in a time of log(1/s_0)/(2γR). At
    finite d a direction above its limit waits, and gradient noise may carry it over; one below is slow:
    `emergence_law` gives the probability by a given time.

    k > 2: from the initial overlap of the neuron that greedy assignment gives the direction, with nothing learned yet.
    Noise makes some runs learn a direction above its limit and others lose one below it; `emergence_law` gives the
    probability.

    In both cases SGD on the weights diverges beyond `held`; at finite d a part of the runs diverges somewhat below it
    already (`emergence_law(…).diverged` is the fraction).

    Args:
        teacher: the teacher, M directions.
        start: where the student starts; for k = 2 only its width and dimension matter.
        batch_size: B, for `learning_rate`.
        constraint: None, SGD on the weights, or for k = 2 `"stiefel"`.

    Other args:
        student_scale: c of Stiefel SGD; None takes ‖a‖/√N.
        algorithm: the old name of `constraint`, "homogeneous" or "stiefel".

    Raises:
        ArgumentError: another link, Stiefel SGD for k > 2 or without the start's dimension, a problem that is not the
            standard one, or a number out of range.

    Source: derivations/step_limits.py for k = 2, derivations/search_phase.py for k > 2, derivations/divergence.py for
    `held`.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher([1.0], rc.Link.hermite(2))
        >>> limits = rc.largest_step(teacher, rc.Start([[0.1]], dim=200), batch_size=4, constraint="stiefel")
        >>> round(limits[0].gamma, 4), round(limits[0].learning_rate, 5)
        (0.335, 0.0067)
    """
    halved = ", with γ = ηd/B, half of the former εd/B," if algorithm == "stiefel" else ""
    constraint = constraint_of(algorithm, constraint, halved)
    problem, link = Problem(teacher, start), teacher.link
    require_integer(batch_size, "batch_size", 1)
    require(constraint in (None, "stiefel"), "constraint", 'be None or "stiefel"', repr(constraint))
    require_covered("largest_step" if constraint is None else "largest_step of Stiefel SGD", teacher, start)
    if student_scale is not None:
        must = 'be left out unless constraint="stiefel"'
        require(constraint == "stiefel", "student_scale", must, student_scale)
        require_real(student_scale, "student_scale", above=0)
    if constraint == "stiefel":
        gamma = settled = _stiefel_limits(problem, student_scale)
        held = np.full(teacher.width, np.inf)
        formula = "a_m = (c_2²γ/2)(1 - N/d)(R + 4c²), R what the directions before leave"
    else:
        held = _held_in_turn(problem)
        if link.degree == 2:
            lost, lost_settled = _limits_on_weights(problem)
            formula = "2a_m = c_2²γR, R what the directions before leave"
        else:
            lost = lost_settled = _limits_of_overlaps(problem)
            formula = "2a_p |m_p|^(k-2) = c_k²γ Σa², nothing learned yet"
        gamma, settled = np.minimum(lost, held), np.minimum(lost_settled, held)
    rate = None if start.dim is None else jnp.asarray(rate_of_gamma(gamma, start.dim, batch_size))
    return StepLimits(jnp.asarray(gamma), jnp.asarray(settled), jnp.asarray(held), rate, constraint, formula)


def _stiefel_limits(problem: Problem, student_scale: float | None) -> Float[np.ndarray, " M"]:
    """γ of each direction under Stiefel SGD, c = `student_scale` or ‖a‖/√N."""
    teacher, start = problem.teacher, problem.start
    require(start.dim is not None, "start", "have a dimension (Start(…, dim=d))", "without one")
    neurons = start.student_width
    c = float(teacher.norm) / neurons**0.5 if student_scale is None else float(student_scale)
    v = _label_variance(teacher)
    kappa = _in_turn(problem, lambda a, m, most: stiefel_limit(a, neurons, m, c, most, v))
    return kappa * 4 / (1 - neurons / int(start.dim or 0)) / float(teacher.link.coefficients[2]) ** 2


def _limits_on_weights(problem: Problem) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """γ of each direction under SGD on the weights, k = 2: with idle neurons still short, and settled."""
    neurons, square = problem.start.student_width, float(problem.teacher.link.coefficients[2]) ** 2
    v = _label_variance(problem.teacher)
    short = _in_turn(problem, lambda a, m, most: homogeneous_limit(a, m, 0, most, v))
    settled = _in_turn(problem, lambda a, m, most: homogeneous_limit(a, m, neurons - m, most, v))
    return short / square, settled / square


def _limits_of_overlaps(problem: Problem) -> Float[np.ndarray, " M"]:
    """γ of each direction under SGD on the weights, k > 2, from the overlap of its neuron."""
    teacher, k = problem.teacher, problem.teacher.link.information_exponent
    a, overlaps = np.asarray(teacher.a), np.abs(np.asarray(problem.assigned()[0]))
    energy = np.sum(a**2) + _label_variance(teacher)
    return 2 * a * overlaps ** (k - 2) / (float(teacher.link.coefficients[k]) ** 2 * energy)


def _label_variance(teacher: Teacher) -> float:
    """ΔΣa², the variance of the labels' noise in units of c_k²."""
    return float(teacher.relative_noise) * float(np.sum(np.asarray(teacher.a) ** 2))


def _held_in_turn(problem: Problem) -> Float[np.ndarray, " M"]:
    """`largest_held` of each direction with those before it in the order of a; 0 where it cannot be learned."""
    a, able, moments = np.asarray(problem.teacher.a), can_be_learned(problem), moments_of(problem.teacher.link)
    order = [p for p in np.argsort(-a, kind="stable") if able[p]]
    held = np.zeros(len(a))
    for m, direction in enumerate(order):
        held[direction] = largest_held(moments, a[order[: m + 1]])
    return held


def _in_turn(problem: Problem, limit: Callable[[np.ndarray, int, float], float]) -> Float[np.ndarray, " M"]:
    """`limit` of each direction, at most that of the one before it in the order of a; 0 beyond the student's rank."""
    a = np.asarray(problem.teacher.a)
    order = np.argsort(-a, kind="stable")
    limits, most = np.zeros(len(a)), np.inf
    for m, direction in enumerate(order[: problem.start.student_width]):
        limits[direction] = most = limit(a[order], m, most)
    return limits


def homogeneous_limit(a: Float[np.ndarray, " M"], m: int, long: int, most: float, v: float = 0.0) -> float:
    """γ of direction a[m], a in descending order, c_2 = 1, with `long` neurons at Ω = a[m]; `most` if none is below."""
    own = 4 * a[m] ** 2 if long else 0.0

    def excess(gamma: float) -> float:
        return gamma * (homogeneous_residual(a, m, long, gamma, v) + own) - 2 * a[m]

    if m == 0:
        return float(2 * a[0] / (homogeneous_residual(a, 0, long, 0.0, v) + own))
    pole = scipy.optimize.brentq(lambda gamma: _held(a, m, gamma), 0.0, _INSIDE / (2 * a[0]))
    return _root(excess, min(most, _INSIDE * pole))


def homogeneous_residual(a: Float[np.ndarray, " M"], m: int, long: int, gamma: float, v: float = 0.0) -> float:
    """R + v with a[:m] learned: each adds γ(R + v)a_q/(1 - 2γa_q) to what is not learned; v is of the labels' noise."""
    return float(np.sum(a[m:] ** 2) + long * a[m] ** 2 + v) / _held(a, m, gamma)


def _held(a: Float[np.ndarray, " M"], m: int, gamma: float) -> float:
    """1 - Σ_{q<m} γa_q/(1 - 2γa_q): learned directions leave a finite residual while it is positive."""
    return float(1 - np.sum(gamma * a[:m] / (1 - 2 * gamma * a[:m])))


def stiefel_limit(a: Float[np.ndarray, " M"], neurons: int, m: int, c: float, most: float, v: float = 0.0) -> float:
    """κ = (γ/4)(1 - N/d) of direction a[m], a in descending order; `most` where there is none below."""
    if m == 0:
        return float(a[0] / (2 * (c**2 * neurons + np.sum(a**2) + v) + 8 * c**2))
    return _root(lambda kappa: kappa * (2 * stiefel_residual(a, neurons, m, c, kappa, v) + 8 * c**2) - a[m], most)


def stiefel_residual(a: Float[np.ndarray, " M"], neurons: int, m: int, c: float, kappa: float, v: float = 0.0) -> float:
    """R + v with a[:m] learned, from R = c²N + Σa² - 2c Σ_{q<m} a_q G_q, linear in R + v, v of the labels' noise."""
    before = a[:m]
    held = before + 8 * kappa * (before**2 - 2 * c * before)
    known = v + c**2 * neurons + np.sum(a**2) - 2 * c * np.sum(before * (before - 8 * kappa * c**2) / held)
    return float(known / (1 - 4 * c * kappa * np.sum(before / held)))


def _root(excess: Callable[[float], float], most: float) -> float:
    """Where `excess` leaves the negative values it begins with; `most` where it does not."""
    return float(scipy.optimize.brentq(excess, 0.0, most)) if excess(most) > 0 else most
