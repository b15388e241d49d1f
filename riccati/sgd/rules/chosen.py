"""The rule that an algorithm and a start select, and the refusal of problems that it does not cover."""

from __future__ import annotations

import jax
import numpy as np

from ...problem import SGD, Start, Teacher, require_covered
from .rule import Rule
from .sphere import Spherical
from .stiefel import Stiefel, require_unit_coefficient
from .unconstrained import TwoHomogeneous, TwoLayer

_CONSUMERS = {None: "SGD", "sphere": "SGD on the sphere", "stiefel": "Stiefel SGD"}  # keys of the table of scope


def require_simulable(teacher: Teacher, start: Start, sgd: SGD) -> None:
    """Refuse what SGD cannot be simulated on (problem/scope.py).

    Raises:
        ArgumentError: on the teacher, the start or `sgd`.
    """
    require_covered(_CONSUMERS[sgd.constraint], teacher, start, sgd)
    if sgd.on_stiefel:
        require_unit_coefficient(teacher.link)
    if sgd.schedule.follows_direction:
        require_covered("SGD at a rate that follows the direction", teacher, start, sgd)


def chosen_rule(teacher: Teacher, start: Start, sgd: SGD, student_scale: float | None) -> Rule:
    """Return the rule of an algorithm: on the Stiefel manifold, on the sphere, or on free weights of one or two layers.

    `student_scale` is c of Stiefel SGD, ‖a‖/√N if None.
    """
    if sgd.on_stiefel:
        own = float(teacher.norm) / start.student_width**0.5
        return Stiefel(_number(own if student_scale is None else student_scale))
    correlation, on_sphere = sgd.loss == "correlation", sgd.constraint == "sphere"
    free: Rule = TwoHomogeneous(correlation=correlation)
    if start.second_layer is not None:
        rate = _number(0.0 if on_sphere else sgd.second_layer_rate)
        free = TwoLayer(rate, _number(start.output_scale), correlation=correlation)
    return Spherical(free, start.norms) if on_sphere else free


def _number(value: float) -> jax.Array:
    """A number that is none of the program's own, put there by the host, where nothing compiles."""
    return jax.device_put(np.asarray(float(value)))
