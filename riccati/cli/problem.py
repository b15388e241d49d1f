"""The options of a problem: a power-law teacher and a random start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
import typer

from ..support import LINK_NAMES, ArgumentError, StudentKind, require, require_integer, require_memory, require_real

if TYPE_CHECKING:
    from ..problem import Covariance, Link, Start, Teacher

Directions = Literal["orthonormal", "gaussian"]

LinkOption = Annotated[str, typer.Option("--link", help=f"he1, he2, …, {', '.join(LINK_NAMES)}.")]
TeacherWidth = Annotated[int, typer.Option(help="M, directions of the teacher.")]
Beta = Annotated[float, typer.Option(help="Decay of the second layer, a_m ∝ m^-β.")]
Norm = Annotated[float, typer.Option(help="Initial norm of every neuron.")]


@dataclass(frozen=True, kw_only=True)
class ProblemOptions:
    """The options of teacher, input and start; their meaning is in the `help` of each."""

    teacher_width: TeacherWidth
    student_width: Annotated[int, typer.Option(help="N, neurons of the student.")]
    dim: Annotated[int, typer.Option(help="d, input dimension.")]
    link: LinkOption = "he2"
    beta: Beta = 1.0
    norm: Norm = 1e-2
    seed: Annotated[int, typer.Option(help="Seed of the random start, and of the samples of SGD.")] = 0
    covariance_exponent: Annotated[
        float | None, typer.Option(help="α of the input's covariance, λ_i = i^-α; isotropic if not given.")
    ] = None
    kind: Annotated[
        StudentKind,
        typer.Option(
            "--kind",
            "--parametrisation",
            help="two_homogeneous: f = Σ |w_i|² σ(<x, w_i>/|w_i|); two_layer: f = Σ b_i σ(<x, w_i>), "
            "from b_i = ±|w_i|.",
        ),
    ] = "two_homogeneous"
    teacher_directions: Annotated[
        Directions, typer.Option(help="gaussian: independent Gaussian rows, drawn from the seed; they overlap.")
    ] = "orthonormal"
    negative: Annotated[
        str | None, typer.Option(help="Directions whose a_m is negative, such as 2,5; none if not given.")
    ] = None

    label_noise: Annotated[
        float | None, typer.Option(help="Δ, variance of the labels' noise over E f*²; none if not given.")
    ] = None

    def problem(self) -> tuple[Teacher, Start]:
        """The teacher, along eigenvectors of an input with λ_i = i^-α where α is given, and a random start.

        Gaussian directions are drawn from the seed. A two-layer student starts with b_i = ±|w_i|, signs alternating.

        Raises:
            ArgumentError: a problem that cannot be.
        """
        from ..problem import Link, Start

        self._require_sizes()
        link = Link.named(self.link)
        teacher = self._teacher(link, self._covariance())
        start = Start.random(teacher, self.student_width, self.dim, self.norm, self.seed)
        if self.kind != "two_layer":
            return teacher, start
        return teacher, start.with_second_layer(self.norm * (-1.0) ** np.arange(self.student_width))

    def _require_sizes(self) -> None:
        """Refuse what no memory holds before anything is allocated."""
        for name in ("teacher_width", "student_width", "dim"):
            require_integer(getattr(self, name), name, 1)
        require_integer(self.seed, "seed", 0)
        require_memory(float(self.teacher_width), "teacher_width", self.teacher_width)
        if self.covariance_exponent is not None:
            require_memory(4.0 * self.student_width * self.dim, "dim", self.dim)
        else:
            axes = self.teacher_width + self.student_width
            require_memory(4.0 * self.student_width * axes, "student_width", self.student_width)

    def _covariance(self) -> Covariance | None:
        from ..problem import Covariance

        if self.covariance_exponent is None:
            return None
        try:
            return Covariance.power_law(self.dim, self.covariance_exponent)
        except ArgumentError as error:
            raise error.renamed({"exponent": "covariance_exponent"}) from None

    def _teacher(self, link: Link, covariance: Covariance | None) -> Teacher:
        from ..problem import Teacher

        noise = self.label_noise
        if noise is not None:
            require_real(noise, "label_noise", least=0)
        teacher = Teacher.power_law(self.teacher_width, self.beta, link, covariance=covariance, noise=noise)
        a = np.asarray(teacher.a) * _signs(self.negative, self.teacher_width)
        known = get_args(Directions)
        must = f"be one of {', '.join(known)}"
        require(self.teacher_directions in known, "teacher_directions", must, repr(self.teacher_directions))
        if self.teacher_directions == "gaussian":
            require_memory(float(self.teacher_width) * self.dim, "dim", self.dim)
            rows = np.random.default_rng(self.seed).standard_normal((self.teacher_width, self.dim))
            return Teacher.from_directions(rows, a, link, covariance=covariance, lengths="divided", noise=noise)
        return teacher if self.negative is None else Teacher(a, link, covariance=covariance, noise=noise)


def _signs(negative: str | None, width: int) -> np.ndarray:
    """-1 for the directions in a text such as "2,5", 1 for the others."""
    signs = np.ones(width)
    for text in [] if negative is None else negative.split(","):
        known = text.strip().isdecimal() and 1 <= int(text) <= width
        require(known, "negative", f"be numbers from 1 to {width} with commas between them", repr(negative))
        signs[int(text) - 1] = -1.0
    return signs
