"""Samples that online SGD needs to learn the top m directions, under the best step size.

The mean of the search phase at step η, one sample a step, in units where direction i has to come from 1 to 0:

k > 2, z = x^{-(k-2)}, x = √d |m_i|, η = g c_k^{-2} d^{-k/2}, time u d^{k/2-1}/c_k²:
    dz/du = k(k-2) (½ g z - a_i),     z(0) = z_i,     samples = d^{k-1} ∫ du/g,
so that with constant g and v = g z_i/(2 a_i)
    n_i = d^{k-1} z_i²/(2k(k-2) a_i²) · (-log(1 - v)/v²),     least at v = 0.7153: 2.4554.
k = 2, ℓ = log-odds of the alignment, η = g c_2^{-2}/d, time u/c_2²:
    dℓ/du = 4 a_i - 2 g R,            ℓ(0) = -log(d/N),       samples = d ∫ du/g,
R = Σ_{not learned} a_i² the risk that drives the noise. For k > 2 R = 1, as most of the risk is left where it matters.
Both for Σ a_i² = 1; for another second layer η is divided by ‖a‖, and n is the same.

Noise keeps overlaps from falling below their initial size: z ≤ z_i, ℓ ≥ -log(d/N). The spread about the mean, and the
probability that a direction is learned at all, are `emergence_law`'s. Source: RNWL25 (arXiv 2504.19983), BEVW25
(arXiv 2508.03688); derivations/search_phase.py, derivations/finite_step_weights.py, derivations/sharp_limit.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from jaxtyping import Float

from ..problem import Teacher, largest_overlap, require_covered
from ..support import require, require_integer

_MEDIAN = 0.5
_STEPS = np.geomspace(1e-4, 40.0, 240)  # step sizes in units of the last direction's a_m, before refinement
_TINY = 1e-12

StepKind = Literal["constant", "proportional"]


@dataclass(frozen=True, eq=False)
class SampleCost:
    """The samples that learning directions 1 … m takes, and the step size at which it takes them.

    Attributes:
        top: m.
        samples: n.
        learning_rate: η of direction m; of a proportional step that of each direction 1 … m, (m,).
        step: "constant", or "proportional", η ∝ a_i while direction i is learned.
        formula: of the order of n, and its source.
    """

    top: int
    samples: float
    learning_rate: Float[np.ndarray, " m"] | float
    step: StepKind
    formula: str


def samples_to_learn(
    teacher: Teacher, top: int, *, dim: int, student_width: int, step: StepKind = "constant"
) -> SampleCost:
    """Compute the fewest samples that learn directions 1 … `top`, over step sizes of one kind.

    The step size of least cost is found on a grid and refined; RNWL25 (arXiv 2504.19983) for k > 2, BEVW25
    (arXiv 2508.03688) for k = 2, derivations/search_phase.py and derivations/sharp_limit.py.

    Args:
        teacher: a pure link h_k, k ≥ 2.
        top: m, at most min(N, M).
        dim: d.
        student_width: N; starts are typical, for k > 2 the median of the largest overlap that is left.
        step: "constant" η, or "proportional", η ∝ a_i while direction i is learned.

    Raises:
        ArgumentError: a link that is not h_k, or a number of directions that cannot be learned.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=8, beta=1.0, link=rc.Link.hermite(4))
        >>> cost = rc.scaling.samples_to_learn(teacher, 2, dim=1000, student_width=32)
        >>> f"{cost.samples:.2g} samples at η = {cost.learning_rate:.2g}"
        '3.4e+07 samples at η = 3e-06'
    """
    require_covered("samples_to_learn", teacher)
    k = teacher.link.information_exponent
    require(step in ("constant", "proportional"), "step", 'be "constant" or "proportional"', repr(step))
    require_integer(top, "top", 1)
    require_integer(dim, "dim", teacher.width)
    require_integer(student_width, "student_width", 1)
    most = min(teacher.width, student_width)
    require(top <= most, "top", f"be ≤ min(M, N) = {most}", top)
    a = np.sort(np.asarray(teacher.normalised_a))[::-1]
    if k == 2:
        require(2 * student_width < dim, "dim", f"be > 2 student_width = {2 * student_width}", dim)
        cost, scale, stride = _quadratic_cost(a, float(np.log(dim / student_width))), float(dim), 1.0 / dim
    else:
        overlaps = largest_overlap(student_width - np.arange(top), dim, _MEDIAN, teacher.link.either_sign)
        must = "leave every direction a neuron with an overlap that can grow"
        require(bool((overlaps > 0).all()), "student_width", must, student_width)
        z = (np.sqrt(dim) * overlaps) ** (2.0 - k)
        cost, scale, stride = _search_cost(a, z, k), float(dim) ** (k - 1), float(dim) ** (-k / 2)
    shape = a[:top] / a[top - 1] if step == "proportional" else np.ones(top)
    g = _best(lambda size: cost(size * shape), a[top - 1])
    rate = g * stride * shape / float(teacher.link.coefficients[k]) ** 2 / float(teacher.norm)
    order = f"m^(2β) d^{k - 1}, RNWL25" if k > 2 else "d polylog d (β > ½), d M^(1+β) polylog d (β < ½), BEVW25"
    return SampleCost(top, scale * cost(g * shape), rate if step == "proportional" else float(rate[-1]), step, order)


def _best(cost: Callable[[float], float], unit: float) -> float:
    """The step of least cost: the best of a grid, refined."""
    sizes = unit * _STEPS
    values = np.array([cost(size) for size in sizes])
    k = int(values.argmin())
    ends = np.log(sizes[max(k - 1, 0)]), np.log(sizes[min(k + 1, len(sizes) - 1)])
    inner = scipy.optimize.minimize_scalar(
        lambda log_size: cost(float(np.exp(log_size))), bounds=ends, method="bounded"
    )
    return float(np.exp(inner.x)) if inner.fun < values[k] else float(sizes[k])


def _search_cost(a: np.ndarray, start: np.ndarray, k: int) -> Callable[[np.ndarray], float]:
    """k > 2: ∫ du/g until z_1 … z_m have reached 0 one after the other, the i-th stage at step g_i; else inf."""

    def cost(g: np.ndarray) -> float:
        z, total = start.copy(), 0.0
        for i, step in enumerate(g):
            if z[i] <= 0:
                continue
            left = 1 - step * z[i] / (2 * a[i])
            if left <= _TINY:
                return np.inf
            rate = 0.5 * step * k * (k - 2)
            u = -np.log(left) / rate
            level = 2 * a[: len(z)] / step
            z = np.clip(level + (z - level) * np.exp(rate * u), 0.0, start)
            total += u / step
        return total

    return cost


def _quadratic_cost(a: np.ndarray, odds: float) -> Callable[[np.ndarray], float]:
    """k = 2: ∫ du/g until ℓ_1 … ℓ_m have reached 0 one after the other, the i-th stage at step g_i; else inf."""
    left = np.append(np.cumsum((a**2)[::-1])[::-1], 0.0)

    def cost(g: np.ndarray) -> float:
        log_odds, total = np.full(len(g), -odds), 0.0
        for i, step in enumerate(g):
            if log_odds[i] >= 0:
                continue
            growth = 4 * a[: len(g)] - 2 * step * left[i]
            if growth[i] <= _TINY:
                return np.inf
            u = -log_odds[i] / growth[i]
            log_odds = np.maximum(log_odds + growth * u, -odds)
            total += u / step
        return total

    return cost


def risk_in_samples(
    teacher: Teacher, tops: np.ndarray | list[int], *, dim: int, student_width: int, step: StepKind = "constant"
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
    """Compute risk against samples: n (t,) that learn the top m, for each m of `tops`, and the risk left then, (t,).

    The risk is Σ_{i>m} a_i²/Σ a_i².

    Raises:
        ArgumentError: as `samples_to_learn`.
    """
    left = np.append(np.cumsum(np.sort(np.asarray(teacher.normalised_a)) ** 2)[::-1], 0.0)
    costs = [samples_to_learn(teacher, int(m), dim=dim, student_width=student_width, step=step) for m in tops]
    return np.array([cost.samples for cost in costs]), left[np.asarray(tops, int)]
