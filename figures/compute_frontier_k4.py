"""k = 4: risk against compute; the best width for each compute, and T_p against 1/(8 a_p v_p(0)²).

On the left every direction starts at the overlap d^(-1/2), as scaling laws suppose: the largest of N random overlaps,
v_N² ≈ 2 log N/d, makes wide students faster by a logarithm that no exponent shows. The best width is sought exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, plain_ticks, points_with_spread, reference_slope, shades, sheet
from riccati.scaling import frontier

from ._ensembles import ensemble, flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "every width follows the power law to its own floor; the best width for each compute falls as C^(-1/3)"
FULL = (
    "8 minutes and 0.7 GB on one core (measured); "
    "theory at the paper's size in both, SGD at d = 96, as 2048 takes 10⁹ samples a run"
)


@dataclass(frozen=True)
class Parameters:
    """RNWL25's experiment for the theory, and a smaller problem for SGD; its step is g·d^(-2) a sample."""

    dim: int = sourced(2048, source="RNWL25's experiment")
    teacher_width: int = sourced(1024, source="RNWL25's experiment: P = 1024")
    degree: int = sourced(4, source="RNWL25's experiment: h_4")
    beta: float = sourced(0.8, source="RNWL25's experiment")
    widths: tuple = chosen((8, 16, 32, 64, 128))
    norm: float = chosen(0.01)
    small_dim: int = chosen(64, 96)
    small_teacher: int = chosen(6, 12)
    small_widths: tuple = chosen((4, 12), (16, 32))
    step: float = chosen(0.06)
    batch: int = chosen(512)
    runs: int = chosen(4, 16)
    seed: int = chosen(0)


def pieces(p: Parameters) -> dict[str, Piece]:
    """Theory at the paper's size; SGD and the coupled flow on the small problem for each width."""
    return {"theory": piece(_theory, p)} | {f"N={N}": piece(_small, N, p) for N in p.small_widths}


def _theory(p: Parameters) -> Arrays:
    teacher = rc.Teacher.power_law(p.teacher_width, p.beta, rc.Link.hermite(p.degree))
    start = rc.Start.typical(teacher, p.teacher_width, p.dim, p.norm)
    best = frontier(teacher, p.widths, dim=p.dim, norm=p.norm)
    return {
        "compute": best.compute,
        "risk": best.risk,
        "curves": np.stack([np.stack(curve) for curve in best.curves]),
        "exponent": np.asarray(best.exponent),
        "exact": np.asarray(rc.Decoupled().emergence_times_of(teacher, start)),
        "leading": np.asarray(rc.Decoupled().leading_emergence_times(teacher, start)),
    }


def _small(N: int, p: Parameters) -> Arrays:
    teacher = rc.Teacher.power_law(p.small_teacher, p.beta, rc.Link.hermite(p.degree))
    start = rc.Start.random(teacher, N, p.small_dim, 0.05, seed=p.seed)
    emergence = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    leading = np.asarray(rc.Decoupled().leading_emergence_times(teacher, start))
    last = float(emergence[np.isfinite(emergence)].max())
    times = np.geomspace(emergence.min() / 6, 1.5 * last, 100)
    sgd = rc.SGD(p.step * p.small_dim ** (-p.degree / 2) * p.batch, p.batch)
    runs = ensemble(teacher, start, sgd, int(times[-1] / sgd.rate), p.runs)
    coupled = flow(rc.Coupled(), teacher, start, times)
    return runs | {"leading": leading} | {f"flow_{k}": v for k, v in coupled.items()}


def draw(data: Data, width: float) -> Figure:
    """Risk against compute on the left; T_p over its formula, theory and small problem, on the right."""
    p, theory = data.parameters, data["theory"]
    figure, (left, right) = sheet(width, 2)
    for N, (compute, risk), colour in zip(p.widths, theory["curves"], shades(len(p.widths)), strict=True):
        left.loglog(compute, risk, color=colour, lw=0.9)
        if N in (p.widths[0], p.widths[-1]):  # above its floor, and above its start
            at = (compute[-1], risk[-1]) if risk[-1] > 2 * theory["risk"][-1] else (compute[risk < 0.9][0], 1.0)
            left.annotate(f"$N={N}$", at, textcoords="offset points", xytext=(0, 3), ha="right", color=colour)
    compute, risk = theory["compute"], theory["risk"]
    left.loglog(compute, risk, color=COLOURS[2], lw=2, label=f"best width, slope {theory['exponent']:.3f}")
    slope = (1 - 2 * p.beta) / (1 + p.beta)
    reference_slope(left, (compute[0], risk[0] / 1.9), compute[-1], slope, r"$C^{(1-2\beta)/(1+\beta)}$", below=True)
    left.set(xlabel=r"compute $C=Nt$", ylabel="risk", title=f"theory, $d={p.dim}$, $M={p.teacher_width}$",
             xlim=(compute[0] / 10, 2 * compute[-1]), ylim=(risk[-1] / 3, 3))  # fmt: skip
    left.legend(loc="upper right")
    for N, colour, mark in zip(p.small_widths, cycle(COLOURS[1:]), cycle("os^"), strict=False):
        curves = data[f"N={N}"]
        points_with_spread(
            right, curves["leading"], curves["emergence"], colour, f"SGD, $d={p.small_dim}$, $N={N}$", mark
        )
        right.plot(curves["leading"], curves["flow_emergence"], "x", color=colour, ms=5)
    finite = np.concatenate([data[f"N={N}"]["leading"] for N in p.small_widths])
    finite = finite[np.isfinite(finite)]
    ends = np.array([finite.min() / 1.4, finite.max() * 1.4])
    right.loglog(ends, ends, color=COLOURS[0], lw=0.9)
    right.set(
        xlabel="$1/(8a_pv_p(0)^2)$", ylabel="$T_p$", title="SGD (points), coupled flow (×)", ylim=(None, 2 * ends[1])
    )
    plain_ticks(right.xaxis, right.yaxis)
    right.legend(loc="upper left")
    return figure


def fact(data: Data) -> Fact:
    """The exponent of the best risk in compute, and log10 of T_p over its leading order at the paper's size."""
    p, theory = data.parameters, data["theory"]
    learned = slice(0, p.teacher_width // 2)
    ratio = float(np.median(np.log10(theory["exact"] / theory["leading"])[learned]))
    slope = (1 - 2 * p.beta) / (1 + p.beta)
    return Fact(
        "the best risk for a compute C = N t falls as C^((1-2β)/(1+β)), and T_p is 1/(8 a_p v_p(0)²)",
        [float(theory["exponent"]), ratio],
        [slope, 0.0],
        0.015,
        {
            "risk in time alone, (1-2β)/β": [(1 - 2 * p.beta) / p.beta, 0.0],
            "β = 1": [-0.5, 0.0],
            "k(k-2) = 8 taken for k = 4": [slope, float(np.log10(2))],
        },
    )
