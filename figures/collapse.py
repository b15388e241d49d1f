"""Curves over d and M in the time of their own sharp limit: they fall onto one, and how far apart they are left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, shades, sheet
from riccati.scaling import collapse, distance, sharp_limit

from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "rescaled by log d (k = 2) or by d and M (k = 4), curves of all sizes fall onto the limit 1 - t^((1-2β)/β)"
FULL = "10 s and 0.8 GB on one core (measured); M up to 10⁶ and 256"


@dataclass(frozen=True)
class Parameters:
    """Sizes; a light tail, whose limit is one curve of t/T_M."""

    beta: float = sourced(0.25, source="BEVW25's theorem, β < ½; its value is chosen")
    width: int = chosen(32, 256)
    dims: tuple = chosen((10**4, 10**6, 10**9, 10**15), (10**5, 10**7, 10**10, 10**15))
    dim: int = chosen(10**7)
    widths: tuple = chosen((10, 100, 1000, 10_000), (10, 100, 10_000, 1_000_000))
    points: int = chosen(120)
    seed: int = chosen(0)


def pieces(p: Parameters) -> dict[str, Piece]:
    """k = 2 over d, k = 4 over M."""
    return {"d": piece(_over_dims, p), "M": piece(_over_widths, p)}


def _over_dims(p: Parameters) -> Arrays:
    teacher = rc.Teacher.power_law(p.width, p.beta, rc.Link.hermite(2))
    trajectories = []
    for dim in p.dims:
        limit = sharp_limit(teacher, p.width)
        times = np.geomspace(0.05, 2.5, p.points) * limit.unit(dim) * limit.scale
        start = rc.Start.random(teacher, p.width, dim, 1.0, seed=p.seed)
        trajectories.append(rc.solve(rc.Riccati(), teacher, start, times))
    return _arrays(trajectories) | {"away": np.array([distance(trajectory).mean for trajectory in trajectories])}


def _over_widths(p: Parameters) -> Arrays:
    trajectories = []
    for M in p.widths:
        teacher = rc.Teacher.power_law(M, p.beta, rc.Link.hermite(4))
        limit = sharp_limit(teacher, M)
        times = np.geomspace(0.02, 8.0, p.points) * limit.unit(p.dim) * limit.scale
        trajectories.append(rc.solve(rc.Decoupled(), teacher, rc.Start.typical(teacher, M, p.dim, 0.1), times))
    return _arrays(trajectories)


def _arrays(trajectories: list[rc.Trajectory]) -> Arrays:
    joined = collapse(trajectories)
    limit = sharp_limit(trajectories[-1].teacher, trajectories[-1].start.student_width)
    return {
        "x": joined.x,
        "risk": joined.risk,
        "apart": joined.distance,
        "limit": limit.many_directions(joined.x),
        "raw_times": np.stack([np.asarray(curve.times) for curve in trajectories]),
        "raw_risk": np.stack([np.asarray(curve.risk) for curve in trajectories]),
    }


def _raw_spread(curves: Arrays) -> float:
    """How far apart the largest two sizes are in canonical time."""
    times = np.geomspace(curves["raw_times"].min(), curves["raw_times"].max(), 400)
    two = [np.interp(times, curves["raw_times"][n], curves["raw_risk"][n]) for n in (-2, -1)]
    return float(np.abs(two[0] - two[1]).max())


def draw(data: Data, width: float) -> Figure:
    """Curves over d on the left, over M on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    labels = [f"$d=10^{{{np.log10(d):.0f}}}$" for d in p.dims], [f"$M=10^{{{np.log10(M):.0f}}}$" for M in p.widths]
    for axes, name, texts in zip((left, right), ("d", "M"), labels, strict=True):
        curves = data[name]
        for risk, colour, text in zip(curves["risk"], shades(len(texts)), texts, strict=True):
            axes.plot(curves["x"], risk, color=colour, label=text)
        axes.plot(curves["x"], curves["limit"], "--", color=COLOURS[2], label="limit")
        axes.legend(loc="upper right")
        axes.set(ylabel="risk", xlim=(0, 2.2), ylim=(-0.03, 1.03))
    left.set(xlabel=r"time $t/T_M$, $T_M=\log(d/N)/(4a_M)$", title=f"$k=2$, $M=N={p.width}$")
    right.set(xlabel="time $t/T_M$ of the limit", title=f"$k=4$, $d=10^{{{np.log10(p.dim):.0f}}}$")
    return figure


def fact(data: Data) -> Fact:
    """k = 2: distance from the limit times log(d/N), last over first; k = 4: what is left between the widest two."""
    p = data.parameters
    away = data["d"]["away"] * np.log(np.asarray(p.dims, float) / p.width)
    left = float(data["M"]["apart"][-2, -1])
    return Fact(
        "distance from the limit falls as 1/log(d/N), and the widest two curves over M agree once rescaled",
        [float(away[-1] / away[0]), left],
        [1.0, 0.0],
        0.3,
        {
            "no approach to the limit": [float(np.log(p.dims[-1] / p.width) / np.log(p.dims[0] / p.width)), left],
            "canonical time, not rescaled": [1.0, _raw_spread(data["M"])],
        },
    )  # fmt: skip
