"""k = 2: risk against compute of quadratic networks under online SGD on the squared loss; slope -1/2 at β = 1."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, reference_slope, shades, sheet
from riccati.scaling import fit_power_law
from riccati.scaling import frontier as scaling_frontier

from ._ensembles import ensemble, flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "each width falls to its floor; the envelope falls as C^(-1/2); SGD follows its finite-step limit"
FULL = (
    "5 hours and 1.1 GB on one core (extrapolated from the quick size); the paper's d, r, α and batch, widths up to 128"
)


@dataclass(frozen=True)
class Parameters:
    """BEVW25's first figure; SGD's step is γ/d a sample, so that a step of a batch d is γ."""

    dim: int = sourced(320, 3200, source="BEVW25, figure 1: d = 3200")
    teacher_width: int = sourced(240, 2400, source="BEVW25, figure 1: r = 2400")
    beta: float = sourced(1.0, source="BEVW25, figure 1: α = 1")
    batch: int = sourced(320, 3200, source="BEVW25, figure 1: batch d")
    theory_dim: int = sourced(3200, source="BEVW25, figure 1: d = 3200")
    theory_width: int = sourced(2400, source="BEVW25, figure 1: r = 2400")
    theory_widths: tuple = chosen((8, 16, 32, 64, 128))
    widths: tuple = chosen((2, 4, 8, 16, 32), (4, 8, 16, 32, 64, 128))
    simulated: tuple = chosen((4, 16), (4, 8, 16, 32, 64))
    norm: float = chosen(0.03)
    gamma: float = chosen(0.05)
    runs: int = chosen(3, 4)
    points: int = chosen(60, 120)
    seed: int = chosen(0)


def _problem(N: int, p: Parameters) -> tuple[rc.Teacher, rc.Start, np.ndarray]:
    teacher = rc.Teacher.power_law(p.teacher_width, p.beta, rc.Link.hermite(2))
    a = np.asarray(teacher.a)
    times = np.geomspace(1.0 / a[0], 6.0 / a[min(max(p.widths), len(a)) - 1], p.points)
    return teacher, rc.Start.random(teacher, N, p.dim, p.norm, seed=p.seed), times


def pieces(p: Parameters) -> dict[str, Piece]:
    """The exact flow for each width; the finite-step limit and SGD for some."""
    return (
        {"theory": piece(_theory, p)}
        | {f"exact N={N}": piece(_exact, N, p) for N in p.widths}
        | {f"finite N={N}": piece(_finite, N, p) for N in p.simulated}
        | {f"sgd N={N}": piece(_sgd, N, p) for N in p.simulated}
    )


def _theory(p: Parameters) -> Arrays:
    """The best width at the paper's size; compute in units of the log-odds that T_N exceeds N^β by, N's own."""
    teacher = rc.Teacher.power_law(p.theory_width, p.beta, rc.Link.hermite(2))
    best = scaling_frontier(teacher, p.theory_widths, dim=p.theory_dim, norm=p.norm)
    a = float(teacher.a[0]) * best.width**-p.beta
    scaled = best.compute / np.log(a * p.theory_dim / p.norm**2 - 1)
    whole = (float(scaled[0]), float(scaled[-1]))
    return {"exponent": np.asarray(fit_power_law(scaled, best.risk, floor="free", window=whole).exponent)}


def _exact(N: int, p: Parameters) -> Arrays:
    curves = flow(rc.Quadratic(), *_problem(N, p))
    return {"times": curves["times"], "risk": curves["risk"], "emergence": curves["emergence"]}


def _finite(N: int, p: Parameters) -> Arrays:
    teacher, start, times = _problem(N, p)
    trajectory = rc.solve(rc.FiniteStep(gamma=p.gamma), teacher, start, times[times < _end(N, p)])
    return {"times": np.asarray(trajectory.times), "risk": np.asarray(trajectory.risk)}


def _end(N: int, p: Parameters) -> float:
    """Well past the last emergence of N neurons."""
    a = np.arange(1.0, p.teacher_width + 1) ** -p.beta
    return float(5.0 * np.linalg.norm(a) / a[N - 1])


def _sgd(N: int, p: Parameters) -> Arrays:
    teacher, start, _ = _problem(N, p)
    sgd = rc.SGD.from_gamma(p.gamma, p.dim, p.batch)
    curves = ensemble(teacher, start, sgd, int(_end(N, p) / sgd.rate), p.runs)
    return {"times": curves["times"], "risk": curves["risk"]}


def frontier(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Compute and the least risk over the widths."""
    rows = {N: data[f"exact N={N}"] for N in data.parameters.widths}
    ends = [N * row["times"][[0, -1]] for N, row in rows.items()]
    compute = np.geomspace(ends[0][0], ends[-1][1], 150)
    risk = [np.interp(np.log(compute / N), np.log(row["times"]), row["risk"], right=np.inf) for N, row in rows.items()]
    return compute, np.min(risk, axis=0)


