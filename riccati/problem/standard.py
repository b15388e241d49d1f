"""What a problem may have beyond the standard one, and how a flow or law that does not cover it refuses."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..support import ArgumentError, is_traced
from .start import Start
from .teacher import Teacher
from .typical import TypicalStart

SIGNED, CORRELATED, MIXED, ANISOTROPIC, TWO_LAYER = (
    "negative a",
    "correlated directions",
    "a link for each direction",
    "anisotropic input",
    "a two-layer student",
)
_MUST = {
    SIGNED: "have a > 0 in every entry",
    CORRELATED: "have orthonormal directions",
    MIXED: "have one link for all directions",
    ANISOTROPIC: "live on isotropic input",
    TWO_LAYER: "be of a 2-homogeneous student, without `second_layer`,",
}


def departures(teacher: Teacher, start: Start | TypicalStart | None = None) -> list[str]:
    """What of these a problem has; a second layer that is traced counts as positive, as nothing can read its signs."""
    found = []
    if not is_traced(teacher.a) and bool((np.asarray(teacher.a) < 0).any()):
        found.append(SIGNED)
    if teacher.frame is not None:
        found.append(CORRELATED)
    if teacher.links is not None:
        found.append(MIXED)
    if teacher.covariance is not None:
        found.append(ANISOTROPIC)
    if isinstance(start, Start) and start.second_layer is not None:
        found.append(TWO_LAYER)
    return found


def require_standard(
    where: str, teacher: Teacher, start: Start | TypicalStart | None = None, *, but: Collection[str] = ()
) -> None:
    """Refuse, for `where`, every departure from the standard problem that is not named in `but`.

    Raises:
        ArgumentError: on the teacher or the start, with what it must have and what it has.
    """
    for departure in departures(teacher, start):
        if departure not in but:
            argument = "start" if departure == TWO_LAYER else "teacher"
            raise ArgumentError(
                argument, f"{_MUST[departure]} for {where} (Coupled() takes others)", f"one with {departure}"
            )
