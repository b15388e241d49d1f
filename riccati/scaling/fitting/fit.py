"""`fit_power_law`: the exponent of a curve with its interval, and the window, floor and noise they depend on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ...support import require, require_open_unit, require_real
from .curves import MeasuredCurve, measured_curve
from .intervals import bootstrap_interval, floor_is_identified, profile_interval, seeds_interval
from .power_law import FitProblem, PowerLawShape, fitted
from .window import FEWEST, needs_values, rule_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FALSELY = 0.01  # chance of calling a floor identified that is none
_WANDERING = 0.975  # ρ beyond which no interval of this kind means much; it is bounded by 0.98
_KEPT = 0.7  # share of the window's rows that predicts the rest
_SHIFTS = (0.0, 0.125, 0.25)  # by how much of its logarithmic range each end of the window is moved

FloorStatus = Literal["none", "pinned", "identified", "unidentifiable"]


class _Fitted(NamedTuple):
    """A fit and the rows that it was made of.

    Attributes:
        inside: the rows in the window.
        problem, shape: the problem that they are, and its solution.
        floor: as it was asked for.
    """

    inside: MeasuredCurve
    problem: FitProblem
    shape: PowerLawShape
    floor: Any

    def anew(self, rows: MeasuredCurve) -> tuple[FitProblem, PowerLawShape]:
        """The same fit of other rows."""
        return fitted(_problem(rows, self.problem.mode, self.floor))

    def sensitivity(self) -> tuple[float, float]:
        """Least and largest exponent of windows cut at either end."""
        log_x, exponents = np.log(self.inside.x), [self.shape.exponent]
        for begin, end in product(_SHIFTS, _SHIFTS):
            low, high = log_x[0] + begin * np.ptp(log_x), log_x[-1] - end * np.ptp(log_x)
            part = self.inside.within((float(np.exp(low)), float(np.exp(high))))
            if (begin or end) and len(part.x) >= FEWEST:
                exponents.append(self.anew(part)[1].exponent)
        return min(exponents), max(exponents)

    def future_error(self) -> float:
        """Rms of the last rows' log residuals about the fit of the first; NaN where these are too few."""
        inside, count = self.inside, int(_KEPT * len(self.inside.x))
        if count < FEWEST:
            return float("nan")
        past, shape = self.anew(inside.within((0.0, float(inside.x[count - 1]))))
        b = float(past.intercept(shape.exponent, shape.bend, past.form(shape.exponent, shape.bend)))
        log_x = np.log(inside.x) - np.log(inside.x[:count]).mean()
        last = shape.exponent * past.log_x[-1]
        ahead = np.exp(shape.exponent * log_x - last) + np.expm1(shape.bend)
        predicted = b + last + np.log(np.maximum(ahead, np.finfo(float).tiny))
        return float(np.sqrt(np.mean((np.log(inside.y).mean(0) - predicted)[count:] ** 2)))


