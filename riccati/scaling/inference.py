"""What β a measured risk curve tells: the theory fitted to the curve, with the law's own noise.

    log risk(t_j) = μ_j(β) + ξ_j,       Cov ξ_ij = C_ij(β) + σ² ρ^|i-j|,

k = 2. μ and C are mean and covariance of log risk over replicas of `FiniteStep` at the run's step, whose starts are
dressed with what SGD's noise adds to a small overlap (rows p, neurons i, l, q the Gram matrix of directions)

    Cov δm_p = q V_p,     V_p = (2γ/d) ∫ (R + 4a_p²) e^{2γ∫R - 4a_p t} dt      (c_2 = 1, R the risk along the limit);

σ and ρ, of what the law leaves out (fluctuations of learned directions), are fitted. Replicas of different β share
their random numbers, so that μ is smooth in β. V_p is the noise of a step on a small row of overlaps,
Cov dZ_p = (γ/d) 2(R + 4a_p²) Q dt by Wick's theorem (derivations/wick.py: E e²xxᵀ), carried on by its linear growth.
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.integrate import cumulative_trapezoid
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import f as fisher

from ..flows import FiniteStep
from ..problem import Link, Problem, Start, Teacher
from ..runs import Run
from ..support import require, require_open_unit

_REPLICAS, _SEED = 64, 0
_ROWS = 20  # of the curve that are fitted, evenly spaced in log t
_FALLEN = 0.8  # share of the first risk below which the curve has begun to tell
_COARSE = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0])
_ROUNDS, _NEAR = 3, 0.02  # of linearising about the estimate; half the distance of the differences
_GRID = np.linspace(-1.0, 1.0, 4001)  # β less its estimate, over which the likelihood is profiled
_NOISES = np.geomspace(1e-3, 0.3, 30)  # σ
_CORRELATIONS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)  # ρ of neighbouring rows


@dataclass(frozen=True, eq=False)
class InferredBeta:
    """β of a run.

    Attributes:
        beta: the estimate, of greatest likelihood.
        interval: by the profile likelihood over σ and ρ.
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
    """The β of a grid whose undressed limit is nearest in log risk."""
    misfits = [np.mean((fit.target - fit.replicas(float(beta), few=True).mean(0)) ** 2) for beta in _COARSE]
    return float(_COARSE[int(np.nanargmin(misfits))])


def _profile(left: np.ndarray, slope: np.ndarray, covariance: np.ndarray) -> tuple[float, float, np.ndarray]:
    """The shift of β and the σ of greatest likelihood, and the likelihood over `_GRID` at the best σ and ρ each."""
    apart = np.abs(np.subtract.outer(np.arange(len(left)), np.arange(len(left))))
    likelihood, best = np.full(len(_GRID), -np.inf), (-np.inf, 0.0)
    for rho in _CORRELATIONS:
        for noise in _NOISES:
            factor = cho_factor(covariance + noise**2 * float(rho) ** apart, lower=True)
            solved, along = cho_solve(factor, left), cho_solve(factor, slope)
            squares = left @ solved - 2 * _GRID * (slope @ solved) + _GRID**2 * (slope @ along)
            found = -0.5 * squares - np.log(np.diag(factor[0])).sum()
            likelihood = np.maximum(likelihood, found)
            best = max(best, (float(found.max()), float(noise)))
    return float(_GRID[likelihood.argmax()]), best[1], likelihood


