"""The second layer of a teacher, β or every a_m, inferred from a run's risk curve by the law of the risk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float

from ...runs import Run
from ...support import require, require_open_unit, warn_renamed
from .likelihood import Whitened, best_shift, profile_of, threshold, whitened
from .observed_curve import Candidate, ObservedCurve, Parameters, observed_curve

_ROWS, _MORE_ROWS = 20, 40  # of the curve that are fitted, for β and for a free second layer
_COARSE = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0])
_CLOCKS = np.geomspace(0.25, 4.0, 9)
_ROUNDS, _SETTLED = 5, 0.005  # of linearising about the estimate, at the most, and the shift that ends them
_FARTHEST = 0.5  # that a round moves a parameter
_BETAS, _GAPS = (0.0, 4.0), (0.0, np.inf)
_SPREAD = 0.5  # of log a_m/a_{m+1} about the best power law's, before the curve is looked at
_ROUNDING = 1e-9
_KNOWN, _LESS = np.log(2.0), 0.5  # half an interval of a determined log a_m, and its share of that before the curve


@dataclass(frozen=True, eq=False)
class InferredBeta:
    """The β of a run's teacher, with its interval.

    Attributes:
        beta: the estimate, of greatest likelihood.
        interval: by the profile likelihood over all else.
        clock: canonical time over that of the run's configuration; 1 where it was taken from there.
        clock_interval: likewise, None where the clock was not asked about.
        level: of the intervals.
        noise: σ, the deviation of log risk that the law leaves out.
        times, risk: the rows that were fitted, (n,).
        fitted: exp μ, (n,).
    """

    beta: float
    interval: tuple[float, float]
    clock: float
    clock_interval: tuple[float, float] | None
    level: float
    noise: float
    times: Float[np.ndarray, " n"]
    risk: Float[np.ndarray, " n"]
    fitted: Float[np.ndarray, " n"]

    def __repr__(self) -> str:
        rows = {
            "beta": f"{self.beta:.6g}, a_m ∝ m^-β",
            "interval": f"{_shown(self.interval)}, {self.level:.0%}, profile likelihood",
            "clock": "that of the configuration"
            if self.clock_interval is None
            else f"{self.clock:.6g} times the configuration's, {_shown(self.clock_interval)}",
            "noise": f"{self.noise:.3g} of log risk beyond the law",
        }
        return "InferredBeta\n" + "\n".join(f"  {name:<8} {value}" for name, value in rows.items())


@dataclass(frozen=True, eq=False)
class InferredSecondLayer:
    """The second layer of a run's teacher, a_1 ≥ a_2 ≥ …, of the norm that its configuration gives.

    Attributes:
        a: (M,), of greatest likelihood.
        intervals: (M, 2), of log a_m normal about the estimate.
        determined: (M,), whether the curve determines a_m, within a factor of two and twice as well as the prior.
        level: of the intervals.
        noise: σ, the deviation of log risk that the law leaves out.
        times, risk: the rows that were fitted, (n,).
        fitted: exp μ, (n,).
    """

    a: Float[np.ndarray, " M"]
    intervals: Float[np.ndarray, "M 2"]
    determined: np.ndarray
    level: float
    noise: float
    times: Float[np.ndarray, " n"]
    risk: Float[np.ndarray, " n"]
    fitted: Float[np.ndarray, " n"]

    @property
    def told(self) -> np.ndarray:
        """The old name of `determined`."""
        warn_renamed("InferredSecondLayer.told", "InferredSecondLayer.determined")
        return self.determined

    def __repr__(self) -> str:
        rows = [
            f"  a_{m + 1:<6} {a:.4g}, {_shown(interval)}" if known else f"  a_{m + 1:<6} not determined by the curve"
            for m, (a, interval, known) in enumerate(zip(self.a, self.intervals, self.determined, strict=True))
        ]
        head = [f"  level    {self.level:.0%}", f"  noise    {self.noise:.3g} of log risk beyond the law"]
        return "\n".join(["InferredSecondLayer", *head, *rows])


def _shown(interval: Float[np.ndarray, " 2"] | tuple[float, float]) -> str:
    return f"[{interval[0]:.6g}, {interval[1]:.6g}]"


def infer_beta(run: Run, *, clock: bool = False, level: float = 0.95) -> InferredBeta:
    """Infer β of a teacher a_m ∝ m^{-β} from a run's risk curve; return it with its interval.

    Log risk is fitted by the mean and the covariance of the law of SGD's risk (`riccati.risk_law`) at the run's step
    and from its start; the β in the run's configuration is not used. The learning rate has to be constant. The interval
    is by the profile likelihood (likelihood.py).

    Args:
        run: with initial overlaps, norms, dim, learning rate and batch size in its config; link h_k, k ≥ 2.
        clock: whether the run's canonical time per step is inferred too, within a factor of four of that in its config;
            else it is taken from there.
        level: of the intervals.

    Raises:
        ArgumentError: a run that lacks these; a curve that cannot tell, because it ends before the first emergence
            or no β within ±1 of the best one is refused (no clock within a factor of e); a step at which the law
            diverges.

    Example: (seconds, as the law is drawn at several β)
        inferred = rc.scaling.infer_beta(rc.Run.load("hermite4"))
        inferred.beta, inferred.interval
    """
    require_open_unit(level, "level")
    curve = observed_curve(run, _ROWS, "infer_beta")

    def candidate(theta: Parameters) -> Candidate:
        return Candidate(_power_law(curve, theta[0]), float(np.exp(theta[1])) if clock else 1.0)

    begun = _coarse(curve, candidate, np.log(_CLOCKS) if clock else None)
    bounds = np.array([_BETAS, tuple(np.log(_CLOCKS[[0, -1]]))][: len(begun)]).T
    fit = _fitted(curve, candidate, begun, bounds)
    allowed = threshold(len(curve.times), len(begun), level)
    ends = [profile_of(fit.cases, component, allowed) for component in range(len(begun))]
    for end, what in zip(ends, (f"β within {fit.begun[0]:.2f} ± 1", "the clock within a factor of e"), strict=False):
        require(end is not None, "run", f"have a risk curve that determines {what}", "one that does not")
    low, high = (fit.begun + np.array(ends, float).T).tolist()
    return InferredBeta(
        beta=float(fit.theta[0]),
        interval=(low[0], high[0]),
        clock=float(np.exp(fit.theta[1])) if clock else 1.0,
        clock_interval=(float(np.exp(low[1])), float(np.exp(high[1]))) if clock else None,
        level=level, noise=float(fit.case.noise), times=curve.times, risk=np.exp(curve.target), fitted=fit.fitted,
    )  # fmt: skip


def infer_second_layer(run: Run, *, level: float = 0.95) -> InferredSecondLayer:
    """Infer the second layer a_1 ≥ a_2 ≥ … from a run's risk curve; return it with the intervals.

    Of the second layer in the run's configuration only the norm is used. The log(a_m/a_{m+1}) ≥ 0 are fitted, under a
    normal prior of deviation ½ about those of the best power law. A direction that has not emerged within the run does
    not change its curve, and is not determined. Each round of the fit draws the law 2M times.

    Args:
        run: as for `infer_beta`, with 40 rows or more.
        level: of the intervals.

    Raises:
        ArgumentError: as `infer_beta`, and if no a_m is determined within a factor of two.
    """
    require_open_unit(level, "level")
    curve = observed_curve(run, _MORE_ROWS, "infer_second_layer")
    require(curve.width > 1, "run", "have two directions or more", curve.width)

    def of_beta(theta: Parameters) -> Candidate:
        return Candidate(_power_law(curve, theta[0]), 1.0)

    def candidate(theta: Parameters) -> Candidate:
        return Candidate(curve.norm * _layer(theta), 1.0)

    begun = _coarse(curve, of_beta, None)
    beta = _fitted(curve, of_beta, begun, np.array([_BETAS]).T).theta[0]
    gaps = -np.diff(np.log(_power_law(curve, beta)))
    fit = _fitted(curve, candidate, gaps, np.tile(np.array(_GAPS)[:, None], len(gaps)), supposed=_SPREAD)
    a, quantile = curve.norm * _layer(fit.theta), scipy.special.ndtri((1 + level) / 2)
    supposed = quantile * _deviations(np.eye(len(gaps)) / _SPREAD, a)
    half = quantile * _deviations(fit.case.slope, a)
    determined = (half < _KNOWN) & (half < _LESS * supposed)
    must = f"have a risk curve that determines one a_m within a factor of two, at {level:.0%}"
    require(bool(determined.any()), "run", must, "one that does not")
    intervals = np.stack([a * np.exp(-half), a * np.exp(half)], axis=1)
    return InferredSecondLayer(
        a, intervals, determined, level, float(fit.case.noise), curve.times, np.exp(curve.target), fit.fitted
    )


def _power_law(curve: ObservedCurve, beta: float) -> Float[np.ndarray, " M"]:
    a = np.arange(1.0, curve.width + 1) ** -float(beta)  # β < 0 occurs in differences about 0
    return curve.norm * a / np.linalg.norm(a)


def _layer(gaps: Parameters) -> Float[np.ndarray, " M"]:
    a = np.exp(-np.concatenate([[0.0], np.cumsum(gaps)]))
    return a / np.linalg.norm(a)


def _deviations(slope: Float[np.ndarray, "n p"], a: Float[np.ndarray, " M"]) -> Float[np.ndarray, " M"]:
    """Standard deviations of log a_m, from those of the gaps, that of whitened rows with this slope."""
    width = len(a)
    below = -np.tril(np.ones((width, width)), -1)[:, :-1]  # ∂ log a_m/∂ gap before the norm is restored
    moved = below - (a**2 / np.sum(a**2)) @ below
    return np.sqrt(np.sum(moved * np.linalg.solve(slope.T @ slope, moved.T).T, axis=1))


def _coarse(
    curve: ObservedCurve, candidate: Callable[[Parameters], Candidate], clocks: np.ndarray | None
) -> Parameters:
    """The β, and the clock, of a grid at which the limit d → ∞ is nearest to the curve in log risk."""
    grid = [np.array([beta]) for beta in _COARSE]
    if clocks is not None:
        grid = [np.array([beta, clock]) for beta in _COARSE for clock in clocks]
    misfits = [np.mean((curve.target - curve.limit(candidate(theta))) ** 2) for theta in grid]
    return grid[int(np.nanargmin(misfits))]


@dataclass(frozen=True, eq=False)
class _Fit:
    """The fit after the last round of linearising.

    Attributes:
        begun: (p,), about which the last round is linear.
        theta: (p,), the estimate.
        cases: at every σ and ρ, about `begun`.
        case: the one of greatest likelihood.
        fitted: exp μ at the estimate, (n,).
    """

    begun: Parameters
    theta: Parameters
    cases: Whitened
    case: Whitened
    fitted: Float[np.ndarray, " n"]


def _fitted(
    curve: ObservedCurve,
    candidate: Callable[[Parameters], Candidate],
    theta: Parameters,
    bounds: Float[np.ndarray, "2 p"],
    supposed: float = np.inf,
) -> _Fit:
    """The parameters of greatest likelihood within bounds, by a normal prior of deviation `supposed` about `theta`."""
    centre = theta
    for _ in range(_ROUNDS):
        begun = theta
        mean, slope, covariance = curve.linear(candidate, begun)
        cases = whitened(curve.target - mean, slope, covariance)
        cases = cases.with_rows((centre - begun) / supposed, np.eye(len(begun)) / supposed)
        low, high = np.maximum(bounds[0] - begun, -_FARTHEST), np.minimum(bounds[1] - begun, _FARTHEST)
        shift, case = best_shift(cases, low - _ROUNDING, high + _ROUNDING)
        theta = np.clip(begun + shift, *bounds)
        if np.abs(shift).max() < _SETTLED:
            break
    return _Fit(begun, theta, cases, case, np.exp(mean + slope @ shift))
