"""The step size of SGD over a budget of samples: the best constant one, and the best schedule.

Of n samples let u be the fraction used, and γ(u) = η(u)d/B. The limit of `FiniteStep` then runs at

    dy/du = (n/d) γ(u) F(y; γ(u)),        F its velocity in canonical time at step γ,

whatever the batch, and log(risk(u = 1) - Σ_{m>N} a_m²/Σ a_m²) is minimised over log γ(u), straight between knots that
are evenly spaced in log u and log(1 - u), by BFGS on gradients through the integration. Beside it, over fewer
parameters,

    constant  γ = c,        form  γ = c (1 - u)^{2β-1},        power  γ = c (1 - u)^p.

Functional scaling laws (arXiv 2509.19189, 2602.04774) predict the form. Here it is not the optimum: p does not follow
2β - 1. Measured (norm 0.1; n = `samples_to_learn`(top), thrice that for k = 2), gain = constant's excess over free's:

                                           2β - 1      p                   gain                form/free
    k = 2, M = N = 16, d = 1000, top 8     0.6 1 2     0.29 0.30 0.32      1.21 1.24 1.30      1.09 1.22 2.05
    k = 2, M = 16, N = 4,        top 4     0.6 1 2     0.56 0.50 0.40      1.81 1.67 1.40      1.04 1.24 1.49
    the same, five times n                 1           2.4                 5.6                 1.7
    k = 4, M = 16, N = 32, d = 60, top 8   0.6 1       0.34 0.11           1.49 1.13           1.30 1.44
    the same,                      top 6   2           0.04                1.15                3.2
    k = 4, M = 16, N = 6,          top 6   1           2.3                 56                  4.5

At β = 1.5, and for k = 4 at β = 1 with N > M, the best form leaves more than the best constant. Where noise dies out
with the risk, N ≥ M, the optimum is nearly constant until half of n, and then falls by 2 to 10. A floor, N < M, keeps
the noise up: then p grows with the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Float

from ..flows import FiniteStepSystem, pair_system, pair_velocity, weights_system, weights_velocity
from ..laws import largest_safe, largest_step
from ..numerics import compiled_quickly, integrate, log_odds
from ..problem import SGD, AnyStart, Problem, Teacher, require_covered
from ..support import require, require_integer
from .limits import power_of

_HALF, _END = 12, 1e-3  # knots on either side of u = ½; first u, and last 1 - u, beyond which γ keeps its value
_RTOL = 1e-6
_SIZES = np.geomspace(1e-3, 1.0, 16)  # where c is sought first, in units of the largest step that learns a direction
_GRADIENT, _PLACE = 1e-3, 1e-6  # of log risk, at which a minimum is one; error of log c
_DOWN = 0.8  # share of the first excess risk that a budget must reach
_LEAST = 1e-300  # of a risk whose logarithm is taken
_UNSOUND = 1e3  # in the place of the logarithm of an infinite risk


@dataclass(frozen=True, eq=False)
class StepPlan:
    """A step size over n samples: `sgd` is the algorithm that runs at it; called with a step's number it gives η.

    Attributes:
        family: "constant", "form", "power" or "free".
        used: u, (K,), fractions of the samples.
        learning_rate: η there, (K,).
        samples, batch_size: n and B.
        excess: the risk at the end less its floor Σ_{m>N} a_m²/Σ a_m², in the limit d → ∞.
        power: p of (1 - u)^p, None of the free plan.
    """

    family: str
    used: Float[np.ndarray, " K"]
    learning_rate: Float[np.ndarray, " K"]
    samples: int
    batch_size: int
    excess: float
    power: float | None

    @property
    def sgd(self) -> SGD:
        """The algorithm at this plan; of the constant family its learning rate is one number."""
        rate = float(self.learning_rate[0]) if self.family == "constant" else self
        return SGD(rate, self.batch_size)

    def __call__(self, step: float) -> float:
        """η of a step, log η straight in log(u/(1 - u))."""
        u = np.clip((step + 0.5) * self.batch_size / self.samples, _END, 1 - _END)
        return float(np.exp(np.interp(log_odds(u), log_odds(self.used), np.log(self.learning_rate))))

    def __repr__(self) -> str:
        first, last = self.learning_rate[0], self.learning_rate[-1]
        decay = "" if self.power is None else f", (1 - u)^{self.power:.4g}"
        return f"{self.family:<9} η {first:.4g} to {last:.4g}{decay}, leaves {self.excess:.4g} above the floor"


@dataclass(frozen=True, eq=False)
class ScheduleReport:
    """The best plan of each family for one budget.

    Attributes:
        constant, power, free: the best of each family.
        form: the best (1 - u)^{2β-1}, None for a second layer that is no power law.
    """

    constant: StepPlan
    power: StepPlan
    free: StepPlan
    form: StepPlan | None

    @property
    def gain(self) -> float:
        """Excess risk of the best constant step over that of the best schedule."""
        return self.constant.excess / self.free.excess

    def __repr__(self) -> str:
        plans = [plan for plan in (self.constant, self.form, self.power, self.free) if plan is not None]
        return "\n".join([f"ScheduleReport, gain {self.gain:.4g}", *(f"  {plan!r}" for plan in plans)])


def decay(step: float, *, first: float, power: float, steps: int) -> float:
    """Return η(n) = `first` (1 - n/(n_T + 1))^p at the n-th of n_T `steps`, which is not quite zero at the end."""
    return first * max(1 - step / (steps + 1), 0.0) ** power


def recommended_step(teacher: Teacher, start: AnyStart, *, samples: int, batch_size: int = 1) -> StepPlan:
    """Compute the constant step that leaves least risk after n samples, among steps at which hardly any run diverges.

    The risk is that of the limit d → ∞ at γ = ηd/B (`FiniteStep`); `.sgd` of the plan is the algorithm to run.
    Derived in derivations/finite_step_weights.py (k = 2) and derivations/own_pair.py (k > 2).

    Args:
        teacher: pure link h_k, k ≥ 2.
        start: the student's, with `dim`; for k > 2 also a typical one.
        samples: n.
        batch_size: B; η is proportional to it.

    Raises:
        ArgumentError: another link, a start without `dim`, or a budget with which no step brings the risk down.

    Example: (seconds, as the limit is compiled)
        plan = rc.scaling.recommended_step(teacher, start, samples=10**5, batch_size=16)
        run = rc.sgd.simulate(teacher, start, plan.sgd, steps=10**5 // 16)
    """
    return _Budget.of("recommended_step", Problem(teacher, start), samples, batch_size).best("constant")


def optimal_schedule(teacher: Teacher, start: AnyStart, *, samples: int, batch_size: int = 1) -> ScheduleReport:
    """Compute the schedule that leaves least risk after n samples, beside the best of simpler families.

    The minimum is a local one, sought from the best of the simpler families, (1 - u)^{2β-1} and (1 - u)^p in the share
    u of samples used. Arguments, errors and sources are those of `recommended_step`.

    Example: (a minute)
        report = rc.scaling.optimal_schedule(teacher, start, samples=10**5)
        report.gain, report.free.sgd
    """
    budget = _Budget.of("optimal_schedule", Problem(teacher, start), samples, batch_size)
    beta = power_of(np.asarray(teacher.a))
    form = None if beta is None else budget.best("form", 2 * beta - 1)
    constant = budget.best("constant")
    power = budget.best("power", begin=min((plan for plan in (constant, form) if plan), key=lambda plan: plan.excess))
    return ScheduleReport(constant, power, budget.best("free", begin=power), form)


def _knots() -> Float[np.ndarray, " K"]:
    half = np.geomspace(_END, 0.5, _HALF)
    return np.concatenate([half, 1 - half[-2::-1]])


@dataclass(frozen=True, eq=False)
class _Budget:
    """The equations and sizes that a budget of samples fixes.

    Attributes:
        system: the limit at γ = 1.
        k: the information exponent, whose equations it has.
        unit: the algorithm at γ = 1.
        dim, samples: d and n.
        largest: the largest γ that learns a direction.
        safe: the largest constant γ at which hardly a run diverges.
        floor: Σ_{m>N} a_m².
    """

    system: FiniteStepSystem
    k: int
    unit: SGD
    dim: int
    samples: int
    largest: float
    safe: float
    floor: float

    @classmethod
    def of(cls, consumer: str, problem: Problem, samples: int, batch_size: int) -> _Budget:
        teacher, start, k = problem.teacher, problem.start, problem.teacher.link.information_exponent
        require_covered(consumer, teacher, start)
        require_integer(samples, "samples", 1)
        require_integer(batch_size, "batch_size", 1)
        limits = largest_step(teacher, start)
        system = weights_system(problem, 1.0) if k == 2 else pair_system(problem, 1.0)
        left = np.sort(np.asarray(teacher.normalised_a) ** 2)[: max(teacher.width - start.student_width, 0)]
        safe = largest_safe(problem)
        largest = min(float(np.max(limits.gamma)), safe)
        dim = int(start.dim or 0)
        unit = SGD.from_gamma(1.0, dim, batch_size)
        return cls(system, k, unit, dim, samples, largest, safe, float(left.sum()))

    def left(self, log_gamma: Float[np.ndarray, " K"]) -> float:
        """Return log of the risk above the floor at the end."""
        value = float(_left(*self._arguments(log_gamma)))
        return value if np.isfinite(value) else _UNSOUND

    def left_with_gradient(self, log_gamma: Float[np.ndarray, " K"]) -> tuple[float, Float[np.ndarray, " K"]]:
        """Return the same and its gradient."""
        value, slope = _left_with_gradient(*self._arguments(log_gamma))
        sound = bool(np.isfinite(value)) and bool(np.isfinite(slope).all())
        return (float(value), np.asarray(slope)) if sound else (_UNSOUND, np.zeros(len(log_gamma)))

    def _arguments(self, log_gamma: Float[np.ndarray, " K"]) -> tuple:
        system = self.system
        scales = (system.rate * self.samples / self.dim, system.smallest, jnp.asarray(self.floor))
        own, velocity = (system.args, jnp.asarray(log_odds(_knots()))), _VELOCITIES[self.k == 2]
        return jnp.asarray(log_gamma), velocity, system.observe, system.state, own, scales

    def best(self, family: str, power: float = 0.0, begin: StepPlan | None = None) -> StepPlan:
        """The best plan of a family, from `begin` on; else from the best c of a grid at this power."""
        u = _knots()
        decay, ones = np.log1p(-u), np.ones(len(u))
        basis = {"power": np.stack([ones, decay], 1), "free": np.eye(len(u))}.get(family, ones[:, None])
        fixed = power * decay if family in ("constant", "form") else np.zeros(len(u))

        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = self.left_with_gradient(basis @ theta + fixed)
            return value, basis.T @ slope

        if begin is None:
            solved = np.array([self._size(fixed, np.log(self.safe) if family == "constant" else np.inf)])
        else:
            theta = np.linalg.lstsq(basis, self._log_gamma(begin), rcond=None)[0]
            solved = scipy.optimize.minimize(objective, theta, jac=True, method="BFGS", options={"gtol": _GRADIENT}).x
        log_gamma = basis @ solved + fixed
        excess = float(np.exp(self.left(log_gamma)))
        exponent = float(solved[1]) if family == "power" else None if family == "free" else power
        rate = np.exp(log_gamma) * self.unit.rate
        return StepPlan(family, u, rate, self.samples, self.unit.batch_size, excess, exponent)

    def _size(self, fixed: Float[np.ndarray, " K"], most: float) -> float:
        """log c ≤ `most` of the best of a grid, refined between its neighbours.

        Raises:
            ArgumentError: if all of them leave the risk where it is.
        """
        sizes = np.log(self.largest * _SIZES)
        values = np.array([self.left(size + fixed) for size in sizes])
        begun = float(self.system.observe(self.system.state, self.system.args).risk) - self.floor
        must = f"be so many that a step leaves {_DOWN:g} of the risk above the floor or less"
        require(values.min() < np.log(_DOWN * begun), "samples", must, self.samples)
        place, apart = sizes[values.argmin()], sizes[1] - sizes[0]
        ends = (place - apart, min(place + apart, most))
        inner = scipy.optimize.minimize_scalar(
            lambda size: self.left(size + fixed), bounds=ends, method="bounded", options={"xatol": _PLACE}
        )
        return float(inner.x)

    def _log_gamma(self, plan: StepPlan) -> Float[np.ndarray, " K"]:
        return np.log(plan.learning_rate / self.unit.rate)


def _planned(velocity: Any, u: Array, state: Any, args: Any) -> Any:
    """Return dy/du at the step of a plan; `velocity` runs at rate·t, and its own γ multiplies that of the plan."""
    own, place, log_gamma, budget = args
    inside = jnp.clip(u, _END, 1 - _END)
    gamma = jnp.exp(jnp.interp(log_odds(inside), place, log_gamma))
    moved = velocity(u, state, own._replace(gamma=own.gamma * gamma))
    return jax.tree.map(lambda leaf: budget * gamma * leaf, moved)


_VELOCITIES = {True: partial(_planned, weights_velocity), False: partial(_planned, pair_velocity)}


def _log_left(log_gamma: Array, velocity: Any, observe: Any, state: Any, own: Any, scales: Any) -> Float[Array, ""]:
    (setting, place), (budget, smallest, floor) = own, scales
    out = integrate(velocity, state, (setting, place, log_gamma, budget), jnp.ones(1), _RTOL, _RTOL * smallest)
    last = jax.tree.map(lambda leaf: leaf[-1], out.states)
    risk = observe(last, setting._replace(gamma=setting.gamma * jnp.exp(log_gamma[-1]))).risk
    return jnp.log(jnp.maximum(risk - floor, _LEAST))


_left = compiled_quickly(eqx.filter_jit)(_log_left)
_left_with_gradient = eqx.filter_jit(eqx.filter_value_and_grad(_log_left))
