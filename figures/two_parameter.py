"""Power-law covariance λ_i ∝ i^-γ: T_m ∝ m^(β + γk/2) and risk ∝ t^((1-2β)/(β + γk/2)), k = 2 and k = 4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, reference_slope, shades, sheet
from riccati.scaling import fit_power_law, sharp_limit

from ._ensembles import fitted_slope
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "under λ_i ∝ i^-γ directions emerge at T_m ∝ m^(β+γk/2), and risk falls as t^((1-2β)/(β+γk/2))"
FULL = "20 s and 0.7 GB on one core (measured); k = 2 with 24 directions at d = 300, k = 4 with 20 000"


@dataclass(frozen=True)
class Parameters:
    """γ; for k = 2 the coupled flow of the weights from tiny norms, for k > 2 decoupled directions."""

    degree: int = sourced(4, source="RNWL25's experiment: h_4")
    beta: float = sourced(0.8, source="RNWL25's experiment")
    gammas: tuple = sourced(
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
    """Both information exponents at each γ."""
    return {f"k=2 γ={gamma:g}": piece(_quadratic, gamma, p) for gamma in p.gammas} | {
        f"k={p.degree} γ={gamma:g}": piece(_decoupled, gamma, p) for gamma in p.gammas
    }


def _quadratic(gamma: float, p: Parameters) -> Arrays:
    """When the squared norm along each direction is a_m/2: diag G carries logarithms of the other directions."""
    covariance = rc.Covariance.power_law(p.small_dim, gamma)
    teacher = rc.Teacher.power_law(p.small_width, p.beta, rc.Link.hermite(2), covariance=covariance)
    start = rc.Start.random(teacher, p.small_width, p.small_dim, p.tiny, seed=p.seed)
    a, last = np.asarray(teacher.a), np.log(float(teacher.a[-1]) / p.tiny**2) / (4 * float(teacher.search_rates[-1]))
    times = np.geomspace(last / (4 * p.small_width ** (p.beta + gamma)), 2 * last, 6 * p.points)
    radius = rc.solve(rc.Coupled(rtol=1e-5), teacher, start, times).radius
    assert radius is not None
    return {"emergence": np.array([np.interp(a[m] / 2, np.asarray(radius)[:, m], times) for m in range(len(a))])}


def _decoupled(gamma: float, p: Parameters) -> Arrays:
    covariance = rc.Covariance.power_law(p.dim, gamma)
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


def theta(k: int, gamma: float, p: Parameters) -> float:
    """β + γk/2."""
    return p.beta + gamma * k / 2


def measured(data: Data, k: int) -> np.ndarray:
    """The exponent of T_m in m at each γ, without the first direction, or beyond the tenth of many."""
    slopes = []
    for gamma in data.parameters.gammas:
        T = data[f"k={k} γ={gamma:g}"]["emergence"]
        part = slice(1, None) if k == 2 else slice(10, len(T) // 2)
        slopes.append(fitted_slope(np.arange(1.0, len(T) + 1)[part], T[part]))
    return np.array(slopes)


def of_risk(data: Data, name: str = "risk") -> np.ndarray:
    """The exponent of risk in time at each γ for k > 2, between the emergence of direction 10 and of M/5."""
    p, slopes = data.parameters, []
    for gamma in p.gammas:
        found = data[f"k={p.degree} γ={gamma:g}"]
        window = float(found["emergence"][9]), float(found["emergence"][p.width // 5])
        inside = (found["times"] >= window[0]) & (found["times"] <= window[1])
        fit = fit_power_law(found["times"][inside], found[name][inside], floor="free", window=window)
        slopes.append(fit.exponent)
    return np.array(slopes)


def draw(data: Data, width: float) -> Figure:
    """Risk in time for each γ on the left; exponents against γ on the right."""
    p, k = data.parameters, data.parameters.degree
    figure, (left, right) = sheet(width, 2)
    for gamma, colour in zip(p.gammas, shades(len(p.gammas)), strict=True):
        found = data[f"k={k} γ={gamma:g}"]
        unit = found["emergence"][0]
        left.loglog(found["times"] / unit, found["risk"], color=colour, label=rf"$\gamma={gamma:g}$")
        left.loglog(found["times"] / unit, np.where(found["sharp"] > 0, found["sharp"], np.nan), ":", color=colour)
    for gamma, below in ((p.gammas[0], True), (p.gammas[-1], False)):
        found = data[f"k={k} γ={gamma:g}"]
        at = found["emergence"][[9, p.width // 5]] / found["emergence"][0]
        begin = np.interp(at[0], found["times"] / found["emergence"][0], found["risk"])
        slope = (1 - 2 * p.beta) / theta(k, gamma, p)
        theirs = r"\beta" if gamma == 0 else r"(\beta+\gamma k/2)"
        formula = rf"$t^{{(1-2\beta)/{theirs}}}$"
        reference_slope(left, (at[0], begin * (0.7 if below else 1.4)), at[1], slope, formula, below=below)
    left.set(xlabel="time $t/T_1$", ylabel="risk", title=f"$k={k}$: flow (—), sharp limit (···)", ylim=(3e-3, 1.6),
             xlim=(0.3, None))  # fmt: skip
    left.legend(loc="upper right")
    g = np.linspace(0, max(p.gammas), 50)
    for degree, colour, mark in ((2, COLOURS[1], "o"), (k, COLOURS[2], "s")):
        label = rf"$T_m$, $k={degree}$: $\beta+\gamma k/2$"
        right.plot(g, theta(degree, 1.0, p) * g + p.beta * (1 - g), color=colour)
        right.plot(p.gammas, measured(data, degree), mark, mfc="white", ms=4, color=colour, label=label)
    right.plot(g, (2 * p.beta - 1) / (p.beta + g * k / 2), color=COLOURS[0])
    right.plot(p.gammas, -of_risk(data), "^", mfc="white", ms=4, color=COLOURS[0],
               label=rf"risk, $k={k}$: $-(1-2\beta)/(\beta+\gamma k/2)$")  # fmt: skip
    right.set(xlabel=r"exponent $\gamma$ of the covariance", ylabel="exponent", title=rf"$\beta={p.beta:g}$",
              ylim=(0, 1.5 * theta(k, max(p.gammas), p)))  # fmt: skip
    right.legend(loc="upper left")
    return figure


def fact(data: Data) -> Fact:
    """At the largest γ: exponents of T_m for both k, and of the risk, of the flow and of the sharp limit."""
    p, k, gamma = data.parameters, data.parameters.degree, max(data.parameters.gammas)
    low, high = theta(2, gamma, p), theta(k, gamma, p)
    falls = (1 - 2 * p.beta) / high
    flat = (1 - 2 * p.beta) / p.beta
    alike = (1 - 2 * p.beta) / low
    return Fact(
        "emergence times grow as m^(β+γk/2), and risk falls as t^((1-2β)/(β+γk/2))",
        [measured(data, 2)[-1], measured(data, k)[-1], of_risk(data)[-1], of_risk(data, "sharp")[-1]],
        [low, high, falls, falls],
        0.03,
        {
            "the covariance does not matter, m^β": [p.beta, p.beta, flat, flat],
            "β + γ for every k": [low, low, alike, alike],
            "whitened steps, β + γ(k/2-1)": [p.beta, high - gamma, *[(1 - 2 * p.beta) / (high - gamma)] * 2],
        },
    )
