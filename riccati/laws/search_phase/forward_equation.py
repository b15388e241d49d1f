"""k > 2: the forward equation of a problem, on a grid and at times that resolve it.

All of it is small and made on the host; what needs the link comes from one compiled program.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from ...flows import leading_collapsed_time
from ...problem import Problem, Teacher, TypicalStart
from .diffusion import StepSize, noiseless_emergence
from .march import ForwardEquation, coefficients, grid

_FIRST, _LONGEST = 0.02, 1e3  # first and last time, in leading emergence times
_LEAST_RATIO = 0.004  # the least growth of the time steps
_NODES_ROUND, _TIMES_ROUND = 256, 1024  # numbers of nodes and times are rounded up, so that few programs are compiled

_leading = jax.jit(leading_collapsed_time)


class Resolution(NamedTuple):
    """How fine the grid of an emergence law is; the default is accurate to 5e-4 of the quartiles.

    Attributes:
        per_width: nodes in the width of a packet of overlaps.
        fewest: nodes at the least.
        most: nodes at the most; a direction whose packet is finer has a normal law.
        per_spread: time steps in a packet's spread.
        largest_ratio: growth of the time steps at the most.
    """

    per_width: int = 3
    fewest: int = 256
    most: int = 1024
    per_spread: int = 8
    largest_ratio: float = 0.02


DEFAULT_RESOLUTION = Resolution()


class Pairs(NamedTuple):
    """The pairs of neuron and direction.

    Attributes:
        overlaps: (N, M), without their signs for an even link.
        present: (N, M), 1 where there is such a pair.
        neuron: (M,), whom greedy selection gives the direction, -1 where nobody.
        small: (M,) or (), the squared norm that a direction's neuron starts from.
        shared: (), 1 where neurons compete, 0 where each direction has its own.
    """

    overlaps: Float[np.ndarray, "N M"]
    present: Float[np.ndarray, "N M"]
    neuron: Int[np.ndarray, " M"]
    small: Float[np.ndarray, ...]
    shared: Float[np.ndarray, ""]


def pairs_of(problem: Problem) -> Pairs:
    """All pairs; of a typical start the M pairs of a direction and its own neuron."""
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
    return Pairs(np.abs(overlaps) if teacher.link.is_even else overlaps, present, neuron, small, shared)


def forward_equation(
    problem: Problem, pairs: Pairs, step: StepSize, level: float, resolution: Resolution
) -> ForwardEquation:
    """The equation on a grid that resolves it."""
    teacher, dim, overlaps = problem.teacher, int(problem.start.dim or 0), pairs.overlaps
    known = jax.tree.map(np.asarray, noiseless_emergence(teacher, overlaps, step, level))
    own = (np.maximum(pairs.neuron, 0), np.arange(teacher.width))
    time, spread = known.time[own], known.spread[own]
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
    # a direction with a normal law has its assigned neuron alone
    mean, deviation = np.full(overlaps.shape, np.inf), np.ones(overlaps.shape)
    mean[own] = np.where(given & noiseless, time, np.inf)
    deviation[own] = np.where(given & noiseless, spread, 1.0)
    a = np.asarray(teacher.a)
    delays = np.log(np.maximum(a / pairs.small - 1, 1.0)) / (4 * a * known.energy)
    times, last = _times(teacher, overlaps, dim, relative[~given & noiseless], resolution)
    way = coefficients(teacher.link, nodes, step)
    # jnp.asarray would compile a copy for each shape
    held = jax.device_put((times, last, delays, pairs.shared, given.astype(float), mean, deviation))
    return ForwardEquation(teacher, nodes, way, *held)


def _width_at_rest(teacher: Teacher, noise: Float[np.ndarray, " M"], dim: int) -> Float[np.ndarray, " M"]:
    """Width in y = arsinh(m√d) that the noise gives a packet at m = 0 before it escapes."""
    k, a = teacher.link.information_exponent, np.asarray(teacher.a)
    pull = a * k * float(np.asarray(teacher.link.coefficients)[k]) ** 2 * dim ** (1 - k / 2)
    return (dim * noise / pull) ** (1 / k)


def _times(
    teacher: Teacher, overlaps: np.ndarray, dim: int, relative: np.ndarray, resolution: Resolution
) -> tuple[Float[np.ndarray, " T"], Int[np.ndarray, ""]]:
    """From 0 in steps that grow geometrically, several in each packet's spread; and which is the last that is meant.

    What follows repeats it.
    """
    typical = 1 / np.sqrt(dim)
    furthest = np.maximum(overlaps.max(axis=0), typical)
    leading = np.asarray(_leading(teacher.link, np.stack([furthest, np.full(len(furthest), typical)])))
    leading = leading / np.asarray(teacher.a)
    first, last = _FIRST * leading[0].min(), _LONGEST * leading[1].max()
    ratio = np.clip(np.min(relative, initial=np.inf) / resolution.per_spread, _LEAST_RATIO, resolution.largest_ratio)
    logs = np.log1p(last / first)
    steps = int(np.ceil(logs / ratio))
    times = first * np.expm1(np.linspace(0.0, logs, steps + 1))
    return np.pad(times, (0, _rounded(steps + 1, _TIMES_ROUND) - steps - 1), mode="edge"), np.asarray(steps)


def _rounded(number: float, by: int) -> int:
    return int(np.ceil(number / by)) * by
