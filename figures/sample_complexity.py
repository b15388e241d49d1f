"""k = 2, Stiefel SGD: the fewest samples that track gradient flow, against d at β > ½ and against M at β < ½."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, plain_ticks, reference_slope, sheet

from ._ensembles import fitted_slope
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "for β > ½ samples grow as d log d; for β < ½ they grow with M more slowly than the bound d M^(1+β)"
FULL = "20 s and 0.6 GB on one core (measured); M up to 128"


@dataclass(frozen=True)
class Parameters:
    """Two sweeps; tracking means a risk within `excess` of gradient flow's once N directions have emerged."""

    heavy: float = sourced(1.0, source="BEVW25's theorem, β > ½; its value is chosen")
    light: float = sourced(0.25, source="BEVW25's theorem, β < ½; its value is chosen")
    dims: tuple = chosen((10**3, 10**4, 10**5, 10**6))
    heavy_width: int = chosen(4, 8)
    widths: tuple = chosen((4, 8, 16, 32), (8, 16, 32, 64, 128))
    light_dim: int = chosen(10**5)
    excess: float = chosen(0.03)
    halvings: int = chosen(9)
    seeds: int = chosen(3, 8)


def pieces(p: Parameters) -> dict[str, Piece]:
    """One for each point of the two sweeps."""
    return {f"d={d}": piece(_fewest, p.heavy, p.heavy_width, d, p) for d in p.dims} | {
        f"M={M}": piece(_fewest, p.light, M, p.light_dim, p) for M in p.widths
    }


def _fewest(beta: float, width: int, dim: int, p: Parameters) -> Arrays:
    """By bisection on γ = ηd/B in the finite-step limit: n = T d/γ, as a sample is γ/d of canonical time; N = M/2."""
    teacher = rc.Teacher.power_law(width, beta, rc.Link.hermite(2))
    neurons = max(width // 2, 1)
    end = 1.5 * np.log(dim / neurons) / (4 * float(teacher.a[neurons - 1]))
    gammas = [
        _largest_step(teacher, rc.Start.random(teacher, neurons, dim, 1.0, seed=s), end, p) for s in range(p.seeds)
    ]
    gamma = np.asarray(gammas)
    return {"gamma": gamma, "samples": end * dim / gamma, "end": np.asarray(end)}


def _largest_step(teacher: rc.Teacher, start: rc.Start, end: float, p: Parameters) -> float:
    times = np.array([end / 2, end])

    def risk(gamma: float) -> float:
        return float(rc.solve(rc.FiniteStep(gamma, constraint="stiefel"), teacher, start, times).risk[-1])

    goal = risk(0.0) + p.excess
    low, high = 5e-4, 2.0
    for _ in range(p.halvings):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if risk(middle) <= goal else (low, middle)
    return low


def threshold(p: Parameters) -> np.ndarray:
    """Samples in proportion to T_N/γ_N, (widths,); beyond γ_N = a_N/(1 + 2/N) direction N is lost."""
    M = np.asarray(p.widths, float)
    N = np.maximum(M // 2, 1)
    a = np.array(
        [n**-p.light / np.sqrt(np.sum(np.arange(1, m + 1) ** (-2 * p.light))) for m, n in zip(M, N, strict=True)]
    )
    return np.log(p.light_dim / N) / a * (1 + 2 / N) / a


def draw(data: Data, width: float) -> Figure:
    """Against d on the left, against M on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    d, M = np.asarray(p.dims, float), np.asarray(p.widths, float)
    for axes, x, name in ((left, d, "d"), (right, M, "M")):
        n = np.stack([data[f"{name}={v}"]["samples"] for v in (p.dims if name == "d" else p.widths)], axis=1)
        middle = np.median(n, axis=0)
        axes.errorbar(x, middle, [middle - n.min(axis=0), n.max(axis=0) - middle], fmt="o", mfc="white", ms=4,
                      color=COLOURS[0], elinewidth=0.8, label="fewest samples")  # fmt: skip
        axes.set(xscale="log", yscale="log", ylabel="samples $n$")
        if name == "d":
            axes.plot(x, middle[0] * x * np.log(x) / (x[0] * np.log(x[0])), color=COLOURS[1], label=r"$d\,\log d$")
            reference_slope(axes, (x[0], middle[0] / 2.5), x[-1], 1.0, "$d$")
        else:
            axes.plot(
                x,
                middle[0] * (x / x[0]) ** (1 + p.light),
                "--",
                color=COLOURS[2],
                label=rf"bound $M^{{1+\beta}}=M^{{{1 + p.light:g}}}$",
            )
            rule = threshold(p)
            axes.plot(x, middle[0] * rule / rule[0], color=COLOURS[1], label="just keeps the weakest")
            plain_ticks(axes.xaxis)
        axes.legend(loc="upper left")
    left.set(xlabel="dimension $d$", title=rf"$\beta={p.heavy:g}$: $d$ up to logarithms")
    right.set(
        xlabel="teacher width $M$ ($N=M/2$)", title=rf"$\beta={p.light:g}$, $d=10^{{{np.log10(p.light_dim):.0f}}}$"
    )
    return figure


def fact(data: Data) -> Fact:
    """The exponent in d log d, and that in M."""
    p = data.parameters
    d, M = np.asarray(p.dims, float), np.asarray(p.widths, float)
    in_d = fitted_slope(d * np.log(d), np.array([np.median(data[f"d={v}"]["samples"]) for v in p.dims]))
    in_m = fitted_slope(M, np.array([np.median(data[f"M={v}"]["samples"]) for v in p.widths]))
    return Fact(
        "the fewest samples grow as d log d, and in M as the step that just keeps the weakest direction, below M^(1+β)",
        [in_d, in_m],
        [1.0, fitted_slope(M, threshold(p))],
        0.2,
        {
            "k > 2, d²": [2.0, 1.0],
            "independent of M": [1.0, 0.0],
            "the bound M^(1+β) taken as the rate": [1.0, 1 + p.light],
        },
    )
