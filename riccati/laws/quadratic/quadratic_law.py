"""k = 2: the law of the emergence times at finite step size, from replicas of SGD.

A step's kick out of the start is as large as the start, d^(-1/2), at every d, so T_m is random by O(1)/a_m; and R,
which the kicks depend on, is random through earlier T_m. No law of the start alone is exact, so the law is read off
replicas of the whole course (chain.py); they cost O(N²(M + N)) a step, the same for every d.
Source: BEVW25 (arXiv 2508.03688) for the algorithms; derivations/gradient_noise_k2.py.
"""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ...flows import FiniteStep
from ...problem import Problem
from ...support import require, require_integer, require_open_unit, require_real
from ..divergence import divergence
from ..law import EmergenceLaw
from .dynamics import Chain, chain_of
from .replicas import COARSE, Replicas, run

Algorithm = Literal["homogeneous", "stiefel"]

_MORE = 2.0  # the horizon, in units of gradient flow's last emergence
_LOOKS = 64  # at gradient flow, between which its emergence times are found
_LONG_STEP = 0.1  # 2a_1 η from which the law is warned of


class QuadraticLaw(EmergenceLaw):
    """The law of M emergence times for k = 2, from replicas; canonical time t = η·step.

    Attributes:
        emerged: (n, M), the replicas' emergence times, inf where not by times[-1].
        gamma: γ = ηd/B, for Stiefel SGD too.
        without_noise: (M,), the emergence times of gradient flow up to times[-1].
        diverged: the fraction of replicas that diverged.
        seed: what the replicas were drawn with; None if it was a JAX key.
        algorithm: "homogeneous", SGD on the weights, or "stiefel".
        caution: what should be known before the law is trusted, empty where there is nothing.
        chain, rate: what replicas are drawn from, and its time per canonical time.
    """

    times: Float[Array, " T"]
    emerged: Float[Array, "n M"]
    chain: Chain
    without_noise: Float[Array, " M"]
    level: float = eqx.field(static=True)
    learning_rate: float = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    gamma: float = eqx.field(static=True)
    diverged: float = eqx.field(static=True)
    seed: int | None = eqx.field(static=True)
    algorithm: str = eqx.field(static=True)
    caution: str = eqx.field(static=True)

    def quantile(self, q: float) -> Float[Array, " M"]:
        """The canonical time by which direction m has emerged with probability `q`; inf where not by times[-1].

        Raises:
            ArgumentError: if `q` is not in (0, 1).
        """
        require_open_unit(q, "q")
        return jnp.asarray(np.quantile(self.emerged, q, axis=0, method="inverted_cdf"))

    def quantile_error(self, q: float) -> Float[Array, " M"]:
        """The Monte Carlo standard error of `quantile(q)`: half the distance of the quantiles at q ± √(q(1-q)/n).

        inf where one of them is not reached.

        Raises:
            ArgumentError: if `q` is not in (0, 1).
        """
        require_open_unit(q, "q")
        error = np.sqrt(q * (1 - q) / len(self.emerged))
        ends = [max(q - error, 0.0), min(q + error, 1.0)]
        low, high = np.quantile(self.emerged, ends, axis=0, method="inverted_cdf")
        return jnp.asarray(np.where(np.isfinite(high), high - np.where(np.isfinite(low), low, 0.0), np.inf) / 2)

    def probability(self, horizon: float) -> Float[Array, " M"]:
        """P(T_m ≤ horizon), `horizon` in canonical time; beyond times[-1], the value there.

        Its Monte Carlo standard error is √(P(1-P)/n).

        Raises:
            ArgumentError: if `horizon` is negative.
        """
        require_real(horizon, "horizon", least=0)
        within = min(float(horizon), float(self.times[-1]))
        return jnp.mean(self.emerged <= within, axis=0)

    def sample(self, n: int, seed: int | Key[Array, ""] = 0) -> Float[Array, "n M"]:
        """`n` joint draws of the M times, from as many new replicas; inf where not by times[-1].

        Raises:
            ArgumentError: if `n` is not a whole number ≥ 1.
        """
        require_integer(n, "n", 1)
        drawn = run(self.chain, self.rate, float(self.times[-1]), n, seed, COARSE)
        return jnp.asarray(np.where(drawn.emerged <= self.times[-1], drawn.emerged, np.inf))

    def __repr__(self) -> str:
        chances = np.mean(np.isfinite(self.emerged), axis=0)
        error = np.asarray(self.quantile_error(0.5) / self.quantile(0.5))
        known = error[np.isfinite(error)]
        rows = {
            "directions": f"{len(chances)}, emerged at squared overlap {self.level:g}",
            "step": f"learning rate {self.learning_rate:.4g}, batch of {self.batch_size}, {self.algorithm}",
            "finite step": self.finite_step(),
            "times": f"{len(self.times)} up to {float(self.times[-1]):.4g} (canonical)",
            "learned": f"by then with probability {chances.min():.4g} to {chances.max():.4g}",
            "replicas": f"{len(self.emerged)}, seed {self.seed}, {self.diverged:.2g} of them diverged",
        }
        if len(known):
            rows["error"] = f"Monte Carlo, of medians: {known.max():.2g} of them at the most"
        if self.caution:
            rows["caution"] = self.caution
        return "EmergenceLaw (k = 2)\n" + "\n".join(f"  {name:<11} {value}" for name, value in rows.items())


