"""Online SGD: steps per second of rules and coordinates as functions of d and N.

    OMP_NUM_THREADS=1 taskset -c 0 python tests/benchmarks/sgd.py

One run unless S says otherwise; compilation is not counted. The last lines give reduced coordinates against the
arithmetic of a step in them on N x (M + N) weights (two products with a sample, a rank-one update), in numpy's dot and
outer products as the same processor does them, and against direct simulation at d = 10⁵, N = M = 8. "spiked" is a
covariance with large eigenvalues along the teacher and equal ones otherwise.
"""

from __future__ import annotations

import time
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

import riccati as rc
from riccati.sgd import STEPS_A_CALL, take_steps

_SECONDS = 0.5
_REPEATS = 3


def steps_per_second(
    coordinates: str,
    neurons: int,
    dim: int,
    batch: int = 1,
    degree: int = 2,
    runs: int = 1,
    spiked: bool = False,
    constraint: Literal["stiefel"] | None = None,
) -> float:
    covariance = rc.Covariance(np.repeat([4.0, 1.0], [neurons, dim - neurons])) if spiked else None
    teacher = rc.Teacher.power_law(neurons, 1.0, rc.Link.hermite(degree), covariance=covariance)
    start = rc.Start.random(teacher, neurons, dim, norm=0.3, seed=1)
    rate = 1e-3 / dim
    experiment = rc.sgd.Experiment(
        teacher, start, rc.SGD(rate, batch, constraint), steps=10**6, coordinates=coordinates
    )
    keys, rates = jax.vmap(jax.random.key)(jnp.arange(runs)), jnp.full(STEPS_A_CALL, rate)
    simulation = experiment.simulation
    states = simulation.initial_states(runs)

    def seconds(count: int) -> float:
        begin = time.perf_counter()
        jax.block_until_ready(take_steps(simulation.dynamics, keys, states, rates, jnp.asarray(count)))
        return time.perf_counter() - begin

    seconds(1)
    count = 1
    while count < STEPS_A_CALL and seconds(count) < _SECONDS:
        count *= 2
    best = min(seconds(count) for _ in range(_REPEATS))
    value = runs * count / best
    name = ", ".join(filter(None, [coordinates, constraint, "spiked" if spiked else None]))
    print(
        f"{name:<17} k={degree} N=M={neurons:<3} d={dim:<8} B={batch:<3} S={runs:<4} {value:10.3g} steps/s",
        flush=True,
    )
    return value


def arithmetic_per_second(neurons: int) -> float:
    """Steps a second of a step's arithmetic alone: W x twice N(M + N), and the update of W."""
    W, x = np.full((neurons, 2 * neurons), 0.1), np.ones(2 * neurons)

    def seconds(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            h = W @ x
            W[...] = W * 0.999 + np.outer(h, 1e-9 * x)
        return time.perf_counter() - begin

    return 2000 / min(seconds(2000) for _ in range(_REPEATS))


def main() -> None:
    for neurons in (4, 8, 16, 32, 64):
        fast, least = steps_per_second("reduced", neurons, 10**6), arithmetic_per_second(neurons)
        print(f"{'':<17} {least / fast:.1f} times its arithmetic", flush=True)
    for dim in (10**3, 10**6, 10**9):
        steps_per_second("reduced", 16, dim)
    for dim in (10**3, 10**6):
        steps_per_second("reduced", 8, dim, spiked=True)
    for constraint in (None, "stiefel"):
        steps_per_second("reduced", 16, 10**6, batch=16, constraint=constraint)
    steps_per_second("reduced", 16, 10**6, constraint="stiefel")
    steps_per_second("reduced", 16, 10**6, degree=4)
    steps_per_second("reduced", 4, 300, runs=400)
    steps_per_second("direct", 4, 300, runs=400)
    for dim in (10**3, 10**4, 10**5):
        slow = steps_per_second("direct", 8, dim)
    fast = steps_per_second("reduced", 8, 10**5)
    print(f"reduced over direct at d = 10⁵, N = M = 8: {fast / slow:.0f}")


if __name__ == "__main__":
    main()
