"""Learning-rate schedules, k = 2, N < M: the best constant step, η ∝ a_m, and decays (1 - t/T)^p of one budget."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, sheet
from riccati.scaling import decay

from ._ensembles import ensemble, random_problem
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = (
    "of one budget of samples, a step that decays to zero ends lower than any constant one; p = 2β - 1 is near the best"
)
FULL = "6 minutes and 0.5 GB on one core (measured); d = 2000, 32 directions, 24 runs"


@dataclass(frozen=True)
class Parameters:
    """A student too narrow for its teacher, so that noise stays; first steps γ/d, powers p."""

    beta: float = sourced(1.0, source="arXiv 2509.19189, the form (1 - t/T)^(2β-1); its value is chosen")
    teacher_width: int = chosen(10, 32)
    student_width: int = chosen(4, 8)
    dim: int = chosen(200, 2000)
    norm: float = chosen(0.1)
    batch: int = chosen(25)
    steps: int = chosen(1200, 30_000)
    gammas: tuple = chosen((0.03, 0.06, 0.12, 0.2))
    powers: tuple = chosen((0.0, 0.5, 1.0, 2.0, 4.0))
    runs: int = chosen(8, 24)
    seed: int = chosen(0)


def pieces(p: Parameters) -> dict[str, Piece]:
    """Every power at every first step, and η ∝ a_m."""
    return {f"p={power:g} γ={gamma:g}": piece(_decay, power, gamma, p) for power in p.powers for gamma in p.gammas} | {
        f"follow γ={gamma:g}": piece(_follow, gamma, p) for gamma in p.gammas
    }


def _run(rate: Any, p: Parameters) -> Arrays:
    teacher, start = random_problem(p, 2, p.norm)
    curves = ensemble(teacher, start, rc.SGD(rate, p.batch), p.steps, p.runs, rows=50)
    floor = np.sum(np.asarray(teacher.a)[p.student_width :] ** 2)
    return {"steps": curves["steps"], "risk": curves["risk"], "floor": floor}


def _decay(power: float, gamma: float, p: Parameters) -> Arrays:
    """A decay by the samples used; the same first step for each power reaches a different canonical time."""
    # so that all powers run through the same canonical time
    first = rc.SGD.from_gamma(gamma * (1 + power), p.dim, p.batch).rate
    return _run(partial(decay, first=first, power=power, steps=p.steps), p)


def _follow(gamma: float, p: Parameters) -> Arrays:
    a = random_problem(p, 2, p.norm)[0].a
    return _run(rc.sgd.PerDirection(rc.SGD.from_gamma(gamma / float(a[0]), p.dim, p.batch).rate), p)


def end(data: Data, name: str) -> np.ndarray:
    """The risk above the floor at the end, (first steps, S), inf where a run has diverged."""
    p = data.parameters
    rows = np.stack(
        [data[f"{name} γ={gamma:g}"]["risk"][:, -1] - data[f"{name} γ={gamma:g}"]["floor"] for gamma in p.gammas]
    )
    return np.where(np.isfinite(rows), rows, np.inf)


def best(data: Data, name: str) -> tuple[float, float]:
    """The least median risk above the floor at the end, and its γ."""
    median = np.median(end(data, name), axis=1)
    return float(median.min()), data.parameters.gammas[int(median.argmin())]


def draw(data: Data, width: float) -> Figure:
    """Risk in samples on the left, the end of each power on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    form = 2 * p.beta - 1
    rows = [("p=0", COLOURS[0], "o", "best constant"), (f"p={form:g}", COLOURS[2], "s", r"$(1-t/T)^{2\beta-1}$"),
            ("follow", COLOURS[1], "^", r"$\eta\propto a_m$")]  # fmt: skip
    for name, colour, mark, label in rows:
        curves = data[f"{name} γ={best(data, name)[1]:g}"]
        samples, risk = curves["steps"] * float(p.batch), curves["risk"] - curves["floor"]
        curve_with_spread(left, samples, risk, colour, label, mark, first=samples[-1] / 100, count=16)
        late = samples >= samples[-1] / 100
        left.plot(samples[late], np.median(risk[:, late], axis=0), color=colour, lw=0.8)
    left.set(
        xscale="log",
        yscale="log",
        xlabel="samples $n$",
        ylabel="risk above the floor",
        title="one budget, three schedules",
    )
    left.legend(loc="lower left")
    for gamma, dashes in zip(p.gammas, cycle(("-", "--", "-.", ":")), strict=False):
        at = [np.median(end(data, f"p={power:g}")[p.gammas.index(gamma)]) for power in p.powers]
        right.semilogy(
            p.powers, at, dashes, marker="o", ms=3, mfc="white", color=COLOURS[0], label=rf"$\gamma={gamma:g}$"
        )
    right.axvline(form, color="0.6", lw=0.8)
    right.annotate(
        r"$2\beta-1$", (form, 0.6), xycoords=("data", "axes fraction"), textcoords="offset points", xytext=(3, 0)
    )
    right.set(
        xlabel="power $p$ of the decay",
        ylabel="end risk above the floor",
        title="mean step $\\gamma/d$; not shown: diverged",
    )
    right.legend(loc="lower right")
    return figure


def fact(data: Data) -> Fact:
    """What is left at the end under (1 - t/T)^(2β-1), over what is left under the best constant step, in log10."""
    p = data.parameters
    constant, decayed = best(data, "p=0")[0], best(data, f"p={2 * p.beta - 1:g}")[0]
    overall = min(best(data, f"p={power:g}")[0] for power in p.powers)
    return Fact(
        "a decay (1 - t/T)^(2β-1) ends as low as the best power, and well below the best constant step",
        [float(np.log10(decayed / overall)), float(np.log10(constant / decayed) > 0.1)],
        [0.0, 1.0],
        0.25,
        {
            "a constant step is as good": [0.0, 0.0],
            "the end is set by time alone": [float(np.log10(constant / overall)), 0.0],
        },
    )
