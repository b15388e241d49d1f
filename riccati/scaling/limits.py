"""The sharp limit d → ∞: directions emerge one after the other, at once, and the risk is a staircase.

In the unit of time below direction m emerges at

    k = 2:  T_m = 1/(4 c_2² a_m),                       unit log(d/N), that is log d for N fixed
    k > 2:  T_m = 1/(k(k-2) c_k² a_m x_m^{k-2}),        unit d^{k/2-1}, x_m = √d |m_m(0)|

of canonical time, if it is among the min(N, M) directions that the student can learn. The risk that is left is

    risk(t) = Σ_{m: T_m > t} a_m²/Σ a²,       floor = Σ_{m > N} a_m²/Σ a².

For a_m ∝ m^{-β}, T_m ∝ m^θ, θ = β, and M → ∞ (γ_E Euler's constant, ζ(s, q) Hurwitz's function, φ = N/M):

    β > ½:  ζ(2β, n+1)/ζ(2β), n = (t/T_1)^{1/θ} ∧ N:    (t/T_1)^{(1-2β)/θ} ∨ N^{1-2β}, times 1/((2β-1) ζ(2β))
    β = ½:  -θ^{-1} log(t/T_M)/(log M + γ_E) ∨ -log φ/(log M + γ_E)
    β < ½:  1 - (t/T_M)^{(1-2β)/θ} ∨ 1 - φ^{1-2β}

Anisotropic input, the teacher along eigenvectors of Σ: a_m becomes a_m λ_m^{k/2} in T_m and in the order of directions
(a_m λ_m^{k/2-1} where steps are preconditioned), and d becomes tr Σ in the unit. For λ_m ∝ m^{-α} that is the
two-parameter law, θ = β + αk/2 (β + α for k = 2). The limit is tr Σ/λ_1 → ∞, that is α < 1 if the law holds for all d.

Source: RNWL25 (arXiv 2504.19983), BEVW25 (arXiv 2508.03688); derivations/sharp_limit.py, derivations/scaling.py and
derivations/anisotropic.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from jaxtyping import Float
from numpy.typing import ArrayLike

from ..problem import Teacher, pull, require_covered
from ..support import require, require_integer

_SAME = 1e-9  # relative deviation of the second layer from a power law
_CRITICAL = 0.5
_MEDIAN = 0.5

Regime = Literal["power law", "logarithmic", "flat"]


@dataclass(frozen=True, eq=False)
class SharpLimit:
    """The limit d → ∞ of one teacher: a staircase, and for power laws its own limit M → ∞.

    Attributes:
        teacher: the teacher.
        student_width: N; None for a neuron to every direction.
        emergence_times: (M,), in the unit of time, inf where never.
        beta: β where a_m ∝ m^{-β} exactly, else None.
        theta: θ where T_m ∝ m^θ too, but for the initial overlaps: β + αk/2, β on isotropic input; else None.
        floor: Σ_{m > N} a_m²/Σ a_m², the risk that is left; exact for this M.
    """

    teacher: Teacher
    student_width: int | None
    emergence_times: Float[np.ndarray, " M"]
    beta: float | None
    theta: float | None
    floor: float

    @property
    def regime(self) -> Regime | None:
        """`power law` (β > ½), `logarithmic` (β = ½) or `flat` (β < ½); None where a_m is not a power law."""
        if self.beta is None:
            return None
        if abs(self.beta - _CRITICAL) < _SAME:
            return "logarithmic"
        return "power law" if self.beta > _CRITICAL else "flat"

    @property
    def exponent(self) -> float | None:
        """(1 - 2β)/θ, of the risk in time for β > ½; None where the risk is no power of time."""
        if self.beta is None or self.theta is None or self.regime != "power law":
            return None
        return (1 - 2 * self.beta) / self.theta

    @property
    def unit_name(self) -> str:
        """The unit of time in words."""
        k, size = self.teacher.link.information_exponent, "d" if self.teacher.covariance is None else "tr Σ"
        if k > 2:
            return f"{size if size == 'd' else f'({size})'}^{k / 2 - 1:g}"
        return f"log({size}/N)" if self.student_width else f"log {size}"

    def unit(self, dim: int) -> float:
        """Canonical time of one unit at input dimension d.

        Raises:
            ArgumentError: a dimension below 2, other than the covariance's, or too small for N neurons to start small.
        """
        require_integer(dim, "dim", 2)
        k, neurons, cov = self.teacher.link.information_exponent, self.student_width or 1, self.teacher.covariance
        require(cov is None or cov.dim == dim, "dim", f"be the covariance's {cov.dim if cov else dim}", dim)
        size = float(dim) if cov is None else float(np.sum(cov.eigenvalues))
        require(k > 2 or neurons < size, "dim", f"make d, or tr Σ, > student_width = {neurons}", dim)
        return float(np.log(size / neurons)) if k == 2 else size ** (k / 2 - 1)

    @property
    def scale(self) -> float:
        """The time, in the unit, that the limit M → ∞ is a function of: T_1 for β > ½, T_M = T_1 M^β otherwise."""
        first = float(self.emergence_times[0])
        return first if self.regime in ("power law", None) else first * self.teacher.width ** float(self.theta or 0)

    def risk(self, times: ArrayLike) -> Float[np.ndarray, " T"]:
        """Σ_{m: T_m > t} a_m²/Σ a_m² at times in the unit, exact for this M."""
        a = np.asarray(self.teacher.normalised_a)
        order = np.argsort(self.emergence_times, kind="stable")
        left = np.append(np.cumsum((a[order] ** 2)[::-1])[::-1], 0.0)  # the smallest first: no cancellation
        return left[np.searchsorted(self.emergence_times[order], np.asarray(times, float), side="right")]

    def many_directions(self, x: ArrayLike) -> np.ndarray:
        """The limit M → ∞ at x = t/`scale`; β = ½ keeps log M, and N/M stays what it is for β ≤ ½.

        Times of directions are taken ∝ m^θ, so for k > 2 all initial overlaps as that of direction 1, times √λ_m/√λ_1.

        Raises:
            ArgumentError: if the second layer, or the covariance's eigenvalues along the teacher, are not a power law.
        """
        x = np.asarray(x, float)
        must = "have a_m ∝ m^-β for a limit of many directions"
        require(self.beta is not None, "teacher", must, "another second layer")
        must = "have λ_m ∝ m^-α for a limit of many directions"
        require(self.theta is not None, "teacher", must, "another covariance")
        beta, theta, M = float(self.beta or 0), float(self.theta or 0), self.teacher.width
        if self.regime == "power law":
            learned = np.floor(x ** (1 / theta) * (1 + 4 * np.finfo(float).eps))
            learned = learned if self.student_width is None else np.minimum(learned, self.student_width)
            return power_sum(2 * beta, learned + 1) / power_sum(2 * beta, 1)
        share = 1.0 if self.student_width is None else min(self.student_width / M, 1.0)
        if self.regime == "logarithmic":
            left = -np.log(np.maximum(x, np.finfo(float).tiny)) / theta / (np.log(M) + np.euler_gamma)
            return np.clip(left, -np.log(share) / (np.log(M) + np.euler_gamma), 1.0)
        power = (1 - 2 * beta) / theta if theta > 0 else np.inf
        return np.maximum(1 - np.minimum(x, 1) ** power, 1 - share ** (1 - 2 * beta))

    def __repr__(self) -> str:
        k = self.teacher.link.information_exponent
        cov = self.teacher.covariance
        pulled = "a_1" if cov is None else f"a_1 λ_1^(k/2{'-1' if cov.preconditioned else ''})"
        first = f"1/(4 c_2² {pulled})" if k == 2 else f"1/(k(k-2) c_k² {pulled} x_1^(k-2))"
        law = f"t^{self.exponent:.4g}" if self.exponent is not None else f"none ({self.regime or 'not a power law'})"
        rows = {
            "teacher": repr(self.teacher),
            "neurons": "one to every direction" if self.student_width is None else str(self.student_width),
            "beta": "none" if self.beta is None else f"{self.beta:.6g}",
            "theta": "none" if self.theta is None else f"{self.theta:.6g}",
            "unit": f"{self.unit_name} of canonical time",
            "times": f"{self.emergence_times.min():.4g} = {first} for the first, derivations/sharp_limit.py",
            "risk": f"{law}, (1-2β)/θ, derivations/scaling.py",
            "floor": f"{self.floor:.6g} = Σ_(m>N) a_m²/Σ a_m²",
            "source": "BEVW25 (arXiv 2508.03688)" if k == 2 else "RNWL25 (arXiv 2504.19983)",
        }
        return "SharpLimit\n" + "\n".join(f"  {name:<8} {value}" for name, value in rows.items())


def sharp_limit(teacher: Teacher, student_width: int | None = None) -> SharpLimit:
    """Return the limit d → ∞ of the risk of a student that starts small: emergence times, risk, exponent and floor.

    Directions emerge one after the other, at once, and risk(t) = Σ_{m: T_m > t} a_m²/Σ a_m²; times are in the unit
    `SharpLimit.unit(dim)` of canonical time. Source: RNWL25 (arXiv 2504.19983), BEVW25 (arXiv 2508.03688);
    derivations/sharp_limit.py.

    Args:
        teacher: link with c_0 = 0 and information exponent k ≥ 2.
        student_width: N. None gives every direction a neuron; for k > 2 its overlap is then d^{-1/2} exactly,
            otherwise the median of the largest of the overlaps that are left, as in `TypicalStart`.

    Raises:
        ArgumentError: a link with k < 2 or c_0 ≠ 0, a width below 1, or a teacher that is not standard but for a
            covariance whose eigenvectors its directions are.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=4, beta=1.0, link=rc.Link.hermite(2))
        >>> limit = rc.scaling.sharp_limit(teacher, student_width=2)
        >>> limit.emergence_times.round(3).tolist(), round(limit.floor, 3), limit.exponent
        ([0.298, 0.597, inf, inf], 0.122, -1.0)
    """
    require(isinstance(teacher, Teacher), "teacher", "be a riccati.Teacher", type(teacher).__name__)
    require_covered("sharp_limit", teacher)
    link = teacher.link
    if student_width is not None:
        require_integer(student_width, "student_width", 1)
    a, pulls = np.asarray(teacher.a), pull(teacher)
    k, rank = link.information_exponent, np.empty(len(a), int)
    rank[np.argsort(-pulls, kind="stable")] = np.arange(len(a))
    rate = float(link.coefficients[k]) ** 2 * pulls
    if k == 2:
        times = 1 / (4 * rate)
    else:
        overlaps = np.ones(len(a)) if student_width is None else _overlaps(student_width - rank, link.either_sign)
        with np.errstate(divide="ignore"):
            times = np.where(overlaps > 0, 1 / (k * (k - 2) * rate * np.maximum(overlaps, 0.0) ** (k - 2)), np.inf)
    if student_width is not None:
        times = np.where(rank < student_width, times, np.inf)
    floor = float(np.sum(np.sort(np.asarray(teacher.normalised_a)[np.isinf(times)] ** 2)))
    return SharpLimit(teacher, student_width, times, power_of(a), power_of(pulls), floor)


def power_of(a: np.ndarray) -> float | None:
    """Return β where a_m ∝ m^{-β} to rounding, else None."""
    if len(a) < 2:
        return None
    beta = float(np.log2(a[0] / a[1]))
    exact = np.arange(1.0, len(a) + 1) ** -beta * a[0]
    return max(beta, 0.0) if beta > -_SAME and np.allclose(a, exact, rtol=_SAME, atol=0) else None


def power_sum(exponent: float, first: ArrayLike, last: ArrayLike = np.inf) -> np.ndarray:
    """Return Σ_{m=first}^{last} m^{-s}, 0 where last < first; ζ(s, first) - ζ(s, last + 1) for s > 1.

    Args:
        exponent: s.
        first: the first m, ≥ 1.
        last: the last m; infinite only for s > 1.

    Raises:
        ArgumentError: an infinite sum with s ≤ 1, which diverges.
    """
    first, last = np.broadcast_arrays(np.asarray(first, float), np.asarray(last, float))
    if exponent > 1:
        with np.errstate(invalid="ignore"):
            beyond = np.where(
                np.isinf(last), 0.0, scipy.special.zeta(exponent, np.where(np.isinf(last), 1.0, last + 1))
            )
        return np.maximum(scipy.special.zeta(exponent, first) - beyond, 0.0)
    require(bool(np.isfinite(last).all()), "last", "be finite for exponents ≤ 1, where the sum diverges", "infinite")
    longest = int(last.max(initial=0))
    partial = np.concatenate([[0.0], np.cumsum(np.arange(1.0, longest + 1) ** -exponent)])
    return np.maximum(partial[last.astype(int)] - partial[first.astype(int) - 1], 0.0)


def _overlaps(left: np.ndarray, either_sign: bool) -> np.ndarray:
    """The median of the largest of `left` standard normals, of their sizes where either sign can grow; 0 of none."""
    with np.errstate(divide="ignore"):
        above = -np.expm1(np.log(_MEDIAN) / np.maximum(left, 1))
    return np.where(left > 0, -scipy.special.ndtri(above / 2 if either_sign else above), 0.0)
