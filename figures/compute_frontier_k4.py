"""k = 4: risk against compute; the envelope over widths, and T_p against 1/(8 a_p v_p(0)²).

Compute is N t in units of the typical start's 1/v_N², v_N² ≈ 2 log N/d: scaling laws leave that logarithm out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, plain_ticks, points_with_spread, reference_slope, shades, sheet

from ._ensembles import fitted_slope, flow, sgd
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "every width follows the power law to its own floor; the best width for each compute falls as C^(-1/3)"
FULL = "half an hour; theory at the paper's size in both; SGD at d = 128, as 2048 takes 10⁹ samples (time extrapolated)"


@dataclass(frozen=True)
class Parameters:
    """RNWL25's experiment for the theory, and a smaller problem for SGD; its step is g·d^(-2) a sample."""

    dim: int = sourced(2048, source="RNWL25's experiment")
    teacher_width: int = sourced(1024, source="RNWL25's experiment: P = 1024")
    degree: int = sourced(4, source="RNWL25's experiment: h_4")
    beta: float = sourced(0.8, source="RNWL25's experiment")
    widths: int = chosen(28)
    points: int = chosen(200)
    norm: float = chosen(0.01)
    small_dim: int = chosen(64, 128)
    small_teacher: int = chosen(6, 16)
    small_widths: tuple = chosen((4, 12), (8, 16, 32))
    step: float = chosen(0.06)
    batch: int = chosen(512)
    runs: int = chosen(4, 16)
    seed: int = chosen(0)


def pieces(p: Parameters) -> dict[str, Piece]:
    """Theory at the paper's size; SGD and the coupled flow on the small problem for each width."""
    return {"theory": piece(_theory, p)} | {f"N={N}": piece(_small, N, p) for N in p.small_widths}