def _window(data: Data) -> np.ndarray:
    """Between the floors of the second and of the last width but one."""
    p, risk = data.parameters, frontier(data)[1]
    floors = [data[f"exact N={N}"]["risk"][-1] for N in p.widths]
    return (risk < 1.15 * floors[0]) & (risk > 1.1 * floors[-1])


def draw(data: Data, width: float) -> Figure:
    """All widths with the envelope on the left; SGD with both limits on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    colours = dict(zip(p.widths, shades(len(p.widths)), strict=True))
    for N, colour in colours.items():
        curves = data[f"exact N={N}"]
        left.loglog(N * curves["times"], curves["risk"], color=colour)
        end = (N * curves["times"][-1], curves["risk"][-1])
        left.annotate(f"$N={N}$", end, textcoords="offset points", xytext=(3, 0), va="center", color=colour)
    compute, risk = frontier(data)
    left.loglog(compute, risk, color=COLOURS[2], lw=2.2, alpha=0.6, label="envelope", zorder=1)
    slope, inside = (1 - 2 * p.beta) / (1 + p.beta), _window(data)
    reference_slope(
        left, (compute[inside][0], risk[inside][0] / 1.8), compute[inside][-1], slope,
        rf"$C^{{(1-2\beta)/(1+\beta)}}=C^{{{slope:.2g}}}$", below=True,
    )  # fmt: skip
    left.set(xlabel="compute $C=Nt$", ylabel="risk", title=f"exact flow, $d={p.dim}$, $M={p.teacher_width}$",
             xlim=(None, 8 * compute[-1]))  # fmt: skip
    left.legend(loc="lower left")
    for N, mark in zip(p.simulated, cycle("os^Dv"), strict=False):
        colour, runs = colours[N], data[f"sgd N={N}"]
        exact, finite = data[f"exact N={N}"], data[f"finite N={N}"]
        right.loglog(N * exact["times"], exact["risk"], ":", color=colour, lw=1.0)
        right.loglog(N * finite["times"], finite["risk"], color=colour)
        compute, first = N * runs["times"][0], N * finite["times"][0]
        curve_with_spread(right, compute, runs["risk"], colour, f"$N={N}$", mark, first=first)
    right.set(
        xlabel="compute $C=Nt$", ylabel="risk", title=rf"SGD (points), limit at $\gamma={p.gamma:g}$ (—), flow (···)"
    )
    right.legend(loc="lower left")
    return figure


def fact(data: Data) -> Fact:
    """The exponent of the best risk; a quarter of log10 of the risk that SGD ends at over the finite-step limit's."""
    p = data.parameters
    N = p.simulated[-1]
    ends = float(np.median(data[f"sgd N={N}"]["risk"][:, -1])) / data[f"finite N={N}"]["risk"][-1]
    flow_ends = data[f"exact N={N}"]["risk"][-1] / data[f"finite N={N}"]["risk"][-1]
    slope = (1 - 2 * p.beta) / (1 + p.beta)
    return Fact(
        "the best risk falls as (C/L)^((1-2β)/(1+β)), L the log-odds, and SGD ends where the finite-step limit does",
        [float(data["theory"]["exponent"]), float(np.log10(ends)) / 4],
        [slope, 0.0],
        0.015,
        {
            "risk in time alone, (1-2β)/β": [(1 - 2 * p.beta) / p.beta, 0.0],
            "β = 0.8": [-1 / 3, 0.0],
            "gradient flow's floor": [slope, float(np.log10(flow_ends)) / 4],
        },
    )
