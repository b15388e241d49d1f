"""The law of the risk: at each time the distribution over runs of SGD that differ in their seeds alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from ..flows import FiniteStep
from ..numerics import as_key, require_double_precision
from ..problem import AnyStart, Problem, Teacher, require_covered
from ..support import require, require_integer, require_open_unit, require_times
from .divergence import announce
from .emergence_law import REPLICAS, check_step
from .law import EmergenceLaw
from .quadratic.quadratic_law import Algorithm, caution_of, quadratic_replicas
from .quadratic.replicas import FINE
from .search_phase.competition import run_race
from .search_phase.diffusion_law import diffusion_law
from .search_phase.forward_equation import DEFAULT_RESOLUTION
from .search_phase.risk_given_emergence import raced_risk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVEL = 0.5  # squared overlap at which draws of the race are joined to the course
_LEAST = 1e-300  # of a risk whose logarithm is taken


class RiskLaw(eqx.Module):
    """The risk of SGD at T times as a random variable, by draws.

    Attributes:
        times: (T,), canonical time t = η·step.
        draws: (n, T), the risk of each draw; inf where it diverged.
        emerged: (n, M), its emergence times at squared overlap ½, inf where not by the end of what was drawn, which is
            times[-1] or later.
        flow: (T,), the risk of the finite-step limit, which no run need follow.
        learning_rate, batch_size: η and B.
        label: what `flow` is, in the words of a legend.
        caution: what should be known before the law is trusted, empty where there is nothing.
        emergence: k > 2, the law of the emergence times that `emerged` are drawn from; None for k = 2.
    """

    times: Float[Array, " T"]
    draws: Float[Array, "n T"]
    emerged: Float[Array, "n M"]
    flow: Float[Array, " T"]
    learning_rate: float = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    label: str = eqx.field(static=True)
    caution: str = eqx.field(static=True)
    emergence: EmergenceLaw | None = None

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
        return jnp.asarray(np.quantile(self.draws, q, axis=0, method="inverted_cdf"))

    def plot(self, coverage: float = 0.9, ax: Axes | None = None) -> Figure:
        """The band that holds a fraction `coverage` of the runs at each time, the median, and the mean flow.

        On axes of the user's, or a new figure.

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
            "step": f"learning rate {self.learning_rate:.4g}, batch of {self.batch_size}",
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
    *,
    learning_rate: float,
    times: ArrayLike,
    batch_size: int = 1,
    algorithm: Algorithm = "homogeneous",
    student_scale: float | None = None,
    replicas: int = REPLICAS,
    seed: int | Key[Array, ""] = 0,
) -> RiskLaw:
    """The law of the risk of online SGD from the given start, at `times`; pure links h_k, k ≥ 2.

    k = 2: replicas of the whole course (chain.py). The random emergence times, and the fluctuations of learned
    directions around their place, of order √(γ/d) in W, come from the same kicks; with D = S - S* the risk's own are
    2 tr D δS + ||δS||². Left out, of relative order 1/d: the fluctuations of e²uuᵀ, and that few heavy-tailed steps are
    not Gaussian yet. Warns as `emergence_law` does.

    k > 2, c_0 = 0: joint draws of the emergence times, with the race, through the decoupled equations with spectators
    and the late finite-step terms (raced_risk.py), and the fluctuations before anything is learned (not from a
    `TypicalStart`). Those after a direction is learned, and those of spectators, are left out: where the risk is down
    to them, the band is too narrow. Where a direction has emerged in about as many runs as lie outside the band, the
    edge of the band jumps from learned to unlearned, so that an error of 0.01 in that probability takes coverage from
    90 % to 75 %; elsewhere it was 0.82 to 0.97 (two starts with competing neurons, 1024 runs of SGD from each). Draws
    that the equations do not hold at this step have infinite risk; `caution` says which fraction of runs diverges, as
    in `emergence_law`.

    Args:
        teacher: the teacher, M directions.
        start: a `Start` with `dim`; for k > 2 also a `TypicalStart`.
        learning_rate: η; a step of Stiefel SGD is ε = 2η of Riccati time.
        times: (T,), canonical, increasing.
        batch_size: B, samples of a step; it counts through η/B.
        algorithm: `"homogeneous"`, SGD on the weights, or for k = 2 `"stiefel"`, as in `FiniteStep`.
        student_scale: c of Stiefel SGD; None takes ‖a‖/√N.
        replicas: how many draws; a quantile q has an error of √(q(1-q)/replicas) in probability.
        seed: of the draws, an integer or a JAX key.

    Raises:
        ArgumentError: another link, a start without `dim`, or as `emergence_law`.
    """
    require_double_precision()
    problem = Problem(teacher, start)
    require_covered("risk_law", teacher, start)
    check_step(learning_rate, batch_size)
    require_times(times)
    require_integer(replicas, "replicas", 1)
    at = np.asarray(times, float)
    gamma = learning_rate * float(start.dim or 0) / batch_size
    caution, law = "", None
    if teacher.link.degree == 2:
        horizon = max(float(at[-1]), np.finfo(float).tiny)
        drawn, _, _ = quadratic_replicas(
            problem, learning_rate, batch_size, _LEVEL, algorithm, student_scale, horizon, replicas, seed, FINE
        )
        diverged = float(np.mean(~np.isfinite(drawn.risk[:, -1])))
        caution = caution_of(problem, learning_rate, batch_size, algorithm == "stiefel", diverged)
        draws, emerged = _interpolated(at, drawn.times, drawn.risk), drawn.emerged
    else:
        require(algorithm == "homogeneous", "algorithm", 'be "homogeneous" unless the link is h_2', repr(algorithm))
        must = "be left out unless the link is h_2"
        require(student_scale is None, "student_scale", must, student_scale)
        law = diffusion_law(problem, learning_rate, batch_size, _LEVEL, DEFAULT_RESOLUTION)
        caution = law.caution
        race_key, early_key = jax.random.split(as_key(seed))
        raced = run_race(law.race, replicas, race_key)
        draws = raced_risk(problem, raced, learning_rate / batch_size, _LEVEL, at, early_key)
        emerged = raced.emerged
    flow = FiniteStep(gamma, student_scale=student_scale, constraint="stiefel" if algorithm == "stiefel" else None)
    mean_flow = flow.evolve(problem, jnp.asarray(at)).observables.risk
    announce(caution)
    return RiskLaw(
        times=jnp.asarray(at),
        draws=jnp.asarray(draws),
        emerged=jnp.asarray(emerged),
        flow=mean_flow,
        learning_rate=float(learning_rate),
        batch_size=int(batch_size),
        label=flow.label,
        caution=caution,
        emergence=law,
    )


def _interpolated(
    at: Float[np.ndarray, " T"], times: Float[np.ndarray, " K"], risk: Float[np.ndarray, "n K"]
) -> Float[np.ndarray, "n T"]:
    """The logarithm of each row, straight between `times`."""
    with np.errstate(invalid="ignore"):
        logs = [np.interp(at, times, row) for row in np.log(np.maximum(risk, _LEAST))]
    return np.exp(np.where(np.isnan(logs), np.inf, logs))
