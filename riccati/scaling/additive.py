"""The additive model: risk(t) = Σ_m w_m f(t/T_m), many independent emergences one after the other.

It is the hypothesis behind the scaling laws as one object. Papers differ in their choice of weights w_m, times T_m and
shape f; each constructor names its paper.

Where weights and times are power laws, the risk far from both ends has an asymptote with its constants. With
w_m = m^{-ω}/ζ_M, T_m = T_1 m^θ, u = t/T_1 and F the Mellin transform of the shape,

    Σ_{m≥1} m^{-ω} f(u m^{-θ}) = (1/θ) F((ω-1)/θ) u^{(1-ω)/θ} + …,

the pole of ζ(ω - θs) F(s) u^{-s} at s = (ω-1)/θ. A smooth shape that falls exponentially has no other pole to the
right, so the remainder is smaller than any power of u; a step leaves a staircase of relative height u^{-1/θ}. A finite
M takes the tail ζ(ω, M+1) away, all of it as long as none of the directions beyond M would have emerged:

    risk(t) = constant · u^{(1-ω)/θ} + offset,    offset = -ζ(ω, M+1)/ζ_M,    ζ_M = Σ_{m≤M} m^{-ω}.

Derived in derivations/sharp_limit.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ..problem import Link
from ..support import require, require_finite, require_integer, require_real
from .limits import power_sum
from .shapes import Escape, Logistic, Shape, Skill, StepFunction, mellin

_AT_ONCE = 4_000_000  # directions x times in memory at once


@dataclass(frozen=True)
class Asymptote:
    """The power law risk(t) = constant · (t/first)^exponent + offset that an additive model follows between its ends.

    Attributes:
        exponent: (1 - ω)/θ, negative.
        constant: F((ω-1)/θ)/(θ ζ_M).
        offset: -ζ(ω, M+1)/ζ_M, 0 for M = ∞.
        first: T_1.
    """

    exponent: float
    constant: float
    offset: float
    first: float

    def __call__(self, times: ArrayLike) -> np.ndarray:
        """The risk at each time."""
        return self.constant * (np.asarray(times, float) / self.first) ** self.exponent + self.offset


def asymptote(
    weight_exponent: float, time_exponent: float, shape: Shape, width: float = np.inf, first: float = 1.0
) -> Asymptote:
    """Return the asymptote of the additive model with w_m ∝ m^{-ω}, T_m = T_1 m^θ, M = `width` directions.

    Raises:
        ArgumentError: if ω ≤ 1, where the risk falls as a function of t/T_M instead (limits.py).
    """
    must = "be > 1 for a power law in time (≤ 1: the risk depends on t/T_M, see sharp_limit)"
    require(weight_exponent > 1, "weight_exponent", must, weight_exponent)
    total = float(power_sum(weight_exponent, 1, width))
    beyond = 0.0 if np.isinf(width) else float(power_sum(weight_exponent, width + 1))
    s = (weight_exponent - 1) / time_exponent
    return Asymptote(-s, mellin(shape, s) / (time_exponent * total), -beyond / total, first)


@dataclass(frozen=True, eq=False)
class AdditiveModel:
    """A sum of independent emergences, risk(t) = Σ_m w_m f(t/T_m).

    Attributes:
        weights: w, (M,), positive, scaled to Σ w_m = 1.
        times: T, (M,), positive, in any unit.
        shape: f, as in shapes.py.
        powers: (ω, θ) where w_m ∝ m^{-ω} and T_m ∝ m^θ exactly, else None.

    Raises:
        ArgumentError: vectors of different lengths, or entries that are not positive and finite.
    """

    weights: Float[np.ndarray, " M"]
    times: Float[np.ndarray, " M"]
    shape: Shape
    powers: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("weights", "times"):
            value = np.asarray(getattr(self, name), float)
            require(value.ndim == 1 and value.size > 0, name, "be a vector with one entry or more", value.shape)
            require_finite(value, name)
            require(bool((value > 0).all()), name, "be > 0 in every entry", f"{value.min():g} in one")
            object.__setattr__(self, name, value / value.sum() if name == "weights" else value)
        require(len(self.weights) == len(self.times), "times", f"have {len(self.weights)} entries", len(self.times))

    @classmethod
    def power_law(
        cls, width: int, weight_exponent: float, time_exponent: float, shape: Shape, first: float = 1.0
    ) -> AdditiveModel:
        """Return the model with w_m ∝ m^{-ω}, T_m = `first` m^θ, m = 1 … `width`.

        Raises:
            ArgumentError: a width below 1, an exponent ω < 0 or θ ≤ 0, a first time that is not positive.
        """
        require_integer(width, "width", 1)
        require_real(weight_exponent, "weight_exponent", least=0)
        require_real(time_exponent, "time_exponent", above=0)
        require_real(first, "first", above=0)
        m = np.arange(1.0, width + 1)
        powers = (float(weight_exponent), float(time_exponent))
        return cls(m**-weight_exponent, first * m**time_exponent, shape, powers)

    @classmethod
    def quadratic(cls, width: int, beta: float, sharpness: float) -> AdditiveModel:
        """Return the model of information exponent 2: w_m ∝ m^{-2β}, T_m ∝ m^β, `Logistic`.

        L = log(1/G_0 - 1), G_0 ≈ N/d.

        Source: BEVW25 (arXiv 2508.03688; its α is β, its λ_j is a_m), decoupled.
        """
        return cls.power_law(width, 2 * beta, beta, Logistic(sharpness))

    @classmethod
    def information_exponent(cls, width: int, beta: float, link: Link, overlap: float) -> AdditiveModel:
        """Return the model of an information exponent k > 2: w_m ∝ m^{-2β}, T_m ∝ m^β, `Escape` from one overlap.

        Source: RNWL25 (arXiv 2504.19983), the decoupled dynamics of its proof sketch.
        """
        return cls.power_law(width, 2 * beta, beta, Escape(link, overlap))

    @classmethod
    def skills(cls, width: int, alpha: float, final: float = 5.0, initial: float = 0.1) -> AdditiveModel:
        """Return the model of skills of frequency m^{-(α+1)}: w_m ∝ m^{-(α+1)}, T_m ∝ m^{α+1}, `Skill`.

        L = log(S/R_0 - 1).

        Source: Nam et al. 2024 (arXiv 2404.17563), the multilinear model; S = `final`, R_0 = `initial`. With their
        M = 50 000, min_N risk(N, C/N) · C^{α/(α+2)}, C in units of T_1, is no constant: it falls from 0.80 to 0.50 at
        α = 0.3, 0.72 to 0.59 at 0.6, and is 0.57 to 0.64 at 0.9, over the C whose best N is 8 to 4096. Their constants
        0.68, 0.70, 0.64 lie within. Only with the skills beyond M counted as not learned, ζ(α+1, M+1)/ζ_M added, is it
        one, that of M = ∞: 0.88, 0.73, 0.63.

        Raises:
            ArgumentError: `initial` ≤ 0, `final` ≤ 2 `initial`, or as `power_law`.
        """
        require_real(initial, "initial", above=0)
        require_real(final, "final", above=2 * initial)
        return cls.power_law(width, alpha + 1, alpha + 1, Skill(float(np.log(final / initial - 1))))

    @classmethod
    def quanta(cls, width: int, alpha: float) -> AdditiveModel:
        """Return the model of quanta of frequency m^{-(α+1)}, each learned at once: `StepFunction`.

        Source: Michaud et al. 2023 (arXiv 2303.13506), the quantization model; risk ~ t^{-α/(α+1)}, N^{-α}.
        """
        return cls.power_law(width, alpha + 1, alpha + 1, StepFunction())

    @property
    def width(self) -> int:
        """M."""
        return len(self.weights)

    def floor(self, learned: int) -> float:
        """Return Σ_{m > learned} w_m, the risk of a student that learns only the first `learned` directions.

        Raises:
            ArgumentError: `learned` that is no whole number ≥ 0.
        """
        require_integer(learned, "learned", 0)
        return float(self.weights[learned:].sum())

    def risk(self, times: ArrayLike, learned: int | None = None) -> Float[np.ndarray, " T"]:
        """Return Σ_{m ≤ learned} w_m f(t/T_m) + Σ_{m > learned} w_m, (T,); all directions are learned by default.

        Raises:
            ArgumentError: times that are no vector, or `learned` that is no whole number ≥ 0.
        """
        times = np.asarray(times, float)
        require(times.ndim == 1, "times", "be a vector", f"of shape {times.shape}")
        kept = self.width if learned is None else learned
        share, unit = self.weights[:kept], self.times[:kept]
        rows = max(1, _AT_ONCE // max(len(unit), 1))
        parts = [self.shape(times[i : i + rows, None] / unit) @ share for i in range(0, len(times), rows)]
        return np.concatenate(parts) + self.floor(kept)

    def learned(self, times: ArrayLike) -> np.ndarray:
        """Return the number of directions that have emerged by each time, T_m ≤ t."""
        return np.searchsorted(np.sort(self.times), np.asarray(times, float), side="right")

    @property
    def asymptote(self) -> Asymptote:
        """risk(t) for T_1 ≪ t ≪ T_M.

        Raises:
            ArgumentError: if weights and times are not exact power laws, or ω ≤ 1.
        """
        require(self.powers is not None, "model", "have power-law weights and times (AdditiveModel.power_law)", "none")
        assert self.powers is not None
        return asymptote(*self.powers, self.shape, width=self.width, first=float(self.times[0]))
