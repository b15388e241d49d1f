"""What β a measured risk curve tells: the theory fitted to the curve, with the law's own noise.

    log risk(t_j) = μ_j(β) + ξ_j,       Cov ξ = C(β) + σ² I,

k = 2. μ and C are mean and covariance of log risk over replicas of `FiniteStep` at the run's step, whose starts are
dressed with what SGD's noise adds to a small overlap (rows p, neurons i, l, q the Gram matrix of directions)

    Cov δm_p = q V_p,     V_p = (2γ/d) ∫ (R + 4a_p²) e^{2γ∫R - 4a_p t} dt      (c_2 = 1, R the risk along the limit);

σ, what the law leaves out, is fitted. Replicas of different β share their random numbers, so that μ is smooth in β.
The law of dressed starts is derived in derivations/search_phase.py for k > 2 and measured for k = 2 against SGD.
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.integrate import cumulative_trapezoid
from scipy.stats import f as fisher

from ..flows import FiniteStep
from ..problem import Link, Problem, Start, Teacher
from ..runs import Run
from ..support import require, require_open_unit

_REPLICAS, _SEED = 32, 0
_ROWS = 28  # of the curve that are fitted, evenly spaced in log t
_FALLEN = 0.8  # share of the first risk below which the curve has begun to tell
_COARSE = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0])
_ROUNDS, _NEAR = 3, 0.02  # of linearising about the estimate; half the distance of the differences
_GRID = np.linspace(-1.0, 1.0, 4001)  # β less its estimate, over which the likelihood is profiled
_NOISES = np.geomspace(1e-3, 0.3, 40)  # σ


@dataclass(frozen=True, eq=False)
class InferredBeta:
    """β of a run.

    Attributes:
        beta: the estimate, of greatest likelihood.
        interval: by the profile likelihood over σ.
        level: of the interval.
        noise: σ, the deviation of log risk that the law leaves out.
        times, risk: the rows that were fitted, (n,).
        fitted: exp μ(β), (n,).
    """

    beta: float
    interval: tuple[float, float]
    level: float
    noise: float
    times: Float[np.ndarray, " n"]
    risk: Float[np.ndarray, " n"]
    fitted: Float[np.ndarray, " n"]

    def __repr__(self) -> str:
        low, high = self.interval
        rows = {
            "beta": f"{self.beta:.6g}, a_m ∝ m^-β",
            "interval": f"[{low:.6g}, {high:.6g}], {self.level:.0%}, profile likelihood",
            "noise": f"{self.noise:.3g} of log risk beyond the law",
        }
        return "InferredBeta\n" + "\n".join(f"  {name:<8} {value}" for name, value in rows.items())


def infer_beta(run: Run, *, level: float = 0.95) -> InferredBeta:
    """β of a_m ∝ m^{-β} from the risk curve of a k = 2 run of constant step; its own β is not looked at.

    Args:
        run: with initial overlaps, norms, dim, learning rate and batch size in its config; link h_2.
        level: of the interval.

    Raises:
        ArgumentError: a run that lacks these; a curve that cannot tell, because it ends before the first emergence
            or no β within [-1, 1] of the best one is refused; a step at which the limit explodes.
    """
    require_open_unit(level, "level")
    fit = _Theory.of(run)
    beta = _coarse(fit)
    for _ in range(_ROUNDS):
        mean, slope, covariance = fit.linear(beta)
        beta = float(np.clip(beta + _profile(fit.target - mean, slope, covariance)[0], 0.0, _COARSE[-1] + 1))
    mean, slope, covariance = fit.linear(beta)
    shift, noise, likelihood = _profile(fit.target - mean, slope, covariance)
    freedom = len(fit.times) - 2
    allowed = likelihood.max() - 0.5 * freedom * np.log1p(fisher.ppf(level, 1, freedom) / freedom)
    inside = np.flatnonzero(likelihood >= allowed)
    bounded = inside[0] > 0 and inside[-1] < len(_GRID) - 1
    require(bool(bounded), "run", "have a risk curve that tells β within ±1", f"one that allows {beta:.2f} ± 1")
    interval = (float(beta + _GRID[inside[0]]), float(beta + _GRID[inside[-1]]))
    risk, fitted = np.exp(fit.target), np.exp(mean + slope * shift)
    return InferredBeta(float(beta + shift), interval, level, noise, fit.times, risk, fitted)


def _coarse(fit: _Theory) -> float:
    """The β of a grid whose undressed limit is nearest in log risk; the dressed starts come with the rounds."""
    misfits = [np.mean((fit.target - fit.replicas(float(beta), few=True).mean(0)) ** 2) for beta in _COARSE]
    return float(_COARSE[int(np.nanargmin(misfits))])


def _profile(left: np.ndarray, slope: np.ndarray, covariance: np.ndarray) -> tuple[float, float, np.ndarray]:
    """The shift of β and the σ of greatest likelihood, and the likelihood over `_GRID` at its best σ each."""
    values, vectors = np.linalg.eigh(covariance)
    turned, along = vectors.T @ left, vectors.T @ slope
    spread = np.maximum(values, 0.0) + _NOISES[:, None] ** 2
    squares = ((turned - _GRID[:, None] * along)[:, None, :] ** 2 / spread).sum(-1)
    likelihood = -0.5 * (squares + np.log(spread).sum(-1))
    best = np.unravel_index(likelihood.argmax(), likelihood.shape)
    return float(_GRID[best[0]]), float(_NOISES[best[1]]), likelihood.max(1)


@dataclass(frozen=True, eq=False)
class _Theory:
    """The limit of one run's step from one run's start, over β.

    `times` (n,) and `target` log risk there; `gamma`, γ = ηd/B; `kicks` (R, N, M) standard normal, coloured by the
    Gram matrix of directions.
    """

    link: Link
    width: int
    start: Start
    gamma: float
    times: np.ndarray
    target: np.ndarray
    kicks: np.ndarray

    @classmethod
    def of(cls, run: Run) -> _Theory:
        """What `run` fixes, and the rows of its curve that are fitted."""
        require(isinstance(run, Run), "run", "be a riccati.Run", type(run).__name__)
        teacher, start = run.teacher, run.start
        require(
            teacher.link.degree == 2,
            "run",
            "have the link h_2, for which the law of dressed starts is known",
            teacher.link,
        )
        require(start is not None and start.dim is not None, "run", "have initial_overlaps and dim", "without")
        require(
            run.kind == "two_homogeneous" and run.clock is None, "run", "be SGD on weights at constant step", run.kind
        )
        require("batch_size" in run.config, "run", "give its batch_size", "without")
        assert start is not None
        assert start.dim is not None
        sound = np.flatnonzero((run.times > 0) & np.isfinite(run.risk) & (run.risk > 0))
        require(len(sound) >= _ROWS, "run", f"have {_ROWS} rows or more of positive risk", len(sound))
        first, last = float(run.risk[sound[0]]), float(run.risk[sound[-1]])
        reaches = f"reach past the first emergence, to {_FALLEN:g} of its first risk or less"
        require(last < _FALLEN * first, "run", f"{reaches}, to tell β", f"at {last / first:.3g} of it in the end")
        begin = sound[np.argmax(run.risk[sound] < (1 + _FALLEN) / 2 * first)]
        wanted = np.geomspace(run.times[begin], run.times[sound[-1]], _ROWS)
        rows = np.unique(sound[np.searchsorted(run.times[sound], wanted).clip(max=len(sound) - 1)])
        m = np.asarray(start.teacher_overlaps)
        factor = np.asarray(start.residual_factor)
        gram = np.linalg.cholesky(m @ m.T + factor @ factor.T)
        kicks = gram @ np.random.default_rng(_SEED).normal(size=(_REPLICAS, *m.shape))
        gamma = run.time_per_step * start.dim / run.config["batch_size"]
        return cls(teacher.link, teacher.width, start, gamma, run.times[rows], np.log(run.risk[rows]), kicks)

    def replicas(self, beta: float, few: bool = False) -> Float[np.ndarray, "R n"]:
        """log risk of the dressed replicas; of the undressed start alone with `few`."""
        teacher = Teacher.power_law(self.width, beta, self.link)
        flow, overlaps = FiniteStep(gamma=self.gamma, algorithm="homogeneous"), self.start.teacher_overlaps
        fine = np.unique(np.concatenate([np.linspace(0, self.times[0], 40)[1:], self.times]))
        plain = np.asarray(_risks(flow, teacher, self.start, overlaps[None], jnp.asarray(fine)))[0]
        sound = bool(np.isfinite(plain).all())
        require(sound or few, "run", "have a step at which the limit does not explode", f"γ = {self.gamma:.3g}")
        at = np.searchsorted(fine, self.times)
        if few:
            return np.log(plain[at])[None]
        spread = np.sqrt(self._variance(np.asarray(teacher.a), fine, plain))
        dressed = overlaps + jnp.asarray(self.kicks * spread)
        risk = np.asarray(_risks(flow, teacher, self.start, dressed, jnp.asarray(self.times)))
        return np.log(risk)

    def _variance(self, a: np.ndarray, times: np.ndarray, risk: np.ndarray) -> Float[np.ndarray, " M"]:
        """V_p; past the last time R is taken as 0."""
        times, risk = np.concatenate([[0.0], times]), np.concatenate([[risk[0]], risk])
        c = float(self.link.coefficients[2]) ** 2
        drag = 2 * self.gamma * c**2 * cumulative_trapezoid(risk, times, initial=0.0)
        rate = 4 * c * a
        integrand = (risk[:, None] + 4 * a**2) * np.exp(drag[:, None] - rate * times[:, None])
        tail = 4 * a**2 * np.exp(drag[-1] - rate * times[-1]) / rate
        return 2 * self.gamma * c**2 / self.start.dim * (np.trapezoid(integrand, times, axis=0) + tail)

    def linear(self, beta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """μ, ∂μ/∂β and C at β."""
        here = self.replicas(beta)
        ahead, behind = self.replicas(beta + _NEAR).mean(0), self.replicas(max(beta - _NEAR, 0.0)).mean(0)
        slope = (ahead - behind) / (beta + _NEAR - max(beta - _NEAR, 0.0))
        return here.mean(0), slope, np.cov(here.T)


@eqx.filter_jit
def _risks(
    flow: FiniteStep, teacher: Teacher, start: Start, overlaps: Float[Array, "R N M"], times: Float[Array, " n"]
) -> Float[Array, "R n"]:
    """The limit's risk from starts that differ in their teacher overlaps."""

    def risk(m: Float[Array, "N M"]) -> Float[Array, " n"]:
        moved = eqx.tree_at(lambda at: at.teacher_overlaps, start, m)
        return flow.evolve(Problem(teacher, moved), times).seen.risk

    return jax.vmap(risk)(overlaps)
