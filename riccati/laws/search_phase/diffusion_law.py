"""k > 2: the law of the emergence times at finite step size.

With a finite step η the time T_p at which direction p emerges is random: the first time that an overlap, a diffusion
near the equator (diffusion.py), reaches √level. Its law follows from the forward equation of all pairs of neuron and
direction (march.py) and the competition of the neurons (competition.py). As η → 0 it shrinks to the decoupled flow's
T_p. Source: RNWL25 (arXiv 2504.19983) for η ≍ a_p d^{-k/2}; derivations/search_phase.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Float, Key

from ...flows import Decoupled
from ...numerics import first_crossings
from ...problem import SGD, Feature, Problem, features
from ...support import ArgumentError, require_integer, require_open_unit, require_real
from ..divergence import divergence
from ..law import EmergenceLaw
from .competition import Competition, winners_of
from .diffusion import step_size
from .forward_equation import Resolution, forward_equation, pairs_of
from .march import initial_state, march

_COVERED = {Feature.SEVERAL_DEGREES, Feature.TYPICAL, Feature.NOISY, Feature.MOMENTUM}
_SMALL = 0.05  # E f²/E f*² at the start up to which it is left out


class DiffusionLaw(EmergenceLaw):
    """The law of M emergence times for k > 2, from the forward equation; canonical time t = η·step.

    Attributes:
        times: (T,), the grid, from 0 to where the equation was solved.
        distribution: (T, M), P(T_m ≤ t).
        level: the squared overlap that counts as emerged.
        sgd: the algorithm.
        mean: (M,), of the normal law of directions whose noise is too small for the grid; NaN of others.
        spread: (M,), its standard deviation.
        competition: the laws of the pairs' escape times, from which joint draws are made.
        gamma: γ = ηd/B.
        without_noise: (M,), the emergence times of the decoupled flow; NaN where it does not cover the problem.
        diverged: the fraction of runs that diverge, an estimate.
        caution: what should be known before the law is trusted, empty where there is nothing.
    """

    times: Float[Array, " T"]
    distribution: Float[Array, "T M"]
    level: float = eqx.field(static=True)
    sgd: SGD = eqx.field(static=True)
    mean: Float[Array, " M"]
    spread: Float[Array, " M"]
    competition: Competition
    gamma: float = eqx.field(static=True)
    without_noise: Float[Array, " M"]
    diverged: float = eqx.field(static=True)
    caution: str = eqx.field(static=True)

    def quantile(self, q: float) -> Float[Array, " M"]:
        """The canonical time by which direction m has emerged with probability `q`; inf where it never has.

        Raises:
            ArgumentError: if `q` is not in (0, 1).
        """
        require_open_unit(q, "q")
        solved = first_crossings(self.times, self.distribution, q, smooth=True)
        normal = np.maximum(np.asarray(self.mean) + np.asarray(self.spread) * scipy.special.ndtri(q), 0.0)
        return jax.device_put(np.where(np.isnan(self.mean), solved, normal))

    def probability(self, horizon: float) -> Float[Array, " M"]:
        """P(T_m ≤ horizon), `horizon` in canonical time; beyond the grid's end, the value there.

        Raises:
            ArgumentError: if `horizon` is negative.
        """
        require_real(horizon, "horizon", least=0)
        within = min(horizon, float(self.times[-1]))
        solved = scipy.interpolate.PchipInterpolator(np.asarray(self.times), np.asarray(self.distribution))(within)
        normal = scipy.special.ndtr((horizon - np.asarray(self.mean)) / np.asarray(self.spread))
        return jax.device_put(np.where(np.isnan(self.mean), solved, normal))

    def sample(self, n: int, seed: int | Key[Array, ""] = 0) -> Float[Array, "n M"]:
        """`n` joint draws of the M times, inf where a direction is not learned by times[-1].

        Escape times are independent given the residual energy, which is taken at its mean. The competition is exact
        in draws, and that of a tree of pairs in `quantile` and `probability`; the two agree to a few per cent.

        Raises:
            ArgumentError: if `n` is not a whole number ≥ 1.
        """
        require_integer(n, "n", 1)
        return jnp.asarray(winners_of(self.competition, n, seed).emerged)


def is_of_diffusion(problem: Problem, sgd: SGD) -> bool:
    """Whether the forward equation of overlaps gives the law of a problem with k > 2.

    It leaves out the student's own output f, and serves where E f² is a small part of E f*² at the start.
    """
    k = problem.teacher.link.information_exponent
    if k <= 2 or not set(features(problem.teacher, problem.start, sgd)) <= _COVERED:
        return False
    return problem.start.is_typical or _own_output(problem) <= _SMALL


def _own_output(problem: Problem) -> float:
    """E f²/E f*² at the start."""
    start = problem.full_start
    s, gram = np.asarray(start.amplitudes), np.asarray(start.student_gram)
    return float(s @ np.asarray(problem.teacher.link.dual(gram)) @ s) / float(problem.teacher.second_moment)


def diffusion_law(problem: Problem, sgd: SGD, level: float, resolution: Resolution) -> DiffusionLaw:
    """The law of a problem that `is_of_diffusion` allows; see `emergence_law`."""
    teacher, start = problem.teacher, problem.start
    step = step_size(sgd, int(start.dim or 0), teacher.label_variance)
    pairs = pairs_of(problem, level)
    equation = forward_equation(problem, pairs, step, level, resolution)
    solution = march(equation, initial_state(equation, pairs))
    distribution = np.clip(np.maximum.accumulate(1 - solution.unlearned, axis=0), 0.0, 1.0)
    given = np.asarray(equation.given) > 0
    own = (np.argmin(np.asarray(equation.mean), axis=0), np.arange(teacher.width))  # every other neuron's mean is inf
    mean, spread = (np.where(given, np.asarray(x)[own], np.nan) for x in (equation.mean, equation.spread))
    times, distribution, mean, spread = jax.device_put((solution.times, distribution, mean, spread))
    competition = Competition(
        times, jax.device_put(solution.reached), equation.mean, equation.spread, equation.given, equation.delays,
        equation.shared,
    )  # fmt: skip
    diverging = divergence(problem, sgd, np.asarray(distribution)[-1])
    return DiffusionLaw(
        times=times,
        distribution=distribution,
        level=float(level),
        sgd=sgd,
        mean=mean,
        spread=spread,
        competition=competition,
        gamma=diverging.gamma,
        without_noise=_decoupled_times(problem, level),
        diverged=diverging.fraction,
        caution=diverging.caution,
    )


def _decoupled_times(problem: Problem, level: float) -> Float[Array, " M"]:
    try:
        return Decoupled().emergence_times_of(problem.teacher, problem.start, level)
    except ArgumentError:  # a link of mixed parity with negative overlaps
        return jax.device_put(np.full(problem.teacher.width, np.nan))
