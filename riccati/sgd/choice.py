"""Which engine simulates an experiment: the one asked for, or, said so, the one that can."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from ..problem import Teacher
from ..support import require
from .direct import Direct
from .engine import Engine
from .in_law import InLaw

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
    """The engine called `name`; its direct counterpart under a covariance, and where d is too small for reduced
    coordinates.

    Raises:
        ArgumentError: an unknown name, or single precision for an engine in law.
    """
    require(name in ENGINES, "engine", f"be one of {', '.join(ENGINES)}", repr(name))
    require(dtype in ("float64", "float32"), "dtype", "be float64 or float32", repr(dtype))
    require(dtype == "float64" or "direct" in name, "dtype", f'be float64 for engine="{name}"', dtype)
    if "direct" in name:
        return Choice(name, Direct(dim=dim, batch_size=batch_size, dtype=dtype), ())
    outside, fresh = dim - teacher.axes - neurons, min(batch_size, neurons)
    why = None
    if teacher.covariance is not None:
        why = "under a covariance there are no reduced coordinates for all samples"
    elif outside < fresh:
        why = f"d = {dim} too small for reduced coordinates, {teacher.axes + neurons + fresh} or more"
    if why is not None:
        note = f"{why}: simulated directly, the same law"
        return Choice(_DIRECTLY[name], Direct(dim=dim, batch_size=batch_size), (note,))
    cycle = min(neurons // fresh, outside // fresh)
    return Choice(name, InLaw(outside=jnp.asarray(float(outside)), batch_size=batch_size, cycle=cycle), ())
