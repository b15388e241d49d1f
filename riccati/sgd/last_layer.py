"""The second phase of layer-wise training: the last layer, fitted by ridge regression on n' fresh samples.

The first phase, SGD or any flow, gives the directions of the first layer; with these fixed the student is linear in
what is left (linear_student.py). Source: Oko, Song, Suzuki & Wu 2024 (arXiv 2406.11828) for neurons, BEVW25
(arXiv 2508.03688), Phase II, for Stiefel SGD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import scipy
from jaxtyping import Float

from ..problem import Problem, Start, Teacher, require_covered
from ..runs import Run
from ..support import require, require_integer, require_memory, require_open_unit, require_real
from .linear_student import RANK, LinearModel, NeuronAmplitudes, RadialPart

_STIEFEL = "stiefel_quadratic"


@runtime_checkable
class FollowedInTime(Protocol):
    """A student that was followed in time, as a trajectory is."""

    @property
    def teacher(self) -> Teacher:
        """The teacher."""

    def student_at(self, time: float | None = None) -> Start:
        """The student at a canonical time, None for the last."""


@dataclass(frozen=True, eq=False)
class SecondPhase:
    """Fits of the last layer, and the risk with them; see `second_phase`.

    `samples` was a number, or n numbers: a first axis of n below; `draws` was None, or D: one of D before it.

    Attributes:
        amplitudes: ŝ, (N,); None for Stiefel SGD.
        Omega: Ω, (N, N), symmetric, of Stiefel SGD; None for others.
        risk: E(f* - f)²/E f*² with each fit.
        limit: the risk of the fit to infinitely many samples, with the same ridge.
        expected: the mean of `risk` over samples where it is known exactly, inf where that is infinite; else None.
        samples: n' of each fit; None for the limit itself.
        draws: D, over which `mean` and `quantile` are taken; None for one fit.
    """

    amplitudes: Float[np.ndarray, "*fits N"] | None
    Omega: Float[np.ndarray, "*fits N N"] | None
    risk: Float[np.ndarray, "*fits"] | float
    limit: float
    expected: Float[np.ndarray, " n"] | float | None = None
    samples: tuple[int, ...] | int | None = None
    draws: int | None = None

    @property
    def mean(self) -> Float[np.ndarray, " n"] | float:
        """The mean risk over the draws."""
        return np.mean(self._drawn, axis=0)

    def quantile(self, q: float) -> Float[np.ndarray, " n"] | float:
        """The risk that a fraction `q` of the draws does not exceed.

        Raises:
            ArgumentError: if `q` is not in (0, 1), or there are no draws.
        """
        require_open_unit(q, "q")
        return np.quantile(self._drawn, q, axis=0)

    @property
    def _drawn(self) -> np.ndarray:
        require(self.draws is not None, "draws", "be given to `second_phase` for a mean or a quantile", "not")
        return np.asarray(self.risk)

    def __repr__(self) -> str:
        if self.samples is None:
            return f"SecondPhase(limit {self.limit:.4g})"
        risk = self.risk if self.draws is None else self.quantile(0.5)
        shown = ", ".join(f"{each:.4g}" for each in np.ravel(risk))
        drawn = "" if self.draws is None else f", median of {self.draws} draws"
        return f"SecondPhase(samples {self.samples}, risk {shown}{drawn}, limit {self.limit:.4g})"


def second_phase(
    student: Problem | FollowedInTime | Run,
    samples: int | Sequence[int] | None = None,
    ridge: float = 0.0,
    seed: int = 0,
    draws: int | None = None,
) -> SecondPhase:
    """Fit the last layer of a student by ridge regression on n' fresh samples, its first layer as training left it.

    With unit directions u_i, labels y = f*(x) + √(Δ E f*²) ξ (`Teacher(noise=Δ)`), ρ = `ridge` and any link,

        ŝ = argmin (1/n') Σ (y - Σ_i s_i σ(<x, u_i>))² + ρ|s|²,      n' = ∞:  (g(q) + ρI) ŝ = Σ_m a_m g_m(m_im).

    Where the features are linearly dependent (neurons that are parallel, or more neurons than the link has degrees of
    freedom) and ρ = 0, ŝ is the solution of least norm. A committee machine, whose link does not factor out norms, has
    σ(<x, w_i>) for σ(<x, u_i>), and its second layer is fitted. For Stiefel SGD the symmetric radial part Ω is,

        Ω̂ = argmin (1/n') Σ (√2 y - <Ω, uuᵀ - I>)² + ρ||Ω||_F²,      u = Wx,      n' = ∞:  (2 + ρ) Ω̂ = 2 ZᵀAZ.

    n' = Θ̃(N²) is enough there. Only projections of the samples are drawn, with the law that they have in R^d, so the
    cost does not depend on d; the risk of a fit is the population risk, without the labels' noise, exact in the
    overlaps. The mean risk over samples is known exactly for σ = c h_1 and ρ = 0, where features and what they miss
    are independent Gaussians: `limit` + (`limit` + Δ) r/(n' - r - 1), r the rank of the features. For other links
    it is that over `draws`; without noise a target that the features span is fitted exactly by any n' ≥ r samples.

    Args:
        student: whose first layer is taken: a `riccati.Problem` of a teacher and a start with all overlaps, such as
            `Start.from_weights(W, Theta)`; a trajectory of a flow that follows every neuron, at its last time
            (`trajectory.student_at` gives others); or a run of `riccati.sgd`, at its end.
        samples: n', one number or several, which are the first n' of the same samples; None for the limit n' = ∞.
        ridge: ρ ≥ 0.
        seed: of the samples, an integer.
        draws: D, how many times samples are drawn, for the mean risk and its quantiles; None for one fit.

    Raises:
        ArgumentError: a student that is none of these, fewer samples than unknowns without a ridge, a ridge < 0, more
            samples than memory holds, draws without samples.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=2, beta=1.0, link=rc.Link.hermite(3), noise=0.1)
        >>> start = rc.Start([[0.6, 0.0], [0.0, 0.8], [0.0, 0.1]])
        >>> rc.sgd.second_phase(rc.Problem(teacher, start))
        SecondPhase(limit 0.9102)
        >>> fit = rc.sgd.second_phase(rc.Problem(teacher, start), samples=(100, 1000), draws=20)
        >>> fit.risk.shape, fit.amplitudes.shape
        ((20, 2), (20, 2, 3))
    """
    model = _model_of(student)
    sizes = () if samples is None else tuple(np.ravel(np.asarray(samples, object)))
    require(samples is None or len(sizes) > 0, "samples", "have one entry or more", "empty")
    for size in sizes:
        require_enough_samples(model.neurons, size, ridge, stiefel=model.is_stiefel)
    require_real(ridge, "ridge", least=0)
    require_integer(seed, "seed", 0)
    must = "be left out for the limit of infinitely many samples"
    require(draws is None or len(sizes) > 0, "draws", must, draws)
    if draws is not None:
        require_integer(draws, "draws", 1)
    limit = model.limit(ridge)
    floor = float(model.risk(limit))
    if samples is None:
        return SecondPhase(*model.shaped(limit), floor, floor)
    random, many = np.random.default_rng(seed), max(sizes)
    fits = np.empty((draws or 1, len(sizes), len(model.best)))
    for fitted in fits:
        features, y = model.draw(random, many)
        for row, size in zip(fitted, sizes, strict=True):
            row[:] = _fitted(features[:size], y[:size], ridge)
    expected = model.expected_risk(np.array(sizes, float)) if ridge == 0 else None
    fits = fits[0] if draws is None else fits
    if np.ndim(samples) > 0:
        return SecondPhase(*model.shaped(fits), model.risk(fits), floor, expected, sizes, draws)
    one = fits[..., 0, :]
    risk = float(model.risk(one)) if draws is None else model.risk(one)
    mean = None if expected is None else float(expected[0])
    return SecondPhase(*model.shaped(one), risk, floor, mean, sizes[0], draws)


def require_enough_samples(neurons: int, samples: int, ridge: float = 0.0, *, stiefel: bool = True) -> None:
    """Refuse samples that are fewer than the unknowns without a ridge, or more than memory holds.

    The unknowns are N amplitudes, for Stiefel SGD the N(N+1)/2 entries of Ω.
    """
    unknowns = neurons * (neurons + 1) // 2 if stiefel else neurons
    require_integer(samples, "samples", 1)
    require_real(ridge, "ridge", least=0)
    enough = f"be ≥ {'N(N+1)/2' if stiefel else 'N'} = {unknowns} without a ridge"
    require(ridge > 0 or samples >= unknowns, "samples", enough, samples)
    require_memory(3.0 * samples * unknowns, "samples", samples)


def _model_of(student: Problem | FollowedInTime | Run) -> LinearModel:
    if isinstance(student, Run):
        return _model_of_run(student)
    if isinstance(student, FollowedInTime):
        student = Problem(student.teacher, student.student_at())
    must = "be a riccati.Problem(teacher, start), a trajectory or a run of riccati.sgd"
    require(isinstance(student, Problem), "student", must, type(student).__name__)
    teacher, start = student.teacher, student.start
    require_covered("second_phase", teacher, start)
    start = student.full_start
    norms = np.asarray(start.norms) if student.is_committee else None
    return NeuronAmplitudes(teacher, np.asarray(start.teacher_overlaps), np.asarray(start.student_gram), norms)


def _model_of_run(run: Run) -> LinearModel:
    simulated = "final_overlaps" in run.config
    must = "be one of riccati.sgd, which holds its last overlaps (riccati.Problem(teacher, start) takes others)"
    require(simulated, "run", must, run.source or "another")
    overlaps = np.asarray(run.config["final_overlaps"], float)
    if run.kind == _STIEFEL:
        return RadialPart(run.teacher, overlaps)
    require("final_student_gram" in run.config, "run", must, "one of riccati up to 0.6")
    gram, teacher = np.asarray(run.config["final_student_gram"], float), run.teacher
    committee = run.kind == "two_layer" and not teacher.link.is_homogeneous
    return NeuronAmplitudes(
        teacher, overlaps, gram, np.asarray(run.config["final_norms"], float) if committee else None
    )


def _fitted(features: Float[np.ndarray, "n P"], y: Float[np.ndarray, " n"], ridge: float) -> Float[np.ndarray, " P"]:
    """The coefficients of least mean (y - φᵀs)² + ridge·|s|², and of these those of least norm."""
    count = features.shape[1]
    if ridge > 0:
        features = np.vstack([features, np.sqrt(ridge * len(features)) * np.eye(count)])
        y = np.concatenate([y, np.zeros(count)])
    return scipy.linalg.lstsq(features, y, cond=np.sqrt(RANK))[0]
