"""`solve`: a teacher and a start go through a flow into a trajectory."""

from __future__ import annotations

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ._checks import require, require_double_precision, require_integer, require_times
from .flows import Coupled, Decoupled, Flow, Quadratic
from .flows.base import AnyStart
from .start import Start
from .teacher import Teacher
from .trajectory import Trajectory, provenance_of
from .typical import TypicalStart

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
    require(isinstance(teacher, Teacher), "teacher", "be a riccati.Teacher", type(teacher).__name__)
    known = isinstance(start, (Start, TypicalStart))
    require(known, "start", "be a riccati.Start or TypicalStart", type(start).__name__)
    assert teacher is not None
    assert start is not None
    start.check_against(teacher)
    if flow is None:
        flow = best_flow(teacher)
    require(isinstance(flow, Flow), "flow", "be a flow such as riccati.Riccati()", repr(flow))
    flow.check(teacher, start)
    if times is None:
        times = default_times(flow, teacher, start)
    require_times(times)
    times = jnp.asarray(times, float)
    seen = flow.evolve(teacher, start, times)
    return Trajectory(
        times=times[: seen.risk.shape[0]],  # a flow that was stopped has fewer
        risk=seen.risk,
        kept_alignment=seen.alignment,
        kept_radius=seen.radius,
        flow=flow,
        teacher=teacher,
        start=start,
        provenance_json=provenance_of(flow, teacher, start),
    )


def best_flow(teacher: Teacher) -> Flow:
    """The flow that `solve` takes when none is given.

    `Quadratic` for the pure link h_2, `Decoupled` for information exponents above 2, else `Coupled`.
    """
    if teacher.link.degree == 2:
        return Quadratic()
    return Decoupled() if teacher.link.information_exponent > 2 else Coupled()


def default_times(flow: Flow, teacher: Teacher, start: AnyStart, count: int = 200) -> Float[Array, " T"]:
    """`count` logarithmically spaced canonical times that show every emergence `flow` expects."""
    require_integer(count, "count", 2)
    first, last = flow.horizon(teacher, start)
    return jnp.geomspace(_BEFORE * first, _AFTER * last, count)
