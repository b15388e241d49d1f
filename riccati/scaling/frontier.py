"""Risk against compute C = N t: the best width for every budget, exactly, and the bias of a coarse grid of widths.

    risk*(C) = min_N risk(N, C/N)

is sought over a ladder of widths 3 % apart, or every whole number where those are coarser, and the grid of widths
itself; between the rungs by the parabola through log risk against log N. For β > ½, N*(C) ∝ C^{1/(1+β)} and
risk* ∝ C^e, e = (1-2β)/(1+β).
A grid of widths with ratio r misses the best width. In the sharp limit log risk is a wedge in log N, of slopes
-(2β-1) and (2β-1)/β, and over all places of the grid the mean of what it adds is

    ½ |e| log r of log risk,      ½ log r of log compute,

whatever β. Curves that are smooth on the scale of log r lose less; `Frontier.bias` measures it on the ladder.
Source: RNWL25 (arXiv 2504.19983); derivations/scaling.py for e, derivations/sharp_limit.py for the bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float

from ..problem import Teacher
from ..runs import Run
from ..support import require, require_integer
from ..trajectory import Trajectory
from .additive import AdditiveModel
from .fitting import PowerLawFit, fit_power_law
from .limits import power_of
from .students import students_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RUNG = 1.03  # ratio of neighbouring widths of the ladder
_BUDGETS = 60
_INSIDE = 2.0  # budgets keep this factor from those at which the least and the largest width are the best
_POINTS = 160  # of a width's drawn curve


@dataclass(frozen=True, eq=False)
class Frontier:
    """The compute-optimal risk, the width that reaches it, and fits of both.

    Attributes:
        compute: C, (n,), neurons times canonical time (the model's unit for an AdditiveModel).
        risk: min_N risk(N, C/N), (n,), by the exact optimum; for runs by the parabola between their widths.
        width: the best N, (n,), not rounded.
        widths: the grid of widths that was asked for, (g,).
        grid_risk: the least risk on that grid, (n,).
        ladder, ladder_risk: the fine widths, (l,), and the risk of each at every budget, (l, n).
        fit: of risk against compute, with a free offset for the finite number of directions.
        width_fit: of width against compute.
        predicted: (1 - 2β)/(1 + β) for a power law with β > ½; None otherwise.
        curves: compute and risk of every width on the grid.
    """

    compute: Float[np.ndarray, " n"]
    risk: Float[np.ndarray, " n"]
    width: Float[np.ndarray, " n"]
    widths: Float[np.ndarray, " g"]
    grid_risk: Float[np.ndarray, " n"]
    ladder: Float[np.ndarray, " l"]
    ladder_risk: Float[np.ndarray, "l n"]
    fit: PowerLawFit
    width_fit: PowerLawFit
    predicted: float | None
    curves: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def exponent(self) -> float:
        """The exponent of the risk in compute."""
        return self.fit.exponent

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the exponent, by profile."""
        return self.fit.interval

    @property
    def grid_bias(self) -> Float[np.ndarray, " n"]:
        """log(grid_risk/risk), (n,): the excess of the best width on the grid over the exact optimum."""
        return np.log(self.grid_risk / self.risk)

    def bias(self, ratio: float) -> float:
        """Mean of log risk that a grid of widths with this ratio adds, over budgets and places of the grid.

        Raises:
            ArgumentError: a ratio below that of the ladder, or so large that a grid has fewer than two widths.
        """
        stride = int(np.round(np.log(ratio) / _log_rung(self.ladder))) if ratio > 0 else 0
        within = 1 <= stride <= (len(self.ladder) - 1) // 2
        require(within, "ratio", "lie between that of the ladder and the root of its range", ratio)
        log_risk = np.log(self.ladder_risk)
        grids = np.stack([log_risk[begin::stride].min(0) for begin in range(stride)])
        budgets = (self.width > self.ladder[stride - 1]) & (self.width < self.ladder[-stride])
        require(bool(budgets.any()), "ratio", "leave budgets whose best width is inside every grid", ratio)
        return float(np.mean(grids[:, budgets] - np.log(self.risk[budgets])))

    def compute_bias(self, ratio: float) -> float:
        """The same bias as additional log compute, `bias` over |exponent|."""
        return self.bias(ratio) / abs(self.exponent)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Every width's curve and the envelope; on new axes if none are given."""
        from ..plot import frontier_panel

        low, high = self.interval
        label = f"exponent {self.exponent:.4g} [{low:.4g}, {high:.4g}]"
        return frontier_panel(ax, self.curves, self.compute, self.risk, label)

    def __repr__(self) -> str:
        predicted = "no power law" if self.predicted is None else f"{self.predicted:.6g} = (1-2β)/(1+β)"
        rows = {
            "exponent": f"{self.exponent:.6g} in [{self.interval[0]:.6g}, {self.interval[1]:.6g}]",
            "limit": f"{predicted}, RNWL25",
            "width": f"C^{self.width_fit.exponent:.4g}, {self.width[0]:.4g} to {self.width[-1]:.4g}",
            "grid": f"adds {np.mean(self.grid_bias):.3g} to log risk on average",
        }
        return "Frontier\n" + "\n".join(f"  {name:<8} {value}" for name, value in rows.items())


def frontier(
    teacher: Teacher | AdditiveModel,
    widths: Sequence[int],
    *,
    dim: int | None = None,
    norm: float | None = None,
    start: Literal["equal", "typical"] = "equal",
) -> Frontier:
    """Compute the least risk at every compute C = N t, over student widths, and fit its exponent.

    Between the widths of a ladder 3 % apart the best is by a parabola (see this file's docstring); times are canonical.
    Source: RNWL25 (arXiv 2504.19983); derivations/scaling.py, derivations/sharp_limit.py.

    Args:
        teacher: a Teacher (k = 2, decoupled, or k > 2, see students.py), or an AdditiveModel.
        widths: the grid of widths N that the exact optimum is compared with, three or more, at most M.
        dim: d, for a Teacher.
        norm: initial norm of every neuron, for a Teacher.
        start: "equal", every direction from the overlap d^{-1/2}, or "typical", as N random neurons have them.

    Raises:
        ArgumentError: widths that are not increasing whole numbers up to M, or arguments that do not belong.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=64, beta=1.0, link=rc.Link.hermite(2))
        >>> front = rc.scaling.frontier(teacher, widths=[4, 8, 16, 32], dim=10**5, norm=1e-3)
        >>> round(front.exponent, 2), front.predicted
        (-0.5, -0.5)
    """
    risk_of, last = students_of(teacher, dim, norm, start)
    require(len(widths) >= 3, "widths", "be three or more", len(widths))
    for width in widths:
        require_integer(width, "widths", 1)
    grid = np.asarray(widths, int)
    rising = bool((np.diff(grid) > 0).all()) and grid[-1] <= teacher.width
    require(rising, "widths", f"increase up to at most M = {teacher.width}", list(widths)[:8])
    low, high = (factor * int(w) * last(int(w)) for factor, w in ((_INSIDE, grid[0]), (1 / _INSIDE, grid[-1])))
    require(low < high, "widths", "span a factor of four or more of compute", f"{grid[0]} to {grid[-1]}")
    compute = np.geomspace(low, high, _BUDGETS)
    rungs = int(np.ceil(np.log(grid[-1] / grid[0]) / np.log(_RUNG))) + 1
    ladder = np.unique(np.round(np.geomspace(grid[0], grid[-1], rungs)).astype(int))
    at = np.stack([risk_of(int(width), compute / width) for width in ladder])
    on_grid = np.stack([risk_of(int(width), compute / width) for width in grid])
    drawn = np.geomspace(compute[0] / 30, compute[-1], _POINTS)
    curves = tuple((drawn, risk_of(int(width), drawn / width)) for width in _few(grid))
    beta = power_of(np.asarray(teacher.a)) if isinstance(teacher, Teacher) else None
    predicted = (1 - 2 * beta) / (1 + beta) if beta is not None and beta > 0.5 else None
    return _frontier(compute, ladder, at, grid, on_grid.min(0), predicted, curves)


def _few(grid: np.ndarray) -> np.ndarray:
    """At most eight of the widths, for the legend."""
    return grid[np.unique(np.linspace(0, len(grid) - 1, min(8, len(grid))).astype(int))]


def measured_frontier(runs: Sequence[Run | Trajectory], widths: Sequence[int]) -> Frontier:
    """Compute the frontier of runs (or trajectories), one for each width; the envelope by the parabola between widths.

    Risks are interpolated in log t; only budgets that are reached by three neighbouring widths about the best count.

    Raises:
        ArgumentError: fewer than three widths, lists of different lengths, or budgets without an interior optimum.
    """
    require(len(runs) == len(widths) >= 3, "widths", "be three or more, one for each run", len(widths))
    grid = np.asarray(widths, float)
    require(bool((np.diff(grid) > 0).all()), "widths", "increase", list(widths)[:8])
    curves = []
    for run, width in zip(runs, grid, strict=True):
        times, risk = np.asarray(run.times, float), np.asarray(run.risk, float)
        sound = (times > 0) & (risk > 0)
        curves.append((width * times[sound], risk[sound]))
    compute = np.geomspace(max(c[0][0] for c in curves), min(c[0][-1] for c in curves), _BUDGETS)
    at = np.stack([np.exp(np.interp(np.log(compute), np.log(c), np.log(r))) for c, r in curves])
    return _frontier(compute, grid, at, grid, at.min(0), None, tuple(curves))


def _frontier(
    compute: np.ndarray, ladder: np.ndarray, at: np.ndarray, grid: np.ndarray, grid_risk: np.ndarray,
    predicted: float | None, curves: tuple[tuple[np.ndarray, np.ndarray], ...],
) -> Frontier:  # fmt: skip
    best = at.argmin(0)
    inside = (best > 0) & (best < len(ladder) - 1)
    must = "leave eight budgets or more whose best width is not at an end"
    require(int(inside.sum()) >= 8, "widths", must, f"{int(inside.sum())} of {len(compute)}")
    rows = np.flatnonzero(inside)
    risk, width = _vertex(np.log(ladder), np.log(at), best[rows], rows)
    risk = np.minimum(risk, grid_risk[rows])  # where a kink falls on the grid and between two rungs
    spent = compute[rows]
    whole = (float(spent[0]), float(spent[-1]))
    return Frontier(
        compute=spent, risk=risk, width=width, widths=grid, grid_risk=grid_risk[rows], ladder=ladder,
        ladder_risk=at[:, rows],
        fit=fit_power_law(spent, risk, floor="free", window=whole),
        width_fit=fit_power_law(spent, width, window=whole), predicted=predicted, curves=curves,
    )  # fmt: skip


def _vertex(log_n: np.ndarray, log_r: np.ndarray, best: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least value and its place of the parabola through the best rung and its neighbours."""
    x0, x1, x2 = log_n[best - 1], log_n[best], log_n[best + 1]
    y0, y1, y2 = log_r[best - 1, rows], log_r[best, rows], log_r[best + 1, rows]
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    second = 2 * (right - left) / (x2 - x0)
    slope = (left * (x2 - x1) + right * (x1 - x0)) / (x2 - x0)  # at x1
    safe = np.where(second > 0, second, np.inf)
    place = np.clip(x1 - slope / safe, x0, x2)
    return np.exp(y1 - slope**2 / (2 * safe)), np.exp(place)


def _log_rung(ladder: np.ndarray) -> float:
    return float(np.log(ladder[-1] / ladder[0]) / (len(ladder) - 1))
