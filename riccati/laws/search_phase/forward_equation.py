"""k > 2: the forward equation of all pairs of neuron and direction, on a grid and at times that resolve it.

The diffusion of a pair's overlap (diffusion.py) is solved on nodes in y = arsinh(m√d), from the lower end to the level,
for all pairs at once (march.py). This file makes the pairs, the nodes, the times, and the normal laws of directions
whose noise is too small for the nodes. All of it is small and computed by numpy, apart from one compiled program for
the quantities that need the link. Derived in derivations/search_phase.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from ...flows import leading_collapsed_time
from ...problem import Problem, Teacher, TypicalStart
from ...support import namespace_of
from .diffusion import Diffusion, StepSize, diffusion_at, noiseless_emergence

_FIRST, _LONGEST = 0.02, 1e3  # first and last time, in leading emergence times
_LEAST_RATIO = 0.004  # the least growth of the time steps
_NODES_ROUND, _TIMES_ROUND = 256, 1024  # numbers of nodes and times are rounded up, so that few programs are compiled


class Resolution(NamedTuple):
    """How fine the grid of an emergence law for k > 2 is; with the default, quartiles are accurate to 5e-4.

    Attributes:
        per_width: how many nodes there are within the standard deviation of the overlaps' distribution (a packet).
        fewest: the smallest number of nodes.
        most: the largest number of nodes; a direction whose packet is too narrow for it gets a normal law.
        per_spread: how many time steps there are within a packet's spread in time.
        largest_ratio: the largest ratio of one time step to the one before.
    """

    per_width: int = 3
    fewest: int = 256
    most: int = 1024
    per_spread: int = 8
    largest_ratio: float = 0.02


DEFAULT_RESOLUTION = Resolution()


class Pairs(NamedTuple):
    """The pairs of neuron and direction that a start has.

    Attributes:
        overlaps: (N, M), without their signs for an even link.
        present: (N, M), 1 where there is such a pair.
        escaped: (N, M), 1 where the pair is past the level already.
        neuron: (M,), the neuron to which greedy selection gives the direction, -1 where none.
        small: (M,) or (), the squared norm that a direction's neuron starts from.
        shared: (), 1 where neurons compete, 0 where each direction has its own.
    """

    overlaps: Float[np.ndarray, "N M"]
    present: Float[np.ndarray, "N M"]
    escaped: Float[np.ndarray, "N M"]
    neuron: Int[np.ndarray, " M"]
    small: Float[np.ndarray, ...]
    shared: Float[np.ndarray, ""]


class Grid(eqx.Module):
    """Nodes for the overlap, uniform in y up to the absorbing level.

    Attributes:
        y: (n,), arsinh(m√d) at the nodes.
        spacing: (), between two of them.
        root_dim: (), √d.
        reflecting: whether the lower end reflects; else it absorbs.
    """

    y: Float[Array, " n"]
    spacing: Float[Array, ""]
    root_dim: Float[Array, ""]
    reflecting: bool = eqx.field(static=True)

    @property
    def overlaps(self) -> Float[Array, " n"]:
        """m at the nodes; rounding may carry the reflecting end of an odd link past -1."""
        xp = namespace_of(self.y, self.root_dim)
        return xp.clip(xp.sinh(xp.asarray(self.y)) / xp.asarray(self.root_dim), -1.0, 1.0)


class ForwardEquation(NamedTuple):
    """The forward equation with its grid, times and other constants, none of them a link: one program serves all links.

    Attributes:
        a: (M,), the second layer.
        energies: (M,), g(1) a_p².
        grid: the nodes.
        diffusion: its coefficients there.
        times: (T,), canonical; entries after the last one are padding.
        last: (), index of the last time.
        delays: (M,), from a direction's emergence until it is learned.
        shared: (), 1 where neurons compete, 0 where each direction has its own.
        given: (M,), 1 where F_ip is normal and the equation is not solved.
        mean: (N, M), of those normal laws; never escaped where it is inf.
        spread: (N, M), their standard deviations.
    """

    a: Float[Array, " M"]
    energies: Float[Array, " M"]
    grid: Grid
    diffusion: Diffusion
    times: Float[Array, " T"]
    last: Int[Array, ""]
    delays: Float[Array, " M"]
    shared: Float[Array, ""]
    given: Float[Array, " M"]
    mean: Float[Array, "N M"]
    spread: Float[Array, "N M"]


def pairs_of(problem: Problem, level: float) -> Pairs:
    """All pairs of a start; of a typical one the M pairs of a direction and its own neuron."""
    teacher, start = problem.teacher, problem.start
    if isinstance(start, TypicalStart):
        # the first N in order of a_p have a neuron, whose typical overlap may be 0
        rank = np.argsort(np.argsort(-np.asarray(teacher.a), stable=True))
        overlaps, present = np.asarray(start.overlaps)[None], np.asarray(rank < start.student_width, float)[None]
        neuron, small, shared = np.zeros(teacher.width, int), np.asarray(start.norms) ** 2, np.zeros(())
    else:
        overlaps, present = np.asarray(start.teacher_overlaps), np.ones(start.teacher_overlaps.shape)
        neuron, shared = np.asarray(start.assignment(teacher)), np.ones(())
        small = np.mean(np.asarray(start.norms) ** 2)
    sizes = np.abs(overlaps) if teacher.link.either_sign else overlaps
    escaped = (sizes >= np.sqrt(level)) * present
    return Pairs(np.abs(overlaps) if teacher.link.is_even else overlaps, present, escaped, neuron, small, shared)


def forward_equation(
    problem: Problem, pairs: Pairs, step: StepSize, level: float, resolution: Resolution
) -> ForwardEquation:
    """The forward equation of the pairs, on a grid and at times that resolve it.

    A direction whose packet of overlaps is finer than the grid gets a normal law, for its assigned neuron alone.
    """
    teacher, dim, overlaps = problem.teacher, int(problem.start.dim or 0), pairs.overlaps
    own = (np.maximum(pairs.neuron, 0), np.arange(teacher.width))
    known = noiseless_emergence(teacher, overlaps[own], step, level)
    time, spread = known.time, known.spread
    noiseless = np.isfinite(time) & (time > 0) & (pairs.neuron >= 0)
    relative = np.where(noiseless, spread, 1.0) / np.where(noiseless, time, 1.0)
    at_rest = _width_at_rest(teacher, known.noise_at_rest, dim)
    x = overlaps[own] * np.sqrt(dim)
    escaping = relative * np.abs(x) / np.sqrt(1 + x**2) / (teacher.link.information_exponent - 2)
    packet = np.where(noiseless, escaping, at_rest)
    span = float(np.ptp(grid(teacher, dim, level, resolution.fewest).y))
    too_fine = packet < resolution.per_width * span / resolution.most
    given = too_fine & (pairs.present[own] > 0) & ~(time == 0)
    needed = resolution.per_width * span / min(packet[~given], default=span)
    nodes = grid(teacher, dim, level, _rounded(np.clip(needed, resolution.fewest, resolution.most), _NODES_ROUND))
    mean, deviation = np.full(overlaps.shape, np.inf), np.ones(overlaps.shape)
    mean[own] = np.where(given & noiseless, time, np.inf)
    deviation[own] = np.where(given & noiseless, spread, 1.0)
    a = np.asarray(teacher.a)
    delays = np.log(np.maximum(a / pairs.small - 1, 1.0)) * a / (4 * known.energies)
    times, last = _times(teacher, overlaps, dim, relative[~given & noiseless], resolution)
    way = jax.device_put(diffusion_at(teacher.link, nodes.overlaps, step))
    # jnp.asarray would compile a copy for each shape
    held = jax.device_put((times, last, delays, pairs.shared, given.astype(float), mean, deviation))
    return ForwardEquation(teacher.a, jax.device_put(known.energies), nodes, way, *held)


def grid(teacher: Teacher, dim: int, level: float, count: int) -> Grid:
    """The grid of `count` nodes, absorbing at the level.

    Its lower end reflects at 0 for even links and at -1 for odd k; for others it absorbs at minus the level.
    """
    root = np.sqrt(dim)
    top = np.arcsinh(np.sqrt(level) * root)
    link = teacher.link
    reflecting = link.is_even or link.information_exponent % 2 == 1
    low = 0.0 if link.is_even else -np.arcsinh(root) if reflecting else -top
    first = 0 if reflecting else 1
    spacing = (top - low) / (count + first)
    nodes = low + spacing * np.arange(first, count + first)
    y, spacing, root = jax.device_put((nodes, np.asarray(spacing), np.asarray(root)))
    return Grid(y, spacing, root, reflecting)


def _width_at_rest(teacher: Teacher, noise: Float[np.ndarray, " M"], dim: int) -> Float[np.ndarray, " M"]:
    """Width in y = arsinh(m√d) that the noise gives a packet at m = 0 before it escapes."""
    k, a = teacher.link.information_exponent, np.asarray(teacher.a)
    pull = a * k * float(np.asarray(teacher.link.coefficients)[k]) ** 2 * dim ** (1 - k / 2)
    return (dim * noise / pull) ** (1 / k)


def _times(
    teacher: Teacher, overlaps: np.ndarray, dim: int, relative: np.ndarray, resolution: Resolution
) -> tuple[Float[np.ndarray, " T"], Int[np.ndarray, ""]]:
    """Times from 0 in steps that grow geometrically, several in each packet's spread, and the index of the last one.

    What follows the last time repeats it, so that few lengths are compiled for.
    """
    typical = 1 / np.sqrt(dim)
    furthest = np.maximum(overlaps.max(axis=0), typical)
    leading = np.asarray(leading_collapsed_time(teacher.link, np.stack([furthest, np.full(len(furthest), typical)])))
    leading = leading / np.asarray(teacher.a)
    first, last = _FIRST * leading[0].min(), _LONGEST * leading[1].max()
    ratio = np.clip(np.min(relative, initial=np.inf) / resolution.per_spread, _LEAST_RATIO, resolution.largest_ratio)
    logs = np.log1p(last / first)
    steps = int(np.ceil(logs / ratio))
    times = first * np.expm1(np.linspace(0.0, logs, steps + 1))
    return np.pad(times, (0, _rounded(steps + 1, _TIMES_ROUND) - steps - 1), mode="edge"), np.asarray(steps)


def _rounded(number: float, by: int) -> int:
    return int(np.ceil(number / by)) * by
