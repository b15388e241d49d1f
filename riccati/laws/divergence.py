"""The step size beyond which SGD on the weights diverges, and the fraction of runs that diverge, for k = 2 and k > 2.

**Learned directions.** A neuron w = |w|(θ_p + ε) that has learned direction p leaves the residual e = -a_p σ'(z)<x, ε>,
so the noise is proportional to ε, on which it acts. With γ = ηd/B, y = <x, ε>/|ε| and z independent standard normals, a
sample multiplies |ε|² by

    A = 1 + (y²/d) [ (γ a_p σ'(z)²)² - 2 γ a_p σ'(z)² ],

to which the other learned directions add γ² g'(1)² Σ_{q≠p} a_q² |ε_q|²/d. As d → ∞ only the mean matters, and |ε|²
decays (the direction is held) for γ below the root of

    Σ_q γ a_q g'(1) / [2 - γ a_q (E σ'⁴/g'(1) - g'(1))] = 1,        one direction: γ = 2g'(1)/(a E σ'⁴),

q over the learned directions; 1/3, 0.0444 and 0.00538 for h_2, h_3 and h_4 with a = 1. At finite d log |ε|² is a random
walk with rare large jumps upwards, the heavy tails of σ'. A run diverges if the walk ever climbs by some h above its
level at emergence; by the estimate of Cramér and Lundberg the probability is

    C e^(-αh),    E A^α = 1,    C = -E log A/E A^α log A,          and 1 where E log A ≥ 0.

α = 1 at the root above, so that a part of the runs diverge below it. h = (k - 1)/2 is not derived but fitted to SGD.

**Neurons without a direction** obey d log s/dt = γ(E σ²σ'² s² + g'(1) R) - 4 g(1) s, R the energy of the rest of the
residual. They grow without bound from lengths above its upper root, and from all where it has none.

All but h is derived, in derivations/divergence.py and derivations/idle_neurons.py; the mean is the limit in
derivations/own_pair.py, linearised about the learned state (k = 2: derivations/step_limits.py). Stiefel SGD does not
diverge.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from math import factorial, sqrt
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float
from numpy.polynomial import hermite_e

from ..problem import SGD, Link, Problem, Start

NOTABLE = 0.05  # fraction of diverging runs from which a law has a caution
_CLIMB = 0.5  # h/(k - 1), fitted to SGD at k = 2, 3, 4, d = 100 to 1600, M ≤ 4, norms 0.05 to 0.7
_NEAR = 0.25  # c_2²γ||a|| from which a law for k = 2 has a caution, whatever the estimate
_ACTIVE = 0.7  # share of `unlearned` from which noise carries neurons over the barrier that have learned nothing
_MOST = 0.75  # an estimated fraction from which no more than that is known
_FAR = 0.3  # share of `held` below which nothing diverges
_LEAST = 1e-12  # of A, which no sample that counts comes near
_STEEPEST = 32.0  # α beyond which the probability is nil
_Z, _Y = np.linspace(-14.0, 14.0, 561), np.linspace(0.05, 11.95, 120)  # equal steps, symmetric about 0


class Moments(NamedTuple):
    """The moments of a link on which divergence depends, with z standard normal.

    Attributes:
        value, slope: g(1) and g'(1) = E σ'².
        fourth: E σ'⁴.
        own: E σ²σ'².
        squares: σ'(z)² at the nodes.
    """

    value: float
    slope: float
    fourth: float
    own: float
    squares: Float[np.ndarray, " n"]


class Divergence(NamedTuple):
    """Whether SGD on the weights diverges at a step size.

    Attributes:
        gamma: γ = ηd/B.
        held: γ up to which the learned directions are held as d → ∞.
        direction: the learned direction that is lost first, counted from 0; -1 where none is learned.
        chance: the probability that it is learned.
        estimate: of the runs that learn it, the fraction that then diverges; an estimate.
        unlearned: γ beyond which a neuron grows without bound whatever it has learned.
        longest: |w| beyond which a neuron that has learned nothing grows without bound.
        norm: the largest initial |w| of such neurons, 0 where there are none.
        is_near: whether γ is in the range in which a law for k = 2 has a caution in any case.
    """

    gamma: float
    held: float
    direction: int
    chance: float
    estimate: float
    unlearned: float
    longest: float
    norm: float
    is_near: bool

    @property
    def fraction(self) -> float:
        """The fraction of the runs that diverge in the end; an estimate."""
        if self.norm > self.longest or self.gamma >= self.unlearned:
            return 1.0
        return self.estimate if self.gamma > _ACTIVE * self.unlearned else self.chance * self.estimate

    @property
    def caution(self) -> str:
        """The warning that a law at this step gives; empty where fewer than a twentieth of the runs diverge."""
        step = f"γ = ηd/B = {self.gamma:.3g}"
        near = f"{step} is near the step size at which SGD diverges, or beyond it"
        smaller = "take a smaller learning_rate or a larger batch"
        share = "most" if self.fraction > _MOST else f"an estimated {self.fraction:.0%}"
        if self.norm > self.longest:
            neurons = f"neurons of |w| > {self.longest:.3g} explode at {step}"
            return f"{share} of the runs diverge: {neurons}; take a smaller norm"
        if self.gamma >= self.unlearned:
            return (
                f"{near}: {share} of the runs diverge, as neurons that have learned nothing explode from "
                f"{self.unlearned:.3g} on; {smaller}"
            )
        if self.fraction >= NOTABLE:
            return (
                f"{near}: {share} of the runs diverge, as direction {self.direction + 1} is not held once learned "
                f"(for d → ∞ it is below {self.held:.3g}); {smaller}"
            )
        return near if self.is_near else ""


def divergence(problem: Problem, sgd: SGD, learned: Float[np.ndarray, " M"] | None = None) -> Divergence:
    """Whether SGD on the weights of a standard problem diverges at a constant step, why, and in how many runs.

    Args:
        problem: teacher and start; the dimension is the start's.
        sgd: the algorithm, at one learning rate.
        learned: the probability that each direction is learned; None takes all that `can_be_learned` for certain.

    Raises:
        ArgumentError: a learning rate that is a schedule.
    """
    teacher, dim = problem.teacher, float(problem.start.dim or 0)
    gamma, a = sgd.gamma(dim), np.abs(np.asarray(teacher.a))
    moments, k = moments_of(teacher.link), teacher.link.information_exponent
    if learned is None:
        learned = can_be_learned(problem).astype(float)
    able = [p for p in np.argsort(-a, kind="stable") if learned[p] >= NOTABLE]
    first = int(able[0]) if able else -1
    likely = np.array([a[p] for p in able if p == first or learned[p] > 0.5])
    held = largest_held(moments, likely)
    estimate = _chance(moments, gamma, held, likely.max(), dim, k) if able else 0.0
    norm, energy = _unlearned(problem, a, moments)
    barrier = (4 * moments.value) ** 2 - 4 * gamma**2 * moments.own * moments.slope * energy
    top = (4 * moments.value + sqrt(max(barrier, 0.0))) / (2 * gamma * moments.own)
    return Divergence(
        gamma=gamma,
        held=held,
        direction=first,
        chance=float(learned[first]) if able else 0.0,
        estimate=estimate,
        unlearned=2 * moments.value / sqrt(moments.own * moments.slope * energy),
        longest=sqrt(top),
        norm=norm,
        is_near=k == 2 and gamma * moments.value * float(np.linalg.norm(a)) >= _NEAR,
    )


def warn_of(caution: str) -> None:
    """Give a law's caution as a warning, at the line that called the public function; nothing where it is empty."""
    if caution:
        warnings.warn(f"The law may be off: {caution}.", RuntimeWarning, stacklevel=3)


