"""The table of emergence times: those of theory, those of the run, and their quantiles by the law of SGD."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jax.typing import ArrayLike

from ..flows import Decoupled
from ..numerics import first_crossings
from ..problem import uncovered
from .observation import Observation
from .theory import Theory

_QUARTILES = 1.349  # standard deviations between the quartiles of a normal law
_SPREAD = 0.1

Quantile = Callable[[float], ArrayLike]  # of the emergence times by a fraction of runs, (M,)


@dataclass(frozen=True)
class Emergence:
    """The emergence times of one direction, canonical; None where never or unknown.

    Attributes:
        direction: m, from 1.
        predicted: that of the comparison's flow.
        measured: that of the run.
        expected: the time that `ratio` divides: the median of T_m at the run's step where known, else `predicted`.
        decoupled: for k > 2, that of the decoupled equation, by its exact inverse.
        finite_step: that of the finite-step limit.
        early, median, late: the quartiles and the median of T_m over runs of SGD at the run's step.
    """

    direction: int
    predicted: float | None
    measured: float | None
    expected: float | None
    decoupled: float | None = None
    finite_step: float | None = None
    early: float | None = None
    median: float | None = None
    late: float | None = None

    @property
    def spread(self) -> float:
        """The relative standard deviation of T_m: the law's, by its quartiles, or a tenth where it is not known."""
        if not self.early or self.late is None:
            return _SPREAD
        return math.log(self.late / self.early) / _QUARTILES

    @property
    def ratio(self) -> float | None:
        """expected/measured, None unless both are known and positive."""
        if self.expected is None or not self.measured:
            return None
        return self.expected / self.measured


def emergence_of(observation: Observation, theory: Theory, quantile: Quantile | None = None) -> tuple[Emergence, ...]:
    """A row for each direction; `quantile` is that of the law of the emergence times, where it is known."""
    teacher = theory.teacher
    columns: dict[str, ArrayLike] = {"predicted": theory.trajectory.emergence_times()}
    if theory.overlaps is not None:
        columns["measured"] = first_crossings(observation.run.times, theory.overlaps, 0.5)
    if not uncovered("Decoupled", teacher, theory.start, observation.run.algorithm):
        columns["decoupled"] = Decoupled().emergence_times_of(teacher, theory.start)
    if theory.finite_step is not None and theory.is_native:
        columns["finite_step"] = theory.finite_step.emergence_times()
    if quantile is not None and theory.is_native:
        columns |= {"early": quantile(0.25), "median": quantile(0.5), "late": quantile(0.75)}
    cells = {name: [known(float(time)) for time in np.asarray(column)] for name, column in columns.items()}
    cells.setdefault("measured", [None] * teacher.width)
    cells["expected"] = cells.get("median", cells["predicted"])
    rows = zip(*cells.values(), strict=True)
    return tuple(Emergence(m + 1, **dict(zip(cells, row, strict=True))) for m, row in enumerate(rows))


def known(value: float) -> float | None:
    """The value, None where it is not finite."""
    return value if math.isfinite(value) else None
