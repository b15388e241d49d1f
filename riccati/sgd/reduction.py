"""Which coordinates of R^d weights are kept in for steps in law: few of a large group that moves alike, all of others.

Coordinates past the teacher's move alike where their eigenvalues agree: all of them on isotropic input, in groups
under a covariance. A group of d_g >= N + nE coordinates needs no more than these for n steps on batches of B,
E = min(B, N), before it is folded; n is N/E, or fewer if no group is that large.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..problem import Teacher
from .engine import speeds_of
from .in_law import InLaw


class _Groups(NamedTuple):
    """The coordinates past the teacher's that move alike, in the order in which a start has them.

    Attributes:
        sizes: d_g, how many coordinates each has.
        eigenvalues: λ_g; 1 on isotropic input.
    """

    sizes: Int[np.ndarray, " n"]
    eigenvalues: Float[np.ndarray, " n"]


def _groups(teacher: Teacher, dim: int) -> _Groups:
    if teacher.covariance is None:
        return _Groups(np.array([dim - teacher.frame_dim]), np.ones(1))
    groups = teacher.covariance.groups_after(teacher.frame_dim)
    return _Groups(np.array([len(g.indices) for g in groups], int), np.array([g.eigenvalue for g in groups]))


def engine_in_law(teacher: Teacher, dim: int, neurons: int, batch_size: int) -> InLaw | None:
    """The engine for N = `neurons` in R^dim, its coordinates in the order that it states.

    None where no group has N + min(B, N) coordinates, so that there are none to leave out.
    """
    axes, fresh, (sizes, eigenvalues) = teacher.frame_dim, min(batch_size, neurons), _groups(teacher, dim)
    outside = sizes - neurons
    cycle = min(neurons, int(outside.max(initial=0))) // fresh
    if cycle == 0:
        return None
    large = outside >= cycle * fresh
    begins = axes + np.where(large, sizes[~large].sum(), np.cumsum(~large * sizes) - sizes)
    begins += large * neurons * (np.cumsum(large) - 1)
    places = [first + np.arange(min(size, neurons)) for first, size in zip(begins, sizes, strict=True)]
    fold, added = (np.repeat(eigenvalues[large], columns) for columns in (neurons, fresh))
    past = [np.repeat(eigenvalues[~large], sizes[~large]), fold, np.tile(added, cycle)]
    covariance = teacher.covariance
    along = np.ones(axes) if covariance is None else np.asarray(covariance.eigenvalues)[:axes]
    each = np.concatenate([along, *past])
    return InLaw(
        outside=jnp.asarray(outside[large], float), places=jnp.asarray(np.concatenate([np.arange(axes), *places])),
        speeds=speeds_of(covariance, each), coordinates=len(each), batch_size=batch_size, cycle=cycle,
    )  # fmt: skip
