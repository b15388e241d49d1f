"""The observed risk curve of a run, and its mean and covariance by the law of SGD for any second layer and any clock.

    log risk(t_j) = μ_j(θ) + ξ_j,       Cov ξ_ij = C_ij(θ) + σ² ρ^|i-j|,

μ and C are mean and covariance over draws of the law of the risk (`riccati.risk_law`) at the run's step, from its own
start. Draws of different θ share their random numbers, so that μ is smooth in θ and its slope ∂μ/∂θ is that of every
draw's own path, by central differences. σ and ρ, of what the law leaves out, are fitted (likelihood.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...flows import FiniteStep
from ...laws import risk_law
from ...problem import SGD, Link, Problem, Start, Teacher, require_covered
from ...runs import Run
from ...support import require

_DRAWS, _SEED = 128, 0
_FALLEN = 0.8  # share of the first risk from which on the curve depends on the teacher
_FEWEST = 5  # rows that are fitted
_STEP = 0.02  # half the distance of the differences

Parameters = Float[np.ndarray, " p"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A teacher and a clock whose likelihood is computed.

    Attributes:
        a: (M,), the second layer.
        clock: canonical time over that which the run's configuration says.
    """

    a: Float[np.ndarray, " M"]
    clock: float


@dataclass(frozen=True, eq=False)
class ObservedCurve:
    """The rows of a run's risk curve that are fitted, and what the run fixes of their law.

    Attributes:
        link, width, norm: of the teacher, the last ‖a‖.
        start: the run's start.
        sgd: the run's algorithm, its learning rate in canonical time per step by the configuration.
        times: (n,), canonical time by the configuration.
        target: (n,), log risk there.
    """

    link: Link
    width: int
    norm: float
    start: Start
    sgd: SGD
    times: Float[np.ndarray, " n"]
    target: Float[np.ndarray, " n"]

    def limit(self, at: Candidate) -> Float[np.ndarray, " n"]:
        """log risk of the limit d → ∞ at the run's step."""
        flow = FiniteStep.of(self.sgd.faster(at.clock), int(self.start.dim or 0))
        problem = Problem(Teacher(at.a, self.link), self.start)
        risk = flow.evolve(problem, jnp.asarray(at.clock * self.times)).observables.risk
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(risk))

    def draws(self, at: Candidate) -> Float[np.ndarray, "R n"]:
        """log risk of draws of the law, a row each.

        Raises:
            ArgumentError: at a step at which draws diverge.
        """
        sgd = self.sgd.faster(at.clock)
        teacher, times = Teacher(at.a, self.link), at.clock * self.times
        law = risk_law(teacher, self.start, sgd, times=times, replicas=_DRAWS, seed=_SEED)
        log_risk = np.log(np.asarray(law.draws))
        sound = bool(np.isfinite(log_risk).all())
        require(sound, "run", "have a step at which the law does not diverge", f"η = {sgd.rate:.3g}")
        return log_risk

    def linear(
        self, candidate: Callable[[Parameters], Candidate], theta: Parameters
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n p"], Float[np.ndarray, "n n"]]:
        """The mean μ, its slope ∂μ/∂θ and the covariance C of log risk at θ."""
        here = self.draws(candidate(theta))
        slopes = []
        for step in _STEP * np.eye(len(theta)):
            ahead, behind = (self.draws(candidate(theta + sign * step)).mean(0) for sign in (1, -1))
            slopes.append((ahead - behind) / (2 * _STEP))
        # the inverse of a covariance estimated from R draws is too large (Hartlap et al. 2007); 1/R is the mean's
        draws, rows = here.shape
        unbiased = (draws - 1) / (draws - rows - 2) * (1 + 1 / draws)
        return here.mean(0), np.stack(slopes, axis=1), unbiased * np.atleast_2d(np.cov(here.T))


def observed_curve(run: Run, rows: int, consumer: str) -> ObservedCurve:
    """The curve of a run, with what its law needs, for `consumer` of the table in problem/scope.py.

    Raises:
        ArgumentError: as `infer_beta`.
    """
    require(isinstance(run, Run), "run", "be a riccati.Run", type(run).__name__)
    teacher, start = run.teacher, run.start
    require(start is not None, "run", "have initial_overlaps and dim", "without")
    require_covered(consumer, teacher, start, run.algorithm)
    constant = run.kind == "two_homogeneous" and run.clock is None
    require(constant, "run", "be SGD on weights at a constant step", run.kind)
    sgd = run.sgd
    require(sgd is not None, "run", "give its batch_size", "without")
    assert start is not None
    assert sgd is not None
    times, target = _rows(run, rows)
    return ObservedCurve(teacher.link, teacher.width, float(teacher.norm), start, sgd, times, target)


def _rows(run: Run, wanted: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Times and log risk of the rows that are fitted: from where the risk begins to fall, evenly in log t."""
    risk = run.risk
    require(risk is not None, "run", "have logged a loss", "without one")
    assert risk is not None
    sound = np.flatnonzero((run.times > 0) & np.isfinite(risk) & (risk > 0))
    require(len(sound) >= wanted, "run", f"have {wanted} rows or more of positive risk", len(sound))
    first, last = float(risk[sound[0]]), float(risk[sound[-1]])
    reaches = f"reach past the first emergence, to {_FALLEN:g} of its first risk or less"
    require(
        last < _FALLEN * first,
        "run",
        f"{reaches}, as an earlier part does not determine the teacher",
        f"at {last / first:.3g} of it in the end",
    )
    begin = sound[np.argmax(risk[sound] < (1 + _FALLEN) / 2 * first)]
    evenly = np.geomspace(run.times[begin], run.times[sound[-1]], wanted)
    rows = np.unique(sound[np.searchsorted(run.times[sound], evenly).clip(max=len(sound) - 1)])
    require(len(rows) >= _FEWEST, "run", f"have {_FEWEST} rows or more after its risk begins to fall", len(rows))
    return run.times[rows], np.log(risk[rows])
