"""The teacher and the random start that options of several verbs describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .choices import ParametrisationChoice

if TYPE_CHECKING:
    from ..problem import Start, Teacher


def problem_of(
    link: str, teacher_width: int, beta: float, student_width: int, dim: int, norm: float, seed: int,
    covariance_exponent: float | None, parametrisation: str,
) -> tuple[Teacher, Start]:  # fmt: skip
    """A power-law teacher, along eigenvectors of an input with λ_i = i^-γ where γ is given, and a random start.

    A two-layer student starts balanced, b_i = ±|w_i| with signs that alternate.

    Raises:
        ArgumentError: a problem that cannot be.
    """
    import numpy as np

    from ..problem import Covariance, Link, Start, Teacher
    from ..support import ArgumentError, require, require_integer, require_memory

    # before the draw of the start, which allocates
    for name, value in {"teacher_width": teacher_width, "student_width": student_width, "dim": dim}.items():
        require_integer(value, name, 1)
    sigma, covariance = Link.named(link), None
    columns = 4.0 * (teacher_width + student_width)
    if covariance_exponent is not None:
        columns = 4.0 * dim
        require_memory(student_width * columns, "dim", dim)
        try:
            covariance = Covariance.power_law(dim, covariance_exponent)
        except ArgumentError as error:
            raise error.renamed({"gamma": "covariance_exponent"}) from None
    require_memory(float(teacher_width), "teacher_width", teacher_width)
    require_memory(student_width * columns, "student_width", student_width)
    teacher = Teacher.power_law(teacher_width, beta, sigma, covariance=covariance)
    start = Start.random(teacher, student_width, dim, norm, seed)
    if parametrisation != ParametrisationChoice.TWO_LAYER:
        return teacher, start
    must = "be positively homogeneous (relu, abs or he1) for two_layer"
    require(sigma.is_homogeneous, "link", must, link)
    return teacher, start.with_second_layer(norm * (-1.0) ** np.arange(student_width))