def moments_of(link: Link) -> Moments:
    """The moments of a link by quadrature on the nodes, exact to rounding for Hermite series of usual degree."""
    c = np.asarray(link.coefficients, float)
    standard = c / np.sqrt([float(factorial(j)) for j in range(len(c))])  # of He_j in place of h_j
    value, slope = hermite_e.hermeval(_Z, standard), hermite_e.hermeval(_Z, hermite_e.hermeder(standard))
    mean, squares = _normal(_Z), slope**2
    return Moments(
        float(c @ c), float(mean @ squares), float(mean @ squares**2), float(mean @ (value**2 * squares)), squares
    )


def largest_held(moments: Moments, a: Float[np.ndarray, " n"]) -> float:
    """γ up to which directions of these a, once learned, are held together as d → ∞; inf without any.

    γ = one/(1 + κu), `one` the limit of the largest a alone: the form of derivations/divergence.py that loses no digit
    to the pole of the sum and does not depend on the scale of a.
    """
    if not len(a):
        return np.inf
    one = 2 * moments.slope / (a.max() * moments.fourth)  # the largest a alone
    b, kappa = a / a.max(), moments.slope**2 / moments.fourth

    def excess(u: float) -> float:
        return float(np.sum(b * kappa / (1 - b + kappa * (u + b)))) - 1

    most = (1 + 1e-12) * (b.sum() - 1) + 1e-15  # where all are as large
    return float(one / (1 + kappa * scipy.optimize.brentq(excess, 0.0, most, xtol=1e-15)))


