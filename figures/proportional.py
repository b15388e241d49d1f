"""k = 2, α -> 1: with N and M in proportion to d, overlaps start at a constant, and the factor log d fades."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, sheet

from ._ensembles import flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "with M = d^α the wait grows as (1 - α) log d: logarithms fade as widths become proportional to d"
FULL = "20 s and 0.6 GB on one core (measured); d up to 2048"


@dataclass(frozen=True)
class Parameters:
    """Widths M = d^α (or d/2 at α = 1) and N = M/2."""

    alphas: tuple = sourced((0.0, 0.5, 1.0), source="the talk: α -> 1; values between are chosen")
    beta: float = chosen(0.25)
    dims: tuple = chosen((64, 256, 1024), (128, 512, 2048))
    fixed: int = chosen(8)
    seed: int = chosen(0)


def _width(alpha: float, dim: int, p: Parameters) -> int:
    if alpha == 0:
        return p.fixed
    return dim // 4 if alpha == 1 else max(round(dim**alpha) // 2 * 2, 2)


def pieces(p: Parameters) -> dict[str, Piece]:
    """One for each α and d."""
    return {f"α={alpha:g} d={dim}": piece(_wait, alpha, dim, p) for alpha in p.alphas for dim in p.dims}


def _wait(alpha: float, dim: int, p: Parameters) -> Arrays:
    """4 a_m T_m of the directions that emerge."""
    width = _width(alpha, dim, p)
    teacher = rc.Teacher.power_law(width, p.beta, rc.Link.hermite(2))
    start = rc.Start.random(teacher, width // 2, dim, 1.0, seed=p.seed)
    a = np.asarray(teacher.a)
    end = 3 * np.log(dim) / (4 * a[-1])
    curves = flow(rc.Riccati(), teacher, start, np.geomspace(end / 200, end, 40))
    return {
        "wait": 4 * a * curves["emergence"],
        "risk": curves["risk"],
        "times": curves["times"] * 4 * a[-1],
        "width": np.asarray(width),
    }


def wait(data: Data, alpha: float) -> np.ndarray:
    """The mean 4 a_m T_m over the first quarter of the directions, for each d."""
    p = data.parameters
    rows = [data[f"α={alpha:g} d={dim}"]["wait"] for dim in p.dims]
    return np.array([np.mean(row[: max(len(row) // 4, 1)][np.isfinite(row[: max(len(row) // 4, 1)])]) for row in rows])


def draw(data: Data, width: float) -> Figure:
    """The wait against d on the left; risk curves at both ends of α on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    d = np.asarray(p.dims, float)
    for alpha, colour, mark in zip(p.alphas, cycle(COLOURS), cycle("os^D"), strict=False):
        name = "M" if alpha == 0 else ""
        label = f"$M={p.fixed}$" if name else rf"$M=d^{{{alpha:g}}}$" if alpha < 1 else "$M=d/4$"
        middle = wait(data, alpha)
        left.semilogx(d, middle, mark, mfc="white", ms=4, color=colour, label=label)
        left.plot(d, np.mean(middle) + (1 - alpha) * (np.log(d) - np.log(d).mean()), color=colour, lw=1.0)
        for dim, dashes in zip(p.dims, cycle((":", "--", "-")), strict=False):
            curves = data[f"α={alpha:g} d={dim}"]
            if alpha in (p.alphas[0], p.alphas[-1]):
                right.plot(curves["times"], curves["risk"], dashes, color=colour, lw=1.1, label=f"{label}, $d={dim}$")
    left.set(
        xlabel="dimension $d$", ylabel=r"$4a_mT_m$", title=r"lines: slope $(1-\alpha)$ in $\log d$", ylim=(0, None)
    )
    left.set_xticks(d, [f"{x:.0f}" for x in d])
    left.minorticks_off()
    left.legend(loc="lower right")
    right.set(xlabel="time $4a_Mt$", ylabel="risk", title="curves move, or do not", xlim=(0, 12), ylim=(0, 1.03))
    right.legend(loc="upper right", labelspacing=0.25)
    return figure


def fact(data: Data) -> Fact:
    """The slopes of the wait in log d."""
    p = data.parameters
    slopes = [float(np.polyfit(np.log(p.dims), wait(data, alpha), 1)[0]) for alpha in p.alphas]
    return Fact(
        "the wait 4 a_m T_m grows as (1 - α) log d",
        slopes,
        [1 - alpha for alpha in p.alphas],
        0.25,
        {"log d at every α": [1.0] * len(p.alphas), "no logarithm at all": [0.0] * len(p.alphas)},
    )
