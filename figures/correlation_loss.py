"""Prior work, the correlation loss: neurons go to argmax a_m |m_0|^(k-2), and to cover all takes many of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.flows import correlation_velocity, destinations
from riccati.laws import coverage, destination_probabilities, simulated_coverage, width_to_cover
from riccati.plot import COLOURS, plain_ticks, shades, sheet

from ._ensembles import flow, integrated
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "without deflation the width that finds all grows fast with a_max/a_min; MSE training does with N of order M"
FULL = "11 s and 0.6 GB on one core (measured); 16 directions"


@dataclass(frozen=True)
class Parameters:
    """Teachers with a_m from 1 to 1/κ in equal ratios, widths, and a flow whose neurons are followed to the end."""

    degree: int = sourced(4, source="OSSW24, k > 2; its value is chosen")
    teacher_width: int = chosen(6, 16)
    conditions: tuple = chosen((1.0, 2.0, 4.0, 8.0, 16.0))
    widths: tuple = chosen(
        (6, 8, 12, 18, 26, 40, 60, 90, 140, 220, 340, 500), (8, 12, 20, 32, 60, 120, 240, 480, 1000, 2000, 4000, 8000)
    )
    dim: int = chosen(400)
    draws: int = chosen(400, 4000)
    neurons: int = chosen(16, 200)
    seed: int = chosen(0)


def _teacher(condition: float, p: Parameters) -> rc.Teacher:
    a = np.geomspace(1.0, 1 / condition, p.teacher_width)
    return rc.Teacher(a / np.linalg.norm(a), rc.Link.hermite(p.degree))


def pieces(p: Parameters) -> dict[str, Piece]:
    """Coverage for each κ; the flow of neurons on both losses at a middle κ."""
    return {f"κ={kappa:g}": piece(_coverage, kappa, p) for kappa in p.conditions} | {
        "correlation": piece(_correlation, p),
        "mse": piece(_mse, p),
    }


def _coverage(condition: float, p: Parameters) -> Arrays:
    """The probability that the weakest direction is found, against width, and the width that finds all with 0.9."""
    teacher = _teacher(condition, p)
    chances = destination_probabilities(teacher)
    # one draw of neurons serves every width: coverage at N follows from how often the weakest is some neuron's
    drawn = simulated_coverage(teacher, min(p.widths), p.dim, p.draws, p.seed)[-1]
    return {
        "learned": np.array([coverage(chances, N)[-1] for N in p.widths]),
        "drawn": drawn,
        "width": np.asarray(float(width_to_cover(chances, p.teacher_width, 0.9))),
    }


def _correlation(p: Parameters) -> Arrays:
    teacher = _teacher(p.conditions[len(p.conditions) // 2], p)
    start = rc.Start.random(teacher, p.neurons, p.dim, seed=p.seed)
    slowest = 2 * p.dim / (p.degree * (p.degree - 2) * float(teacher.a.min()))
    ends = integrated(correlation_velocity, start.directions, teacher, np.array([slowest]), 1e-6, 1e-8)[0]
    m = np.asarray(start.teacher_overlaps)
    return {
        "ends": np.argmax(np.abs(np.asarray(ends)[:, : p.teacher_width]), axis=1),
        "predicted": np.asarray(destinations(teacher, start)),
        "largest": np.argmax(np.abs(m), axis=1),
    }


def _mse(p: Parameters) -> Arrays:
    """2M neurons on the squared loss: every direction emerges."""
    teacher = _teacher(p.conditions[2], p)
    start = rc.Start.random(teacher, 2 * p.teacher_width, p.dim, 0.05, seed=p.seed)
    predicted = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    return flow(rc.Coupled(rtol=1e-6), teacher, start, np.geomspace(predicted.min() / 2, 1.5 * predicted.max(), 20))


def draw(data: Data, width: float) -> Figure:
    """Coverage against width on the left, the width needed against κ on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    widths = np.asarray(p.widths, float)
    for kappa, colour in zip(p.conditions, shades(len(p.conditions)), strict=True):
        curves = data[f"κ={kappa:g}"]
        left.semilogx(widths, curves["learned"], color=colour, label=rf"${kappa:g}$")
        left.plot(widths[0], curves["drawn"], "o", mfc="white", ms=4, color=colour, clip_on=False)
    left.axvline(2 * p.teacher_width, color=COLOURS[2], lw=1.2, ls="--")
    at = (2 * p.teacher_width, 1.0)
    left.annotate("MSE: all", at, textcoords="offset points", xytext=(-3, 0), ha="right", color=COLOURS[2], fontsize=7)
    left.set(
        xlabel="student width $N$", ylabel="probability", title="the weakest direction is found", ylim=(-0.03, 1.03)
    )
    left.legend(title=r"$a_{\max}/a_{\min}$", loc="lower right", ncols=2)
    needed = [data[f"κ={kappa:g}"]["width"] for kappa in p.conditions]
    right.semilogy(p.conditions, needed, "-o", mfc="white", color=COLOURS[0], label="correlation loss")
    right.axhline(2 * p.teacher_width, color=COLOURS[2], ls="--", label="MSE, deflation: $2M$ did")
    right.set(xlabel=r"$a_{\max}/a_{\min}$", ylabel="width that finds all", title="with probability 0.9")
    right.legend(loc="upper left")
    plain_ticks(right.yaxis)
    return figure


def fact(data: Data) -> Fact:
    """Neurons that end where the rule says, directions that MSE finds, and how the width grows with κ."""
    p, runs = data.parameters, data["correlation"]
    right = float(np.mean(runs["ends"] == runs["predicted"]))
    largest = float(np.mean(runs["ends"] == runs["largest"]))
    share = float(np.mean(np.isfinite(data["mse"]["emergence"])))
    drawn = max(abs(float(data[f"κ={k:g}"]["drawn"] - data[f"κ={k:g}"]["learned"][0])) for k in p.conditions)
    coupon = abs(1 - (1 - 1 / p.teacher_width) ** p.widths[0] - data[f"κ={p.conditions[-1]:g}"]["learned"][0])
    return Fact(
        "neurons end at argmax a_m |m_0|^(k-2), coverage is as drawn, and MSE training with N = 2M finds all",
        [right, share, drawn],
        [1.0, 1.0, 0.0],
        0.08,
        {
            "each neuron to its largest overlap": [largest, 1.0, 0.0],
            "every direction as likely": [right, 1.0, float(coupon)],
            "the correlation loss for MSE": [right, float(data[f"κ={p.conditions[-1]:g}"]["learned"][0]), 0.0],
        },
    )
