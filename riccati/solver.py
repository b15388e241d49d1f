"""`solve`: a teacher and a start go through a flow into a trajectory."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .flows import Coupled, Decoupled, Flow, Quadratic
from .numerics import require_double_precision
from .problem import AnyStart, Problem, Teacher, uncovered
from .support import require, require_integer, require_times
from .trajectory import Trajectory, trajectory_of

_COUNT = 200  # of default times
_BEFORE, _AFTER = 0.05, 2.0  # default times: from a fraction of the first emergence to twice the last


def solve(
    flow: Flow | None = None,
    teacher: Teacher | None = None,
    start: AnyStart | None = None,
    times: ArrayLike | None = None,
) -> Trajectory:
    """Follow `flow` from `start` through `times`.

    Args:
        flow: the deterministic limit; None picks the best one for the link (see `best_flow`).
        teacher: the teacher.
        start: the student's initial overlaps and norms.
        times: output times (T,), canonical gradient-flow time of L = ½ E(f* - f)², strictly increasing from 0 or
            later; None takes `default_times`.

    Returns:
        The trajectory; it names the flow that made it. Differentiable in the teacher's `a` and in the start, and
        usable under jit and vmap.

    Raises:
        ArgumentError: bad times, a start that does not fit the teacher, a flow that does not describe the link, or
            JAX in single precision.
    """
    require_double_precision()
    must = "be a flow such as riccati.Riccati(), or left out: solve(teacher=…, start=…, times=…)"
    require(flow is None or isinstance(flow, Flow), "flow", must, type(flow).__name__)
    problem = Problem(teacher, start)  # type: ignore[arg-type]
    if flow is None:
        flow = best_flow(problem)
    flow.check(problem)
    if times is None:
        times = _default_times(flow, problem, _COUNT)
    require_times(times)
    times = jnp.asarray(times, float)
    return trajectory_of(flow, problem, times, flow.evolve(problem, times))


def best_flow(problem: Problem) -> Flow:
    """The first of `Quadratic`, `Decoupled` and `Coupled` that covers the problem; `Coupled` where none does."""
    teacher, start = problem.teacher, problem.start
    if not uncovered("Quadratic", teacher, start):
        return Quadratic()
    return Coupled() if uncovered("Decoupled", teacher, start) else Decoupled()


def default_times(flow: Flow, teacher: Teacher, start: AnyStart, count: int = _COUNT) -> Float[Array, " T"]:
    """`count` logarithmically spaced canonical times that show every emergence `flow` expects.

    Raises:
        ArgumentError: if nothing is expected to emerge, so that only the user knows how long to look.
    """
    require_integer(count, "count", 2)
    problem = Problem(teacher, start)
    flow.check(problem)
    return _default_times(flow, problem, count)


def _default_times(flow: Flow, problem: Problem, count: int) -> Float[Array, " T"]:
    expected = flow.horizon(problem)
    must = "be given, as nothing is expected to emerge"
    require(expected is not None, "times", must, "left out")
    first, last = expected  # type: ignore[misc]
    return jnp.asarray(np.geomspace(_BEFORE * first, _AFTER * last, count))
