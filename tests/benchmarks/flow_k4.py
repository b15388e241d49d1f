"""The k > 2 flows: millions of directions in the decoupled flow, and the cost of one coupled right-hand side.

A decoupled flow looks up one curve for every direction and output time; its least is one exponential for each of them.
The coupled velocity is held against its two matrix products and one elementwise power.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

import riccati as rc
from riccati.flows import Neurons, coupled_velocity

from .table import Row, fastest, once

_OUTPUTS = 200


def million() -> Iterator[Row]:
    return _decoupled(10**6, "10⁶")


def ten_million() -> Iterator[Row]:
    return _decoupled(10**7, "10⁷")


def _decoupled(width: int, name: str) -> Iterator[Row]:
    """Emergence times of all directions and the risk at 200 times, from a typical start; the first call."""
    teacher = rc.Teacher.power_law(width, 0.8, rc.Link.hermite(4))
    start = rc.Start.typical(teacher, width, 2 * width)
    flow = rc.Decoupled()
    T = []
    emerging = once(lambda: T.append(np.asarray(flow.emergence_times_of(teacher, start))))
    times = np.geomspace(0.1 * T[0][0], 1.1 * T[0].max(), _OUTPUTS)
    solving = once(lambda: rc.solve(flow, teacher, start, times).risk)
    least = min(once(lambda: jnp.exp(-teacher.a)) for _ in range(5))
    ratio = solving / (_OUTPUTS * least)
    yield Row(f"Decoupled, M = {name}, risk at 200 times / an exponential each", ratio, solving)
    ratio = emerging / least
    yield Row(f"Decoupled, M = {name}, all emergence times / an exponential each", ratio, emerging)


def velocity(width: int = 256) -> Iterator[Row]:
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(4))
    start = rc.Start.random(teacher, width, 4 * width)
    state = Neurons(start.directions, 2 * jnp.log(start.norms))
    flow = jax.jit(coupled_velocity)
    parts = jax.jit(lambda U: ((q := U @ U.T), (q @ U), q**3))
    whole, least = fastest(lambda: flow(None, state, teacher), lambda: parts(state.U), repeats=200)
    yield Row(f"Coupled's velocity / its products and power, N = M = {width}", whole / least, whole)
