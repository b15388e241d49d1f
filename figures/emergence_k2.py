"""k = 2: the overlaps G_mm by the exact flow, the decoupled logistic, the finite-step limit and SGD in law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, plain_ticks, points_with_spread, shades, sheet

from ._ensembles import ensemble, flow, random_problem
from ._figure import Arrays, Data, Fact, Piece, chosen, piece

SEE = "directions emerge in order as N of them become learnable; the logistic of each alone is right on when, not how"
FULL = "10 minutes and 0.6 GB on one core (measured); d = 3200 and 48 directions"


@dataclass(frozen=True)
class Parameters:
    """Teacher, start, and SGD's step γ/d for each sample."""

    beta: float = chosen(1.0)
    dim: int = chosen(512, 3200)
    teacher_width: int = chosen(12, 48)
    student_width: int = chosen(6, 16)
    norm: float = chosen(0.1)
    gamma: float = chosen(0.03)
    batch: int = chosen(256, 1600)
    runs: int = chosen(8, 32)
    shown: int = chosen(4)
    seed: int = chosen(8)


def _times(p: Parameters) -> np.ndarray:
    a = np.asarray(random_problem(p, 2, p.norm)[0].a)[: p.student_width]
    logit = np.log(p.dim / p.student_width - 1)
    return np.geomspace(logit / (4 * a[0]) / 6, 2.5 * logit / (4 * a[-1]), 120)


def pieces(p: Parameters) -> dict[str, Piece]:
    """The exact flow, its finite-step limit, SGD."""
    return {"exact": piece(_exact, p), "finite": piece(_finite, p), "sgd": piece(_sgd, p)}


def _exact(p: Parameters) -> Arrays:
    teacher, start = random_problem(p, 2, p.norm)
    Q = np.linalg.qr(np.asarray(start.directions).T)[0]
    begun = np.sum(Q[: p.teacher_width] ** 2, axis=1)
    return flow(rc.Quadratic(), teacher, start, _times(p)) | {"begun": begun, "a": np.asarray(teacher.a)}


def _finite(p: Parameters) -> Arrays:
    return flow(rc.FiniteStep(gamma=p.gamma), *random_problem(p, 2, p.norm), _times(p))


def _sgd(p: Parameters) -> Arrays:
    sgd = rc.SGD.from_gamma(p.gamma, p.dim, p.batch)
    return ensemble(*random_problem(p, 2, p.norm), sgd, int(_times(p)[-1] / sgd.rate), p.runs)


def logistic(begun: np.ndarray, a: np.ndarray, times: np.ndarray) -> np.ndarray:
    """G_mm of each direction alone, (T, M): log-odds that grow at the rate 4a_m."""
    return 1 / (1 + (1 / begun - 1) * np.exp(-4 * a * times[:, None]))


def draw(data: Data, width: float) -> Figure:
    """Overlaps on the left, emergence times on the right."""
    p, exact, runs = data.parameters, data["exact"], data["sgd"]
    figure, (left, right) = sheet(width, 2)
    alone = logistic(exact["begun"], exact["a"], exact["times"])
    which = np.unique(np.geomspace(1, p.student_width, p.shown).astype(int)) - 1
    for m, colour in zip(which, shades(len(which)), strict=True):
        left.semilogx(exact["times"], exact["alignment"][:, m], color=colour, label=f"$m={m + 1}$")
        left.semilogx(exact["times"], alone[:, m], ":", lw=1.0, color=colour)
        curve_with_spread(left, runs["times"][0], runs["overlaps"][:, :, m], colour, first=exact["times"][0], count=12)
    left.set(
        xlabel="time $t$", ylabel="squared overlap $G_{mm}$", ylim=(-0.03, 1.03),
        title="exact (—), each alone (···), SGD (○)", xlim=(exact["times"][0], 1.1 * exact["times"][-1]),
    )  # fmt: skip
    left.legend(loc="upper left")
    m = np.arange(1, p.teacher_width + 1)
    right.semilogy(m, np.log(1 / exact["begun"] - 1) / (4 * exact["a"]), ":", color=COLOURS[3], label="each alone")
    for name, mark, label in (("exact", "-", "exact flow"), ("finite", "--", rf"finite step, $\gamma={p.gamma:g}$")):
        times = data[name]["emergence"]
        right.semilogy(m[np.isfinite(times)], times[np.isfinite(times)], mark, color=COLOURS[1], label=label)
    points_with_spread(right, m.astype(float), runs["emergence"], COLOURS[0], "SGD")
    right.axvline(p.student_width, color="0.7", lw=0.8)
    right.annotate(
        "$N$", (p.student_width, 0.94), xycoords=("data", "axes fraction"), textcoords="offset points", xytext=(3, 0)
    )
    right.set(xlabel="direction $m$", ylabel="emergence time $T_m$", title="only $N$ directions emerge")
    right.set_xticks(m[:: max(len(m) // 6, 1)])
    right.legend(loc="lower right")
    plain_ticks(right.yaxis)
    return figure


def fact(data: Data) -> Fact:
    """The median of SGD's T_m over the exact flow's, and how many directions emerge in half of the runs."""
    p = data.parameters
    runs, exact = np.median(data["sgd"]["emergence"], axis=0), data["exact"]["emergence"]
    both = np.isfinite(runs) & np.isfinite(exact)
    ratio = float(np.median(runs[both] / exact[both]))
    emerged = int(np.isfinite(exact).sum()) / p.student_width
    return Fact(
        "SGD at a small step emerges at the exact flow's times, and no more than N directions do",
        [ratio, emerged],
        [1.0, 1.0],
        0.17,
        {
            "Riccati time taken for canonical time": [2.0, 1.0],
            "each direction alone, so that all M emerge": [1.0, p.teacher_width / p.student_width],
        },
    )
