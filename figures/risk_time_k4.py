"""k = 4: risk against time for several widths; the slope (1 - 2β)/β and the floors N^(1 - 2β)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, reference_slope, shades, sheet

from ._ensembles import fitted_slope
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "all widths follow one power law in time, until each stops at the floor that its width sets"
FULL = "5 s and 0.4 GB on one core (measured); the same"


@dataclass(frozen=True)
class Parameters:
    """A teacher wide enough for its last directions not to show, widths, times."""

    degree: int = sourced(4, source="RNWL25's experiment: h_4")
    beta: float = sourced(0.8, source="RNWL25's experiment")
    teacher_width: int = chosen(200_000)
    dim: int = chosen(1_000_000)
    widths: tuple = chosen((4, 16, 64, 256, 1024))
    norm: float = chosen(0.01)
    points: int = chosen(120)


def pieces(p: Parameters) -> dict[str, Piece]:
    """All widths."""
    return {"flow": piece(_flow, p)}


def _flow(p: Parameters) -> Arrays:
    teacher = rc.Teacher.power_law(p.teacher_width, p.beta, rc.Link.hermite(p.degree))
    starts = [rc.Start.typical(teacher, width, p.dim, p.norm) for width in p.widths]
    first, last = (float(rc.Decoupled().emergence_times_of(teacher, starts[-1])[m]) for m in (0, p.widths[-1] // 2))
    times = np.geomspace(first / 2, last * 20, p.points)
    risk = np.stack([rc.solve(rc.Decoupled(), teacher, start, times).risk for start in starts])
    a = np.asarray(teacher.a)
    return {"times": times, "risk": risk, "first": np.asarray(first), "a": a[: p.widths[-1]]}


def draw(data: Data, width: float) -> Figure:
    """Risk against time, and floors against width."""
    p, flow = data.parameters, data["flow"]
    figure, (left, right) = sheet(width, 2)
    t = flow["times"]
    for N, risk, colour in zip(p.widths, flow["risk"], shades(len(p.widths)), strict=True):
        left.loglog(t, risk, color=colour)
        left.annotate(
            f"$N={N}$", (t[-1], risk[-1]), textcoords="offset points", xytext=(-3, 3), ha="right", color=colour
        )
    slope = (1 - 2 * p.beta) / p.beta
    at = int(np.searchsorted(t, float(3 * flow["first"])))
    reference_slope(
        left,
        (float(t[at]), float(flow["risk"][-1][at]) / 2.2),
        100 * float(t[at]),
        slope,
        rf"$t^{{(1-2\beta)/\beta}}=t^{{{slope:.2f}}}$",
        below=True,
    )
    left.set(xlabel="time $t$", ylabel="risk", title="risk in time")
    widths, floors = np.asarray(p.widths, float), flow["risk"][:, -1]
    right.loglog(widths, floors, "o", color=COLOURS[0], mfc="white", label="risk at the end")
    right.loglog(
        widths, 1 - np.cumsum(flow["a"] ** 2)[widths.astype(int) - 1], color=COLOURS[1], label=r"$\sum_{m>N}a_m^2$"
    )
    reference_slope(
        right,
        (widths[0], floors[0] / 1.8),
        widths[-1],
        1 - 2 * p.beta,
        rf"$N^{{1-2\beta}}=N^{{{1 - 2 * p.beta:.1f}}}$",
        below=True,
    )
    right.set(xlabel="student width $N$", ylabel="floor of the risk", title="floor in width")
    right.legend(loc="upper right")
    return figure


def fact(data: Data) -> Fact:
    """The slope in time of the widest student, and that of the floors in width."""
    p, flow = data.parameters, data["flow"]
    t, widest = flow["times"], flow["risk"][-1]
    inside = (t > 10 * flow["first"]) & (widest > 4 * widest[-1])
    in_width = fitted_slope(np.asarray(p.widths[:-1], float), flow["risk"][:-1, -1])
    return Fact(
        "risk falls as t^((1-2β)/β) in time and its floor as N^(1-2β) in width",
        [fitted_slope(t[inside], widest[inside]), in_width],
        [(1 - 2 * p.beta) / p.beta, 1 - 2 * p.beta],
        0.07,
        {
            "one exponent for both": [1 - 2 * p.beta, 1 - 2 * p.beta],
            "tail of a_m instead of a_m²": [(1 - p.beta) / p.beta, 1 - p.beta],
        },
    )
