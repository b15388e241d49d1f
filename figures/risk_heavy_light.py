"""k = 2, gradient flow: the risk for β > ½ and β < ½, finite d against the sharp limit d → ∞."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import reference_slope, shades, sheet

from ._ensembles import flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "heavy tails (β > ½) fall as a power law to a floor; light ones (β < ½) as 1 - t^((1-2β)/β); d → ∞ sharpens both"
FULL = "5 minutes and 0.8 GB on one core (measured); M = 1024"


@dataclass(frozen=True)
class Parameters:
    """Two teachers, widths, and dimensions that approach the limit."""

    heavy: float = sourced(1.0, source="BEVW25's theorem, β > ½; its value is chosen")
    light: float = sourced(0.25, source="BEVW25's theorem, β < ½; its value is chosen")
    teacher_width: int = chosen(128, 1024)
    widths: tuple = chosen((8, 32, 96), (64, 256, 768))
    dims: tuple = chosen((10**3, 10**6, 10**15), (10**4, 10**7, 10**15))
    points: int = chosen(70, 160)
    seed: int = chosen(0)


def pieces(p: Parameters) -> dict[str, Piece]:
    """Several widths at the largest dimension, and one at each dimension, for both teachers."""
    every: dict[str, Piece] = {}
    for name, beta in (("heavy", p.heavy), ("light", p.light)):
        every |= {f"{name} N={N}": piece(_flow, beta, N, p.dims[-1], p) for N in p.widths}
        every |= {f"{name} d={d}": piece(_flow, beta, p.widths[1], d, p) for d in p.dims}
    return every


def _flow(beta: float, neurons: int, dim: int, p: Parameters) -> Arrays:
    """Times in units of log(d/N)/4, so that direction m emerges at 1/a_m as d → ∞."""
    teacher = rc.Teacher.power_law(p.teacher_width, beta, rc.Link.hermite(2))
    start = rc.Start.random(teacher, neurons, dim, 1.0, seed=p.seed)
    a = np.asarray(teacher.a)
    unit = np.log(dim / neurons) / 4
    scaled = np.geomspace(0.4 / a[0], 2 / a[-1], p.points)
    curves = flow(rc.Riccati(), teacher, start, unit * scaled)
    limit = np.maximum((scaled[:, None] < 1 / a) @ a**2, np.sum(a[neurons:] ** 2))
    return {"scaled": scaled, "risk": curves["risk"], "limit": limit, "first": 1 / a[0], "last": 1 / a[-1]}


def draw(data: Data, width: float) -> Figure:
    """Heavy on the left, light on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    for axes, name, unit in ((left, "heavy", "first"), (right, "light", "last")):
        several = [label for label in data.arrays if label.startswith(f"{name} N=")]
        for label, colour in zip(several, shades(len(several)), strict=True):
            curves = data[label]
            x = curves["scaled"] / curves[unit]
            N = int(label.partition("N=")[2])
            shown = f"$N={N}$" if name == "heavy" else rf"$\varphi={N / p.teacher_width:g}$"
            axes.plot(x, curves["risk"], color=colour, label=shown)
            axes.plot(x, curves["limit"], ":", color=colour, lw=1.0)
        small = data[f"{name} d={p.dims[0]}"]
        axes.plot(small["scaled"] / small[unit], small["risk"], "--", color=shades(3)[1], lw=0.9,
                  label=f"$d=10^{{{np.log10(p.dims[0]):.0f}}}$")  # fmt: skip
    left.legend(loc="lower left")
    right.legend(loc="upper right", ncols=2, columnspacing=1.0)
    widest = data[f"heavy N={p.widths[-1]}"]
    slope = (1 - 2 * p.heavy) / p.heavy
    reference_slope(left, (2.5, 0.75), 30.0, slope, rf"$t^{{(1-2\beta)/\beta}}=t^{{{slope:g}}}$")
    left.set(xscale="log", yscale="log", xlabel=r"time $4a_1t/\log(d/N)$", ylabel="risk",
             title=rf"heavy tail, $\beta={p.heavy:g}$",
             xlim=(0.4, float(widest["scaled"][-1] / widest["first"])))  # fmt: skip
    right.set(
        xlabel=r"time $4a_Mt/\log(d/N)$",
        ylabel="risk",
        title=rf"light tail, $\beta={p.light:g}$",
        xlim=(0, 2),
        ylim=(-0.03, 1.05),
    )
    return figure


def distance(curves: Arrays) -> float:
    """The mean distance of a risk curve from its sharp limit, in log t."""
    return float(np.mean(np.abs(curves["risk"] - curves["limit"])))


def fact(data: Data) -> Fact:
    """The distance from the sharp limit as a power of log(d/N), both teachers."""
    p = data.parameters
    logs = np.log(np.log(np.asarray(p.dims, float) / p.widths[1]))
    measured = []
    for name in ("heavy", "light"):
        away = [distance(data[f"{name} d={d}"]) for d in p.dims]
        measured.append(float(np.polyfit(logs, np.log(away), 1)[0]))
    return Fact(
        "the distance from the sharp limit falls as 1/log(d/N)",
        measured,
        [-1.0, -1.0],
        0.35,
        {
            "as d^(-1/2)": [-np.log(p.dims[-1] / p.dims[0]) / 2 / (logs[-1] - logs[0])] * 2,
            "as 1/log²(d/N)": [-2.0, -2.0],
            "not at all": [0.0, 0.0],
        },
    )
