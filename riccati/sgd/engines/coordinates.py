"""The choice of coordinates in which an experiment is simulated, "reduced" or "direct", for every rule.

"reduced": few coordinates with the same law, at a cost that does not depend on d (reduced.py). Where they would be no
fewer than d, the experiment is simulated directly, and the run has a note. "direct": all d coordinates (direct.py).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ...problem import SGD, Constraint, Teacher
from ...support import COORDINATES, Coordinates, require
from .direct import DirectEngine
from .engine import Engine, speeds_of
from .reduced import reduced_engine

REDUCED, DIRECT = COORDINATES


class EngineWords(NamedTuple):
    """The constraint and the coordinates behind an engine's name of versions up to 0.5.

    Attributes:
        constraint: of the algorithm, as `SGD` has it.
        coordinates: one of COORDINATES.
    """

    constraint: Constraint | None
    coordinates: Coordinates

    def __str__(self) -> str:
        rule = "" if self.constraint is None else f'constraint="{self.constraint}", '
        return f'{rule}coordinates="{self.coordinates}"'


_WORDS = {
    "direct": EngineWords(None, "direct"),
    "in_law": EngineWords(None, "reduced"),
    "stiefel": EngineWords("stiefel", "reduced"),
    "stiefel_direct": EngineWords("stiefel", "direct"),
}


def engine_words(engine: str) -> EngineWords:
    """Return the constraint and the coordinates that `engine` named up to 0.5; its `str` is how they are written now.

    Raises:
        ArgumentError: an unknown name.
    """
    require(isinstance(engine, str) and engine in _WORDS, "engine", f"be one of {', '.join(_WORDS)}", repr(engine))
    return _WORDS[engine]


class ChosenEngine(NamedTuple):
    """The engine that simulates an experiment.

    Attributes:
        coordinates: one of COORDINATES, those of the engine that runs.
        engine: the engine.
        notes: a line where these coordinates are not those that were asked for.
    """

    coordinates: str
    engine: Engine
    notes: tuple[str, ...]


def chosen_engine(coordinates: str, sgd: SGD, dtype: str, dim: int, teacher: Teacher, neurons: int) -> ChosenEngine:
    """Return the engine with these coordinates; the direct one where reduced coordinates would be no fewer than d.

    Raises:
        ArgumentError: unknown coordinates, or single precision in reduced ones.
    """
    require(coordinates in COORDINATES, "coordinates", 'be "reduced" or "direct"', repr(coordinates))
    require(dtype in ("float64", "float32"), "dtype", "be float64 or float32", repr(dtype))
    must = f'be float64 for coordinates="{REDUCED}"'
    require(dtype == "float64" or coordinates == DIRECT, "dtype", must, dtype)
    covariance = teacher.covariance
    speeds = None if covariance is None else speeds_of(covariance, np.asarray(covariance.eigenvalues))
    noise = None if teacher.noise is None else jnp.sqrt(teacher.label_variance)
    direct = DirectEngine(
        coordinates=dim, speeds=speeds, label_noise=noise, batch_size=sgd.batch_size, dtype=dtype
    )  # fmt: skip
    if coordinates == DIRECT:
        return ChosenEngine(DIRECT, direct, ())
    rows = neurons if sgd.momentum == 0 else 2 * neurons
    engine = reduced_engine(teacher, dim, neurons, sgd.batch_size, rows=rows, label_noise=noise)
    if engine is not None:
        return ChosenEngine(REDUCED, engine, ())
    note = f"{_why_not(dim, teacher, rows + min(sgd.batch_size, neurons))}: simulated directly, the same law"
    return ChosenEngine(DIRECT, direct, (note,))


def _why_not(dim: int, teacher: Teacher, least: int) -> str:
    """Return why no coordinates can be left out; that needs a group of at least `least` with equal eigenvalues."""
    if teacher.covariance is None:
        return f"d = {dim} too small for reduced coordinates, {teacher.frame_dim + least} or more"
    if teacher.frame is not None:
        return "under a covariance directions off its eigenvectors need all coordinates"
    return f"under a covariance without {least} equal eigenvalues past the teacher's all coordinates are needed"