@dataclass(frozen=True, eq=False)
class PowerLawFit:
    """y = scale (x/pivot)^exponent + floor over a window, fitted in log y.

    `bootstrap`, `sensitivity` and `future_error` need further fits, and are computed when they are first asked for.

    Attributes:
        exponent: e.
        interval: of e at `level`, by `interval_from`.
        interval_from: "profile", of one curve with AR(1) noise, or "seeds", Student's over several.
        profile: interval of e by profile, of the mean of log y.
        window: (lo, hi) of x.
        window_from: the rule that chose it, in words, or "given".
        floor: the additive constant; negative where the curve bends down, 0 where there is none in the model.
        floor_status: "none" or "pinned" as asked for; for a free floor "identified" if a fit without a floor is
            rejected (1 % level), else "unidentifiable": then the interval allows for every floor.
        scale: the power law at the pivot.
        pivot: x_0, where the errors of scale and exponent are uncorrelated.
        autocorrelation: ρ of the residuals, along the rows.
        level: of the intervals.
        x, y: the whole curve, (n,) and (S, n), also outside the window.
        names: of x and y.
        notes: what was left out, a line each.
    """

    exponent: float
    interval: tuple[float, float]
    interval_from: Literal["profile", "seeds"]
    profile: tuple[float, float]
    window: tuple[float, float]
    window_from: str
    floor: float
    floor_status: FloorStatus
    scale: float
    pivot: float
    autocorrelation: float
    level: float
    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, "S n"]
    names: tuple[str, str]
    notes: tuple[str, ...]
    _fitted: _Fitted

    @cached_property
    def bootstrap(self) -> tuple[float, float]:
        """The interval of e by block bootstrap, of the mean of log y."""
        return bootstrap_interval(self._fitted.problem, self._fitted.shape, self.level)

    @cached_property
    def sensitivity(self) -> tuple[float, float]:
        """Least and largest exponent over windows with either end moved in by up to a quarter."""
        return self._fitted.sensitivity()

    @cached_property
    def future_error(self) -> float:
        """Rms of log(y/prediction) over the last 30 % of the window's rows, predicted from the first 70 %."""
        return self._fitted.future_error()

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """scale (x/pivot)^exponent + floor."""
        return self.scale * (np.asarray(x, float) / self.pivot) ** self.exponent + self.floor

    def table(self) -> str:
        """All numbers, a line each, with what they are."""
        abscissa, ordinate = self.names
        law = f"{ordinate} = scale (x/pivot)^exponent" + ("" if self.floor_status == "none" else " + floor")
        rows = [
            ("law", law, f"x = {abscissa}; least squares in log {ordinate}, AR(1) noise"),
            ("exponent", repr(self.exponent), ""),
            ("interval", _pair(self.interval), f"{self.level:.0%}, by {self.interval_from}"),
            (
                "profile",
                _pair(self.profile),
                "the other parameters at their best for each exponent (Golub and Pereyra 1973)",
            ),
            ("bootstrap", _pair(self.bootstrap), "residuals redrawn in blocks (Kuensch 1989)"),
            ("sensitivity", _pair(self.sensitivity), "exponents of windows cut by up to a quarter at either end"),
            ("window", _pair(self.window), self.window_from),
            ("floor", repr(self.floor), self._floor_in_words()),
            ("scale", repr(self.scale), "the power law at the pivot"),
            ("pivot", repr(self.pivot), "where errors of scale and exponent are uncorrelated"),
            ("future error", f"{self.future_error:.4g}", "rms of log(y/prediction), last 30 % from the first 70 %"),
            (
                "correlation",
                f"{self.autocorrelation:.3g}",
                "ρ of the residuals along the rows, by restricted likelihood (Cheang and Reinsel 2000)",
            ),
        ]
        lines = [f"  {name:<12} {value:<46} {what}".rstrip() for name, value, what in rows]
        return "\n".join(["Power law", *lines, *(f"  note         {note}" for note in self.notes)])

    def _floor_in_words(self) -> str:
        bends = ", negative: the curve bends down, as with finitely many directions" if self.floor < 0 else ""
        return {
            "none": "none in the model",
            "pinned": "pinned: given, not fitted",
            "identified": f"identified: no floor is refused at the 1 % level{bends}",
            "unidentifiable": "unidentifiable: the curve does not distinguish it from no floor",
        }[self.floor_status]

    def plot(self, ax: Axes | None = None) -> Axes:
        """The whole curve, the window and the law; on new axes if none are given."""
        from ...plot import power_law_panel

        return power_law_panel(ax, self.x, self.y, self.window, self, self._legend(), self.names)

    def _legend(self) -> str:
        low, high = self.interval
        return f"exponent {self.exponent:.4g} [{low:.4g}, {high:.4g}]"

    def __repr__(self) -> str:
        return self.table()


def _pair(pair: tuple[float, float]) -> str:
    return f"[{pair[0]!r}, {pair[1]!r}]"


