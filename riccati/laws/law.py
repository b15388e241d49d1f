"""The interface of every law of emergence times: quantiles, probabilities and joint draws of M random times."""

from __future__ import annotations

import abc

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Key

from ..problem import SGD, AnyStart, Constraint, Problem, Teacher, require_covered
from ..support import require, warn_renamed


class EmergenceLaw(eqx.Module):
    """The law of M emergence times, canonical time t = η·step; made by `emergence_law`.

    Attributes:
        times: (T,), the times at which the overlaps were computed; the law is known up to the last of them.
        level: the squared overlap that counts as emerged.
        sgd: the algorithm.
        gamma: γ = ηd/B.
        without_noise: (M,), the emergence times of gradient flow, γ → 0; NaN where it does not cover the problem.
        diverged: the fraction of runs that diverge; for k > 2 an estimate (laws/divergence.py).
        caution: a warning about the law's validity at this step, in one sentence; empty where there is none.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher([1.0], rc.Link.hermite(2))
        >>> start = rc.Start([[0.1]], norms=0.1, dim=100)
        >>> law = rc.emergence_law(teacher, start, rc.SGD(1e-3), horizon=3.0, replicas=8)
        >>> round(law.gamma, 3), law.sample(5, seed=1).shape
        (0.1, (5, 1))
        >>> bool(law.quantile(0.25)[0] < law.quantile(0.75)[0])
        True
    """

    times: eqx.AbstractVar[Float[Array, " T"]]
    level: eqx.AbstractVar[float]
    sgd: eqx.AbstractVar[SGD]
    gamma: eqx.AbstractVar[float]
    without_noise: eqx.AbstractVar[Float[Array, " M"]]
    diverged: eqx.AbstractVar[float]
    caution: eqx.AbstractVar[str]

    @property
    def learning_rate(self) -> float:
        """η, canonical time per step."""
        return self.sgd.rate

    @property
    def batch_size(self) -> int:
        """B, samples of a step."""
        return self.sgd.batch_size

    @property
    def algorithm(self) -> str:
        """The old name of what `sgd.constraint` says."""
        warn_renamed("the law's `algorithm`", "its `sgd.constraint`")
        return old_name_of(self.sgd.constraint)

    @abc.abstractmethod
    def quantile(self, q: float) -> Float[Array, " M"]:
        """The canonical time by which direction m has emerged with probability `q`; inf where it never has.

        Raises:
            ArgumentError: if `q` is not in (0, 1).
        """

    @abc.abstractmethod
    def probability(self, horizon: float) -> Float[Array, " M"]:
        """P(T_m ≤ horizon), `horizon` in canonical time; beyond the last of `times`, the value there.

        Raises:
            ArgumentError: if `horizon` is negative.
        """

    @abc.abstractmethod
    def sample(self, n: int, seed: int | Key[Array, ""] = 0) -> Float[Array, "n M"]:
        """`n` joint draws of the M times, inf where a direction is not learned by times[-1].

        Raises:
            ArgumentError: if `n` is not a whole number ≥ 1.
        """

    def finite_step(self) -> str:
        """How much later the median emergence times are than those of gradient flow, in words."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.asarray(self.quantile(0.5)) / np.asarray(self.without_noise)
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if not len(ratio):
            return f"γ = ηd/B = {self.gamma:.3g}"
        low, high = f"{ratio.min():.3g}", f"{ratio.max():.3g}"
        times = low if low == high else f"{low} to {high}"
        return f"γ = ηd/B = {self.gamma:.3g}: medians are {times} times the emergence times of gradient flow, γ → 0"

    def accuracy(self) -> dict[str, str]:
        """The rows of the printed law about its Monte Carlo error; none where no replicas were drawn."""
        return {}

    def __repr__(self) -> str:
        last = float(self.times[-1])
        learned = np.asarray(self.probability(last))
        rows = {
            "directions": f"{len(learned)}, emerged at squared overlap {self.level:g}",
            "step": in_words(self.sgd),
            "finite step": self.finite_step(),
            "times": f"{len(self.times)} up to {last:.4g} (canonical)",
            "learned": f"by then with probability {learned.min():.4g} to {learned.max():.4g}",
            **self.accuracy(),
        }
        if self.caution:
            rows["caution"] = self.caution
        return "EmergenceLaw\n" + "\n".join(f"  {name:<11} {value}" for name, value in rows.items())


def in_words(sgd: SGD) -> str:
    """The step size of an algorithm with one learning rate in words, for a printed law."""
    kind = ", Stiefel SGD" if sgd.on_stiefel else ""
    momentum = f", momentum {sgd.momentum:g}" if sgd.momentum else ""
    return f"learning rate {sgd.schedule.rates(0, 1)[0]:.4g}, batch of {sgd.batch_size}{momentum}{kind}"


def problem_of_law(consumer: str, teacher: Teacher, start: AnyStart, sgd: SGD) -> Problem:
    """The problem of `teacher` and `start`, checked to be one that `consumer` (problem/scope.py) covers.

    Raises:
        ArgumentError: a start for another number of directions, a problem that is not covered, or a learning rate that
            is a schedule.
    """
    problem = Problem(teacher, start)
    require_covered(consumer, teacher, start, sgd)
    if sgd.constraint is not None:
        require_covered("Stiefel SGD" if sgd.on_stiefel else "SGD on the sphere", teacher, start, sgd)
    _ = sgd.rate
    return problem


def constraint_of(algorithm: str | None, constraint: Constraint | None, also: str = "") -> Constraint | None:
    """The constraint; for the old argument `algorithm`, the one that it stands for, with a warning that `also` ends.

    Raises:
        ArgumentError: an unknown name, or a `constraint` beside it.
    """
    if algorithm is None:
        return constraint
    require(constraint is None, "algorithm", "be left out beside `constraint`", repr(algorithm))
    known = algorithm in ("homogeneous", "stiefel")
    require(known, "algorithm", 'be left out, or "stiefel" or "homogeneous" in the old way', repr(algorithm))
    meant: Constraint | None = "stiefel" if algorithm == "stiefel" else None
    warn_renamed(f"algorithm={algorithm!r}", f"constraint={meant!r}{also}")
    return meant


def old_name_of(constraint: Constraint | None) -> str:
    """The old name of the constraint, as the former argument `algorithm` had it."""
    return "homogeneous" if constraint is None else constraint
