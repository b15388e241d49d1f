"""Which definition the overlaps of a run obey: those at step 0 against the start's, or where none is known, its law.

A random start has a subspace overlap of N/d on average, and a neuron overlap of E max_i m_i², m_i² ~ Beta(½, (d-1)/2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import beta

from ..problem import Start, Teacher, alignments
from ..runs import OVERLAPS, Run, overlap_of
from ..trajectory import Trajectory
from .found import Check

_OFF = 0.02  # relative, in a row of overlaps
_SIGMAS = 3.0  # of the mean over directions
_QUANTILES = (np.arange(2000) + 0.5) / 2000  # at which a mean over the law is taken
_SQUARES = "the overlap columns, to their squares"


@dataclass(frozen=True)
class _Law:
    """The mean of a random start's overlaps, over directions.

    Attributes:
        mean: of one overlap, and so of their mean.
        spread: standard deviation of the mean over M directions.
    """

    mean: float
    spread: float


def overlap_check(run: Run, theory: Trajectory) -> Check | None:
    """The overlaps logged at step 0 against those of the start, by either definition, squared or not."""
    if run.overlaps is None or run.steps[0] != 0 or not np.isfinite(run.overlaps[0]).all():
        return None
    if run.start is None:
        return _against_law(run, theory)
    return _against_start(run, run.start, theory)


def _against_start(run: Run, start: Start, theory: Trajectory) -> Check:
    assert run.overlaps is not None
    logged, own = run.overlaps[0], _start_overlaps(theory.teacher, start)
    tried = own | {f"unsquared {name}": np.sqrt(values) for name, values in own.items()}
    off = {name: float(np.max(np.abs(logged / values - 1))) for name, values in tried.items()}
    if off[run.overlap] < _OFF:
        return Check("overlap", True, f"overlaps at step 0 are the start's {run.overlap} overlaps")
    nearest = min(off, key=lambda name: off[name])
    if off[nearest] < _OFF:
        said = f"overlaps at step 0 are the start's {nearest} overlaps, not its {run.overlap} ones"
        return _another(nearest, said, theory)
    said = f"overlaps at step 0 differ from the start's by {off[nearest]:.0%}"
    if run.overlap == "subspace" and "initial_student_gram" not in run.config:
        remedy = "set initial_student_gram (neurons that overlap outside the teacher's span have another span)"
        return Check("overlap", False, f"{said}: {remedy}", "initial_student_gram")
    return Check("overlap", False, f"{said}: the file and initial_overlaps disagree", "initial_overlaps")


def _another(nearest: str, said: str, theory: Trajectory) -> Check:
    """The overlaps are of another definition than the run's keys say."""
    if nearest not in OVERLAPS:
        return Check("overlap", False, f"{said}: set {_SQUARES}", _SQUARES)
    defined = overlap_of(theory.teacher.link)
    remedy = "" if nearest == defined else f"; theory of this link is about {defined} overlaps"
    return Check("overlap", False, f'{said}: set overlap = "{nearest}"{remedy}', f'overlap = "{nearest}"')


def _start_overlaps(teacher: Teacher, start: Start) -> dict[str, Float[np.ndarray, " M"]]:
    least = np.finfo(float).tiny  # which a ratio can be taken with
    return {name: np.maximum(found, least) for name, found in zip(OVERLAPS, alignments(teacher, start), strict=True)}


def _against_law(run: Run, theory: Trajectory) -> Check | None:
    """The mean overlap against its law over random starts, where no start is given."""
    assert run.overlaps is not None
    dim = theory.start.dim
    if dim is None or theory.teacher.covariance is not None:
        return None
    directions, neurons = run.overlaps.shape[1], theory.start.student_width
    laws = _laws(neurons, dim, directions)
    plain, squared = float(np.mean(run.overlaps[0])), float(np.mean(run.overlaps[0] ** 2))
    off = {name: abs(plain - law.mean) / law.spread for name, law in laws.items()}
    off |= {f"unsquared {name}": abs(squared - law.mean) / law.spread for name, law in laws.items()}
    expected = laws[run.overlap].mean
    said = f"overlaps at step 0 are {plain:.3g} on average, {expected:.3g} expected of {run.overlap} ones at random"
    near = [name for name, sigmas in off.items() if sigmas < _SIGMAS]
    if run.overlap in near:
        others = [name for name in near if name != run.overlap]
        unsure = f" (they may as well be {' or '.join(others)} ones)" if others else ""
        return Check("overlap", None if others else True, said + unsure, factor=plain / expected)
    if near:
        nearest = min(near, key=lambda name: off[name])
        return _another(nearest, f"{said}, as {nearest} ones are", theory)
    return Check("overlap", False, f"{said}: set initial_overlaps", "initial_overlaps", plain / expected)


def _laws(neurons: int, dim: int, directions: int) -> dict[str, _Law]:
    """By definition; directions count as independent."""
    mean = neurons / dim
    largest = beta.ppf(_QUANTILES ** (1 / neurons), 0.5, (dim - 1) / 2)
    spread = np.sqrt(2 * mean * (1 - mean) / (dim + 2))  # of Beta(N/2, (d-N)/2)
    root = np.sqrt(directions)
    return {
        "subspace": _Law(mean, max(float(spread) / root, 1e-300)),
        "neuron": _Law(float(largest.mean()), float(largest.std()) / root),
    }
