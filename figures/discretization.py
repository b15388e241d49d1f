"""Step sizes, k = 3: a fixed η loses directions with small a_m; η ∝ a_m learns them one by one, at n ∝ m^(2β)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, points_with_spread, reference_slope, sheet, spread_out

from ._ensembles import ensemble, fitted_slope, flow, risk_band
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "a fixed step is fast and loses the weak directions; η ∝ a_m learns them all, and risk falls as n^((1-2β)/(2β))"
FULL = "5 minutes and 0.7 GB on one core (measured); d = 256 and 12 directions"


@dataclass(frozen=True)
class Parameters:
    """Each direction with a neuron of its own at the overlap x/√d; steps g·d^(-k/2), and g·a_m·d^(-k/2), a sample."""

    degree: int = chosen(3)
    beta: float = sourced(1.0, source="the talk, β > ½; its value is chosen")
    teacher_width: int = chosen(8, 12)
    dim: int = chosen(128, 256)
    start: float = chosen(1.8)
    norm: float = chosen(0.1)
    fixed: float = chosen(0.5)
    following: float = chosen(0.2)
    batch: int = chosen(64)
    runs: int = chosen(8, 16)
    many: int = chosen(3000)


def _problem(p: Parameters) -> tuple[rc.Teacher, rc.Start]:
    teacher = rc.Teacher.power_law(p.teacher_width, p.beta, rc.Link.hermite(p.degree))
    return teacher, rc.Start(np.eye(p.teacher_width) * p.start / np.sqrt(p.dim), norms=p.norm, dim=p.dim)


def pieces(p: Parameters) -> dict[str, Piece]:
    """SGD at both steps, the limit at the fixed one, and the decoupled flow, also of many directions."""
    return {
        "fixed": piece(_fixed, p),
        "following": piece(_following, p),
        "limit": piece(_limit, p),
        "law": piece(_law, p),
        "band": piece(_band, p),
        "flow": piece(_flow, p.teacher_width, p),
        "many": piece(_flow, p.many, p),
    }


def _end(p: Parameters) -> float:
    return float(1.6 * np.asarray(rc.Decoupled().emergence_times_of(*_problem(p))).max())


def _times(p: Parameters) -> np.ndarray:
    return np.geomspace(_end(p) / 300, _end(p), 150)


def _per_sample(g: float, p: Parameters) -> float:
    return g * p.dim ** (-p.degree / 2)


def _at_fixed(p: Parameters) -> rc.SGD:
    return rc.SGD(_per_sample(p.fixed, p) * p.batch, p.batch)


def _fixed(p: Parameters) -> Arrays:
    sgd = _at_fixed(p)
    curves = ensemble(*_problem(p), sgd, int(_end(p) / sgd.rate), p.runs)
    return curves | {"samples": curves["emergence"] / sgd.rate_per_sample}


def _law(p: Parameters) -> Arrays:
    """The median times at the fixed step, and the probabilities of emerging within as long as SGD runs."""
    law = rc.emergence_law(*_problem(p), rc.SGD(_per_sample(p.fixed, p)))
    return {"median": np.asarray(law.quantile(0.5)), "probability": np.asarray(law.probability(_end(p)))}


def _band(p: Parameters) -> Arrays:
    """The law of the risk at the fixed step."""
    return risk_band(*_problem(p), rc.SGD(_per_sample(p.fixed, p)), _times(p))


def _following(p: Parameters) -> Arrays:
    sgd = rc.SGD(rc.sgd.PerDirection(_per_sample(p.following, p) * p.batch), p.batch)
    curves = ensemble(*_problem(p), sgd, _steps(p), p.runs)
    n = curves["steps"] * float(p.batch)
    pairs = zip(curves["times"], curves["emergence"], strict=True)
    samples = [np.where(np.isfinite(e), np.interp(e, t, n), np.inf) for t, e in pairs]
    return curves | {"samples": np.stack(samples)}


def _steps(p: Parameters) -> int:
    weakest = float(_problem(p)[0].a[-1])
    return int(_end(p) / (_per_sample(p.following, p) * weakest * p.batch))


def _limit(p: Parameters) -> Arrays:
    return flow(rc.FiniteStep.of(rc.SGD(_per_sample(p.fixed, p)), p.dim), *_problem(p), _times(p))


def _flow(width: int, p: Parameters) -> Arrays:
    """The decoupled flow, with the samples that η ∝ a_m of the direction being learned takes for it."""
    teacher = rc.Teacher.power_law(width, p.beta, rc.Link.hermite(p.degree))
    emergence = _alone(p.start / np.sqrt(p.dim), p) / np.asarray(teacher.a)
    a = np.asarray(teacher.a)
    n = np.cumsum(np.diff(emergence, prepend=0.0) / a) / _per_sample(p.following, p)
    risk = 1 - np.cumsum(a**2)
    return {"samples": n, "risk": risk, "emergence": emergence}


def _alone(overlap: float, p: Parameters) -> float:
    """The emergence time of one direction with a = 1."""
    start = rc.Start(np.full((1, 1), overlap), norms=p.norm, dim=p.dim)
    return float(rc.Decoupled().emergence_times_of(rc.Teacher(np.ones(1), rc.Link.hermite(p.degree)), start)[0])


def draw(data: Data, width: float) -> Figure:
    """Risk against samples on the left, samples to emergence against direction on the right."""
    p = data.parameters
    figure, (left, right) = sheet(width, 2)
    unit = _per_sample(p.fixed, p)
    band, many = data["band"], data["many"]
    inside = many["samples"] < 3 * data["following"]["steps"][-1] * p.batch
    least = many["risk"][inside][-1] / 8
    left.loglog(data["limit"]["times"] / unit, data["limit"]["risk"], color=COLOURS[2], label="limit, fixed $\\eta$")
    left.fill_between(
        data["limit"]["times"] / unit, band["low"], band["high"], color=COLOURS[2], alpha=0.25, lw=0,
        label="law, deciles, fixed $\\eta$",
    )  # fmt: skip
    for name, colour, mark, label in (
        ("fixed", COLOURS[2], "s", "SGD, fixed $\\eta$"),
        ("following", COLOURS[0], "o", r"SGD, $\eta\propto a_m$"),
    ):
        runs = data[name]
        samples = runs["steps"] * float(p.batch)
        left_to_learn = np.median(runs["risk"], axis=0) > least
        curve_with_spread(
            left, samples[left_to_learn], runs["risk"][:, left_to_learn], colour, label, mark, first=samples[-1] / 300
        )
    left.step(
        many["samples"][inside],
        many["risk"][inside],
        where="post",
        color=COLOURS[1],
        lw=1.0,
        label=f"flow, {p.many} directions",
    )
    slope = (1 - 2 * p.beta) / (2 * p.beta)
    x = many["samples"]
    reference_slope(
        left,
        (x[1], many["risk"][1] * 2.0),
        x[inside][-1],
        slope,
        rf"minimax $n^{{{slope:g}}}$",
    )
    left.set(xlabel="samples $n$", ylabel="risk", title="risk in samples", ylim=(least, 1.6))
    left.legend(loc="lower left")
    m = np.arange(1.0, p.teacher_width + 1)
    points_with_spread(right, m, data["following"]["samples"], COLOURS[0], r"$\eta\propto a_m$")
    points_with_spread(right, m, data["fixed"]["samples"], COLOURS[2], r"fixed $\eta$", "s")
    right.loglog(m, data["flow"]["samples"], color=COLOURS[0])
    right.loglog(m, data["flow"]["emergence"] / unit, ":", color=COLOURS[2])
    median = data["law"]["median"]
    within = np.isfinite(median) & (data["law"]["probability"] > 0.5)
    right.loglog(m[within], median[within] / unit, color=COLOURS[2])
    labelled = spread_out(p.teacher_width)
    for i in labelled:
        right.annotate(
            f"{100 * data['law']['probability'][i]:.0f}",
            (m[i], 0.02),
            xycoords=("data", "axes fraction"),
            ha="center",
            fontsize=6,
            color=COLOURS[2],
        )
    right.annotate(r"$m^{2\beta}$", (m[2], data["flow"]["samples"][2]), textcoords="offset points", xytext=(-16, 6))
    right.annotate(
        r"$m^{\beta}$", (m[2], data["flow"]["emergence"][2] / unit), textcoords="offset points", xytext=(4, -9)
    )
    right.set_xticks(m[labelled], [f"{x:.0f}" for x in m[labelled]])
    right.set_ylim(bottom=right.get_ylim()[0] / 1.6)
    right.minorticks_off()
    right.set(xlabel="direction $m$", ylabel="samples to emergence", title="below: % learned at the fixed step (law)")
    right.legend(loc="upper left")
    return figure


def fact(data: Data) -> Fact:
    """Growth of the samples in m where the step follows; learned at the fixed step; slope of the risk of many."""
    p, many = data.parameters, data["many"]
    m = np.arange(1.0, p.teacher_width + 1)
    median = np.median(data["following"]["samples"], axis=0)
    theory = fitted_slope(m, data["flow"]["samples"])
    learned = float(np.mean(np.isfinite(data["fixed"]["samples"])[:, p.teacher_width // 2 :]))
    chance = float(np.mean(data["law"]["probability"][p.teacher_width // 2 :]))
    top = slice(20, p.many // 30)
    return Fact(
        "η ∝ a_m: n ~ m^(2β), risk n^((1-2β)/(2β)); a fixed η loses weak directions as often as its law says",
        [fitted_slope(m, median), learned, fitted_slope(many["samples"][top], many["risk"][top])],
        [theory, chance, (1 - 2 * p.beta) / (2 * p.beta)],
        0.2,
        {
            "gradient flow, m^β": [p.beta, 1.0, (1 - 2 * p.beta) / p.beta],
            "a fixed step learns all": [theory, 1.0, (1 - 2 * p.beta) / (2 * p.beta)],
        },
    )
