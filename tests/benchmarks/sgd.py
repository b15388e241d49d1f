"""Online SGD: what a step costs, against its own arithmetic, other coordinates, dimensions and draws.

A step in reduced coordinates acts on N x (M + N) weights: two products with a sample and a rank-one update are its
arithmetic, here as a compiled loop does them that draws nothing. "spiked" is a covariance with large eigenvalues along
the teacher and equal ones otherwise. One run unless S says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

import riccati as rc
from riccati.sgd import STEPS_A_CALL, take_steps

from .table import Row, fastest

_SECONDS = 0.3  # that a timed call lasts, or as many steps as one call takes
_FIRST = 16  # steps from which that is estimated
_ARITHMETIC = 4.0  # times a step's own arithmetic
_SAME = 1.1  # what does not depend on the dimension, to the noise of a clock


def _steps(
    coordinates: str,
    neurons: int,
    dim: int,
    batch: int = 1,
    degree: int = 2,
    runs: int = 1,
    spiked: bool = False,
    constraint: Literal["stiefel"] | None = None,
) -> tuple[Callable[[], object], int]:
    """A call that takes steps, and how many."""
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

    def take(count: int) -> object:
        return take_steps(simulation.dynamics, keys, states, rates, jnp.asarray(count))

    seconds = fastest(lambda: take(_FIRST), repeats=1)[0] / _FIRST
    count = int(np.clip(_SECONDS / seconds, 1, STEPS_A_CALL))
    return lambda: take(count), count


def _seconds_a_step(*several: tuple[Callable[[], object], int]) -> list[float]:
    times = fastest(*(take for take, _ in several), repeats=3)
    return [seconds / count for seconds, (_, count) in zip(times, several, strict=True)]


def _arithmetic(neurons: int) -> tuple[Callable[[], object], int]:
    """A call that does the arithmetic of steps, and of how many: W x, twice N(M + N), and the update of W."""
    W, x = np.full((neurons, 2 * neurons), 0.1), np.ones(2 * neurons)

    @jax.jit
    def loop(W: jax.Array, x: jax.Array) -> jax.Array:
        def step(_: int, W: jax.Array) -> jax.Array:
            return W * 0.999 + jnp.outer(1e-9 * (W @ x), x)

        return jax.lax.fori_loop(0, STEPS_A_CALL, step, W)

    W, x = jax.device_put(W), jax.device_put(x)
    return lambda: loop(W, x), STEPS_A_CALL


def chain() -> Iterator[Row]:
    for neurons in (4, 8, 16, 32, 64):
        step, least = _seconds_a_step(_steps("reduced", neurons, 10**6), _arithmetic(neurons))
        yield Row(
            f"SGD in reduced coordinates / its arithmetic, N = M = {neurons}", step / least, step, most=_ARITHMETIC
        )
    for name, settings in {
        "B = 16": {"batch": 16},
        "Stiefel": {"constraint": "stiefel"},
        "Stiefel, B = 16": {"batch": 16, "constraint": "stiefel"},
        "k = 4": {"degree": 4},
    }.items():
        step, plain = _seconds_a_step(_steps("reduced", 16, 10**6, **settings), _steps("reduced", 16, 10**6))
        yield Row(f"a step with {name} / a plain one, N = M = 16", step / plain, step)


def dimensions() -> Iterator[Row]:
    low, high = _seconds_a_step(_steps("reduced", 16, 10**3), _steps("reduced", 16, 10**9))
    yield Row("a step in reduced coordinates, d = 10⁹ / d = 10³, N = M = 16", high / low, high, most=_SAME)
    low, high = _seconds_a_step(*(_steps("reduced", 8, dim, spiked=True) for dim in (10**3, 10**6)))
    yield Row("the same, spiked, d = 10⁶ / d = 10³, N = M = 8", high / low, high, most=_SAME)
    for dim, name in ((10**3, "10³"), (10**5, "10⁵")):
        direct, reduced = _seconds_a_step(_steps("direct", 8, dim), _steps("reduced", 8, dim))
        yield Row(f"direct simulation / reduced coordinates, d = {name}, N = M = 8", direct / reduced, reduced)


def replicas() -> Iterator[Row]:
    for runs in (64, 400):
        direct, reduced = _seconds_a_step(_steps("direct", 4, 300, runs=runs), _steps("reduced", 4, 300, runs=runs))
        what = f"direct simulation / reduced coordinates, d = 300, N = M = 4, S = {runs}"
        yield Row(what, direct / reduced, reduced)
