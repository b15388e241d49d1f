"""The teacher and the random start that options of several verbs describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..support import ArgumentError, require, require_integer, require_memory
from .choices import DirectionsChoice, StudentChoice

if TYPE_CHECKING:
    from ..problem import Start, Teacher

_ONE_OF = f"be one of {', '.join(DirectionsChoice)}"


def problem_of(
    link: str, teacher_width: int, beta: float, student_width: int, dim: int, norm: float, seed: int,
    covariance_exponent: float | None, kind: str, teacher_directions: str, negative: str | None,
) -> tuple[Teacher, Start]:  # fmt: skip
    """A power-law teacher, along eigenvectors of an input with λ_i = i^-γ where γ is given, and a random start.

    Gaussian directions are drawn from the seed. A two-layer student starts balanced, b_i = ±|w_i| with signs that
    alternate.

    Raises:
        ArgumentError: a problem that cannot be.
    """
    from ..problem import Covariance, Link, Start, Teacher

    # before anything that allocates
    for name, value in {"teacher_width": teacher_width, "student_width": student_width, "dim": dim}.items():
        require_integer(value, name, 1)
    require_integer(seed, "seed", 0)
    require_memory(float(teacher_width), "teacher_width", teacher_width)
    sigma, covariance = Link.named(link), None
    if covariance_exponent is not None:
        require_memory(4.0 * student_width * dim, "dim", dim)
        try:
            covariance = Covariance.power_law(dim, covariance_exponent)
        except ArgumentError as error:
            raise error.renamed({"exponent": "covariance_exponent"}) from None
    else:
        require_memory(4.0 * student_width * (teacher_width + student_width), "student_width", student_width)
    teacher = Teacher.power_law(teacher_width, beta, sigma, covariance=covariance)
    a = np.asarray(teacher.a) * _signs(negative, teacher_width)
    require(teacher_directions in list(DirectionsChoice), "teacher_directions", _ONE_OF, repr(teacher_directions))
    if teacher_directions == DirectionsChoice.GAUSSIAN:
        require_memory(float(teacher_width) * dim, "dim", dim)
        rows = np.random.default_rng(seed).standard_normal((teacher_width, dim))
        teacher = Teacher.from_directions(rows, a, sigma, covariance=covariance, lengths="divided")
    elif negative is not None:
        teacher = Teacher(a, sigma, covariance=covariance)
    start = Start.random(teacher, student_width, dim, norm, seed)
    if kind != StudentChoice.TWO_LAYER:
        return teacher, start
    must = "have σ(λz) = λσ(z), λ > 0 (relu, abs or he1), for two_layer"
    require(sigma.is_homogeneous, "link", must, link)
    return teacher, start.with_second_layer(norm * (-1.0) ** np.arange(student_width))


def _signs(negative: str | None, width: int) -> np.ndarray:
    """-1 for the directions in a text such as "2,5", 1 for the others."""
    signs = np.ones(width)
    for text in [] if negative is None else negative.split(","):
        known = text.strip().isdecimal() and 1 <= int(text) <= width
        require(known, "negative", f"be numbers from 1 to {width} with commas between them", repr(negative))
        signs[int(text) - 1] = -1.0
    return signs
