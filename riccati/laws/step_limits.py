"""Loss of directions: for each direction the step size beyond which SGD does not learn it.

Noise draws every direction away from the teacher at a rate proportional to γ times the residual R that is left when its
turn comes: the directions of larger a_q are learned by then, as far as the same noise lets them. In FiniteStep's limit
d → ∞ the stationary state with those directions learned is a closed form, and direction m is lost where it does not
grow in it. For directions in order of a, with U_m = Σ_{q≥m} a_q² and c_2 = 1,

    homogeneous, k = 2   2a_m = γR,              R = U_m / [1 - Σ_{q<m} γa_q/(1 - 2γa_q)],
      settled            2a_m = γ(R + 4a_m²),    U_m + (N - m + 1)a_m² in the place of U_m,
    stiefel              a_m = κ(2R + 8c²),      R = c²N + Σa² - 2c Σ_{q<m} a_q G_q,     κ = (γ/8)(1 - N/d),
                         G_q = (a_q - κ(2R + 8c²))/(a_q + 8κ(a_q² - 2ca_q)),
    k > 2                2a_p |m_p|^(k-2) = c_k²γ Σa²,  nothing learned yet, small norms,

and a direction is lost with any before it. The first has the neurons without a direction still short, the second as
long as noise makes them in the end, Ω = γR/2 + 2γΩ², which is a_m where direction m no longer grows. To leading order
R = U_m: FiniteStep's γ < 2a_m, with what is learned taken off the residual. SGD on the weights diverges where it does
not hold what it has learned by then (divergence.py): no step may be larger. Derived in derivations/step_limits.py.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq

from ..problem import AnyStart, Problem, Teacher, require_covered
from ..support import require, require_integer, require_real
from .divergence import can_be_learned, largest_held, moments_of
from .quadratic.quadratic_law import Algorithm

_INSIDE = 1 - 1e-9  # of a pole
_SHOWN = 8  # directions in a repr


class StepLimits(eqx.Module):
    """The largest steps of M directions.

    Attributes:
        gamma: (M,), γ beyond which the direction is not learned, as `FiniteStep` counts it: ηd/B, for Stiefel SGD εd/B;
            0 for a direction that no step learns. Never more than `held`.
        held: (M,), γ beyond which SGD on the weights diverges once it has learned the direction and those before it, as
            d → ∞; inf for Stiefel SGD, 0 for a direction that no step learns.
        settled: (M,), the same with the neurons that have no direction as long as noise makes them; for Stiefel SGD and
            k > 2, where lengths do not matter, it is `gamma`.
        learning_rate: (M,), `gamma` as η, canonical time per step of a batch; None without the start's dimension.
        algorithm: "homogeneous" or "stiefel".
        formula: what was solved.
    """

    gamma: Float[Array, " M"]
    settled: Float[Array, " M"]
    held: Float[Array, " M"]
    learning_rate: Float[Array, " M"] | None
    algorithm: str = eqx.field(static=True)
    formula: str = eqx.field(static=True)

    def __repr__(self) -> str:
        more = " …" if len(self.gamma) > _SHOWN else ""
        rows = {
            name: " ".join(f"{value:.4g}" for value in np.asarray(values)[:_SHOWN]) + more
            for name, values in (("gamma", self.gamma), ("settled", self.settled), ("held", self.held))
        }
        rows |= {"from": self.formula, "algorithm": self.algorithm}
        return "StepLimits\n" + "\n".join(f"  {name:<10} {value}" for name, value in rows.items())


def largest_step(
    teacher: Teacher,
    start: AnyStart,
    *,
    batch_size: int = 1,
    algorithm: Algorithm = "homogeneous",
    student_scale: float | None = None,
) -> StepLimits:
    """For each direction the γ, and the η, beyond which SGD does not learn it; pure links h_k, k ≥ 2.

    k = 2: in the limit d → ∞, the directions of larger a learned as far as noise allows; only the first min(N, M) are
    learned at all. Below `settled` a direction is learned, above `gamma` it is lost; between the two it is learned
    only if it grows before noise has lengthened the neurons that have no direction, in a time of log(1/s_0)/(2γR). At
    finite d a direction above its limit waits, and kicks may carry it over; one below is slow: `emergence_law` gives
    the probability by a given time.

    k > 2: from the start's overlaps, for the neuron that greedy assignment gives the direction, with nothing learned
    yet; noise carries some directions past it and loses others below it, by `emergence_law`.

    For both, SGD on the weights diverges beyond `held`, a part of its runs from some way below it at finite d
    (`emergence_law` says which).

    Args:
        teacher: the teacher, M directions.
        start: where the student starts; for k = 2 only its width and dimension matter.
        batch_size: B, for `learning_rate`.
        algorithm: `"homogeneous"`, SGD on the weights, or for k = 2 `"stiefel"`.
        student_scale: c of Stiefel SGD; None takes ‖a‖/√N.

    Raises:
        ArgumentError: another link, Stiefel SGD for k > 2 or without the start's dimension, or a number out of range.
    """
    problem = Problem(teacher, start)
    link = teacher.link
    require_integer(batch_size, "batch_size", 1)
    require(algorithm in ("homogeneous", "stiefel"), "algorithm", 'be "homogeneous" or "stiefel"', repr(algorithm))
    on_stiefel = algorithm == "stiefel"
    require_covered("largest_step of Stiefel SGD" if on_stiefel else "largest_step", teacher, start)
    if student_scale is not None:
        require(on_stiefel, "student_scale", 'be left out unless algorithm="stiefel"', student_scale)
        require_real(student_scale, "student_scale", above=0)
    square = float(link.coefficients[link.information_exponent]) ** 2
    if link.degree != 2:
        overlaps = np.abs(np.asarray(problem.assigned()[0]))
        a = np.asarray(teacher.a)
        gamma = 2 * a * overlaps ** (link.information_exponent - 2) / (square * np.sum(a**2))
        formula = "2a_p |m_p|^(k-2) = c_k²γ Σa², nothing learned yet"
    elif on_stiefel:
        neurons = start.student_width
        c = float(teacher.norm) / neurons**0.5 if student_scale is None else float(student_scale)
        kappa = _in_turn(problem, lambda a, m, most: stiefel_limit(a, neurons, m, c, most))
        gamma = kappa * 8 / (1 - neurons / int(start.dim or 0))
        formula = "a_m = (γ/4)(1 - N/d)(R + 4c²), R what the directions before leave"
    else:
        gamma = _in_turn(problem, lambda a, m, most: homogeneous_limit(a, m, 0, most)) / square
        formula = "2a_m = c_2²γR, R what the directions before leave"
    settled, held = gamma, np.full(teacher.width, np.inf)
    if link.degree == 2 and not on_stiefel:
        neurons = start.student_width
        settled = _in_turn(problem, lambda a, m, most: homogeneous_limit(a, m, neurons - m, most)) / square
    if not on_stiefel:
        held = _held_in_turn(problem)
        gamma, settled = np.minimum(gamma, held), np.minimum(settled, held)
    rate = None
    if start.dim is not None:
        rate = jnp.asarray(gamma * batch_size / start.dim / (2 if on_stiefel else 1))
    return StepLimits(jnp.asarray(gamma), jnp.asarray(settled), jnp.asarray(held), rate, algorithm, formula)


def _held_in_turn(problem: Problem) -> Float[np.ndarray, " M"]:
    """`largest_held` of each direction with those before it in the order of a; 0 where it cannot be learned."""
    a, able, moments = np.asarray(problem.teacher.a), can_be_learned(problem), moments_of(problem.teacher.link)
    order = [p for p in np.argsort(-a, kind="stable") if able[p]]
    held = np.zeros(len(a))
    for m, direction in enumerate(order):
        held[direction] = largest_held(moments, a[order[: m + 1]])
    return held


def _in_turn(problem: Problem, limit: Callable[[np.ndarray, int, float], float]) -> Float[np.ndarray, " M"]:
    """`limit` of each place in the order of a, at most the one before; 0 for those beyond the student's rank."""
    a = np.asarray(problem.teacher.a)
    order = np.argsort(-a, kind="stable")
    found, most = np.zeros(len(a)), np.inf
    for m, direction in enumerate(order[: problem.start.student_width]):
        found[direction] = most = limit(a[order], m, most)
    return found