def _theory(p: Parameters) -> Arrays:
    teacher = rc.Teacher.power_law(p.teacher_width, p.beta, rc.Link.hermite(p.degree))
    widths = np.unique(np.geomspace(2, p.teacher_width, p.widths).astype(int))
    starts = [rc.Start.typical(teacher, int(N), p.dim, p.norm) for N in widths]
    exact = np.asarray(rc.Decoupled().emergence_times_of(teacher, starts[-1]))
    leading = np.asarray(rc.Decoupled().leading_emergence_times(teacher, starts[-1]))
    times = np.geomspace(exact[0] / 3, 100 * exact[p.teacher_width // 2], p.points)
    risk = np.stack([rc.solve(rc.Decoupled(), teacher, start, times).risk for start in starts])
    first = np.array([float(start.overlaps[0]) ** 2 for start in starts])
    return {"times": times, "widths": widths, "risk": risk, "exact": exact, "leading": leading, "first": first}


def _small(N: int, p: Parameters) -> Arrays:
    teacher = rc.Teacher.power_law(p.small_teacher, p.beta, rc.Link.hermite(p.degree))
    start = rc.Start.random(teacher, N, p.small_dim, 0.05, seed=p.seed)
    emergence = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    leading = np.asarray(rc.Decoupled().leading_emergence_times(teacher, start))
    last = float(emergence[np.isfinite(emergence)].max())
    times = np.geomspace(emergence.min() / 6, 1.5 * last, 100)
    rate = p.step * p.small_dim ** (-p.degree / 2) * p.batch
    runs = sgd(teacher, start, rate, int(times[-1] / rate), p.batch, p.runs)
    coupled = flow(rc.Coupled(), teacher, start, times)
    return runs | {"leading": leading} | {f"flow_{k}": v for k, v in coupled.items()}


def frontier(theory: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute C = N t v(N)², the least risk over widths, and the width that has it."""
    scale = theory["widths"] * theory["first"]
    times, widths = theory["times"], theory["widths"]
    compute = np.geomspace(scale[0] * times[0] * 4, scale[-1] * times[-1] / 60, 120)
    risk = np.stack([
        np.interp(np.log(compute / c), np.log(times), row, right=np.inf)
        for c, row in zip(scale, theory["risk"], strict=True)
    ])  # fmt: skip
    return compute, risk.min(axis=0), widths[risk.argmin(axis=0)]


def _window(theory: Arrays) -> np.ndarray:
    """From the width 6 on, to where the teacher's own width begins to show."""
    best = frontier(theory)[2]
    return (best >= 6) & (best <= len(theory["exact"]) // 16)


def draw(data: Data, width: float) -> Figure:
    """Risk against compute on the left; T_p over its formula, theory and small problem, on the right."""
    p, theory = data.parameters, data["theory"]
    figure, (left, right) = sheet(width, 2)
    shown = theory["widths"][:: max(len(theory["widths"]) // 9, 1)]
    for N, colour in zip(shown, shades(len(shown)), strict=True):
        at = np.searchsorted(theory["widths"], N)
        row, v2 = theory["risk"][at], theory["first"][at]
        left.loglog(
            N * v2 * theory["times"], row, color=colour, lw=0.9, label=f"$N={N}$" if N in shown[[0, 4, -1]] else None
        )
    compute, risk, _ = frontier(theory)
    left.loglog(compute, risk, color=COLOURS[2], lw=2, label="envelope")
    slope, inside = (1 - 2 * p.beta) / (1 + p.beta), _window(theory)
    reference_slope(
        left, (compute[inside][0], risk[inside][0] / 1.9), compute[inside][-1], slope,
        r"$C^{(1-2\beta)/(1+\beta)}$", below=True,
    )  # fmt: skip
    left.set(xlabel=r"compute $C=Nt\,v_N^2$", ylabel="risk", title=f"theory, $d={p.dim}$, $M={p.teacher_width}$",
             xlim=(compute[0] / 3, compute[-1]), ylim=(risk[-1] / 2, 1.4))  # fmt: skip
    left.legend(loc="lower left")
    for N, colour, mark in zip(p.small_widths, COLOURS[1:], "os^", strict=False):
        found = data[f"N={N}"]
        points_with_spread(
            right, found["leading"], found["emergence"], colour, f"SGD, $d={p.small_dim}$, $N={N}$", mark
        )
        right.plot(found["leading"], found["flow_emergence"], "x", color=colour, ms=5)
    finite = np.concatenate([data[f"N={N}"]["leading"] for N in p.small_widths])
    finite = finite[np.isfinite(finite)]
    ends = np.array([finite.min() / 1.4, finite.max() * 1.4])
    right.loglog(ends, ends, color=COLOURS[0], lw=0.9)
    right.set(xlabel="$1/(8a_pv_p(0)^2)$", ylabel="$T_p$", title="SGD (points), coupled flow (×)")
    plain_ticks(right.xaxis, right.yaxis)
    right.legend(loc="upper left")
    return figure


def fact(data: Data) -> Fact:
    """The envelope's slope, and T_p over its leading order at the paper's size."""
    p, theory = data.parameters, data["theory"]
    compute, risk, _ = frontier(theory)
    inside = _window(theory)
    learned = slice(0, p.teacher_width // 2)
    ratio = float(np.median((theory["exact"] / theory["leading"])[learned]))
    return Fact(
        "the best risk for a compute C = N t v_N² falls as C^((1-2β)/(1+β)), and T_p is 1/(8 a_p v_p(0)²)",
        [fitted_slope(compute[inside], risk[inside]), ratio],
        [(1 - 2 * p.beta) / (1 + p.beta), 1.0],
        0.07,
        {
            "risk in time alone, (1-2β)/β": [(1 - 2 * p.beta) / p.beta, 1.0],
            "β = 1": [-0.5, 1.0],
            "k(k-2) = 8 taken for k = 4": [(1 - 2 * p.beta) / (1 + p.beta), 2.0],
        },
    )
