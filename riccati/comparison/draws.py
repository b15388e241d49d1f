"""What theory draws for a run: replicas of SGD where they are affordable, else draws of the law."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..emergence import Algorithm, EmergenceLaw, risk_law
from ..problem import AnyStart, Start, Teacher, departures
from ..sgd import Experiment
from ..support import ArgumentError
from .step import RunStep

FEWEST = 128  # draws: fewer cannot tell 5 %
_SEED = 0
_AFFORDABLE = 5e7  # coordinates of samples that replicas of SGD may draw: some five seconds
_LATE = 8.0  # relative error of the law's risk and times is of order this over d, measured from d = 300 to 4800
_MOST_WORK = 2e5  # N²(M+N), in whose units a step of a k = 2 replica costs: draws of the law take ten seconds there
_MOST_PAIRS = 2**10  # of neuron and direction, for k > 2


@dataclass(frozen=True, eq=False)
class Draws:
    """What theory draws for a run.

    Attributes:
        times: (T,), canonical.
        risk: (n, T), at those times; inf, or NaN, where a draw has diverged.
        emerged: (n, M), emergence times, inf where not by the end of what was drawn, the last time or later.
        slack: the relative error that risk and times themselves have.
        source: what they are, in words.
        caution: what should be known before they are trusted, empty where there is nothing.
        law: of the emergence times, where it is known better than by draws; else None.
    """

    times: Float[np.ndarray, " T"]
    risk: Float[np.ndarray, "n T"]
    emerged: Float[np.ndarray, "n M"]
    slack: float
    source: str
    caution: str = ""
    law: EmergenceLaw | None = None

    @property
    def diverged(self) -> Bool[np.ndarray, " n"]:
        """Which draws diverged by the last of the times; their risk is not finite from then on."""
        return ~np.isfinite(self.risk[:, -1])

    @property
    def exploded(self) -> float:
        """The fraction of the draws that diverged."""
        return float(np.mean(self.diverged))

    @property
    def seen(self) -> Float[np.ndarray, "n M"]:
        """The emergence times as a run sees them that ends at the last time: inf beyond."""
        return np.where(self.emerged <= self.times[-1], self.emerged, np.inf)

    def risk_quantile(self, q: float) -> Float[np.ndarray, " T"]:
        """The risk that a fraction `q` of the draws does not exceed, at each time; diverged ones count as infinite."""
        risk = np.where(np.isnan(self.risk), np.inf, self.risk)
        return np.quantile(risk, q, axis=0, method="inverted_cdf")

    def emergence_quantile(self, q: float) -> Float[np.ndarray, " M"]:
        """The time by which a fraction `q` of the runs has learned the direction, inf where fewer have."""
        if self.law is not None:
            return np.asarray(self.law.quantile(q))
        return np.quantile(self.emerged, q, axis=0, method="inverted_cdf")


@dataclass(frozen=True, eq=False)
class Setting:
    """What is drawn for: a problem, a step, and the logged steps at which it is looked at.

    Attributes:
        teacher, start: the problem.
        step: of SGD.
        logged: (T,), steps, increasing, from 1.
        replicas: how many draws.
    """

    teacher: Teacher
    start: AnyStart
    step: RunStep
    logged: Int[np.ndarray, " T"]
    replicas: int = FEWEST

    @property
    def times(self) -> Float[np.ndarray, " T"]:
        """(T,), canonical."""
        return self.logged * self.step.learning_rate

    @property
    def affordable(self) -> bool:
        """Whether as many replicas of SGD take seconds."""
        if not isinstance(self.start, Start):
            return False
        samples = float(self.logged[-1]) * self.step.batch_size * self.replicas
        coordinates = self.start.along.shape[1] + self.start.residual_factor.shape[1]
        return samples * coordinates <= _AFFORDABLE

    @property
    def law_is_quick(self) -> bool:
        """Whether draws of the law take seconds."""
        directions, neurons = self.teacher.width, self.start.student_width
        if self.teacher.link.degree == 2:
            return neurons**2 * (directions + neurons) <= _MOST_WORK
        return not isinstance(self.start, Start) or neurons * directions <= _MOST_PAIRS

    def of_sgd(self) -> Draws:
        """Replicas of SGD itself at the run's own start, d, step and batch."""
        assert isinstance(self.start, Start)
        experiment = Experiment(
            teacher=self.teacher, start=self.start, learning_rate=self.step.learning_rate,
            batch_size=self.step.batch_size, steps=int(self.logged[-1]), logged=tuple(int(s) for s in self.logged),
            engine="stiefel" if self.step.on_stiefel else "in_law", student_scale=self.step.student_scale,
        )  # fmt: skip
        seen = experiment.ensemble(range(_SEED, _SEED + self.replicas))
        source = f"{self.replicas} replicas of SGD at the run's own start, d, step and batch"
        return Draws(self.times, seen.risk, seen.emergence_times(), 0.0, source)

    def of_law(self) -> Draws:
        """Draws of the law of risk and emergence times.

        Raises:
            ArgumentError: a problem whose law is not known, see `risk_law`.
        """
        algorithm: Algorithm = "stiefel" if self.step.on_stiefel else "homogeneous"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # said as the draws' caution instead
            law = risk_law(
                self.teacher, self.start, times=self.times, learning_rate=self.step.learning_rate,
                batch_size=self.step.batch_size, algorithm=algorithm, student_scale=self.step.student_scale,
                replicas=self.replicas, seed=_SEED,
            )  # fmt: skip
        source, slack = f"{self.replicas} draws of the law", _LATE / self.step.dim
        return Draws(
            self.times, np.asarray(law.draws), np.asarray(law.emerged), slack, source, law.caution, law.emergence
        )

    def drawn(self) -> Draws:
        """Replicas of SGD where they are affordable, else draws of the law."""
        return self.of_sgd() if self.affordable else self.of_law()

    def quick_law(self) -> tuple[Draws | None, str]:
        """Draws of the law where they take seconds, else None and why there are none."""
        beyond = departures(self.teacher, self.start)
        if beyond:
            return None, f"no law of the risk is known for {' and '.join(beyond)}"
        if not self.law_is_quick:
            return None, "draws of the law are made where they are asked for, as replicas: they take long at this size"
        try:
            return self.of_law(), ""
        except ArgumentError as error:
            return None, f"no law of the risk is known here ({error})"
