"""The law of the risk: at each time the distribution over runs of SGD that differ in their seeds alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from ..flows import FiniteStep, has_subspace
from ..numerics import Outcome, as_key, is_outcome, require_double_precision, two_keys
from ..problem import SGD, AnyStart, Constraint, Problem, Teacher, sgd_of
from ..support import require, require_integer, require_open_unit, require_times
from .divergence import warn_of
from .emergence_law import REPLICAS
from .law import EmergenceLaw, constraint_of, in_words, problem_of_law
from .replicas import FINE, Replication, caution_of, dynamics_of, replicas_of
from .search_phase import DEFAULT_RESOLUTION, diffusion_law, is_of_diffusion, risk_given_emergence, winners_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVEL = 0.5  # squared overlap at which drawn emergence times are joined to the risk
_LEAST = 1e-300  # of a risk whose logarithm is taken


class RiskLaw(eqx.Module):
    """The risk of SGD at T times as a random variable, by draws; made by `risk_law`.

    Attributes:
        times: (T,), canonical time t = η·step.
        draws: (n, T), the risk of each draw; inf where it diverged.
        emerged: (n, M), its emergence times at squared overlap ½, inf where not by the end of what was drawn, which is
            times[-1] or later.
        flow: (T,), the risk of the finite-step limit; single runs need not be near it.
        sgd: the algorithm.
        label: the name of `flow` in a legend.
        caution: a warning about the law's validity at this step, in one sentence; empty where there is none.
        emergence: k > 2, the law of the emergence times that `emerged` are drawn from; None for k = 2.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher([1.0], rc.Link.hermite(2))
        >>> start = rc.Start([[0.1]], norms=0.1, dim=100)
        >>> law = rc.risk_law(teacher, start, rc.SGD(1e-3), times=[0.5, 3.0], replicas=8)
        >>> law.draws.shape, bool((law.quantile(0.1) <= law.quantile(0.9)).all())
        ((8, 2), True)
        >>> law.label
        'SGD limit at step γ/d, γ = 0.1'
    """

    times: Float[Array, " T"]
    draws: Float[Array, "n T"]
    emerged: Float[Array, "n M"]
    flow: Float[Array, " T"]
    sgd: SGD = eqx.field(static=True)
    label: str = eqx.field(static=True)
    caution: str = eqx.field(static=True)
    emergence: EmergenceLaw | None = None

    @property
    def learning_rate(self) -> float:
        """η, canonical time per step."""
        return self.sgd.rate

    @property
    def batch_size(self) -> int:
        """B, samples of a step."""
        return self.sgd.batch_size

    @property
    def mean(self) -> Float[Array, " T"]:
        """The mean risk at each time; inf where a draw has diverged."""
        return jnp.mean(self.draws, axis=0)

    def quantile(self, q: float) -> Float[Array, " T"]:
        """The risk that is not exceeded with probability `q`, at each time.

        Raises:
            ArgumentError: if `q` is not in (0, 1).
        """
        require_open_unit(q, "q")
        return jax.device_put(np.quantile(self.draws, q, axis=0, method="inverted_cdf"))

    def plot(self, coverage: float = 0.9, ax: Axes | None = None) -> Figure:
        """Draw the band that holds a fraction `coverage` of the runs at each time, the median and the limit.

        They are drawn on the axes `ax`, or on a new figure where it is None; the figure is returned.

        Raises:
            ArgumentError: if `coverage` is not in (0, 1).
        """
        from ..plot import Band, Curve, risk_band_page

        require_open_unit(coverage, "coverage")
        low, middle, high = (np.asarray(self.quantile(q)) for q in ((1 - coverage) / 2, 0.5, (1 + coverage) / 2))
        times = np.asarray(self.times)
        band = Band(f"{100 * coverage:.3g} % of runs", times, low, middle, high)
        return risk_band_page(band, Curve(self.label, times, np.asarray(self.flow), mark="--"), ax)

    def __repr__(self) -> str:
        low, high = (float(self.quantile(q)[-1]) for q in (0.05, 0.95))
        rows = {
            "times": f"{len(self.times)} from {self.times[0]:.4g} to {self.times[-1]:.4g} (canonical)",
            "step": in_words(self.sgd),
            "draws": f"{len(self.draws)}",
            "risk": f"at the end {low:.4g} to {high:.4g} in nine of ten runs, mean {float(self.mean[-1]):.4g}, "
            f"{self.label} {float(self.flow[-1]):.4g}",
        }
        if self.caution:
            rows["caution"] = self.caution
        return "RiskLaw\n" + "\n".join(f"  {name:<8} {value}" for name, value in rows.items())


def risk_law(
    teacher: Teacher,
    start: AnyStart,
    sgd: SGD | None = None,
    *,
    times: ArrayLike,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    constraint: Constraint | None = None,
    student_scale: float | None = None,
    replicas: int = REPLICAS,
    seed: int | Key[Array, ""] = 0,
    algorithm: str | None = None,
) -> RiskLaw:
    """The law of the risk of online SGD from the given start, at `times`; pure links h_k, k ≥ 2.

    k = 2, and all problems that `emergence_law` takes by replicas, among them links of several degrees for every k:
    replicas from the start to the last of the times (laws/replicas). The random emergence times, and the
    fluctuations of learned directions about their mean, of order √(γ/d) in W, come from the same gradient noise; with
    D = S - S* those of the risk are 2 tr D δS + ||δS||². Two effects of relative order 1/d are left out: the
    fluctuations of e²uuᵀ, and that the sum of few heavy-tailed steps is not yet Gaussian. Warns as `emergence_law`.

    k > 2, c_0 = 0: joint draws of the emergence times, for which the neurons compete, give the risk by the decoupled
    equations with spectators and the finite-step terms after emergence (laws/search_phase). The risk's fluctuations
    before anything is learned are included (not from a `TypicalStart`); those after a direction is learned, and those
    of spectators, are not: once the risk has fallen to their size, the band is too narrow. Where the fraction of runs
    in which a direction has emerged is near that outside the band, the edge of the band jumps from learned to
    unlearned: an error of 0.01 in that fraction then takes the coverage of a 90 % band to 75 %; elsewhere coverage was
    0.82 to 0.97 (two starts with competing neurons, 1024 runs of SGD from each). Draws whose learned directions are
    not held at this step have infinite risk; `caution` says which fraction of runs diverges, as in `emergence_law`.
    Times beyond the reach of `FiniteStep` (about 10⁴/a_1) have infinite risk, as `caution` says too.

    Args:
        teacher: the teacher, M directions.
        start: a `Start` with `dim`; for k > 2 also a `TypicalStart`.
        sgd: the algorithm, at one learning rate η, with a batch of B samples that counts through η/B; its constraint
            may be "stiefel" for k = 2, whose step is ε = 2η of Riccati time.
        times: (T,), canonical, increasing.

    Other args:
        learning_rate, batch_size, constraint: the algorithm in the place of `sgd`.
        student_scale: c of Stiefel SGD; None takes ‖a‖/√N.
        replicas: how many draws; a quantile q has an error of √(q(1-q)/replicas) in probability.
        seed: of the draws, an integer or a JAX key.
        algorithm: the old name of `constraint`, "homogeneous" or "stiefel".

    Raises:
        ArgumentError: another link, a start without `dim`, times that do not increase, or as `emergence_law`.

    Source: as of `emergence_law`.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher([1.0], rc.Link.hermite(2))
        >>> start = rc.Start([[0.1]], norms=0.1, dim=100)
        >>> law = rc.risk_law(teacher, start, learning_rate=1e-3, times=[0.5, 3.0], replicas=8)
        >>> law.mean.shape, bool(law.mean[1] < 0.5 < law.mean[0])
        ((2,), True)
    """
    require_double_precision()
    constraint = constraint_of(algorithm, constraint)
    sgd = sgd_of(sgd, learning_rate=learning_rate, batch_size=batch_size, constraint=constraint)
    problem = problem_of_law("risk_law", teacher, start, sgd)
    require_times(times)
    require_integer(replicas, "replicas", 1)
    at = np.asarray(times, float)
    law, reached = None, len(at)
    if kind_of_law(problem, sgd) != "diffusion":
        horizon = max(float(at[-1]), np.finfo(float).tiny)
        dynamics = dynamics_of(problem, sgd, _LEVEL, student_scale)
        drawn = replicas_of(dynamics, Replication(horizon, replicas, seed, FINE))
        caution = caution_of(problem, sgd, drawn.diverged)
        draws, emerged = _interpolated(at, drawn.times, drawn.risk), drawn.emerged
    else:
        must = 'be left out unless constraint="stiefel"'
        require(student_scale is None, "student_scale", must, student_scale)
        law = diffusion_law(problem, sgd, _LEVEL, DEFAULT_RESOLUTION)
        caution = law.caution
        escape_key, early_key = two_keys(as_key(seed))
        winners = winners_of(law.competition, replicas, escape_key)
        draws, reached = risk_given_emergence(problem, sgd, winners, _LEVEL, at, early_key)
        emerged = winners.emerged
    flow = FiniteStep.of(sgd, float(start.dim or 0), student_scale)
    limit = flow.evolve(problem, jax.device_put(at))
    followed = int(limit.reached or 0) if is_outcome(limit.outcome, Outcome.max_steps_reached) else len(at)
    late = (_too_late("the risk of the draws", at, reached), _too_late("`flow`", at, followed))
    caution = "; ".join(line for line in (caution, *late) if line)
    warn_of(caution)
    return RiskLaw(
        times=jax.device_put(at),
        draws=jax.device_put(np.asarray(draws)),
        emerged=jax.device_put(np.asarray(emerged)),
        flow=limit.observables.risk,
        sgd=sgd,
        label=flow.label,
        caution=caution,
        emergence=law,
    )


def kind_of_law(problem: Problem, sgd: SGD) -> Literal["diffusion", "subspace", "neurons"]:
    """What draws of the risk are made of: the forward equation of overlaps, or replicas of a subspace or of neurons."""
    if is_of_diffusion(problem, sgd) and problem.teacher.link.degree:
        return "diffusion"
    return "subspace" if has_subspace(problem, sgd.constraint == "sphere") else "neurons"


def _too_late(what: str, times: Float[np.ndarray, " T"], reached: int) -> str:
    """The caution where the integrator reaches only the first `reached` times; empty where it reaches all."""
    if reached == len(times):
        return ""
    return f"from t = {times[reached]:.4g} on {what} is not known and is inf, as it takes too many steps: end earlier"


def _interpolated(
    at: Float[np.ndarray, " T"], times: Float[np.ndarray, " K"], risk: Float[np.ndarray, "n K"]
) -> Float[np.ndarray, "n T"]:
    """The risk of each row at `at`, its logarithm interpolated linearly between `times`."""
    with np.errstate(invalid="ignore"):
        logs = [np.interp(at, times, row) for row in np.log(np.maximum(risk, _LEAST))]
    return np.exp(np.where(np.isnan(logs), np.inf, logs))
