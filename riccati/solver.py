"""`solve`, which solves the problem of a teacher and a start by a flow, and its default flow and output times."""

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

_BEFORE, _AFTER = 0.05, 2.0  # default times: from a fraction of the first emergence to twice the last
_COUNT = 200  # default times


def solve(
    flow: Flow | None = None,
    teacher: Teacher | None = None,
    start: AnyStart | None = None,
    times: ArrayLike | None = None,
) -> Trajectory:
    """Solve the problem of a teacher and a start by a flow, and return its trajectory.

    Args:
        flow: the deterministic limit of SGD. None takes the best one for the problem: `Quadratic` for links
            c_0 + c_2 h_2, such as h_2 and z², on isotropic input; `Decoupled` for information exponents above 2 and
            c_0 = 0 with orthonormal directions and one link; `Coupled` for all others, two-layer students among them.
        teacher: the target f*, with its second layer, link and the input's covariance.
        start: the student's initial overlaps and norms.
        times: output times (T,), canonical gradient-flow time of L = ½ E(f* - f)², strictly increasing from 0 or
            later; None takes `default_times`.

    Returns:
        The trajectory: the observables at these times, with the flow that made them and how it ended. It is
        differentiable in the teacher's `a` and in the start, and `solve` may be used under jit and vmap.

    Raises:
        ArgumentError: for times that are not increasing and non-negative, a start that does not fit the teacher, a flow
            that does not cover the problem, no times where nothing is expected to emerge, or JAX in single precision.

    Warns:
        IncompleteTrajectory: the flow ended before the last of `times`; the trajectory's `outcome` says why.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=3, beta=1.0, link=rc.Link.hermite(4))
        >>> start = rc.Start.random(teacher, student_width=6, dim=100, norm=0.01, seed=0)
        >>> trajectory = rc.solve(teacher=teacher, start=start)
        >>> trajectory.flow, trajectory.alignment.shape
        (Decoupled(), (200, 3))
        >>> [round(float(t), 3) for t in trajectory.emergence_times()]
        [13.705, 12.109, 18.595]
    """
    require_double_precision()
    must = "be a flow such as riccati.Riccati(), or left out: solve(teacher=…, start=…, times=…)"
    require(flow is None or isinstance(flow, Flow), "flow", must, type(flow).__name__)
    problem = Problem(teacher, start)  # type: ignore[arg-type]
    if flow is None:
        flow = best_flow(problem)
    flow.check(problem)
    if times is None:
        times = _times_for(flow, problem)
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
    """The output times that `solve` takes when none are given, canonical and logarithmically spaced, (count,).

    They begin at a twentieth of the first emergence time that `flow` expects, and end at twice the last one.

    Raises:
        ArgumentError: `count` below 2, a problem that the flow does not describe, or one where nothing is expected to
            emerge, so that only the user knows how long to look.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=3, beta=1.0, link=rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=3, dim=100, norm=0.1, seed=0)
        >>> [round(float(t), 3) for t in rc.default_times(rc.Riccati(), teacher, start, count=3)]
        [0.059, 0.646, 7.076]
    """
    require_integer(count, "count", 2)
    problem = Problem(teacher, start)
    flow.check(problem)
    return _times_for(flow, problem, count)


def _times_for(flow: Flow, problem: Problem, count: int = _COUNT) -> Float[Array, " T"]:
    """The default times of a problem that the flow has accepted."""
    expected = flow.horizon(problem)
    must = "be given, as nothing is expected to emerge"
    require(expected is not None, "times", must, "left out")
    first, last = expected  # type: ignore[misc]
    return jnp.asarray(np.geomspace(_BEFORE * first, _AFTER * last, count))
