"""Plain SGD, momentum, a frozen second layer, weight decay and the sphere on one problem, each with its own theory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, plain_ticks, sheet

from ._ensembles import ensemble, flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece

SEE = (
    "momentum is in the clock, and each other algorithm ends elsewhere; SGD is on its finite-step limit, above the flow"
)
FULL = "4 minutes and 0.6 GB on one core (extrapolated from the quick size); 6 directions, 8 neurons, d = 400, 16 runs"

KINDS = ("plain", "momentum", "frozen layer", "weight decay", "sphere")


@dataclass(frozen=True)
class Parameters:
    """A teacher and a two-layer student of ReLU, and one start; the effective step γ/d a sample is the same for all."""

    beta: float = chosen(0.5)
    teacher_width: int = chosen(3, 6)
    student_width: int = chosen(4, 8)
    dim: int = chosen(200, 400)
    norm: float = chosen(0.5)
    second_layer: float = chosen(0.3)
    gamma: float = chosen(0.6)
    batch: int = chosen(4)
    momentum: float = chosen(0.8)
    weight_decay: float = chosen(0.1)
    horizon: float = chosen(60.0)
    runs: int = chosen(8, 16)
    seed: int = chosen(1)


def _problem(p: Parameters) -> tuple[rc.Teacher, rc.Start, np.ndarray]:
    teacher = rc.Teacher.power_law(p.teacher_width, p.beta, rc.Link.named("relu"))
    start = rc.Start.random(teacher, p.student_width, p.dim, p.norm, seed=p.seed)
    return teacher, start.with_second_layer(p.second_layer), np.geomspace(p.horizon / 300, p.horizon, 80)


def _sgd_of(kind: str, p: Parameters) -> rc.SGD:
    """The algorithm whose γ is `p.gamma`; momentum makes a step longer, so that its learning rate is lower."""
    rate = rc.SGD.from_gamma(p.gamma, p.dim, p.batch).rate
    algorithms = {
        "plain": lambda: rc.SGD(rate, p.batch),
        "momentum": lambda: rc.SGD((1 - p.momentum) * rate, p.batch, momentum=p.momentum),
        "frozen layer": lambda: rc.SGD(rate, p.batch, second_layer_rate=0.0),
        "weight decay": lambda: rc.SGD(rate, p.batch, weight_decay=p.weight_decay),
        "sphere": lambda: rc.SGD(rate, p.batch, constraint="sphere"),
    }
    return algorithms[kind]()


def pieces(p: Parameters) -> dict[str, Piece]:
    """Gradient flow, the finite-step limit and SGD of each algorithm."""
    return {
        f"{name} {kind}": piece(of, kind, p)
        for kind in KINDS for name, of in (("flow", _flow), ("limit", _limit), ("sgd", _sgd))
    }  # fmt: skip


def _flow(kind: str, p: Parameters) -> Arrays:
    return flow(rc.Coupled.of(_sgd_of(kind, p)), *_problem(p))


def _limit(kind: str, p: Parameters) -> Arrays:
    limit = rc.solve(rc.FiniteStep.of(_sgd_of(kind, p), p.dim), *_problem(p))
    return {"risk": np.asarray(limit.risk), "alignment": np.asarray(limit.alignment)}


def _sgd(kind: str, p: Parameters) -> Arrays:
    teacher, start, _ = _problem(p)
    sgd = _sgd_of(kind, p)
    return ensemble(teacher, start, sgd, int(p.horizon / sgd.rate), p.runs, rows=60)


def draw(data: Data, width: float) -> Figure:
    """Risk, and the mean squared overlap of the directions, against canonical time."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2, 1.1)
    times = _problem(p)[2]
    for kind, colour, mark in zip(KINDS, COLOURS[1:], "osD^v", strict=False):
        exact, limit, runs = (data[f"{name} {kind}"] for name in ("flow", "limit", "sgd"))
        dashes = "--" if kind == "momentum" else "-"  # its limit is that of plain SGD, and lies on it
        left.loglog(times, exact["risk"], ":", color=colour, lw=0.9)
        left.loglog(times, limit["risk"], dashes, color=colour)
        curve_with_spread(left, runs["times"][0], runs["risk"], colour, kind, mark, first=times[0], count=11)
        right.semilogx(times, limit["alignment"].mean(axis=1), dashes, color=colour)
        overlaps = runs["overlaps"].mean(axis=2)
        curve_with_spread(right, runs["times"][0], overlaps, colour, None, mark, first=times[0], count=11)
    left.plot([], [], color="0.3", label="FiniteStep")
    left.plot([], [], ":", color="0.3", lw=0.9, label="gradient flow")
    left.set(xlabel="canonical time $t$", ylabel="risk", title=rf"ReLU, two layers, $\gamma={p.gamma:g}$, $d={p.dim}$")
    plain_ticks(left.yaxis)
    left.legend(loc="lower left")
    right.set(xlabel="canonical time $t$", ylabel="mean squared overlap", title="SGD, FiniteStep (—)",
              ylim=(-0.03, 1.03))  # fmt: skip
    return figure


def _numbers(times: np.ndarray, risk: np.ndarray, level: float) -> list[float]:
    """log10 of the risk at the end, and of the time at which it falls to `level`."""
    first = int(np.argmax(risk <= level))
    between = slice(max(first - 1, 0), first + 1)
    at = np.interp(-np.log(level), -np.log(risk[between]), np.log(times[between])) if (risk <= level).any() else np.inf
    return [float(np.log10(risk[-1])), float(at / np.log(10))]


def fact(data: Data) -> Fact:
    """Of each algorithm: log10 of the last risk, and of the time at which half of the limit's fall in log is done."""
    p = data.parameters
    times, kinds = _problem(p)[2], range(len(KINDS))
    limits = [data[f"limit {kind}"]["risk"] for kind in KINDS]
    levels = [float(np.sqrt(risk[0] * risk[-1])) for risk in limits]
    runs = [data[f"sgd {kind}"] for kind in KINDS]
    measured = [_numbers(each["times"][0, 1:], np.median(each["risk"][:, 1:], axis=0), level)
                for each, level in zip(runs, levels, strict=True)]  # fmt: skip
    of_theory = [_numbers(times, limits[n], levels[n]) for n in kinds]
    of_flow = [_numbers(times, data[f"flow {kind}"]["risk"], levels[n]) for n, kind in enumerate(KINDS)]
    of_plain = [_numbers(times, limits[0], level) for level in levels]
    slow = np.ravel(of_theory)
    slow[2 * KINDS.index("momentum") + 1] -= np.log10(1 - p.momentum)
    return Fact(
        "in canonical time momentum is plain SGD; a frozen layer, decay and the sphere follow limits of their own",
        np.ravel(measured).tolist(),
        np.ravel(of_theory).tolist(),
        0.12,
        {
            "gradient flow of each": np.ravel(of_flow).tolist(),
            "plain SGD's limit for all": np.ravel(of_plain).tolist(),
            "momentum that is not in the clock": slow.tolist(),
        },
    )
