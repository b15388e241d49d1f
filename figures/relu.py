"""k = 1, ReLU: the standard two-layer student beside the 2-homogeneous one; half the growth, not another clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, sheet

from ._ensembles import ensemble
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "at k = 1 nothing waits for d; a balanced two-layer student turns as the 2-homogeneous one and grows half as fast"
FULL = "15 s and 0.6 GB on one core (measured); 8 directions, d = 256"


@dataclass(frozen=True)
class Parameters:
    """A ReLU teacher, both students from the same functions at the start; SGD's step g/d a sample."""

    link: str = sourced("relu", source="the talk's outlook, k = 1")
    teacher_width: int = chosen(3, 8)
    student_width: int = chosen(4, 16)
    dim: int = chosen(32, 256)
    norm: float = chosen(0.05)
    end: float = chosen(60.0)
    step: float = chosen(0.1)
    batch: int = chosen(64, 512)
    runs: int = chosen(4, 16)
    seed: int = chosen(1)


def _problem(kind: str, p: Parameters) -> tuple[rc.Teacher, rc.Start]:
    teacher = rc.Teacher.power_law(p.teacher_width, 0.0, rc.Link.named(p.link))
    W = np.random.default_rng(p.seed).normal(size=(p.student_width, p.dim))
    W *= p.norm / np.linalg.norm(W, axis=1, keepdims=True)
    start = rc.Start.from_weights(W, np.eye(p.teacher_width, p.dim))
    return teacher, start.with_second_layer(p.norm) if kind == "two-layer" else start  # balanced: b = |w|


def pieces(p: Parameters) -> dict[str, Piece]:
    """Flow and SGD of both students."""
    return {f"{name} {kind}": piece(of, kind, p) for kind in KINDS for name, of in (("flow", _flow), ("sgd", _sgd))}


KINDS = ("homogeneous", "two-layer")


def _flow(kind: str, p: Parameters) -> Arrays:
    times = np.geomspace(1e-3, p.end, 120)
    trajectory = rc.solve(rc.Coupled(rtol=1e-6), *_problem(kind, p), times)
    assert trajectory.radius is not None
    return {
        "times": times,
        "risk": np.asarray(trajectory.risk),
        "alignment": np.asarray(trajectory.alignment),
        "radius": np.asarray(trajectory.radius),
    }


def _sgd(kind: str, p: Parameters) -> Arrays:
    sgd = rc.SGD.from_gamma(p.step, p.dim, p.batch)
    return ensemble(*_problem(kind, p), sgd, int(p.end / sgd.rate), p.runs, rows=60)


def draw(data: Data, width: float) -> Figure:
    """Risk in time on the left, the largest squared norm against its direction's overlap on the right."""
    figure, (left, right) = sheet(width, 2)
    names = {"homogeneous": "2-homogeneous", "two-layer": "two-layer, $b=|w|$"}
    for kind, colour, mark in zip(KINDS, COLOURS[1:3], "os", strict=True):
        theory, runs = data[f"flow {kind}"], data[f"sgd {kind}"]
        left.loglog(theory["times"], theory["risk"], color=colour)
        times = runs["times"][0]
        curve_with_spread(left, times, runs["risk"], colour, names[kind], mark, first=times[1])
        right.loglog(theory["times"], theory["radius"][:, 0], color=colour, label=names[kind])
        lw = 2.6 if kind == KINDS[0] else 1.2  # one under the other
        right.loglog(theory["times"], theory["alignment"][:, 0], "--", color=colour, lw=lw)
    end = data.parameters.end
    left.set(xlabel="time $t$", ylabel="risk", title=f"flow (—), SGD, $d={data.parameters.dim}$", xlim=(0.1, 1.3 * end))
    left.legend(loc="lower left")
    right.plot([], [], color="0.3", label="squared norm $s$")
    right.plot([], [], "--", color="0.3", label="squared overlap")
    right.set(xlabel="time $t$", ylabel="$s$, squared overlap", title="the neuron nearest to direction 1",
              xlim=(0.01, 1.3 * end), ylim=(None, 6))  # fmt: skip
    right.legend(loc="upper left", ncols=2)
    return figure


def fact(data: Data) -> Fact:
    """At the start: growth of log s, and of the overlap, two-layer over 2-homogeneous; SGD over the flow at the end."""
    rates = {}
    for kind in KINDS:
        curves = data[f"flow {kind}"]
        early = curves["times"] < 0.02
        times = curves["times"][early]
        rates[kind] = [
            float(np.polyfit(times, np.log(curves["radius"][early, 0]), 1)[0]),
            float(np.polyfit(times, np.sqrt(curves["alignment"][early, 0]), 1)[0]),
        ]
    growth, turning = (rates["two-layer"][n] / rates["homogeneous"][n] for n in range(2))
    return Fact(
        "a balanced two-layer student grows half as fast as the 2-homogeneous one, and turns as fast; SGD follows both",
        [growth, turning, *(_apart(data, kind) for kind in KINDS)],
        [0.5, 1.0, 0.0, 0.0],
        0.1,
        {
            "another clock, half as fast in all": [0.5, 0.5, 0.0, 0.0],
            "the same flow": [1.0, 1.0, 0.0, 0.0],
        },
    )


def _apart(data: Data, kind: str) -> float:
    """Root mean square of log10 of SGD's median risk over the flow's."""
    theory, runs = data[f"flow {kind}"], data[f"sgd {kind}"]
    flow = np.interp(np.log(runs["times"][0, 1:]), np.log(theory["times"]), np.log10(theory["risk"]))
    return float(np.sqrt(np.mean((np.log10(np.median(runs["risk"][:, 1:], axis=0)) - flow) ** 2)))
