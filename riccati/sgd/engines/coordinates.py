"""Which engine simulates an experiment: the one asked for, or, said so, the one that can."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...problem import Teacher
from ...support import require
from .direct import Direct
from .engine import Engine, speeds_of
from .reduced import engine_in_law

ENGINES = ("direct", "in_law", "stiefel", "stiefel_direct")
_DIRECTLY = {"in_law": "direct", "stiefel": "stiefel_direct"}


class Choice(NamedTuple):
    """An engine that was chosen.

    Attributes:
        name: one of ENGINES, of the engine that runs.
        engine: the engine.
        notes: a line where it is not the one that was asked for.
    """

    name: str
    engine: Engine
    notes: tuple[str, ...]


def chosen_engine(name: str, dtype: str, batch_size: int, dim: int, teacher: Teacher, neurons: int) -> Choice:
    """The engine called `name`; its direct counterpart where reduced coordinates would be no fewer than d.

    Raises:
        ArgumentError: an unknown name, or single precision for an engine in law.
    """
    require(name in ENGINES, "engine", f"be one of {', '.join(ENGINES)}", repr(name))
    require(dtype in ("float64", "float32"), "dtype", "be float64 or float32", repr(dtype))
    require(dtype == "float64" or "direct" in name, "dtype", f'be float64 for engine="{name}"', dtype)
    covariance = teacher.covariance
    speeds = None if covariance is None else speeds_of(covariance, np.asarray(covariance.eigenvalues))
    direct = Direct(coordinates=dim, speeds=speeds, batch_size=batch_size, dtype=dtype)
    if "direct" in name:
        return Choice(name, direct, ())
    engine = engine_in_law(teacher, dim, neurons, batch_size)
    if engine is not None:
        return Choice(name, engine, ())
    note = f"{_why_not(dim, teacher, neurons + min(batch_size, neurons))}: simulated directly, the same law"
    return Choice(_DIRECTLY[name], direct, (note,))


def _why_not(dim: int, teacher: Teacher, least: int) -> str:
    """Why no coordinates can be left out, where `least` that move alike are needed for that."""
    if teacher.covariance is None:
        return f"d = {dim} too small for reduced coordinates, {teacher.frame_dim + least} or more"
    if teacher.frame is not None:
        return "under a covariance directions off its eigenvectors need all coordinates"
    return f"under a covariance without {least} equal eigenvalues past the teacher's all coordinates are needed"
