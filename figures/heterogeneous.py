"""Two links in one teacher, h_2 and h_4: two clocks, T ∝ log d and T ∝ d^(k/2-1) = d."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.plot import COLOURS, curve_with_spread, reference_slope, sheet

from ._ensembles import ensemble, fitted_slope, flow
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "directions with h_2 and with h_4 in one teacher emerge on two clocks: as log d, and as d^(k/2-1) = d"
FULL = "20 s and 0.5 GB on one core (measured); d up to 10⁶, SGD at d = 64, as its noise delays h_4 beyond"


@dataclass(frozen=True)
class Parameters:
    """Directions in turn h_2 and h_4, a student with both, each neuron at x/√d on its own direction; step g·d^(-2).

    A neuron that has learned h_2 brings its h_4 along, which pulls at the others, the longer the larger d: the noise of
    a step delays h_4 (by 1.4 at d = 128), and with several pairs of directions some of h_4 are lost to it.
    """

    exponents: tuple = sourced((2, 4), source="the talk's outlook; its values are chosen")
    beta: float = chosen(0.5)
    pairs: int = chosen(1)
    dims: tuple = chosen((100, 1000, 10_000), (100, 1000, 10_000, 100_000, 1_000_000))
    start: float = chosen(2.0)
    norm: float = chosen(0.05)
    small: int = chosen(32, 64)
    step: float = chosen(0.015)
    batch: int = chosen(512, 1024)
    runs: int = chosen(4, 16)


def _problem(dim: int, p: Parameters) -> tuple[rc.Teacher, rc.Start]:
    width = 2 * p.pairs
    links = [rc.Link.hermite(p.exponents[m % 2]) for m in range(width)]
    teacher = rc.Teacher.power_law(width, p.beta, _student(p), links=links)
    return teacher, rc.Start(np.eye(width) * p.start / np.sqrt(dim), norms=p.norm, dim=dim)


def _student(p: Parameters) -> rc.Link:
    low, high = p.exponents
    return rc.Link.from_coefficients(np.isin(np.arange(high + 1), (low, high)).astype(float))


def pieces(p: Parameters) -> dict[str, Piece]:
    """The coupled flow at each d, SGD at a small one."""
    return {f"d={dim}": piece(_flow, dim, p) for dim in (p.small, *p.dims)} | {"sgd": piece(_sgd, p)}


def _end(dim: int, p: Parameters) -> float:
    """Beyond the last emergence of either link, by leading order: c_k = 1/√2 of the student's link."""
    a, k = np.asarray(_problem(dim, p)[0].a), p.exponents[1]
    slow = np.sqrt(2) * (dim / p.start**2) ** (k / 2 - 1) / (k * (k - 2) * a[1::2].min())
    return float(2 * slow + np.log(dim) / a[::2].min())


def _flow(dim: int, p: Parameters) -> Arrays:
    end = _end(dim, p)
    return flow(rc.Coupled(rtol=1e-7), *_problem(dim, p), np.geomspace(min(0.3, end / 300), end, 120))


def _sgd(p: Parameters) -> Arrays:
    sgd = rc.SGD(p.step * p.small**-2.0 * p.batch, p.batch)
    return ensemble(*_problem(p.small, p), sgd, int(_end(p.small, p) / sgd.rate), p.runs, rows=60)


def draw(data: Data, width: float) -> Figure:
    """Overlaps in time at the small d on the left, emergence times against d on the right."""
    p, runs = data.parameters, data["sgd"]
    figure, (left, right) = sheet(width, 2)
    theory = data[f"d={p.small}"]
    for m, colour, mark in zip(range(2), COLOURS[1:3], "os", strict=True):
        left.semilogx(theory["times"], theory["alignment"][:, m], color=colour)
        curve_with_spread(
            left, runs["times"][0], runs["overlaps"][:, :, m], colour, f"$h_{p.exponents[m]}$", mark,
            first=theory["times"][0],
        )  # fmt: skip
    left.set(xlabel="time $t$", ylabel="squared overlap", ylim=(-0.03, 1.03), title=f"flow (—), SGD, $d={p.small}$")
    left.legend(loc="upper left")
    d = np.asarray(p.dims, float)
    emerged = np.stack([data[f"d={dim}"]["emergence"] for dim in p.dims])
    for m, colour, mark in zip(range(2), COLOURS[1:3], "os", strict=True):
        right.loglog(d, emerged[:, m], mark, mfc="white", ms=4, color=colour, label=f"$T$ of $h_{p.exponents[m]}$")
    right.plot(d, emerged[0, 0] * np.log(d / p.start**2) / np.log(d[0] / p.start**2), color=COLOURS[1], lw=1.0)
    right.annotate(
        r"$\log d$", (d[-1], emerged[-1, 0]), textcoords="offset points", xytext=(-4, 6), ha="right", fontsize=7
    )
    slow = p.exponents[1] / 2 - 1
    reference_slope(right, (d[0], emerged[0, 1] * 1.5), d[-1], slope=slow, formula=rf"$d^{{k/2-1}}=d^{{{slow:g}}}$")
    right.set(xlabel="dimension $d$", ylabel="emergence time $T$", title="two clocks")
    right.legend(loc="upper left")
    return figure


def fact(data: Data) -> Fact:
    """Exponents of T of h_2 in log(d/x²), of T of h_4 in d, and SGD's two times over the flow's."""
    p, runs = data.parameters, data["sgd"]
    d = np.asarray(p.dims, float)
    times = np.stack([data[f"d={dim}"]["emergence"] for dim in p.dims])
    halves = [np.interp(0.5, np.median(runs["overlaps"][:, :, m], axis=0), runs["times"][0]) for m in range(2)]
    ratios = [float(np.log10(halves[m] / data[f"d={p.small}"]["emergence"][m])) for m in range(2)]
    slow = p.exponents[1] / 2 - 1
    return Fact(
        "directions with h_2 emerge at T ∝ log d and those with h_4 at T ∝ d, in one teacher, and SGD's with them",
        [fitted_slope(d, times[:, 0]), fitted_slope(np.log(d / p.start**2), times[:, 0]) - 1,
         fitted_slope(d, times[:, 1]), *ratios],
        [_log_slope(d / p.start**2), 0.0, slow, 0.0, 0.0],
        0.12,
        {
            "one clock, the teacher's information exponent 2": [_log_slope(d), 0.0, _log_slope(d), 0.0, 0.0],
            "one clock, that of h_4": [slow, 0.0, slow, 0.0, 0.0],
        },
    )  # fmt: skip


def _log_slope(d: np.ndarray) -> float:
    """The apparent exponent of log d."""
    return fitted_slope(d, np.log(d))
