"""The additive model with power laws far from both ends, with its constants.

With w_m = m^{-α}/ζ_M, T_m = T_1 m^θ, u = t/T_1 and F the Mellin transform of the shape,

    Σ_{m≥1} m^{-α} f(u m^{-θ}) = (1/θ) F((α-1)/θ) u^{(1-α)/θ} + …,

the pole of ζ(α - θs) F(s) u^{-s} at s = (α-1)/θ. A smooth shape that falls exponentially has no other pole to the
right, so that what is left out is smaller than any power of u; a step leaves a staircase of relative height u^{-1/θ}.
Directions beyond M take ζ(α, M+1) away, all of it as long as none of them would have emerged:

    risk(t) = constant · u^{(1-α)/θ} + offset,    offset = -ζ(α, M+1)/ζ_M,    ζ_M = Σ_{m≤M} m^{-α}.

Derived in derivations/sharp_limit.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..support import require
from .shapes import Shape, mellin
from .sums import power_sum


@dataclass(frozen=True)
class Asymptote:
    """risk(t) = constant · (t/first)^exponent + offset.

    Attributes:
        exponent: (1 - α)/θ, negative.
        constant: F((α-1)/θ)/(θ ζ_M).
        offset: -ζ(α, M+1)/ζ_M, 0 for M = ∞.
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
    """The law for w_m ∝ m^{-α}, T_m = T_1 m^θ, M = `width` directions.

    Raises:
        ArgumentError: if α ≤ 1, where the risk falls as a function of t/T_M instead (limits.py).
    """
    must = "be > 1 for a power law in time (≤ 1: the risk depends on t/T_M, see sharp_limit)"
    require(weight_exponent > 1, "weight_exponent", must, weight_exponent)
    total = float(power_sum(weight_exponent, 1, width))
    beyond = 0.0 if np.isinf(width) else float(power_sum(weight_exponent, width + 1))
    s = (weight_exponent - 1) / time_exponent
    return Asymptote(-s, mellin(shape, s) / (time_exponent * total), -beyond / total, first)
