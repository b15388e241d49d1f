"""The k > 2 flows: a million directions in the decoupled flow, and the cost of one coupled right-hand side.

    taskset -c 0,1 python tests/benchmarks/flow_k4.py

First, risk at 200 times and all emergence times for M = 10⁶ directions from a typical start, with peak memory. Then
the coupled velocity at N = M = 256 against its two matrix products and one elementwise power, on one thread if
XLA_FLAGS=--xla_cpu_multi_thread_eigen=false and taskset say so.
"""

from __future__ import annotations

import resource
import time

import jax
import jax.numpy as jnp
import numpy as np

import riccati as rc
from riccati.flows import Neurons, coupled_velocity


def decoupled() -> None:
    begin = time.perf_counter()
    teacher = rc.Teacher.power_law(10**6, 0.8, rc.Link.hermite(4))
    start = rc.Start.typical(teacher, 10**6, 2 * 10**6)
    flow = rc.Decoupled()
    T = np.asarray(flow.emergence_times_of(teacher, start))
    trajectory = rc.solve(flow, teacher, start, np.geomspace(0.1 * T[0], 1.1 * T.max(), 200))
    risk = float(trajectory.risk[-1])
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    emerged = np.isfinite(T).sum()
    print(f"M = 10⁶, 200 times, {emerged} emergence times, last risk {risk:.2e}: {seconds:.1f} s, {peak:.2f} GB")


def velocity(width: int = 256, repeats: int = 200) -> None:
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(4))
    start = rc.Start.random(teacher, width, 4 * width)
    state = Neurons(start.directions, 2 * jnp.log(start.norms))
    flow = jax.jit(coupled_velocity)
    parts = jax.jit(lambda U: ((q := U @ U.T), (q @ U), q**3))

    def timed(run) -> float:
        jax.block_until_ready(run())
        clocked = []
        for _ in range(repeats):
            begin = time.perf_counter()
            jax.block_until_ready(run())
            clocked.append(time.perf_counter() - begin)
        return float(np.median(clocked))

    whole, least = timed(lambda: flow(None, state, teacher)), timed(lambda: parts(state.U))
    print(f"coupled velocity at N = M = {width}: {1e3 * whole:.2f} ms", end="; ")
    print(f"products and power {1e3 * least:.2f} ms; {whole / least:.2f}x")


if __name__ == "__main__":
    decoupled()
    velocity()