def homogeneous_limit(a: Float[np.ndarray, " M"], m: int, long: int, most: float) -> float:
    """γ of direction a[m], a in descending order, c_2 = 1, with `long` neurons at Ω = a[m]; `most` if none is below."""
    own = 4 * a[m] ** 2 if long else 0.0

    def excess(gamma: float) -> float:
        return gamma * (homogeneous_residual(a, m, long, gamma) + own) - 2 * a[m]

    if m == 0:
        return float(2 * a[0] / (homogeneous_residual(a, 0, long, 0.0) + own))
    pole = brentq(lambda gamma: _held(a, m, gamma), 0.0, _INSIDE / (2 * a[0]))
    return _root(excess, min(most, _INSIDE * pole))


def homogeneous_residual(a: Float[np.ndarray, " M"], m: int, long: int, gamma: float) -> float:
    """R with a[:m] learned: each adds γRa_q/(1 - 2γa_q), so R is a multiple of itself plus what is not learned."""
    return float(np.sum(a[m:] ** 2) + long * a[m] ** 2) / _held(a, m, gamma)


def _held(a: Float[np.ndarray, " M"], m: int, gamma: float) -> float:
    """1 - Σ_{q<m} γa_q/(1 - 2γa_q): learned directions leave a finite residual while it is positive."""
    return float(1 - np.sum(gamma * a[:m] / (1 - 2 * gamma * a[:m])))


def stiefel_limit(a: Float[np.ndarray, " M"], neurons: int, m: int, c: float, most: float) -> float:
    """κ = (γ/8)(1 - N/d) of direction a[m], a in descending order; `most` where there is none below."""
    if m == 0:
        return float(a[0] / (2 * (c**2 * neurons + np.sum(a**2)) + 8 * c**2))
    return _root(lambda kappa: kappa * (2 * stiefel_residual(a, neurons, m, c, kappa) + 8 * c**2) - a[m], most)


def stiefel_residual(a: Float[np.ndarray, " M"], neurons: int, m: int, c: float, kappa: float) -> float:
    """R with a[:m] learned, from R = c²N + Σa² - 2c Σ_{q<m} a_q G_q, which is linear in R."""
    before = a[:m]
    held = before + 8 * kappa * (before**2 - 2 * c * before)
    known = c**2 * neurons + np.sum(a**2) - 2 * c * np.sum(before * (before - 8 * kappa * c**2) / held)
    return float(known / (1 - 4 * c * kappa * np.sum(before / held)))


def _root(excess: Callable[[float], float], most: float) -> float:
    """Where `excess` leaves the negative values it begins with; `most` where it does not."""
    return float(brentq(excess, 0.0, most)) if excess(most) > 0 else most
