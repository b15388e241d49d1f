"""One direction: a plateau, then a drop; and how the samples it takes grow with the dimension, k = 1 to 4."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, points_with_spread, sheet

from ._ensembles import ensemble, fitted_slope, flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "SGD waits on a plateau, then drops; the wait costs d^(k-1) samples for k > 2, d log d for k = 2, d for k = 1"
FULL = "26 minutes and 0.5 GB on one core (extrapolated from 1 % of the steps); d up to 512"


@dataclass(frozen=True)
class Parameters:
    """Links h_k, dimensions, a start x/√d, and for each link the step g·d^(-max(k,2)/2) of a sample."""

    degrees: tuple = sourced((1, 2, 3, 4), source="the talk")
    dims: tuple = chosen((32, 64, 128), (64, 128, 256, 512))
    start: float = chosen(2.0)
    norm: float = chosen(0.2)
    steps: tuple = chosen((0.05, 0.05, 0.03, 0.03))
    largest: float = chosen(0.02)
    runs: int = chosen(8, 64)


def pieces(p: Parameters) -> dict[str, Piece]:
    """One for each link, all dimensions."""
    return {f"k={k}": piece(_link, k, p) for k in p.degrees}


def _link(k: int, p: Parameters) -> Arrays:
    coarsest = p.steps[p.degrees.index(k)] * min(p.dims) ** (-max(k, 2) / 2)
    batch = int(np.clip(p.largest / coarsest, 1, 8 * min(p.dims)))
    curves: Arrays = {}
    for dim in p.dims:
        teacher = rc.Teacher(np.ones(1), rc.Link.hermite(k))
        start = rc.Start(np.full((1, 1), p.start / np.sqrt(dim)), norms=p.norm, dim=dim)
        sgd = rc.SGD(p.steps[p.degrees.index(k)] * dim ** (-max(k, 2) / 2) * batch, batch)
        horizon = 1.0 + 1.6 * _escape(k, p.start / np.sqrt(dim))
        curves |= {
            f"{name}_{dim}": value
            for name, value in ensemble(teacher, start, sgd, int(horizon / sgd.rate), p.runs).items()
        }
        theory = flow(rc.FiniteStep.of(sgd, dim), teacher, start, np.geomspace(horizon / 300, horizon, 120))
        curves |= {f"theory_{name}_{dim}": value for name, value in theory.items()}
        curves |= {f"per_sample_{dim}": np.asarray(sgd.rate_per_sample), f"batch_{dim}": np.asarray(batch)}
    return curves


def _escape(k: int, overlap: float) -> float:
    """Gradient flow's time from an overlap to m² = ½: ∫dm/(k m^(k-1) (1 - m²))."""
    m = np.geomspace(overlap, np.sqrt(0.5), 2000)
    return float(np.trapezoid(1 / (k * m ** (k - 1) * (1 - m**2)), m))


def samples(data: Data, k: int) -> np.ndarray:
    """Samples until the squared overlap is ½, (S, dimensions)."""
    p, curves = data.parameters, data[f"k={k}"]
    return np.stack([curves[f"emergence_{dim}"][:, 0] / curves[f"per_sample_{dim}"] for dim in p.dims], axis=1)


def draw(data: Data, width: float) -> Figure:
    """Overlaps at the largest dimension on the left; samples against dimension on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    dims = np.asarray(p.dims, float)
    for k, colour, mark in zip(p.degrees, cycle(COLOURS), cycle("os^D"), strict=False):
        curves, dim = data[f"k={k}"], p.dims[-1]
        per_sample = curves[f"per_sample_{dim}"]
        left.semilogx(curves[f"theory_times_{dim}"] / per_sample, curves[f"theory_alignment_{dim}"], color=colour)
        drawn = curves[f"steps_{dim}"] * float(curves[f"batch_{dim}"])
        curve_with_spread(
            left, drawn, curves[f"overlaps_{dim}"][:, :, 0], colour, f"$k={k}$", mark, first=drawn[-1] / 60, count=12
        )
        points_with_spread(right, dims, samples(data, k), colour, None, mark)
        law = np.array([curves[f"theory_emergence_{dim}"][0] / curves[f"per_sample_{dim}"] for dim in p.dims])
        right.loglog(dims, law, color=colour)
        name = {1: "$d$", 2: r"$d\,\log d$"}.get(k, f"$d^{{{k - 1}}}$")
        right.annotate(
            name, (dims[-1], law[-1]), textcoords="offset points", xytext=(6, {1: -8, 2: 2}.get(k, -3)), color=colour
        )
    left.set(
        xlabel=f"samples, $d={p.dims[-1]}$", ylabel="squared overlap", title="plateau, then drop", ylim=(-0.03, 1.03)
    )
    left.legend(loc="upper left")
    right.set(
        xlabel="dimension $d$", ylabel="samples to escape", title="the wait", xlim=(dims[0] / 1.2, dims[-1] * 1.7)
    )
    right.set_xticks(dims, [f"{dim:.0f}" for dim in dims])
    right.minorticks_off()
    return figure


def fact(data: Data) -> Fact:
    """Exponents of the median escape in d; for k = 2 in d log d."""
    p = data.parameters
    dims = np.asarray(p.dims, float)
    median = {k: np.median(samples(data, k), axis=0) for k in p.degrees}
    measured = [fitted_slope(dims * np.log(dims) if k == 2 else dims, median[k]) for k in p.degrees]
    return Fact(
        "samples to escape grow as d^max(k-1, 1), with a factor log d at k = 2",
        measured,
        [float(max(k - 1, 1)) for k in p.degrees],
        0.25,
        {
            "gradient flow's time, d^(k/2-1)": [max(k / 2 - 1, 0.0) for k in p.degrees],
            "kernel methods, d^k": [float(k) for k in p.degrees],
            "half of it, d^(k/2)": [max(k / 2, 1.0) for k in p.degrees],
        },
    )
