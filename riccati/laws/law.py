"""What every law of emergence times is: quantiles, probabilities and joint draws of M random times."""

from __future__ import annotations

import abc

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Key


class EmergenceLaw(eqx.Module):
    """The law of M emergence times, canonical time t = η·step.

    Attributes:
        times: (T,), the times that were looked at, up to where the law is known.
        level: the squared overlap that counts as emerged.
        learning_rate, batch_size: η and B.
        gamma: γ = ηd/B.
        without_noise: (M,), the emergence times of gradient flow, γ → 0; NaN where it has none of its own.
        diverged: the fraction of runs that diverge; for k > 2 an estimate (divergence.py).
        caution: what should be known before the law is trusted, empty where there is nothing.
    """

    times: eqx.AbstractVar[Float[Array, " T"]]
    level: eqx.AbstractVar[float]
    learning_rate: eqx.AbstractVar[float]
    batch_size: eqx.AbstractVar[int]
    gamma: eqx.AbstractVar[float]
    without_noise: eqx.AbstractVar[Float[Array, " M"]]
    diverged: eqx.AbstractVar[float]
    caution: eqx.AbstractVar[str]

    def finite_step(self) -> str:
        """What the finite step adds to gradient flow, in words: by how much medians are later."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.asarray(self.quantile(0.5)) / np.asarray(self.without_noise)
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if not len(ratio):
            return f"γ = ηd/B = {self.gamma:.3g}"
        low, high = f"{ratio.min():.3g}", f"{ratio.max():.3g}"
        times = low if low == high else f"{low} to {high}"
        return f"γ = ηd/B = {self.gamma:.3g}: medians are {times} times the emergence times of gradient flow, γ → 0"

    @abc.abstractmethod
    def quantile(self, q: float) -> Float[Array, " M"]:
        """The canonical time by which direction m has emerged with probability `q`; inf where it never has.

        Raises:
            ArgumentError: if `q` is not in (0, 1).
        """

    @abc.abstractmethod
    def probability(self, horizon: float) -> Float[Array, " M"]:
        """P(T_m ≤ horizon), `horizon` in canonical time; beyond the last of `times`, the value there.

        Raises:
            ArgumentError: if `horizon` is negative.
        """

    @abc.abstractmethod
    def sample(self, n: int, seed: int | Key[Array, ""] = 0) -> Float[Array, "n M"]:
        """`n` joint draws of the M times, inf where a direction is not learned.

        Raises:
            ArgumentError: if `n` is not a whole number ≥ 1.
        """
