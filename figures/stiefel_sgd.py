"""SGD on the Stiefel manifold against gradient flow and its finite-step limit: plateau, lost directions, Phase II."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, points_with_spread, sheet

from ._ensembles import flow, random_problem, risk_band
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "at a finite step SGD stops on a plateau above gradient flow and loses weak directions, as its own limit says"
FULL = "5 minutes and 0.6 GB on one core (measured); d = 2000, 16 neurons, 32 runs"


@dataclass(frozen=True)
class Parameters:
    """BEVW25's algorithm, Phase I at γ = ηd/B, Phase II on n' fresh samples."""

    batch: int = sourced(1, source="BEVW25's algorithm: one sample a step")
    beta: float = chosen(1.0)
    dim: int = chosen(200, 2000)
    teacher_width: int = chosen(8, 32)
    student_width: int = chosen(4, 16)
    gamma: float = chosen(0.2, 0.1)
    horizon: float = chosen(30.0, 120.0)
    runs: int = chosen(8, 32)
    samples: tuple = chosen((12, 25, 50, 100, 200, 800), (150, 300, 600, 1200, 2400, 9600))
    seed: int = chosen(2)


def _problem(p: Parameters) -> tuple[rc.Teacher, rc.Start, np.ndarray]:
    return *random_problem(p, 2, 1.0), np.geomspace(p.horizon / 200, p.horizon, 100)


def pieces(p: Parameters) -> dict[str, Piece]:
    """Gradient flow, the limit, the law of the risk, SGD with its second phase."""
    return {"flow": piece(_flow, p), "limit": piece(_limit, p), "law": piece(_law, p), "sgd": piece(_sgd, p)}


def _flow(p: Parameters) -> Arrays:
    return flow(rc.Riccati(), *_problem(p))


def _limit(p: Parameters) -> Arrays:
    return flow(rc.FiniteStep.of(_sgd_of(p), p.dim), *_problem(p))


def _sgd_of(p: Parameters) -> rc.SGD:
    return rc.SGD.from_gamma(p.gamma, p.dim, p.batch, constraint="stiefel")


def _law(p: Parameters) -> Arrays:
    teacher, start, times = _problem(p)
    return risk_band(teacher, start, _sgd_of(p), times)


def _sgd(p: Parameters) -> Arrays:
    teacher, start, _ = _problem(p)
    sgd = _sgd_of(p)
    ensemble = rc.sgd.Experiment(teacher, start, sgd, steps=int(p.horizon / sgd.rate), rows=80).ensemble(range(p.runs))
    fitted = [[rc.sgd.second_phase(ensemble.run(s), n, seed=s).risk for n in p.samples] for s in range(p.runs)]
    return {
        "times": ensemble.times, "risk": ensemble.risk, "overlaps": ensemble.overlaps,
        "emergence": ensemble.emergence_times(), "fitted": np.asarray(fitted),
    }  # fmt: skip


def draw(data: Data, width: float) -> Figure:
    """Risk, overlaps at the end, and the second phase."""
    p, exact, limit, runs = data.parameters, data["flow"], data["limit"], data["sgd"]
    figure, (left, middle, right) = sheet(width, 3, 0.9)
    left.loglog(exact["times"], exact["risk"], ":", color=COLOURS[1], label="gradient flow")
    left.loglog(limit["times"], limit["risk"], color=COLOURS[2], label=rf"limit, $\gamma={p.gamma:g}$")
    band = data["law"]
    left.fill_between(
        limit["times"], band["low"], band["high"], color=COLOURS[2], alpha=0.25, lw=0, label="law, deciles"
    )
    curve_with_spread(left, runs["times"][0], runs["risk"], COLOURS[0], "SGD", first=exact["times"][0])
    left.set(xlabel="time $t$", ylabel="risk after a radial fit", title="a plateau", ylim=(exact["risk"][-1] / 4, None))
    left.legend(loc="lower left")
    m = np.arange(1, p.teacher_width + 1)
    middle.plot(m, exact["alignment"][-1], ":", color=COLOURS[1])
    middle.plot(m, limit["alignment"][-1], "-", color=COLOURS[2])
    points_with_spread(middle, m.astype(float), runs["overlaps"][:, -1], COLOURS[0])
    middle.set(
        xlabel="direction $m$", ylabel=f"$G_{{mm}}$ at $t={p.horizon:g}$", title="lost directions", ylim=(-0.03, 1.03)
    )
    samples = np.asarray(p.samples, float)
    points_with_spread(right, samples, runs["fitted"], COLOURS[0])
    right.axhline(float(np.median(runs["risk"][:, -1])), color=COLOURS[0], lw=0.9, label="many samples")
    right.axvline(p.student_width**2, color="0.6", lw=0.9, ls="--")
    right.annotate(
        "$N^2$",
        (p.student_width**2, 0.92),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        xytext=(3, 0),
    )
    right.set(xscale="log", yscale="log", xlabel="samples $n'$", ylabel="risk", title="Phase II")
    right.legend(loc="upper right")
    return figure


def _share_within(data: Data) -> float:
    """The share of SGD's risks, over runs and times, that lie within the law's deciles."""
    band, runs, at = data["law"], data["sgd"], np.log(data["limit"]["times"])
    times = np.log(runs["times"][0, 1:])
    within = times >= at[0]
    low, high = (np.exp(np.interp(times[within], at, np.log(band[edge]))) for edge in ("low", "high"))
    risk = runs["risk"][:, 1:][:, within]
    return float(np.mean((low <= risk) & (risk <= high)))


def fact(data: Data) -> Fact:
    """The plateau over the limit's, the learned weight Σ_{m ≤ N} G_mm over its, and how much of SGD is in the band."""
    p, runs, limit, exact = data.parameters, data["sgd"], data["limit"], data["flow"]
    late = runs["times"][0] > p.horizon / 2
    plateau = float(np.median(runs["risk"][:, late]))
    top = slice(0, p.student_width)
    learned = float(np.median(runs["overlaps"][:, -1, top].sum(axis=-1)))
    wanted = [limit["risk"][-1], limit["alignment"][-1, top].sum()]
    return Fact(
        "SGD's plateau and its learned directions are the finite-step limit's, and its risk is spread as its law is",
        [plateau / wanted[0], learned / wanted[1], _share_within(data)],
        [1.0, 1.0, 0.8],
        0.12,
        {
            "gradient flow": [exact["risk"][-1] / wanted[0], exact["alignment"][-1, top].sum() / wanted[1], 0.8],
            "the limit alone, without spread": [1.0, 1.0, 0.0],
            "half the law's spread": [1.0, 1.0, 0.99],
            "twice the law's spread": [1.0, 1.0, 0.48],
        },
    )
