"""Risk curves of students of every width, whose envelope is the compute-optimal frontier.

k > 2: the `Decoupled` flow. k = 2: directions decoupled from squared overlaps G_0; with norms r direction m ≤ N grows
as S_m = a_m/(1 + e^{L_m - 4 c_2² a_m t}), L_m = log(a_m/(r² G_0) - 1), and

    risk = [Σ_{m ≤ N} a_m² (1 - S_m/a_m)² + Σ_{m > N} a_m²]/Σ a_m².

The start is "equal", every one of the first N directions from the overlap d^{-1/2} whatever N, which is what the
scaling laws assume; or "typical", G_0 = N/d for k = 2, and for k > 2 the largest of the overlaps that are left
(`TypicalStart`). The latter makes wider students faster and their last directions later, by factors of log N that the
theoretical exponents leave out and measured ones contain.

For k = 2 the factor L_N = log(a_N/(r² G_0) - 1) in T_N = L_N/(4 c_2² a_N) depends on N too, beside a_N ∝ N^-β: at
β = 1, r = 10^-2 the exponent of compute is -0.5174, -0.5148, -0.5128, -0.5069 for d = 10⁴, 10⁵, 10⁶, 10¹², that is
-½ - 0.17/log d to -½ - 0.19/log d. In C/L_N, log d taken out as the sharp limit has it, it is -0.4984 to -0.4990.

Derived in derivations/riccati_equation.py (the scalar equation) and derivations/sharp_limit.py.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy

from ..flows import Decoupled
from ..problem import Problem, Start, Teacher, require_covered, riccati_rate
from ..support import require, require_integer, require_real
from .additive import AdditiveModel
from .limits import sharp_limit

RiskCurve = Callable[[int, np.ndarray], np.ndarray]  # of a width and of times


def students_of(
    teacher: Teacher | AdditiveModel, dim: int | None, norm: float | None, start: str
) -> tuple[RiskCurve, Callable[[int], float]]:
    """Return risk(N, times) as a function, and the time T(N) of the last direction that N neurons learn as another.

    Raises:
        ArgumentError: a dimension or norm that is missing, or given with an additive model, which has neither.
    """
    if isinstance(teacher, AdditiveModel):
        model = teacher
        require(dim is None, "dim", "be left out for an AdditiveModel", dim)
        require(norm is None, "norm", "be left out for an AdditiveModel", norm)
        return lambda width, times: model.risk(times, width), lambda width: float(model.times[:width].max())
    require(isinstance(teacher, Teacher), "teacher", "be a Teacher or an AdditiveModel", type(teacher).__name__)
    require_covered("frontier", teacher)
    require(start in ("equal", "typical"), "start", 'be "equal" or "typical"', repr(start))
    require(dim is not None, "dim", "be given for a Teacher", "left out")
    require(norm is not None, "norm", "be given for a Teacher", "left out")
    require_integer(dim, "dim", teacher.width)
    require_real(norm, "norm", above=0)
    assert dim is not None
    assert norm is not None
    return (_quadratic if teacher.link.degree == 2 else _decoupled)(teacher, dim, norm, start == "equal")


def _decoupled(teacher: Teacher, dim: int, norm: float, equal: bool) -> tuple[RiskCurve, Callable[[int], float]]:
    flow, rank = Decoupled(), np.argsort(np.argsort(-np.asarray(teacher.a), kind="stable"))

    def risk(width: int, times: np.ndarray) -> np.ndarray:
        start = Start.typical(teacher, width, dim, norm)
        if equal:
            start = eqx.tree_at(lambda at: at.overlaps, start, jnp.where(rank < width, dim**-0.5, 0.0))
        problem = Problem(teacher, start)
        flow.check(problem)
        return np.asarray(flow.evolve(problem, jnp.asarray(times)).observables.risk)

    def last(width: int) -> float:
        times = sharp_limit(teacher, None if equal else width).emergence_times
        last = np.sort(times[np.isfinite(times)])[:width][-1]
        return float(last) * dim ** (teacher.link.information_exponent / 2 - 1)

    return risk, last


def _quadratic(teacher: Teacher, dim: int, norm: float, equal: bool) -> tuple[RiskCurve, Callable[[int], float]]:
    a, rate = np.sort(np.asarray(teacher.a))[::-1], float(riccati_rate(teacher))

    def odds(width: int) -> np.ndarray:
        begin = norm**2 * min(1 / dim if equal else width / dim, 1.0)
        require(bool((2 * begin < a[:width]).all()), "norm", "be so small that r² G_0 < a_m/2 for every m ≤ N", norm)
        return np.log(a[:width] / begin - 1)

    def risk(width: int, times: np.ndarray) -> np.ndarray:
        share, start = a[:width], odds(width)
        missing = scipy.special.expit(start - 2 * rate * times[:, None] * share) / scipy.special.expit(start)
        return (missing**2 @ share**2 + np.sum(a[width:][::-1] ** 2)) / np.sum(a[::-1] ** 2)

    return risk, lambda width: float((odds(width) / (2 * rate * a[:width])).max())