class _Walk:
    """The random walk of log |ε|² over samples, at γ in dimension d; the other directions' noise enters by its mean."""

    def __init__(self, moments: Moments, gamma: float, held: float, a: float, dim: float):
        # what makes E A = 1 at `held`
        others = max(2 * a * moments.slope / held - a**2 * moments.fourth, 0.0)
        pull = gamma * a * moments.squares[:, None]
        change = (_Y**2 * (pull**2 - 2 * pull) + gamma**2 * others) / dim
        self._log = np.log1p(np.maximum(change, _LEAST - 1))
        half = np.exp(-(_Y**2) / 2)
        self._weights = _normal(_Z)[:, None] * (half / half.sum())

    def excess(self, alpha: float) -> float:
        """E A^α - 1."""
        with np.errstate(over="ignore"):  # inf is above 0 as well
            return float(np.sum(self._weights * np.expm1(alpha * self._log)))

    def slope(self, alpha: float) -> float:
        """E A^α log A."""
        return float(np.sum(self._weights * np.exp(alpha * self._log) * self._log))

    @cached_property
    def alpha(self) -> float:
        """The positive root of E A^α = 1, 0 where there is none, at most `_STEEPEST`."""
        if self.slope(0.0) >= 0:
            return 0.0
        if self.excess(_STEEPEST) <= 0:
            return _STEEPEST
        low = _STEEPEST
        while self.excess(low) > 0 and low > 1e-6:
            low /= 2
        return float(scipy.optimize.brentq(self.excess, low, 2 * low)) if low > 1e-6 else 0.0


def _chance(moments: Moments, gamma: float, held: float, a: float, dim: float, k: int) -> float:
    """The probability that a run which has learned the direction of amplitude a diverges."""
    if gamma < _FAR * held:
        return 0.0
    walk = _Walk(moments, gamma, held, float(a), dim)
    if walk.alpha == 0:
        return 1.0
    return float(-walk.slope(0.0) / walk.slope(walk.alpha) * np.exp(-walk.alpha * _CLIMB * (k - 1)))


def largest_safe(problem: Problem, chance: float = NOTABLE) -> float:
    """The γ up to which at most a fraction `chance` of the runs diverges, all directions that can be being learned."""
    a = np.abs(np.asarray(problem.teacher.a))[can_be_learned(problem)]
    moments, k = moments_of(problem.teacher.link), problem.teacher.link.information_exponent
    held, dim = largest_held(moments, a), float(problem.start.dim or 0)
    if not dim or not len(a):
        return held

    def excess(share: float) -> float:
        return _chance(moments, share * held, held, a.max(), dim, k) - chance

    if not excess(_FAR) < 0 < excess(2.0):
        return _FAR * held
    return held * float(scipy.optimize.brentq(excess, _FAR, 2.0, xtol=1e-3))


def can_be_learned(problem: Problem) -> Bool[np.ndarray, " M"]:
    """Which directions can be learned: for k = 2 the min(N, M) of largest a, for k > 2 those assigned a neuron."""
    if problem.teacher.link.information_exponent > 2:
        return np.asarray(problem.assigned()[0]) != 0
    a = np.asarray(problem.teacher.a)
    return (np.argsort(np.argsort(-a, kind="stable")) < problem.start.student_width) & (a > 0)


def _unlearned(problem: Problem, a: Float[np.ndarray, " M"], moments: Moments) -> tuple[float, float]:
    """The largest norm of a neuron that has learned nothing, and the energy of the rest, with the labels' noise."""
    start, target = problem.start, moments.value * float(a @ a)
    noise = float(problem.teacher.relative_noise)
    norms = np.asarray(start.norms)
    if isinstance(start, Start):
        idle = np.where((np.asarray(start.teacher_overlaps) ** 2).max(axis=1) < 0.5, norms, 0.0)
    else:  # all neurons of one norm
        idle = np.full(start.student_width, norms.max())
    squares = idle**4
    return float(idle.max()), (1 + noise) * target + moments.value * float(squares.sum() - squares.max())


def _normal(nodes: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    weights = np.exp(-(nodes**2) / 2)
    return weights / weights.sum()