@dataclass(frozen=True, eq=False)
class _Theory:
    """The limit of one run's step from one run's start, over β.

    Attributes:
        link, width: the teacher's, whose β is looked for.
        start, dim: the run's start, and d.
        gamma: γ = ηd/B.
        times, target: (n,), and log risk there.
        kicks: (R, N, M), standard normal, coloured by the Gram matrix of directions.
    """

    link: Link
    width: int
    start: Start
    dim: int
    gamma: float
    times: np.ndarray
    target: np.ndarray
    kicks: np.ndarray

    @classmethod
    def of(cls, run: Run) -> _Theory:
        """What `run` fixes, and the rows of its curve that are fitted."""
        teacher, start, dim = _given(run)
        times, target = _curve(run)
        m = np.asarray(start.teacher_overlaps)
        factor = np.asarray(start.residual_factor)
        gram = np.linalg.cholesky(m @ m.T + factor @ factor.T)
        kicks = gram @ np.random.default_rng(_SEED).normal(size=(_REPLICAS, *m.shape))
        gamma = run.time_per_step * dim / run.config["batch_size"]
        return cls(teacher.link, teacher.width, start, dim, gamma, times, target, kicks)

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
        return 2 * self.gamma * c**2 / self.dim * (np.trapezoid(integrand, times, axis=0) + tail)

    def linear(self, beta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """μ, ∂μ/∂β and C at β."""
        here = self.replicas(beta)
        ahead, behind = self.replicas(beta + _NEAR).mean(0), self.replicas(max(beta - _NEAR, 0.0)).mean(0)
        slope = (ahead - behind) / (beta + _NEAR - max(beta - _NEAR, 0.0))
        # the inverse of a covariance estimated from R replicas is too large (Hartlap et al. 2007); 1/R is the mean's
        replicas, rows = here.shape
        unbiased = (replicas - 1) / (replicas - rows - 2) * (1 + 1 / replicas)
        return here.mean(0), slope, unbiased * np.atleast_2d(np.cov(here.T))


def _given(run: Run) -> tuple[Teacher, Start, int]:
    """The problem of a run whose law is known, with d."""
    require(isinstance(run, Run), "run", "be a riccati.Run", type(run).__name__)
    teacher, start = run.teacher, run.start
    must = "have the link h_2, for which the law of dressed starts is known"
    require(teacher.link.degree == 2, "run", must, repr(teacher.link))
    require(start is not None and start.dim is not None, "run", "have initial_overlaps and dim", "without")
    constant = run.kind == "two_homogeneous" and run.clock is None
    require(constant, "run", "be SGD on weights at a constant step", run.kind)
    require("batch_size" in run.config, "run", "give its batch_size", "without")
    assert start is not None
    assert start.dim is not None
    return teacher, start, start.dim


def _curve(run: Run) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Times and log risk of the rows that are fitted: from where the risk begins to fall, evenly in log t."""
    risk = run.risk
    require(risk is not None, "run", "have logged a loss", "without one")
    assert risk is not None
    sound = np.flatnonzero((run.times > 0) & np.isfinite(risk) & (risk > 0))
    require(len(sound) >= _ROWS, "run", f"have {_ROWS} rows or more of positive risk", len(sound))
    first, last = float(risk[sound[0]]), float(risk[sound[-1]])
    reaches = f"reach past the first emergence, to {_FALLEN:g} of its first risk or less"
    require(last < _FALLEN * first, "run", f"{reaches}, to tell β", f"at {last / first:.3g} of it in the end")
    begin = sound[np.argmax(risk[sound] < (1 + _FALLEN) / 2 * first)]
    wanted = np.geomspace(run.times[begin], run.times[sound[-1]], _ROWS)
    rows = np.unique(sound[np.searchsorted(run.times[sound], wanted).clip(max=len(sound) - 1)])
    return run.times[rows], np.log(risk[rows])


@eqx.filter_jit
def _risks(
    flow: FiniteStep, teacher: Teacher, start: Start, overlaps: Float[Array, "R N M"], times: Float[Array, " n"]
) -> Float[Array, "R n"]:
    """The limit's risk from starts that differ in their teacher overlaps."""

    def risk(m: Float[Array, "N M"]) -> Float[Array, " n"]:
        moved = eqx.tree_at(lambda at: at.teacher_overlaps, start, m)
        return flow.evolve(Problem(teacher, moved), times).seen.risk

    return jax.vmap(risk)(overlaps)
