"""Label noise: at a constant step SGD ends on a plateau in proportion to γΔ, at k = 2 and 4, as its limit says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, points_with_spread, sheet

from ._ensembles import ensemble, fitted_slope, flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece

SEE = (
    "with noisy labels a constant step ends on a plateau near (k/2)γΔ Σa_m; the finite-step limit is on it, flow is not"
)
FULL = "20 minutes and 0.5 GB on one core (extrapolated from the quick size); 4 directions, d = 200, 16 runs"


@dataclass(frozen=True)
class Parameters:
    """A teacher and a start near it, so that no time goes into the search; each step γ/d a sample."""

    beta: float = chosen(1.0)
    width: int = chosen(2, 4)
    dim: int = chosen(100, 200)
    overlap: float = chosen(0.6)
    norm: float = chosen(0.5)
    noises: tuple = chosen((0.0, 0.1, 1.0), (0.0, 0.03, 0.1, 0.3, 1.0))
    gammas_2: tuple = chosen((0.01, 0.04))
    gammas_4: tuple = chosen((0.0003, 0.001))
    batch_2: int = chosen(16)
    batch_4: int = chosen(256)
    horizon: float = chosen(15.0, 30.0)
    runs: int = chosen(4, 16)


def _cases(p: Parameters) -> list[tuple[int, float, float]]:
    """Every k, γ and Δ."""
    steps = [(2, gamma) for gamma in p.gammas_2] + [(4, gamma) for gamma in p.gammas_4]
    return [(degree, gamma, noise) for degree, gamma in steps for noise in p.noises]


def _name(degree: int, gamma: float, noise: float) -> str:
    return f"k={degree} γ={gamma:g} Δ={noise:g}"


def pieces(p: Parameters) -> dict[str, Piece]:
    """The limit and SGD for each k, γ and Δ; gradient flow for each k."""
    flows: dict[str, Piece] = {f"flow k={degree}": piece(_flow, degree, p) for degree in (2, 4)}
    return flows | {_name(*case): piece(_case, *case, p) for case in _cases(p)}


def _problem(degree: int, noise: float, p: Parameters) -> tuple[rc.Teacher, rc.Start]:
    teacher = rc.Teacher.power_law(p.width, p.beta, rc.Link.hermite(degree), noise=noise)
    return teacher, rc.Start(p.overlap * np.eye(p.width), norms=p.norm, dim=p.dim)


def _times(p: Parameters) -> np.ndarray:
    return np.geomspace(p.horizon / 200, p.horizon, 60)


def _flow(degree: int, p: Parameters) -> Arrays:
    return flow(rc.Quadratic() if degree == 2 else rc.Decoupled(), *_problem(degree, 0.0, p), _times(p))


def _case(degree: int, gamma: float, noise: float, p: Parameters) -> Arrays:
    teacher, start = _problem(degree, noise, p)
    limit = rc.solve(rc.FiniteStep(gamma), teacher, start, _times(p))
    sgd = rc.SGD.from_gamma(gamma, p.dim, p.batch_2 if degree == 2 else p.batch_4)
    runs = ensemble(teacher, start, sgd, int(p.horizon / sgd.rate), p.runs, rows=60)
    return {"limit": np.asarray(limit.risk), "times": runs["times"][0], "risk": runs["risk"]}


def _leading(degree: int, gamma: float, noise: float, p: Parameters) -> float:
    """(k/2)γΔ Σa_m, the plateau to leading order in γ, of Σa_m² = 1 and a neuron for each direction."""
    return degree / 2 * gamma * noise * float(np.sum(_problem(degree, noise, p)[0].a))


def _plateaus(curves: Arrays, p: Parameters) -> np.ndarray:
    """The mean risk of each run over the last half of time, (S,)."""
    return curves["risk"][:, curves["times"] > p.horizon / 2].mean(axis=1)


def draw(data: Data, width: float) -> Figure:
    """Risk in time for k = 2 and k = 4 at the largest γ, and all plateaus against (k/2)γΔ Σa_m."""
    p = data.parameters
    figure, panels = sheet(width, 3, 0.9)
    noises = sorted(p.noises)[::-1][:4]
    for axes, degree, gamma in zip(panels, (2, 4), (p.gammas_2[-1], p.gammas_4[-1]), strict=False):
        exact = data[f"flow k={degree}"]
        least = min(data[_name(degree, gamma, noise)]["limit"][-1] for noise in p.noises if noise > 0)
        axes.loglog(exact["times"], exact["risk"], ":", color="0.4", label="gradient flow")
        for noise, colour in zip(noises, COLOURS[1:], strict=False):
            curves = data[_name(degree, gamma, noise)]
            axes.loglog(_times(p), curves["limit"], color=colour, label=rf"$\Delta={noise:g}$")
            curve_with_spread(axes, curves["times"], curves["risk"], colour, first=_times(p)[0], count=12)
        axes.set(xlabel="time $t$", ylabel="population risk", title=rf"$k={degree}$, $\gamma={gamma:g}$",
                 ylim=(least / 10, 2))  # fmt: skip
        axes.legend(loc="lower left")
    right = panels[-1]
    for degree, gammas, colour, mark in ((2, p.gammas_2, COLOURS[1], "o"), (4, p.gammas_4, COLOURS[2], "s")):
        cases = [(degree, gamma, noise) for gamma in gammas for noise in p.noises if noise > 0]
        for n, case in enumerate(cases):
            at, curves = np.array([_leading(*case, p)]), data[_name(*case)]
            points_with_spread(right, at, _plateaus(curves, p)[:, None], colour, f"SGD, $k={degree}$" * (n == 0), mark)
            right.plot(at, curves["limit"][-1], "_", ms=11, mew=1.3, color=colour)
    ends = np.array(sorted(_leading(*case, p) for case in _cases(p) if case[2] > 0))[[0, -1]] * [0.5, 2]
    right.loglog(ends, ends, color="0.6", lw=0.9, zorder=0, label="equal")
    right.plot([], [], "_", ms=9, mew=1.3, color="0.3", label="limit")
    right.set(xlabel=r"$(k/2)\,\gamma\Delta\,\sum a_m$", ylabel="plateau", title="all steps and noises")
    right.legend(loc="lower right")
    return figure


def fact(data: Data) -> Fact:
    """For k = 2 and 4: SGD's plateaus over the limit's, and the slope of their logarithm against that of γΔ."""
    p, measured, training = data.parameters, [], []
    for degree in (2, 4):
        cases = [case for case in _cases(p) if case[0] == degree and case[2] > 0]
        plateaus = np.array([np.median(_plateaus(data[_name(*case)], p)) for case in cases])
        limits = np.array([data[_name(*case)]["limit"][-1] for case in cases])
        _, gammas, noises = np.array(cases).T
        measured += [float(np.mean(plateaus / limits)), fitted_slope(gammas * noises, plateaus)]
        training += [float(np.mean((limits + noises) / limits)), fitted_slope(gammas * noises, limits + noises)]
    return Fact(
        "with label noise SGD ends on the plateau of its limit, in proportion to γΔ, at k = 2 and 4",
        measured,
        [1.0, 1.0, 1.0, 1.0],
        0.1,
        {
            "gradient flow, without a plateau": [0.0, 0.0, 0.0, 0.0],
            "a plateau in proportion to the noise's size √Δ": [1.0, 0.5, 1.0, 0.5],
            "the noise itself counted in the risk": training,
        },
    )
