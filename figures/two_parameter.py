"""Power-law covariance λ_i ∝ i^-α: T_m ∝ m^(β + αk/2) and risk ∝ t^((1-2β)/(β + αk/2)), k = 2 and k = 4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, reference_slope, shades, sheet
from riccati.scaling import fit_power_law, sharp_limit

from ._ensembles import fitted_slope
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "under λ_i ∝ i^-α directions emerge at T_m ∝ m^(β+αk/2), and risk falls as t^((1-2β)/(β+αk/2))"
FULL = "20 s and 0.7 GB on one core (measured); k = 2 with 24 directions at d = 300, k = 4 with 20 000"


@dataclass(frozen=True)
class Parameters:
    """α; for k = 2 the coupled flow of the weights from tiny norms, for k > 2 decoupled directions."""

    degree: int = sourced(4, source="RNWL25's experiment: h_4")
    beta: float = sourced(0.8, source="RNWL25's experiment")
    exponents: tuple = sourced(
        (0.0, 0.3, 0.6), (0.0, 0.2, 0.4, 0.6, 0.8), source="the talk's outlook; its values are chosen"
    )
    dim: int = chosen(20_000, 1_000_000)
    width: int = chosen(1500, 20_000)
    norm: float = chosen(0.01)
    small_dim: int = chosen(40, 300)
    small_width: int = chosen(12, 24)
    tiny: float = chosen(1e-12)
    points: int = chosen(100)
    seed: int = chosen(0)


def pieces(p: Parameters) -> dict[str, Piece]:
    """Both information exponents at each α."""
    return {f"k=2 α={alpha:g}": piece(_quadratic, alpha, p) for alpha in p.exponents} | {
        f"k={p.degree} α={alpha:g}": piece(_decoupled, alpha, p) for alpha in p.exponents
    }


def _quadratic(alpha: float, p: Parameters) -> Arrays:
    """When the squared norm along each direction is a_m/2: diag G carries logarithms of the other directions."""
    covariance = rc.Covariance.power_law(p.small_dim, alpha)
    teacher = rc.Teacher.power_law(p.small_width, p.beta, rc.Link.hermite(2), covariance=covariance)
    start = rc.Start.random(teacher, p.small_width, p.small_dim, p.tiny, seed=p.seed)
    a, last = np.asarray(teacher.a), np.log(float(teacher.a[-1]) / p.tiny**2) / (4 * float(teacher.search_rates[-1]))
    times = np.geomspace(last / (4 * p.small_width ** (p.beta + alpha)), 2 * last, 6 * p.points)
    radius = rc.solve(rc.Coupled(rtol=1e-5), teacher, start, times).radius
    assert radius is not None
    return {"emergence": np.array([np.interp(a[m] / 2, np.asarray(radius)[:, m], times) for m in range(len(a))])}


def _decoupled(alpha: float, p: Parameters) -> Arrays:
    covariance = rc.Covariance.power_law(p.dim, alpha)
    teacher = rc.Teacher.power_law(p.width, p.beta, rc.Link.hermite(p.degree), covariance=covariance)
    start = rc.Start.typical(teacher, 2 * p.width, p.dim, p.norm)
    emergence = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    times = np.geomspace(emergence[0] / 3, 3 * emergence[-1], p.points)
    limit = sharp_limit(teacher, 2 * p.width)
    return {
        "emergence": emergence,
        "times": times,
        "risk": np.asarray(rc.solve(rc.Decoupled(), teacher, start, times).risk),
        "sharp": limit.risk(times / limit.unit(p.dim)),
        "formula": limit.emergence_times * limit.unit(p.dim),
    }


def theta(k: int, alpha: float, p: Parameters) -> float:
    """β + αk/2."""
    return p.beta + alpha * k / 2


def measured(data: Data, k: int) -> np.ndarray:
    """The exponent of T_m in m at each α, without the first direction, or beyond the tenth of many."""
    slopes = []
    for alpha in data.parameters.exponents:
        T = data[f"k={k} α={alpha:g}"]["emergence"]
        part = slice(1, None) if k == 2 else slice(10, len(T) // 2)
        slopes.append(fitted_slope(np.arange(1.0, len(T) + 1)[part], T[part]))
    return np.array(slopes)


def of_risk(data: Data, name: str = "risk") -> np.ndarray:
    """The exponent of risk in time at each α for k > 2, between the emergence of direction 10 and of M/5."""
    p, slopes = data.parameters, []
    for alpha in p.exponents:
        curves = data[f"k={p.degree} α={alpha:g}"]
        window = float(curves["emergence"][9]), float(curves["emergence"][p.width // 5])
        inside = (curves["times"] >= window[0]) & (curves["times"] <= window[1])
        fit = fit_power_law(curves["times"][inside], curves[name][inside], floor="free", window=window)
        slopes.append(fit.exponent)
    return np.array(slopes)


def draw(data: Data, width: float) -> Figure:
    """Risk in time for each α on the left; exponents against α on the right."""
    p, k = data.parameters, data.parameters.degree
    figure, (left, right) = sheet(width, 2)
    for alpha, colour in zip(p.exponents, shades(len(p.exponents)), strict=True):
        curves = data[f"k={k} α={alpha:g}"]
        unit = curves["emergence"][0]
        left.loglog(curves["times"] / unit, curves["risk"], color=colour, label=rf"$\alpha={alpha:g}$")
        left.loglog(curves["times"] / unit, np.where(curves["sharp"] > 0, curves["sharp"], np.nan), ":", color=colour)
    for alpha, below in ((p.exponents[0], True), (p.exponents[-1], False)):
        curves = data[f"k={k} α={alpha:g}"]
        at = curves["emergence"][[9, p.width // 5]] / curves["emergence"][0]
        begin = np.interp(at[0], curves["times"] / curves["emergence"][0], curves["risk"])
        slope = (1 - 2 * p.beta) / theta(k, alpha, p)
        theirs = r"\beta" if alpha == 0 else r"(\beta+\alpha k/2)"
        formula = rf"$t^{{(1-2\beta)/{theirs}}}$"
        reference_slope(left, (at[0], begin * (0.7 if below else 1.4)), at[1], slope, formula, below=below)
    left.set(xlabel="time $t/T_1$", ylabel="risk", title=f"$k={k}$: flow (—), sharp limit (···)", ylim=(3e-3, 1.6),
             xlim=(0.3, None))  # fmt: skip
    left.legend(loc="upper right")
    g = np.linspace(0, max(p.exponents), 50)
    for degree, colour, mark in ((2, COLOURS[1], "o"), (k, COLOURS[2], "s")):
        label = rf"$T_m$, $k={degree}$: $\beta+\alpha k/2$"
        right.plot(g, theta(degree, 1.0, p) * g + p.beta * (1 - g), color=colour)
        right.plot(p.exponents, measured(data, degree), mark, mfc="white", ms=4, color=colour, label=label)
    right.plot(g, (2 * p.beta - 1) / (p.beta + g * k / 2), color=COLOURS[0])
    right.plot(p.exponents, -of_risk(data), "^", mfc="white", ms=4, color=COLOURS[0],
               label=rf"risk, $k={k}$: $-(1-2\beta)/(\beta+\alpha k/2)$")  # fmt: skip
    right.set(xlabel=r"exponent $\alpha$ of the covariance", ylabel="exponent", title=rf"$\beta={p.beta:g}$",
              ylim=(0, 1.5 * theta(k, max(p.exponents), p)))  # fmt: skip
    right.legend(loc="upper left")
    return figure


def fact(data: Data) -> Fact:
    """At the largest α: exponents of T_m for both k, and of the risk, of the flow and of the sharp limit."""
    p, k, alpha = data.parameters, data.parameters.degree, max(data.parameters.exponents)
    low, high = theta(2, alpha, p), theta(k, alpha, p)
    falls = (1 - 2 * p.beta) / high
    flat = (1 - 2 * p.beta) / p.beta
    alike = (1 - 2 * p.beta) / low
    return Fact(
        "emergence times grow as m^(β+αk/2), and risk falls as t^((1-2β)/(β+αk/2))",
        [measured(data, 2)[-1], measured(data, k)[-1], of_risk(data)[-1], of_risk(data, "sharp")[-1]],
        [low, high, falls, falls],
        0.03,
        {
            "the covariance does not matter, m^β": [p.beta, p.beta, flat, flat],
            "β + α for every k": [low, low, alike, alike],
            "whitened steps, β + α(k/2-1)": [p.beta, high - alpha, *[(1 - 2 * p.beta) / (high - alpha)] * 2],
        },
    )
