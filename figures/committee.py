"""The soft committee machine, erf: a symmetric plateau, specialisation, and the risk at which noisy labels leave it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, sheet

from ._ensembles import flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "neurons wait alike on a plateau, then each takes a direction; noisy labels and a finite step leave a risk"
FULL = "2 minutes and 0.5 GB on one core (extrapolated from the quick size); 3 directions, d = 1000"
_LATE = 0.85  # share of the time from which on the risk is at rest
_PLATEAU = 0.15  # and at which neurons are still alike


@dataclass(frozen=True)
class Parameters:
    """M = N neurons erf(z/√2), a frozen second layer of ones; label noise Δ; a start with a small tilt."""

    width: int = sourced(3, source="Saad & Solla 1995, K = M = 3")
    dim: int = chosen(200, 1000)
    noise: float = chosen(0.1)
    gamma: float = chosen(0.1)
    batch: int = chosen(8)
    tilt: float = chosen(0.04)
    end: float = chosen(200.0)
    runs: int = chosen(8, 32)
    seed: int = chosen(0)


def _problem(p: Parameters) -> tuple[rc.Teacher, rc.Start]:
    teacher = rc.Teacher(np.ones(p.width), rc.Link.named("scaled_erf"), noise=p.noise)
    W = np.zeros((p.width, p.dim))
    W[:, : p.width] = 0.25 + p.tilt * np.diag(np.linspace(1, 0.4, p.width))
    rest = np.random.default_rng(p.seed).normal(size=(p.width, p.dim - p.width))
    W[:, p.width :] = 0.2 * rest / np.linalg.norm(rest, axis=1, keepdims=True)
    return teacher, rc.Start.from_weights(W, np.eye(p.width, p.dim)).with_second_layer(1.0)


def pieces(p: Parameters) -> dict[str, Piece]:
    """The gradient flow, the finite-step limit, and SGD."""
    return {name: piece(of, p) for name, of in (("flow", _flow), ("limit", _limit), ("sgd", _sgd))}


def _sgd_of(p: Parameters) -> rc.SGD:
    rate = rc.SGD.from_gamma(p.gamma, p.dim, p.batch).rate
    return rc.SGD(rate, p.batch, second_layer_rate=0.0)


def _times(p: Parameters) -> np.ndarray:
    return np.linspace(p.end / 200, p.end, 200)


def _flow(p: Parameters) -> Arrays:
    return flow(rc.Coupled.of(_sgd_of(p)), *_problem(p), _times(p))


def _limit(p: Parameters) -> Arrays:
    return flow(rc.FiniteStep.of(_sgd_of(p), p.dim), *_problem(p), _times(p))


def _sgd(p: Parameters) -> Arrays:
    sgd = _sgd_of(p)
    steps = int(p.end / sgd.rate)
    logged = tuple(np.unique(np.linspace(0, steps, 60).astype(int)).tolist())
    drawn = rc.sgd.Experiment(*_problem(p), sgd, steps=steps, logged=logged).ensemble(range(p.runs))
    return {
        "times": drawn.times, "risk": drawn.risk, "overlaps": drawn.overlaps, "emergence": drawn.emergence_times(),
    }  # fmt: skip


def plateau(width: int) -> float:
    """The risk while all neurons are alike, at small steps: 2ε_g/E f*², ε_g = (M/π)(π/6 - M arcsin(1/2M))."""
    return 6 / np.pi * (np.pi / 6 - width * np.arcsin(1 / (2 * width)))


def at_rest(p: Parameters) -> float:
    """The risk that noisy labels leave at small γ: ε_g = γσ²M/(2√3π), σ² = Δ E f*² = ΔM/3 (Goldt et al. 2019)."""
    return p.gamma * p.noise * p.width / (np.sqrt(3) * np.pi)


def draw(data: Data, width: float) -> Figure:
    """Risk in time on the left, the squared overlap of each direction on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    of_flow, of_limit, runs = data["flow"], data["limit"], data["sgd"]
    times = runs["times"][0]
    left.semilogy(of_flow["times"], of_flow["risk"], "--", color=COLOURS[0], label="gradient flow")
    left.semilogy(of_limit["times"], of_limit["risk"], color=COLOURS[1], label=rf"limit, $\gamma={p.gamma:g}$")
    curve_with_spread(left, times, runs["risk"], COLOURS[1], f"SGD, $d={p.dim}$", "o", first=times[1])
    formulas = ((plateau(p.width), "plateau", 3), (at_rest(p), r"$\gamma\Delta M/(\sqrt{3}\pi)$", -12))
    for level, name, above in formulas:
        left.axhline(level, color="0.6", lw=0.8, ls=":")
        left.annotate(name, (p.end, level), textcoords="offset points", xytext=(-4, above), ha="right", color="0.4")
    left.set(xlabel="time $t$", ylabel="risk", title="plateau, then specialisation", ylim=(2e-3, 0.3), xlim=(0, p.end))
    left.legend(loc="upper right")
    for m in range(p.width):
        colour, mark = COLOURS[1 + m % (len(COLOURS) - 1)], "os^D"[m % 4]
        right.plot(of_limit["times"], of_limit["alignment"][:, m], color=colour)
        curve_with_spread(right, times, runs["overlaps"][:, :, m], colour, f"direction {m + 1}", mark, first=times[1])
    right.axhline(1 / p.width, color="0.6", lw=0.8, ls=":")
    right.set(xlabel="time $t$", ylabel="squared overlap", title="each neuron takes a direction", xlim=(0, p.end),
              ylim=(-0.03, 1.03))  # fmt: skip
    right.legend(loc="lower right")
    return figure


def fact(data: Data) -> Fact:
    """log10 of SGD's risk over the formulas of plateau and rest; the time of specialisation over that of the limit."""
    p = data.parameters
    of_flow, of_limit, runs = data["flow"], data["limit"], data["sgd"]
    times, median = runs["times"][0], np.median(runs["risk"], axis=0)
    alike = float(np.interp(_PLATEAU * p.end, times, median)) / plateau(p.width)
    late = float(np.median(median[times >= _LATE * p.end])) / at_rest(p)
    specialised = float(np.median(runs["emergence"]) / np.median(of_limit["emergence"]))
    without = float(of_flow["risk"][-1]) / at_rest(p)
    return Fact(
        "SGD waits on the symmetric plateau, specialises when its limit does, and rests at γΔM/(√3π)",
        [np.log10(alike), np.log10(late), specialised],
        [0.0, 0.0, 1.0],
        0.15,
        {
            "gradient flow, without the noise of labels": [0.0, np.log10(without), 1.0],
            "a committee without a plateau": [float(np.log10(at_rest(p) / plateau(p.width))), 0.0, 0.0],
            "twice the noise": [0.0, float(np.log10(2.0)), 1.0],
        },
    )
