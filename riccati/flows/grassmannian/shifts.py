"""Rates that are shifted: weights that move as dW/dτ = (S* - θ)W - W(WᵀW), θ one number for all rows.

The subspace does not see θ, as it multiplies every row by the same factor. With Θ = ∫_0^τ θ the row of rate ρ grows by
e^{ρτ - Θ} before the second term acts, and the kernel of that term weights it by

    Φ = 2 ∫_0^τ e^{2(ρu - Θ(u))} du,        or, in terms of the row at τ,        Ψ = e^{-2(ρτ - Θ)} Φ.

A row that has grown, ℓ = 2(ρτ - Θ) > 0, has a Φ that overflows, one that has shrunk a Ψ that does; η = Φ/(1 + e^ℓ)
does neither, and is of order 1/|ρ - θ|. For a constant θ it is tanh((ρ - θ)τ)/(ρ - θ).

Derived in derivations/shifted_rates.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Float

from .chart import Chart
from .host import Numbers, gram, namespace, put


class Moment(NamedTuple):
    """An output time, or several, with what shifted rates need at it.

    Attributes:
        time: (*T,), Riccati time.
        total: (*T,), Θ; None where rates are not shifted.
        memory: (*T, M+1), η of each rate of the teacher's rows and of the rate 0 of the residual ones; or None.
    """

    time: Float[Numbers, "*T"]
    total: Float[Numbers, "*T"] | None = None
    memory: Float[Numbers, "*T M+1"] | None = None

    def at(self, index: Any) -> Moment:
        """One of several moments, or some of them."""
        return Moment(*(None if part is None else part[index] for part in self))

    def begin(self) -> Moment:
        """The moment 0 before these."""
        xp = namespace(self.time)
        rest = () if self.total is None else (xp.zeros(()), xp.zeros(self.memory.shape[-1:]))  # type: ignore[union-attr]
        return Moment(xp.zeros(()), *rest)


def mean_shift(before: Moment, now: Moment) -> Float[Numbers, "*T"] | float:
    """The mean of θ between a moment and later ones."""
    if now.total is None:
        return 0.0
    interval = now.time - before.time
    xp = namespace(interval)
    passed = interval > 0
    return xp.where(passed, now.total - before.total, 0.0) / xp.where(passed, interval, 1.0)


def under_constant_shift(rates: Float[Numbers, " M"], shift: Numbers, time: Float[Numbers, "*T"]) -> Moment:
    """The moments of Riccati times under a constant θ: Θ = θτ and η = tanh((ρ - θ)τ)/(ρ - θ), τ where ρ = θ."""
    xp = namespace(rates)
    left = xp.concatenate([rates, xp.zeros(1)]) - shift
    moves = left != 0
    safe = xp.where(moves, left, 1.0)
    return Moment(time, shift * time, xp.where(moves, xp.tanh(safe * time[..., None]) / safe, time[..., None]))


def memory(rate: Float[Numbers, " n"], time: Float[Numbers, "*T"]) -> Float[Numbers, "*T n"]:
    """Ψ = (1 - e^{-2ρτ})/ρ of each rate ρ, 2τ where ρ = 0, without a shift."""
    xp, moving = namespace(rate), rate != 0
    time = xp.asarray(time)[..., None]
    safe = xp.where(moving, rate, 1.0)
    return xp.where(moving, -xp.expm1(-2 * safe * time) / safe, 2 * time)


def kernel_parts(
    chart: Chart, moment: Moment
) -> tuple[Float[Numbers, "*T N N"], Float[Numbers, "*T M"], Float[Numbers, "*T N"]]:
    """The parts of Q = JᵀJ + JᵀW_0ᵀΦW_0J + XᵀΨX: the first two, and Ψ of the rows and the pivots.

    Rows that have shrunk count by Φ, the others by Ψ, as e^{-(ρτ - Θ)}X = W_0J.
    """
    if chart.origin is None or moment.total is None or moment.memory is None:
        return gram(chart.J), memory(chart.row_rate, moment.time), memory(chart.column_rate, moment.time)
    xp = namespace(chart.B)
    rates = put(xp.zeros(len(chart.origin)), chart.row, chart.row_rate)
    rates = put(rates, chart.column, chart.column_rate)
    growth = 2 * (rates * moment.time[..., None] - moment.total[..., None])
    eta = moment.memory[..., xp.minimum(xp.arange(len(rates)), moment.memory.shape[-1] - 1)]
    weight, shrunk = eta * (1 + xp.exp(-xp.abs(growth))), growth < 0
    remembered = chart.origin.T @ (xp.where(shrunk, weight, 0.0)[..., None] * chart.origin)
    kept = xp.where(shrunk, 0.0, weight)
    return gram(chart.J) + chart.J.mT @ remembered @ chart.J, kept[..., chart.row], kept[..., chart.column]
