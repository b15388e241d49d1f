"""k > 2: the law of the emergence times at finite step size.

With a finite step η the time T_p at which direction p emerges is random: the first time that an overlap, a diffusion
near the equator (diffusion.py), reaches √level. Its law is found from the forward equation of all pairs of
neuron and direction, and the race of the neurons (forward.py). As η → 0 it shrinks to the decoupled
flow's T_p. Source: RNWL25 (arXiv 2504.19983) for η ≍ a_p d^{-k/2}; derivations/search_phase.py.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri

from ..flows.overlap import leading_collapsed_time
from ..numerics import first_crossings
from ..problem import Problem, Teacher, TypicalStart
from ..support import require, require_integer, require_open_unit, require_real
from .diffusion import StepSize, diffusion_at, noiseless_emergence, step_size
from .forward import March, begin, grid, march
from .race import Race, run_race
from .random_times import EmergenceLaw

_FIRST, _LONGEST = 0.02, 1e3  # first and last time, in leading emergence times
_PER_WIDTH = 3  # nodes in the width of a packet
_FEWEST, _MOST = 256, 1024  # nodes
_ROUND, _STEPS_ROUND = 64, 256  # numbers of nodes and times are rounded up, so that few programs are compiled
_PER_SPREAD, _LEAST_RATIO, _LARGEST_RATIO = 8, 0.004, 0.02  # time steps in a packet's spread, and their growth


class DiffusionLaw(EmergenceLaw):
    """The law of M emergence times for k > 2, from the forward equation; canonical time t = η·step.

    Attributes:
        times: (T,), the grid, from 0 to where the equation was solved.
        distribution: (T, M), P(T_m ≤ t).
        level: the squared overlap that counts as emerged.
        learning_rate, batch_size: η and B.
        mean, spread: (M,), of the normal law of directions whose noise is too small for the grid; NaN of others.
        race: what joint draws are made from.
    """

    times: Float[Array, " T"]
    distribution: Float[Array, "T M"]
    level: float = eqx.field(static=True)
    learning_rate: float = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    mean: Float[Array, " M"]
    spread: Float[Array, " M"]
    race: Race

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
            "times": f"{len(self.times)} up to {float(self.times[-1]):.4g} (canonical)",
            "learned": f"by then with probability {last.min():.4g} to {last.max():.4g}",
        }
        return "EmergenceLaw\n" + "\n".join(f"  {name:<10} {value}" for name, value in rows.items())


def diffusion_law(problem: Problem, learning_rate: float, batch_size: int, level: float) -> DiffusionLaw:
    """The law of a k > 2 problem; see `emergence_law`.

    Raises:
        ArgumentError: k < 2, or c_0 ≠ 0.
    """
    teacher, start = problem.teacher, problem.start
    link = teacher.link
    require(link.information_exponent > 2, "teacher", "have information exponent ≥ 2 (see solve for others)", link)
    constant = float(link.dual(0.0))
    require(constant == 0, "teacher", "have a link with c_0 = 0 (subtract its mean)", f"{link}, c_0² = {constant:.3g}")
    step = step_size(learning_rate, batch_size, int(start.dim or 0))
    equation, overlaps, present = _march(problem, step, level)
    marched = march(equation, begin(equation, overlaps, present, level))
    distribution = np.clip(np.maximum.accumulate(1 - np.asarray(marched.unlearned), axis=0), 0.0, 1.0)
    given = np.asarray(equation.given) > 0
    neuron = np.argmin(np.asarray(equation.mean), axis=0)  # every other neuron's mean is inf
    mean, spread = (
        jnp.asarray(np.where(given, np.asarray(x)[neuron, np.arange(teacher.width)], np.nan))
        for x in (equation.mean, equation.spread)
    )
    race = Race(marched.times, marched.reached, equation.mean, equation.spread, equation.given, equation.delays,
                equation.shared)  # fmt: skip
    return DiffusionLaw(
        times=marched.times,
        distribution=jnp.asarray(distribution),
        level=float(level),
        learning_rate=float(learning_rate),
        batch_size=int(batch_size),
        mean=mean,
        spread=spread,
        race=race,
    )


def _march(problem: Problem, step: StepSize, level: float) -> tuple[March, Array, Array]:
    """The equation on a grid that resolves it, overlaps (N, M), and which pairs there are."""
    teacher, start = problem.teacher, problem.start
    width, dim = teacher.width, int(start.dim or 0)
    if isinstance(start, TypicalStart):
        overlaps, neuron, norms = start.overlaps[None], np.zeros(width, int), start.norms
        # the first N in order of a_p have a neuron, whose typical overlap may be 0
        present = np.asarray(np.argsort(np.argsort(-teacher.a, stable=True)) < start.student_width, float)[None]
    else:
        overlaps, neuron, norms = start.teacher_overlaps, np.asarray(start.assignment(teacher)), start.norms
        present = np.ones(overlaps.shape)
    if teacher.link.is_even:
        overlaps = jnp.abs(overlaps)
    time, spread = (np.asarray(x) for x in noiseless_emergence(teacher, overlaps, step, level))
    own = (np.maximum(neuron, 0), np.arange(width))
    noiseless = np.isfinite(time[own]) & (time[own] > 0) & (neuron >= 0)
    relative = np.where(noiseless, spread[own], 1.0) / np.where(noiseless, time[own], 1.0)
    packet = _packet(teacher, np.asarray(overlaps)[own], step, dim, noiseless, relative)
    span = float(np.ptp(grid(teacher, dim, level, _FEWEST).y))
    finest = span / _MOST
    given = (packet < _PER_WIDTH * finest) & (present[own] > 0) & ~(time[own] == 0)
    needed = _PER_WIDTH * span / min(packet[~given], default=span)
    count = int(np.ceil(np.clip(needed, _FEWEST, _MOST) / _ROUND)) * _ROUND
    nodes = grid(teacher, dim, level, count)
    # a direction with a normal law has its assigned neuron alone
    mean, deviation = np.full(overlaps.shape, np.inf), np.ones(overlaps.shape)
    mean[own] = np.where(given & noiseless, time[own], np.inf)
    deviation[own] = np.where(given & noiseless, spread[own], 1.0)
    alone = isinstance(start, TypicalStart)
    small = np.asarray(norms) ** 2 if alone else np.mean(np.asarray(norms) ** 2)
    a = np.asarray(teacher.a)
    delays = np.log(np.maximum(a / small - 1, 1.0)) / (4 * a * float(teacher.link.dual(1.0)))
    return (
        March(
            teacher,
            nodes,
            diffusion_at(teacher.link, nodes.overlaps, step),
            jnp.asarray(_times(teacher, np.asarray(overlaps), dim, relative[~given & noiseless])),
            jnp.asarray(delays),
            jnp.asarray(0.0 if alone else 1.0),
            jnp.asarray(given, float),
            jnp.asarray(mean),
            jnp.asarray(deviation),
        ),
        overlaps,
        jnp.asarray(present),
    )


def _packet(
    teacher: Teacher, m: np.ndarray, step: StepSize, dim: int, noiseless: np.ndarray, relative: np.ndarray
) -> np.ndarray:
    """Width in y = arsinh(m√d) of each direction's packet; without a noiseless escape, that of the noise at m = 0."""
    k, a = teacher.link.information_exponent, np.asarray(teacher.a)
    x = m * np.sqrt(dim)
    at_rest = diffusion_at(teacher.link, jnp.zeros(1), step)
    noise = dim * np.asarray(at_rest.variance(teacher.a, teacher.link.dual(1.0) * (1 - teacher.a**2)))
    pull = a * k * float(teacher.link.coefficients[k]) ** 2 * dim ** (1 - k / 2)
    return np.where(noiseless, relative * np.abs(x) / np.sqrt(1 + x**2) / (k - 2), (noise / pull) ** (1 / k))


def _times(teacher: Teacher, overlaps: np.ndarray, dim: int, relative: np.ndarray) -> np.ndarray:
    """From 0 in steps that grow geometrically, several in each packet's spread."""
    furthest = np.maximum(overlaps.max(axis=0), 1 / np.sqrt(dim))
    first = _FIRST * np.min(np.asarray(leading_collapsed_time(teacher.link, furthest) / teacher.a))
    last = _LONGEST * float(jnp.max(leading_collapsed_time(teacher.link, 1 / np.sqrt(dim)) / teacher.a))
    ratio = np.clip(np.min(relative, initial=np.inf) / _PER_SPREAD, _LEAST_RATIO, _LARGEST_RATIO)
    logs = np.log1p(last / first)
    steps = int(np.ceil(logs / ratio / _STEPS_ROUND)) * _STEPS_ROUND
    return first * np.expm1(np.linspace(0.0, logs, steps + 1))
