"""Draws of theory for a run: replicas of SGD, which can be simulated for every problem, or draws of the law.

Replicas are simulated in blocks, and the test of a run may stop after any block. A test that stops early only where it
would accept keeps its level; so does that of Besag & Clifford (1991, Biometrika 78, 301), which stops once a given
number of draws are as unusual as the run.
"""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from ..laws import EmergenceLaw, kind_of_law, risk_law
from ..problem import SGD, AnyStart, Problem, Start, Teacher
from ..sgd import Ensemble, Experiment
from ..support import ArgumentError, Stopped, duration, orderly_stop, require
from .observation import Observation
from .theory import beyond_scope

LEAST_RISK = 1e-12  # of a risk whose logarithm is taken
FEWEST = 128  # draws: fewer cannot tell 5 %
_SEED = 0
_QUICK = 5.0  # seconds that replicas of SGD may take where nobody asked for them; half that where they stop early
_LATE = 8.0  # relative error of the law's risk and times is of order this over d, measured from d = 300 to 4800
_MOST_WORK = 2e5  # N²(M+N), in whose units a step of a k = 2 replica costs: draws of the law take ten seconds there
_MOST_POINTS = 2**5  # N(M+N) of replicas of all neurons, whose noise is drawn from points
_MOST_PAIRS = 2**10  # of neuron and direction, for k > 2
_TRUSTED = 0.05  # rms of log10(median of the law/median of SGD) up to which the law is trusted


@dataclass(frozen=True, eq=False)
class Draws:
    """Risk curves and emergence times that theory draws for a run.

    Attributes:
        times: (T,), canonical.
        risk: (n, T), at those times, with `on_top`; inf, or NaN, where a draw has diverged.
        emerged: (n, M), emergence times, inf where not by the end of what was drawn, the last time or later.
        slack: the relative systematic error of risk and times; 0 for replicas of SGD.
        source: their number and kind in words.
        caution: a warning about their validity, empty where there is none.
        law: the law of the emergence times, where it is known better than by draws; else None.
        stopped: whether an interrupt ended them before their number was reached.
        on_top: the Δ of the labels' noise that is added to the risk, as the run's loss has it.
    """

    times: Float[np.ndarray, " T"]
    risk: Float[np.ndarray, "n T"]
    emerged: Float[np.ndarray, "n M"]
    slack: float
    source: str
    caution: str = ""
    law: EmergenceLaw | None = None
    stopped: bool = False
    on_top: float = 0.0

    @property
    def diverged(self) -> Bool[np.ndarray, " n"]:
        """Which draws diverged by the last of the times; their risk is not finite from then on."""
        return ~np.isfinite(self.risk[:, -1])

    @property
    def words(self) -> str:
        """Their number and kind in a few words, for a legend."""
        return f"{len(self.risk)} {'draws of the law' if self.slack else 'replicas of SGD'}"

    @property
    def emerged_by_end(self) -> Float[np.ndarray, "n M"]:
        """The emergence times up to the last of `times`, inf beyond it, as a run that ends there has them."""
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

    def cautions(self, law: Draws | None) -> tuple[str, ...]:
        """Warnings about the validity of these draws, and of draws of the law beside them, a line each."""
        lines = [f"the law may be off: {each.caution}" for each in (self, law) if each is not None and each.caution]
        if law is None:
            return tuple(lines)
        theirs, ours = law.risk_quantile(0.5), self.risk_quantile(0.5)
        known = np.isfinite(theirs) & np.isfinite(ours) & (theirs > 0) & (ours > 0)
        off = float(np.sqrt(np.mean(np.log10(theirs[known] / ours[known]) ** 2))) if known.any() else np.inf
        if not off <= _TRUSTED and known.any():
            lines.append(
                f"the law is not to be trusted at this d and step: its median risk is off from that of {self.source} "
                f"by an rms log10 ratio of {off:.2g}"
            )
        return tuple(lines)


