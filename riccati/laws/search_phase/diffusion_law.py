"""k > 2: the law of the emergence times at finite step size.

With a finite step η the time T_p at which direction p emerges is random: the first time that an overlap, a diffusion
near the equator (diffusion.py), reaches √level. Its law is found from the forward equation of all pairs of
neuron and direction, and the race of the neurons (forward.py, tree_race.py). As η → 0 it shrinks to the decoupled
flow's T_p. Source: RNWL25 (arXiv 2504.19983) for η ≍ a_p d^{-k/2}; derivations/search_phase.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri

from ...flows import Decoupled
from ...numerics import first_crossings
from ...problem import Problem
from ...support import ArgumentError, require_integer, require_open_unit, require_real
from ..divergence import divergence
from ..law import EmergenceLaw
from .competition import Race, run_race
from .diffusion import step_size
from .forward_equation import Resolution, forward_equation, pairs_of
from .march import march, set_out


class DiffusionLaw(EmergenceLaw):
    """The law of M emergence times for k > 2, from the forward equation; canonical time t = η·step.

    Attributes:
        times: (T,), the grid, from 0 to where the equation was solved.
        distribution: (T, M), P(T_m ≤ t).
        level: the squared overlap that counts as emerged.
        learning_rate: η.
        batch_size: B.
        mean: (M,), of the normal law of directions whose noise is too small for the grid; NaN of others.
        spread: (M,), its standard deviation.
        race: what joint draws are made from.
        gamma: γ = ηd/B.
        without_noise: (M,), the emergence times of the decoupled flow; NaN where it does not cover the problem.
        diverged: the fraction of runs that diverge, an estimate.
        caution: what should be known before the law is trusted, empty where there is nothing.
    """

    times: Float[Array, " T"]
    distribution: Float[Array, "T M"]
    level: float = eqx.field(static=True)
    learning_rate: float = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    mean: Float[Array, " M"]
    spread: Float[Array, " M"]
    race: Race
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
        normal = np.maximum(np.asarray(self.mean) + np.asarray(self.spread) * ndtri(q), 0.0)
        return jnp.asarray(np.where(np.isnan(self.mean), solved, normal))

    def probability(self, horizon: float) -> Float[Array, " M"]:
        """P(T_m ≤ horizon), `horizon` in canonical time; beyond the grid's end, the value there.

        Raises:
            ArgumentError: if `horizon` is negative.
        """
        require_real(horizon, "horizon", least=0)
        within = min(horizon, float(self.times[-1]))
        solved = PchipInterpolator(np.asarray(self.times), np.asarray(self.distribution))(within)
        normal = ndtr((horizon - np.asarray(self.mean)) / np.asarray(self.spread))
        return jnp.asarray(np.where(np.isnan(self.mean), solved, normal))

    def sample(self, n: int, seed: int | Key[Array, ""] = 0) -> Float[Array, "n M"]:
        """`n` joint draws of the M times, the race run in each; inf where a direction is not learned by times[-1].

        A draw's escape times are independent given the energy that is left, which is taken at its mean. So draws obey
        the race exactly, where `quantile` and `probability` take it on a tree; the two agree to a few per cent.

        Raises:
            ArgumentError: if `n` is not a whole number ≥ 1.
        """
        require_integer(n, "n", 1)
        return jnp.asarray(run_race(self.race, n, seed).emerged)

    def __repr__(self) -> str:
        last = np.asarray(self.distribution[-1])
        rows = {
            "directions": f"{len(last)}, emerged at squared overlap {self.level:g}",
            "step": f"learning rate {self.learning_rate:.4g}, batch of {self.batch_size}",
            "finite step": self.finite_step(),
            "times": f"{len(self.times)} up to {float(self.times[-1]):.4g} (canonical)",
            "learned": f"by then with probability {last.min():.4g} to {last.max():.4g}",
        }
        if self.caution:
            rows["caution"] = self.caution
        return "EmergenceLaw\n" + "\n".join(f"  {name:<11} {value}" for name, value in rows.items())


def diffusion_law(
    problem: Problem, learning_rate: float, batch_size: int, level: float, resolution: Resolution
) -> DiffusionLaw:
    """The law of a problem with k > 2 and c_0 = 0; see `emergence_law`, which has refused others."""
    teacher, start = problem.teacher, problem.start
    step = step_size(learning_rate, batch_size, int(start.dim or 0))
    pairs = pairs_of(problem)
    equation = forward_equation(problem, pairs, step, level, resolution)
    marched = march(equation, set_out(equation, pairs.overlaps, pairs.present, level))
    distribution = np.clip(np.maximum.accumulate(1 - marched.unlearned, axis=0), 0.0, 1.0)
    given = np.asarray(equation.given) > 0
    own = (np.argmin(np.asarray(equation.mean), axis=0), np.arange(teacher.width))  # every other neuron's mean is inf
    mean, spread = (np.where(given, np.asarray(x)[own], np.nan) for x in (equation.mean, equation.spread))
    times, distribution, mean, spread = jax.device_put((marched.times, distribution, mean, spread))
    race = Race(
        times, jax.device_put(marched.reached), equation.mean, equation.spread, equation.given, equation.delays,
        equation.shared,
    )  # fmt: skip
    diverging = divergence(problem, learning_rate, batch_size, np.asarray(distribution)[-1])
    return DiffusionLaw(
        times=times,
        distribution=distribution,
        level=float(level),
        learning_rate=float(learning_rate),
        batch_size=int(batch_size),
        mean=mean,
        spread=spread,
        race=race,
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