def quadratic_law(
    problem: Problem,
    learning_rate: float,
    batch_size: int,
    level: float,
    algorithm: Algorithm,
    student_scale: float | None,
    horizon: float | None,
    replicas: int,
    seed: int | Key[Array, ""],
) -> QuadraticLaw:
    """The law of a k = 2 problem; see `emergence_law`."""
    on_stiefel = algorithm == "stiefel"
    if horizon is None:
        expected = FiniteStep(0.0, constraint="stiefel" if on_stiefel else None).horizon(problem)
        assert expected is not None
        horizon = _MORE * expected[1]
    drawn, chain, rate = quadratic_replicas(
        problem, learning_rate, batch_size, level, algorithm, student_scale, horizon, replicas, seed, COARSE
    )
    diverged = float(np.mean(~np.isfinite(drawn.risk[:, -1])))
    caution = caution_of(problem, learning_rate, batch_size, on_stiefel, diverged)
    return QuadraticLaw(
        times=jnp.asarray(drawn.times),
        emerged=jnp.asarray(drawn.emerged),
        chain=chain,
        without_noise=_gradient_flow_times(problem, algorithm, float(drawn.times[-1]), level),
        gamma=learning_rate * float(problem.start.dim or 0) / batch_size,
        level=float(level),
        learning_rate=float(learning_rate),
        batch_size=int(batch_size),
        rate=rate,
        diverged=diverged,
        seed=int(seed) if isinstance(seed, (int, np.integer)) else None,
        algorithm=algorithm,
        caution=caution,
    )


def _gradient_flow_times(problem: Problem, algorithm: Algorithm, last: float, level: float) -> Float[Array, " M"]:
    flow, times = (
        FiniteStep(0.0, constraint="stiefel" if algorithm == "stiefel" else None),
        jnp.linspace(0.0, last, _LOOKS),
    )
    return flow.emergence_times(problem, times, flow.evolve(problem, times), level)


def quadratic_replicas(
    problem: Problem,
    learning_rate: float,
    batch_size: int,
    level: float,
    algorithm: Algorithm,
    student_scale: float | None,
    horizon: float,
    replicas: int,
    seed: int | Key[Array, ""],
    longest: float,
) -> tuple[Replicas, Chain, float]:
    """Replicas of a k = 2 problem, the chain they are drawn from, and its time per canonical time.

    Raises:
        ArgumentError: d < M + N, a scale without Stiefel SGD, or a number out of range.
    """
    teacher, start = problem.teacher, problem.full_start
    must = "be at least M + N, as the reduced coordinates need (simulate smaller ones: riccati.sgd)"
    require((start.dim or 0) >= teacher.width + start.student_width, "dim", must, start.dim)
    require(algorithm in ("homogeneous", "stiefel"), "algorithm", 'be "homogeneous" or "stiefel"', repr(algorithm))
    on_stiefel = algorithm == "stiefel"
    if student_scale is not None:
        require(on_stiefel, "student_scale", 'be left out unless algorithm="stiefel"', student_scale)
        require_real(student_scale, "student_scale", above=0)
    require_real(horizon, "horizon", above=0)
    require_integer(replicas, "replicas", 1)
    chain = chain_of(problem, learning_rate, batch_size, level, student_scale, on_stiefel)
    rate = float(np.asarray(teacher.link.coefficients)[2]) ** 2
    return run(chain, rate, horizon, replicas, seed, longest), chain, rate


def caution_of(problem: Problem, learning_rate: float, batch_size: int, on_stiefel: bool, diverged: float) -> str:
    """What should be known of a law at this step size."""
    teacher = problem.teacher
    turn = 2 * float(teacher.link.coefficients[2]) ** 2 * learning_rate * float(teacher.a.max())
    found = []
    if not on_stiefel and (warned := divergence(problem, learning_rate, batch_size).caution):
        found.append(warned)
    if diverged > 0:
        found.append(f"a fraction {diverged:.2g} of the replicas diverged")
    if turn >= _LONG_STEP:
        found.append(f"2a_1η = {turn:.3g} is ≥ {_LONG_STEP}: steps of SGD are too long for a flow with kicks")
    return "; ".join(found)
