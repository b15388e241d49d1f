"""k = 2: emergence times are random; the law of them, SGD in law, and FiniteStep alone, for several γ and two d."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, plain_ticks, sheet

from ._ensembles import ensemble, flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece

SEE = "from one start SGD's T_m are spread as the law says, at every d; FiniteStep alone has no spread and is late"
FULL = "50 minutes and 0.5 GB on one core (extrapolated from 1 % of the steps); 400 runs, d = 4800"


@dataclass(frozen=True)
class Parameters:
    """One problem; steps γ/d a sample."""

    beta: float = chosen(1.0)
    teacher_width: int = chosen(3, 8)
    student_width: int = chosen(3, 8)
    norm: float = chosen(0.1)
    dims: tuple = chosen((300, 1200), (300, 4800))
    gammas: tuple = chosen((0.05, 0.1, 0.2))
    step: float = chosen(0.008)
    runs: int = chosen(48, 400)
    replicas: int = chosen(256, 1000)
    seed: int = chosen(3)


def _problem(dim: int, p: Parameters) -> tuple[rc.Teacher, rc.Start]:
    """The same overlaps, times √d, at each d."""
    teacher = rc.Teacher.power_law(p.teacher_width, p.beta, rc.Link.hermite(2))
    drawn = rc.Start.random(teacher, p.student_width, p.dims[0], p.norm, seed=p.seed)
    overlaps = np.asarray(drawn.teacher_overlaps) * np.sqrt(p.dims[0] / dim)
    return teacher, rc.Start(overlaps, norms=p.norm, dim=dim)


def pieces(p: Parameters) -> dict[str, Piece]:
    """Law, limit and SGD for each γ and d."""
    return {f"γ={gamma:g} d={dim}": piece(_case, gamma, dim, p) for gamma in p.gammas for dim in p.dims}


def _case(gamma: float, dim: int, p: Parameters) -> Arrays:
    teacher, start = _problem(dim, p)
    end = 4.0 * np.log(dim) / (4 * float(teacher.a[-1]))
    limit = flow(rc.FiniteStep(gamma=gamma), teacher, start, np.geomspace(end / 100, end, 60))
    batch = max(int(p.step * min(p.dims) / min(p.gammas)), 1)
    sgd = rc.SGD.from_gamma(gamma, dim, batch)
    law = rc.emergence_law(teacher, start, sgd, horizon=end, replicas=p.replicas, seed=p.seed)
    runs = ensemble(teacher, start, sgd, int(end / sgd.rate), p.runs, rows=160)
    return {
        "law": np.sort(law.sample(p.replicas, p.seed), axis=0),
        "limit": limit["emergence"],
        "sgd": runs["emergence"],
    }


def draw(data: Data, width: float) -> Figure:
    """Distributions at the largest γ on the left, medians over SGD's on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    curves = data[f"γ={p.gammas[-1]:g} d={p.dims[-1]}"]
    for m, colour in zip((0, p.teacher_width - 1), COLOURS[1:3], strict=True):
        law, runs = curves["law"][:, m], np.sort(curves["sgd"][:, m])
        left.plot(np.r_[law], (np.arange(len(law)) + 0.5) / len(law), color=colour, label=f"law, $m={m + 1}$")
        left.plot(runs, (np.arange(len(runs)) + 0.5) / len(runs), "o", ms=3, mfc="white", color=colour)
        left.axvline(curves["limit"][m], ls="--", lw=1.0, color=colour)
    left.set(xlabel="time $t$", ylabel="probability that $T_m\\leq t$", xscale="log",
             title=rf"SGD (○), FiniteStep (- -), $\gamma={p.gammas[-1]:g}$",
             ylim=(-0.03, 1.03))  # fmt: skip
    left.legend(loc=(0.29, 0.62))
    plain_ticks(left.xaxis)
    for n, dim in enumerate(p.dims):
        x = np.asarray(p.gammas) * (1 + 0.06 * (n - 0.5))
        for name, colour, mark in (("law", COLOURS[1], "os"[n]), ("limit", COLOURS[2], "^v"[n])):
            ratio = np.stack([_ratio(data[f"γ={gamma:g} d={dim}"], name) for gamma in p.gammas])
            middle = np.median(ratio, axis=1)
            right.errorbar(x, middle, [middle - ratio.min(axis=1), ratio.max(axis=1) - middle], fmt=mark,
                           ms=4, mfc="white",
                           color=colour, elinewidth=0.8,
                           label=("law" if name == "law" else "FiniteStep") + f", $d={dim}$")  # fmt: skip
    right.axhline(1.0, color="0.6", lw=0.8)
    right.set(xlabel=r"step $\gamma$", ylabel="$T_m$ over SGD's median", xscale="log", title="bars: over directions")
    right.set_xticks(p.gammas, [f"{gamma:g}" for gamma in p.gammas])
    right.minorticks_off()
    right.legend(loc="upper left")
    return figure


def _ratio(curves: Arrays, name: str) -> np.ndarray:
    predicted = np.median(curves["law"], axis=0) if name == "law" else curves["limit"]
    return predicted / np.median(curves["sgd"], axis=0)


def fact(data: Data) -> Fact:
    """Medians over SGD's, and the interquartile range over SGD's, at the largest γ."""
    p = data.parameters
    cases = [data[f"γ={p.gammas[-1]:g} d={dim}"] for dim in p.dims]
    law = float(np.median([_ratio(curves, "law") for curves in cases]))
    late = float(np.median([_ratio(curves, "limit") for curves in cases]))
    spread = [
        np.subtract(*np.quantile(curves[name], [0.75, 0.25], axis=0)) for curves in cases for name in ("law", "sgd")
    ]
    ratio = float(np.median([spread[0] / spread[1], spread[2] / spread[3]]))
    return Fact(
        "T_m at k = 2 is random: its median and spread are the law's",
        [law, ratio / 4],
        [1.0, 0.25],
        0.08,
        {
            "FiniteStep alone, without the noise of each step": [late, 0.0],
            "a spread that falls as 1/√d": [1.0, 0.25 / np.sqrt(p.dims[-1] / p.dims[0])],
        },
    )
