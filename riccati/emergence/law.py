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
from jaxtyping import Array, Float
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri

from ..numerics import first_crossings, require_double_precision
from ..problem import AnyStart, Problem, Teacher
from ..support import require, require_integer, require_open_unit, require_real
from .diffusion import step_size
from .equation import DEFAULT_RESOLUTION, Resolution, forward_equation, pairs_of
from .forward import march, set_out


class EmergenceLaw(eqx.Module):
    """The distribution of M emergence times, canonical time t = η·step.

    Attributes:
        times: (T,), the grid, from 0 to where the equation was solved.
        distribution: (T, M), P(T_m ≤ t).
        level: the squared overlap that counts as emerged.
        learning_rate: η.
        batch_size: B.
        mean: (M,), of the normal law of directions whose noise is too small for the grid; NaN of others.
        spread: (M,), its standard deviation.
    """

    times: Float[Array, " T"]
    distribution: Float[Array, "T M"]
    level: float = eqx.field(static=True)
    learning_rate: float = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    mean: Float[Array, " M"]
    spread: Float[Array, " M"]

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

    def __repr__(self) -> str:
        last = np.asarray(self.distribution[-1])
        rows = {
            "directions": f"{len(last)}, emerged at squared overlap {self.level:g}",
            "step": f"learning rate {self.learning_rate:.4g}, batch of {self.batch_size}",
            "times": f"{len(self.times)} up to {float(self.times[-1]):.4g} (canonical)",
            "learned": f"by then with probability {last.min():.4g} to {last.max():.4g}",
        }
        return "EmergenceLaw\n" + "\n".join(f"  {name:<10} {value}" for name, value in rows.items())


def emergence_law(
    teacher: Teacher,
    start: AnyStart,
    *,
    learning_rate: float,
    batch_size: int = 1,
    level: float = 0.5,
    resolution: Resolution = DEFAULT_RESOLUTION,
) -> EmergenceLaw:
    """The law of T_m, the first time that a neuron free for direction m has m² ≥ level; canonical time t = η·step.

    Online SGD on ½(f* - f)², σ with information exponent k > 2 and c_0 = 0, small initial norms. Each pair's overlap is
    the diffusion of diffusion.py; what is left to learn enters by its mean. For odd k only positive overlaps
    count. With a `TypicalStart` each direction has its own neuron and no competitor.
    A learned direction leaves no residual, so η d/B must be small beside 2g'(1)/(a_p E σ'⁴): larger steps do not hold
    what they learn, and later directions then emerge less often than this law says. The race of many neurons with
    widely overlapping laws is accurate to a few per cent of probability.

    Where the noise is too small for the grid, direction m keeps its assigned neuron and gets the normal law to which
    its emergence time tends (never, if the path without noise does not reach the level); its relative error is of
    the order of the squared relative spread.

    Args:
        teacher: the teacher, M directions.
        start: a `Start` with `dim`, or a `TypicalStart`.
        learning_rate: η.
        batch_size: B, samples of a step.
        level: squared overlap at which a direction has emerged, in (0, 1).
        resolution: how fine the grid is; a finer one shows that nothing changes.

    Raises:
        ArgumentError: k ≤ 2, c_0 ≠ 0, a start without `dim`, or a number out of range.
    """
    require_double_precision()
    problem = Problem(teacher, start)
    link = teacher.link
    require(link.information_exponent > 2, "teacher", "have information exponent > 2 (see solve for others)", link)
    constant = float(np.asarray(link.coefficients)[0]) ** 2
    require(constant == 0, "teacher", "have a link with c_0 = 0 (subtract its mean)", f"{link}, c_0² = {constant:.3g}")
    require(start.dim is not None, "start", "have a dimension (Start(…, dim=d))", "without one")
    require_real(learning_rate, "learning_rate", above=0)
    require_integer(batch_size, "batch_size", 1)
    require_open_unit(level, "level")
    step = step_size(learning_rate, batch_size, int(start.dim or 0))
    pairs = pairs_of(problem)
    equation = forward_equation(problem, pairs, step, level, resolution)
    times, unlearned = march(equation, set_out(equation, pairs.overlaps, pairs.present, level))
    distribution = np.clip(np.maximum.accumulate(1 - unlearned, axis=0), 0.0, 1.0)
    given = np.asarray(equation.given) > 0
    own = (np.argmin(np.asarray(equation.mean), axis=0), np.arange(teacher.width))  # every other neuron's mean is inf
    mean, spread = (np.where(given, np.asarray(x)[own], np.nan) for x in (equation.mean, equation.spread))
    times, distribution, mean, spread = jax.device_put((times, distribution, mean, spread))
    return EmergenceLaw(times, distribution, float(level), float(learning_rate), int(batch_size), mean, spread)
