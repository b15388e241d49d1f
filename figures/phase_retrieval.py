"""Phase retrieval, M = N = 1 and k = 2: the time to escape grows with log d, from 10² to 10⁶ dimensions in law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, points_with_spread, shades, sheet

from ._ensembles import ensemble, flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "a hundred times the dimension costs the same time more: T grows with log d, at the rate of gradient flow"
FULL = "50 minutes and 1.5 GB on one core (measured); 64 runs at a smaller step"


@dataclass(frozen=True)
class Parameters:
    """Dimensions, a start x/√d, and SGD's step γ/d for each sample."""

    dims: tuple = sourced((10**2, 10**3, 10**4, 10**5, 10**6), source="the talk, M = 1: log factors")
    start: float = chosen(1.0)
    norm: float = chosen(0.1)
    gamma: float = chosen(0.1, 0.02)
    batches: tuple = chosen((30, 30, 3000, 3000, 3000), (100, 1000, 10_000, 100_000, 100_000))
    runs: tuple = chosen((32, 32, 16, 4, 4), (64, 64, 64, 64, 64))


def pieces(p: Parameters) -> dict[str, Piece]:
    """One for each dimension."""
    return {
        f"d={dim}": piece(_at, dim, batch, runs, p) for dim, batch, runs in zip(p.dims, p.batches, p.runs, strict=True)
    }


def _at(dim: int, batch: int, runs: int, p: Parameters) -> Arrays:
    teacher = rc.Teacher(np.ones(1), rc.Link.hermite(2))
    start = rc.Start(np.full((1, 1), p.start / np.sqrt(dim)), norms=p.norm, dim=dim)
    horizon = np.log(dim) / 4 + 2.0
    times = np.linspace(0.01, horizon, 150)
    limit = flow(rc.FiniteStep(gamma=p.gamma), teacher, start, times)
    exact = flow(rc.Quadratic(), teacher, start, times)
    sgd = rc.SGD.from_gamma(p.gamma, dim, batch)
    curves = ensemble(teacher, start, sgd, int(horizon / sgd.rate), runs)
    return curves | {f"limit_{k}": v for k, v in limit.items()} | {f"exact_{k}": v for k, v in exact.items()}


def draw(data: Data, width: float) -> Figure:
    """Overlaps on the left, emergence time against dimension on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    for dim, colour in zip(p.dims, shades(len(p.dims)), strict=True):
        curves = data[f"d={dim}"]
        left.plot(curves["limit_times"], curves["limit_alignment"][:, 0], color=colour)
        logged = np.searchsorted(curves["times"][0], np.linspace(0.3, curves["times"][0, -1], 9)).clip(
            max=curves["times"].shape[1] - 1
        )
        points_with_spread(
            left, curves["times"][0, logged], curves["overlaps"][:, logged, 0], colour,
            f"$d=10^{{{np.log10(dim):.0f}}}$",
        )  # fmt: skip
        points_with_spread(right, np.array([float(dim)]), curves["emergence"], colour)
    left.set(xlabel="time $t$", ylabel="squared overlap", title="limit at this step (—), SGD (○)", ylim=(-0.03, 1.03))
    left.legend(loc="lower right")
    dims = np.asarray(p.dims, float)
    for name, dashes, label in (("exact", "--", "gradient flow"), ("limit", "-", rf"$\gamma={p.gamma:g}$")):
        times = [data[f"d={dim}"][f"{name}_emergence"][0] for dim in p.dims]
        right.plot(dims, times, dashes, color=COLOURS[0], lw=1.0, label=label)
    middle = dims[len(dims) // 2]
    right.annotate(r"$\frac{1}{4}\log d$", (middle, np.log(middle) / 4 - 0.45))
    right.set(xscale="log", xlabel="dimension $d$", ylabel="emergence time $T_1$", title=r"$T_1$ grows with $\log d$")
    right.legend(loc="upper left")
    return figure


def fact(data: Data) -> Fact:
    """The growth of the median T_1 with log d."""
    p = data.parameters
    median = [float(np.median(data[f"d={dim}"]["emergence"])) for dim in p.dims]
    slope = float(np.polyfit(np.log(p.dims), median, 1)[0])
    exponent = float(np.polyfit(np.log(p.dims), np.log(median), 1)[0])
    return Fact(
        "T_1 grows as (1/4) log d, and as no power of d",
        [slope, exponent],
        [0.25, 0.13],
        0.06,
        {"Riccati time taken for canonical time": [0.5, 0.13], "k = 3, a wait of d^(1/2)": [0.25, 0.5]},
    )
