"""k = 2, signed teachers: W' = -(WWᵀ - Z*)W with Z* from the GOE; what is negative stays in the risk for ever."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from scipy.integrate import quad
from scipy.optimize import brentq

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, shades, sheet

from ._ensembles import ensemble
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "N neurons learn the N largest positive a_m of a GOE matrix; the risk keeps the others and all negative ones"
FULL = "a quarter of an hour and 0.7 GB on one core (measured); d = 400, 4 runs"


@dataclass(frozen=True)
class Parameters:
    """Z* = (X + Xᵀ)/√(2d), X Gaussian, in its eigenbasis; widths as parts of d."""

    dim: int = chosen(48, 400)
    shares: tuple = sourced((0.1, 0.25, 1.0), source="Martin, Bach, Biroli 2024, N/d; its values are chosen")
    more: tuple = chosen((0.5,), (0.05, 0.15, 0.35, 0.5, 0.7))
    norm: float = chosen(0.05)
    step: float = chosen(0.03, 0.01)
    batch: int = chosen(96, 400)
    runs: int = chosen(3, 4)
    seed: int = chosen(0)


def _problem(share: float, p: Parameters) -> tuple[rc.Teacher, rc.Start]:
    rng = np.random.default_rng(p.seed)
    X = rng.normal(size=(p.dim, p.dim))
    a = np.linalg.eigvalsh((X + X.T) / np.sqrt(2 * p.dim))[::-1]
    W = rng.normal(size=(max(round(share * p.dim), 1), p.dim))
    W *= p.norm / np.linalg.norm(W, axis=1, keepdims=True)
    teacher = rc.Teacher(a / np.linalg.norm(a), rc.Link.hermite(2))
    return teacher, rc.Start.from_weights(W, np.eye(p.dim))


def pieces(p: Parameters) -> dict[str, Piece]:
    """The exact flow at every width, SGD at some."""
    return {f"N/d={share:g}": piece(_flow, share, p) for share in sorted({*p.shares, *p.more})} | {
        f"sgd N/d={share:g}": piece(_sgd, share, p) for share in p.shares[:2]
    }


def _flow(share: float, p: Parameters) -> Arrays:
    teacher, start = _problem(share, p)
    a = np.asarray(teacher.a)
    trajectory = rc.solve(rc.Quadratic(), teacher, start, np.geomspace(0.3 / a[0], 4000 / a[0], 120))
    return {
        "times": np.asarray(trajectory.times),
        "risk": np.asarray(trajectory.risk),
        "a": a,
        "width": np.asarray(start.student_width),
    }


def _sgd(share: float, p: Parameters) -> Arrays:
    teacher, start = _problem(share, p)
    sgd = rc.SGD.from_gamma(p.step, p.dim, p.batch)
    # the teacher spans R^d: reduced coordinates would be no fewer
    return ensemble(teacher, start, sgd, int(30 / teacher.a[0] / sgd.rate), p.runs, coordinates="direct", rows=40)


def semicircle(share: float) -> float:
    """The risk that is left as d → ∞: 1 - ∫_c^2 x² ρ(x) dx, with a share of eigenvalues above c, c ≥ 0."""

    def density(x: float) -> float:
        return np.sqrt(4 - x**2) / (2 * np.pi)

    at = brentq(lambda c: quad(density, c, 2)[0] - min(share, 0.5), -1e-9, 2)
    return 1 - quad(lambda x: x**2 * density(x), at, 2)[0]


def kept(a: np.ndarray, width: int) -> float:
    """Σ a² over all but the `width` largest positive ones."""
    largest = np.sort(a)[::-1][:width]
    return float(1 - np.sum(largest[largest > 0] ** 2))


def draw(data: Data, width: float) -> Figure:
    """Risk in time on the left, what is left against N/d on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    for share, colour, mark in zip(p.shares, shades(len(p.shares)), cycle("os^"), strict=False):
        curves = data[f"N/d={share:g}"]
        left.semilogx(curves["times"], curves["risk"], color=colour)
        left.axhline(kept(curves["a"], int(curves["width"])), color=colour, ls=":", lw=1.0)
        label, last = f"$N={int(curves['width'])}$", 300 / curves["a"][0]
        if share in p.shares[:2]:
            runs = data[f"sgd N/d={share:g}"]
            label = rf"SGD, {label}, $\gamma={p.step:g}$"
            curve_with_spread(left, runs["times"][0], runs["risk"], colour, label, mark, first=curves["times"][0])
        else:
            left.plot([], [], color=colour, label=f"flow, {label}")
    left.plot([], [], ":", color="0.3", lw=1.0, label="what is not learned")
    left.set(xlabel="time $t$", ylabel="risk", ylim=(0.45, 1.03), xlim=(None, last),
             title=f"exact flow (—), SGD at a finite step, $d={p.dim}$")  # fmt: skip
    left.legend(loc="upper right")
    share = np.linspace(0.01, 1, 120)
    right.plot(share, [semicircle(s) for s in share], color=COLOURS[1], label=r"semicircle, $d\to\infty$")
    right.axhline(0.5, color="0.6", lw=0.8)
    right.annotate(r"$\sum_{a_m<0}a_m^2=\frac{1}{2}$", (0.98, 0.49), ha="right", va="top")
    right.plot(share, [by_size(s) for s in share], "--", color=COLOURS[2], label=r"largest $|a_m|$ learned")
    every = sorted({*p.shares, *p.more})
    right.plot(every, [data[f"N/d={s:g}"]["risk"][-1] for s in every], "o", mfc="white", ms=4, color=COLOURS[0],
               label=f"flow's end, $d={p.dim}$")  # fmt: skip
    right.set(xlabel="width $N/d$", ylabel="risk that is left", ylim=(0, 1.03), title="GOE teacher")
    right.legend(loc="upper right")
    return figure


def by_size(share: float) -> float:
    """What would be left if the largest |a_m| were learned, whatever their sign: 2 · half the share on either side."""
    return 2 * semicircle(min(share, 1.0) / 2) - 1


def fact(data: Data) -> Fact:
    """The end of the flow at three widths, and log10 of SGD's end over the flow's at that time."""
    p = data.parameters
    ends = [float(data[f"N/d={share:g}"]["risk"][-1]) for share in p.shares]
    first = data[f"N/d={p.shares[0]:g}"]
    runs = data[f"sgd N/d={p.shares[0]:g}"]
    at = float(np.interp(np.log(runs["times"][0, -1]), np.log(first["times"]), first["risk"]))
    close = float(np.log10(np.median(runs["risk"][:, -1]) / at))
    expected = [semicircle(share) for share in p.shares]
    return Fact(
        "the flow of N neurons ends at what the N largest positive a_m leave, the semicircle's ½ for N ≥ d/2",
        [*ends, close],
        [*expected, 0.0],
        0.06,
        {
            "a wide student learns all": [*expected[:-1], 0.0, 0.0],
            "the largest |a_m| are learned": [*(by_size(share) for share in p.shares), 0.0],
        },
    )