def fit_power_law(
    x: Any,
    y: ArrayLike | None = None,
    *,
    floor: Literal["free"] | float | None = None,
    window: tuple[float, float] | None = None,
    level: float = 0.95,
) -> PowerLawFit:
    """Fit the power law y = scale (x/pivot)^exponent + floor to a curve; return the fit with its intervals.

    Least squares in log y over a window, by variable projection, with AR(1) noise along the rows (power_law.py).
    Several seeds are fitted by the mean of log y, and their spread gives the interval.
    Sources: Golub and Pereyra 1973 (variable projection), Cheang and Reinsel 2000 (restricted likelihood of ρ),
    Kuensch 1989 (block bootstrap).

    Args:
        x: (n,), or a Trajectory, Run or Ensemble, whose risk in canonical time is fitted.
        y: (n,) or (S, n) for S seeds; left out where `x` is an object.
        floor: None, no floor in the model; "free", fitted, of either sign; or a number.
        window: (lo, hi) of x; None for the rule of window.py, after the first emergence and before the floor. What
            lies outside it does not matter.
        level: of the intervals.

    Raises:
        ArgumentError: x that is not sorted; within the window data that are not positive and finite, a floor above
            the curve, or fewer than eight points; for the rule a curve that is too short.

    Example:
        >>> import numpy as np
        >>> import riccati as rc
        >>> x = np.geomspace(1, 1000, 40)
        >>> fit = rc.scaling.fit_power_law(x, 2 * x**-0.5 + 0.01, floor="free", window=(1, 1000))
        >>> round(fit.exponent, 4), round(fit.floor, 4), fit.floor_status
        (-0.5, 0.01, 'identified')
    """
    require_open_unit(level, "level")
    mode = "none" if floor is None else "free" if isinstance(floor, str) else "pinned"
    require(mode != "free" or floor == "free", "floor", 'be None, "free" or a number', repr(floor))
    curve = measured_curve(x, y)
    chosen, rule = _checked(window) if window is not None else _by_rule(curve, mode != "none")
    inside = curve.within(chosen)
    require(len(inside.x) >= FEWEST, "window", f"hold {FEWEST} points or more", f"one of {len(inside.x)}")
    inside.require_positive(f"the window is {chosen[0]:.4g} to {chosen[1]:.4g}: give one without such rows")
    if mode == "pinned":
        require_real(floor, "floor")
        least = f"be below the curve's least in the window, {inside.y.min():g}"
        require(float(floor) < inside.y.min(), "floor", least, floor)  # type: ignore[arg-type]
        mode = "none" if floor == 0 else mode
    problem, shape = fitted(_problem(inside, mode, floor))
    return _report(curve, _Fitted(inside, problem, shape, floor), chosen, rule, level)


def _checked(window: tuple[float, float]) -> tuple[tuple[float, float], str]:
    low, high = window
    require_real(low, "window", least=0)
    require_real(high, "window", above=float(low))
    return (float(low), float(high)), "given"


def _by_rule(curve: MeasuredCurve, has_floor: bool) -> tuple[tuple[float, float], str]:
    if needs_values(curve.emergence):
        curve.require_positive("or give a window without such rows")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.exp(np.log(curve.y).mean(0))
    return rule_window(curve.x, mean, has_floor=has_floor, emergence=curve.emergence)


def _problem(curve: MeasuredCurve, mode: str, floor: Any) -> FitProblem:
    log_x, log_y = np.log(curve.x), np.log(curve.y).mean(0)
    pinned = (float(np.log(abs(floor))), float(np.sign(floor))) if mode == "pinned" else (0.0, 1.0)
    return FitProblem(log_x - log_x.mean(), log_y, mode, *pinned)


def _report(
    curve: MeasuredCurve, fit: _Fitted, window: tuple[float, float], window_from: str, level: float
) -> PowerLawFit:
    inside, problem, shape, floor = fit
    profile = profile_interval(problem, shape, level)
    several = len(inside.y) > 1
    interval = seeds_interval(problem, shape, np.log(inside.y), level) if several else profile
    notes = curve.notes
    if problem.rho > _WANDERING:
        notes += ("residuals wander over the whole window (ρ at its bound): no power law with noise about it",)
    pivot, scale, constant = _parameters(problem, shape, np.log(inside.x).mean())
    status: FloorStatus = "none" if floor is None else "pinned"
    if problem.mode == "free":
        status = "identified" if floor_is_identified(problem, shape, _FALSELY) else "unidentifiable"
    return PowerLawFit(
        exponent=shape.exponent, interval=interval, interval_from="seeds" if several else "profile", profile=profile,
        window=window, window_from=window_from, floor=constant, floor_status=status, scale=scale, pivot=pivot,
        autocorrelation=problem.rho, level=level, x=curve.x, y=curve.y, names=curve.names, notes=notes, _fitted=fit,
    )  # fmt: skip


def _parameters(problem: FitProblem, shape: PowerLawShape, centre: float) -> tuple[float, float, float]:
    """Pivot, scale there and floor."""
    form = problem.form(shape.exponent, shape.bend)
    b = float(problem.intercept(shape.exponent, shape.bend, form))
    last = shape.exponent * problem.log_x[-1]
    floor = 0.0 if problem.mode == "none" else float(np.exp(b + last) * np.expm1(shape.bend))
    # d(log scale at x_0)/d(e) along the fit's covariance is taken out by the shift of log x_0
    jacobian = problem.whiten(problem.jacobian(shape).T).T
    shift = 0.0
    if problem.mode != "pinned":
        covariance = np.linalg.pinv(jacobian.T @ jacobian)
        shift = float(np.clip(-covariance[0, 1] / covariance[1, 1], problem.log_x[0], problem.log_x[-1]))
    return float(np.exp(centre + shift)), float(np.exp(b + shape.exponent * shift)), floor
