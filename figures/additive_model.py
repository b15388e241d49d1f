"""Staircases of many tasks sum to a power law: the additive model of neural scaling laws, out of the k = 4 flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, reference_slope, shades, sheet

from ._ensembles import fitted_slope
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "each task is learned abruptly, at a time of its own; the sum over tasks falls as a smooth power law"
FULL = "6 s and 0.6 GB on one core (measured); 3·10⁵ tasks instead of 2·10⁴"


@dataclass(frozen=True)
class Parameters:
    """The teacher, a typical start, and the times looked at."""

    degree: int = sourced(4, source="RNWL25's experiment: h_4")
    beta: float = sourced(0.8, source="RNWL25's experiment")
    tasks: int = chosen(20_000, 300_000)
    dim: int = chosen(1_000_000)
    norm: float = chosen(0.01, 0.001)
    shown: int = chosen(6)
    points: int = chosen(160)


def pieces(p: Parameters) -> dict[str, Piece]:
    """The flow of all tasks."""
    return {"flow": piece(_flow, p)}


def _flow(p: Parameters) -> Arrays:
    teacher = rc.Teacher.power_law(p.tasks, p.beta, rc.Link.hermite(p.degree))
    start = rc.Start.typical(teacher, p.tasks, p.dim, p.norm)
    emergence = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    times = np.geomspace(emergence[0] / 4, emergence[p.tasks // 8], p.points)
    risk = np.asarray(rc.solve(rc.Decoupled(), teacher, start, times).risk)
    own = np.asarray(teacher.a) ** 2
    shown = np.unique(np.geomspace(1, p.tasks // 16, p.shown).astype(int)) - 1
    m, a = np.asarray(start.overlaps)[shown], np.asarray(teacher.a)[shown]
    loss = np.stack([_single(p, float(x), float(y), times) for x, y in zip(a, m, strict=True)])
    return {"times": times, "risk": risk, "emergence": emergence, "shown": shown, "loss": loss * own[shown, None]}


def _single(p: Parameters, a: float, overlap: float, times: np.ndarray) -> np.ndarray:
    """The risk of one task alone, whose time runs a times as fast."""
    link = rc.Link.hermite(p.degree)
    start = rc.Start(np.full((1, 1), overlap), norms=p.norm / np.sqrt(a), dim=p.dim)
    return np.asarray(rc.solve(rc.Decoupled(), rc.Teacher(np.ones(1), link), start, a * times).risk)


def draw(data: Data, width: float) -> Figure:
    """Tasks on the left, their sum on the right."""
    p, flow = data.parameters, data["flow"]
    t, scale = flow["times"], flow["emergence"][0]
    figure, (left, right) = sheet(width, 2)
    for m, loss, colour in zip(flow["shown"], flow["loss"], shades(len(flow["shown"])), strict=True):
        left.semilogx(t / scale, loss / loss[0], color=colour)
        left.annotate(
            f"{m + 1}", (flow["emergence"][m] / scale, 1.03), ha="center", va="bottom", color=colour, fontsize=7
        )
    left.set(
        xlabel="time $t/T_1$", ylabel="risk of one task, $/a_m^2$", title="tasks emerge one by one", ylim=(-0.03, 1.14)
    )
    left.annotate("$m=$", (t[0] / scale, 1.03), va="bottom", fontsize=7)
    for loss, colour in zip(flow["loss"], shades(len(flow["shown"])), strict=True):
        right.loglog(t / scale, loss, color=colour, lw=0.9)
    right.loglog(t / scale, flow["risk"], color=COLOURS[0], lw=2.0, label=f"all {p.tasks:,} tasks")
    slope = (1 - 2 * p.beta) / p.beta
    at = np.searchsorted(t, 4 * scale)
    reference_slope(
        right,
        (t[at] / scale, 1.7 * flow["risk"][at]),
        t[-1] / scale,
        slope,
        rf"$t^{{(1-2\beta)/\beta}}=t^{{{slope:.2f}}}$",
    )
    right.set(xlabel="time $t/T_1$", ylabel="risk", title="their sum is a power law", ylim=(flow["risk"][-1] / 10, 2))
    right.legend(loc="upper right")
    return figure


def fact(data: Data) -> Fact:
    """The slope of the summed risk between the 10th and the 300th emergence."""
    p, flow = data.parameters, data["flow"]
    inside = (flow["times"] > flow["emergence"][9]) & (flow["times"] < flow["emergence"][min(299, p.tasks // 64)])
    slope = fitted_slope(flow["times"][inside], flow["risk"][inside])
    return Fact(
        "the sum of the staircases falls in time with the exponent (1 - 2β)/β",
        [slope],
        [(1 - 2 * p.beta) / p.beta],
        0.06,
        {
            "in samples at the best step, (1-2β)/(2β)": [(1 - 2 * p.beta) / (2 * p.beta)],
            "in width, 1-2β": [1 - 2 * p.beta],
        },
    )