@dataclass(frozen=True, eq=False)
class DrawSetting:
    """The problem and the algorithm that draws are made of, and the logged steps at which they are compared.

    Attributes:
        teacher, start: the problem.
        sgd: the algorithm.
        dim: d.
        logged: (T,), steps, increasing, from 1.
        student_scale: c of Stiefel SGD, None otherwise or where it is ‖a‖/√N.
        replicas: how many draws.
        on_top: the Δ that the run's loss has on top of the risk.
    """

    teacher: Teacher
    start: AnyStart
    sgd: SGD
    dim: int
    logged: Int[np.ndarray, " T"]
    student_scale: float | None = None
    replicas: int = FEWEST
    on_top: float = 0.0

    @classmethod
    def of(cls, observation: Observation, teacher: Teacher, start: AnyStart, replicas: int) -> DrawSetting:
        """The setting of a run that gives its batch size and dimension."""
        sgd, dim = observation.run.sgd, observation.run.config.dim
        assert sgd is not None
        assert dim is not None
        logged = observation.run.steps[observation.rows]
        return cls(teacher, start, sgd, dim, logged, observation.student_scale, replicas, observation.on_top)

    @property
    def times(self) -> Float[np.ndarray, " T"]:
        """The canonical times of the logged steps, (T,)."""
        return self.sgd.times(self.logged)

    @property
    def has_replicas(self) -> bool:
        """Whether SGD can be run from the start, which a typical one does not allow."""
        return isinstance(self.start, Start)

    @cached_property
    def seconds(self) -> float:
        """About how long all replicas of SGD take."""
        return self._experiment.expected_seconds(self.replicas)

    @property
    def affordable(self) -> bool:
        """Whether all replicas of SGD take seconds; False where they cannot be simulated (`of_sgd` says why)."""
        try:
            return self.has_replicas and self.seconds <= _QUICK
        except ArgumentError:
            return False

    @property
    def law_is_quick(self) -> bool:
        """Whether draws of the law take seconds."""
        directions, neurons = self.teacher.width, self.start.student_width
        kind = kind_of_law(Problem(self.teacher, self.start), self.sgd)
        if kind == "neurons":
            return neurons * (directions + neurons) <= _MOST_POINTS
        if kind == "subspace":
            return neurons**2 * (directions + neurons) <= _MOST_WORK
        return not isinstance(self.start, Start) or neurons * directions <= _MOST_PAIRS

    @cached_property
    def _experiment(self) -> Experiment:
        """SGD at the run's own start, d, step and batch."""
        assert isinstance(self.start, Start)
        return Experiment(
            self.teacher, self.start, self.sgd, steps=int(self.logged[-1]),
            logged=tuple(int(s) for s in self.logged), student_scale=self.student_scale,
        )  # fmt: skip

    def of_sgd(self, enough: Callable[[Draws], bool] | None = None) -> Draws:
        """Replicas of SGD, all of them, or fewer if `enough`, called after each block, says that they suffice.

        Raises:
            Stopped: a KeyboardInterrupt, at SIGTERM, or at SIGINT before the first block is finished. A later SIGINT
                ends the simulation, and the finished blocks are returned.
        """
        blocks: list[Ensemble] = []
        with orderly_stop():  # around what lies between blocks too
            try:
                for block in self._experiment.replicas(self.replicas, _SEED):
                    blocks.append(block)
                    if len(blocks) * len(block) >= self.replicas or (enough is not None and enough(self._of(blocks))):
                        break
            except Stopped as stop:
                if not blocks or stop.signal_number != signal.SIGINT:
                    raise
                return self._of(blocks, stopped=True)
        return self._of(blocks)

    def _of(self, blocks: list[Ensemble], stopped: bool = False) -> Draws:
        risk = np.concatenate([block.risk for block in blocks])[: self.replicas] + self.on_top
        emerged = np.concatenate([block.emergence_times() for block in blocks])[: self.replicas]
        count = f"{self.replicas}" if len(risk) == self.replicas else f"{len(risk)} of {self.replicas}"
        source = f"{count} replicas of SGD at the run's own start, d, step and batch"
        return Draws(self.times, risk, emerged, 0.0, source, stopped=stopped, on_top=self.on_top)

    def of_law(self) -> Draws:
        """Draws of the law of risk and emergence times.

        Raises:
            ArgumentError: a problem whose law is not known, see `risk_law`, or a schedule.
        """
        require(self.sgd.is_constant, "run", "have a constant learning rate for the law", "of one that changes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # said as the draws' caution instead
            law = risk_law(
                self.teacher, self.start, self.sgd, times=self.times, student_scale=self.student_scale,
                replicas=self.replicas, seed=_SEED,
            )  # fmt: skip
        source, slack = f"{self.replicas} draws of the law", _LATE / self.dim
        return Draws(
            self.times, np.asarray(law.draws) + self.on_top, np.asarray(law.emerged), slack, source, law.caution,
            law.emergence, on_top=self.on_top,
        )  # fmt: skip

    def drawn(self) -> Draws:
        """Replicas of SGD where they take seconds, else draws of the law.

        Raises:
            ArgumentError: a problem whose law is not known and whose replicas would take longer.
        """
        return self.of_sgd() if self.affordable else self.of_law()

    def drawn_at_any_cost(self) -> Draws:
        """Replicas of SGD where they take seconds, else draws of the law, else replicas however long they take."""
        try:
            return self.drawn()
        except ArgumentError:
            return self.of_sgd()

    def quick_law(self) -> tuple[Draws | None, str]:
        """Draws of the law where they take seconds, else None and why there are none."""
        if beyond := beyond_scope("risk_law", self.teacher, self.start, self.sgd):
            return None, f"no law of the risk is known for {beyond}"
        if not self.sgd.is_constant:
            return None, "no law of the risk is known for a learning rate that is not constant"
        if not self.law_is_quick:
            return None, "draws of the law take long at this size"
        try:
            return self.of_law(), ""
        except ArgumentError as error:
            return None, f"no law of the risk is known here ({error})"

    @property
    def offer(self) -> str:
        """A line on how long a verdict by replicas of SGD would take; empty where there can be none."""
        try:
            seconds = self.seconds if self.has_replicas else None
        except ArgumentError:
            seconds = None
        if seconds is None:
            return ""
        about = "about " if seconds >= 1 else ""
        return f"a verdict by replicas of SGD takes replicas={self.replicas}, {about}{duration(seconds)}"
