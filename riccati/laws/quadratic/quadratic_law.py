"""k = 2: the law of the emergence times at finite step size, from replicas of SGD.

Gradient noise changes the initial overlaps by their own size, d^(-1/2), at every d, so T_m fluctuates by O(1)/a_m; and
the residual R, on which the noise depends, fluctuates with the earlier T_m. No closed form for the law is known, so it
is read off replicas from the start to the horizon (dynamics.py), at O(N²(M + N)) a step, the same for every d.
Source: BEVW25 (arXiv 2508.03688) for the algorithms; derivations/gradient_noise_k2.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ...flows import FiniteStep
from ...problem import SGD, Problem
from ...support import require_integer, require_open_unit, require_real
from ..divergence import divergence
from ..law import EmergenceLaw
from .dynamics import ReplicaDynamics, dynamics_of
from .replicas import COARSE, Replication, replicas_of

_MORE = 2.0  # the horizon, in units of gradient flow's last emergence
_COUNT = 64  # times of gradient flow, between which its emergence times are interpolated
_LONG_STEP = 0.1  # 2a_1 η from which there is a caution


class QuadraticLaw(EmergenceLaw):
    """The law of M emergence times for k = 2, from replicas; canonical time t = η·step.

    Attributes:
        times: (T,), the times at which the replicas' overlaps were taken.
        emerged: (n, M), the replicas' emergence times, inf where not by times[-1].
        dynamics: what further replicas are drawn from.
        without_noise: (M,), the emergence times of gradient flow, inf where not by times[-1].
        level: the squared overlap that counts as emerged.
        sgd: the algorithm.
        gamma: γ = ηd/B, for Stiefel SGD too.
        diverged: the fraction of replicas that diverged.
        seed: of the replicas; None if it was a JAX key.
        caution: a warning about the law's validity at this step, in one sentence; empty where there is none.
    """

    times: Float[Array, " T"]
    emerged: Float[Array, "n M"]
    dynamics: ReplicaDynamics
    without_noise: Float[Array, " M"]
    level: float = eqx.field(static=True)
    sgd: SGD = eqx.field(static=True)
    gamma: float = eqx.field(static=True)
    diverged: float = eqx.field(static=True)
    seed: int | None = eqx.field(static=True)
    caution: str = eqx.field(static=True)

    def quantile(self, q: float) -> Float[Array, " M"]:
        """The canonical time by which direction m has emerged with probability `q`; inf where not by times[-1].

        Raises:
            ArgumentError: if `q` is not in (0, 1).
        """
        require_open_unit(q, "q")
        return jax.device_put(np.quantile(self.emerged, q, axis=0, method="inverted_cdf"))

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
        drawn = replicas_of(self.dynamics, Replication(float(self.times[-1]), n, seed, COARSE))
        return jnp.asarray(np.where(drawn.emerged <= self.times[-1], drawn.emerged, np.inf))

    def accuracy(self) -> dict[str, str]:
        """How many replicas, and the error of the medians."""
        error = np.asarray(self.quantile_error(0.5) / self.quantile(0.5))
        known = error[np.isfinite(error)]
        rows = {"replicas": f"{len(self.emerged)}, seed {self.seed}, {self.diverged:.2g} of them diverged"}
        if len(known):
            rows["error"] = f"Monte Carlo, of medians: {known.max():.2g} of them at the most"
        return rows


def quadratic_law(
    problem: Problem, sgd: SGD, level: float, student_scale: float | None, drawing: Replication
) -> QuadraticLaw:
    """The law of a k = 2 problem; see `emergence_law`."""
    dynamics = dynamics_of(problem, sgd, level, student_scale)
    if drawing.horizon is None:
        drawing = drawing._replace(horizon=_MORE * _last_without_noise(problem, sgd))
    drawn = replicas_of(dynamics, drawing)
    return QuadraticLaw(
        times=jnp.asarray(drawn.times),
        emerged=jnp.asarray(drawn.emerged),
        dynamics=dynamics,
        without_noise=_times_without_noise(problem, sgd, float(drawn.times[-1]), level),
        level=float(level),
        sgd=sgd,
        gamma=sgd.gamma(float(problem.start.dim or 0)),
        diverged=drawn.diverged,
        seed=int(drawing.seed) if isinstance(drawing.seed, (int, np.integer)) else None,
        caution=caution_of(problem, sgd, drawn.diverged),
    )


def caution_of(problem: Problem, sgd: SGD, diverged: float) -> str:
    """The warning about a law at this step, of whose replicas a fraction `diverged`; empty where there is none."""
    teacher = problem.teacher
    turn = 2 * float(np.asarray(teacher.link.coefficients)[2]) ** 2 * sgd.rate * float(np.asarray(teacher.a).max())
    near = "" if sgd.on_stiefel else divergence(problem, sgd).caution
    lost = f"a fraction {diverged:.2g} of the replicas diverged" if diverged > 0 else ""
    long = f"2a_1η = {turn:.3g} is ≥ {_LONG_STEP}: steps of SGD are too long for a flow with gradient noise"
    return "; ".join(line for line in (near, lost, long if turn >= _LONG_STEP else "") if line)


def _last_without_noise(problem: Problem, sgd: SGD) -> float:
    """The canonical time of gradient flow's last emergence."""
    expected = FiniteStep(0.0, constraint=sgd.constraint).horizon(problem)
    assert expected is not None
    return float(expected[1])


def _times_without_noise(problem: Problem, sgd: SGD, last: float, level: float) -> Float[Array, " M"]:
    """The emergence times of gradient flow, inf where not by `last`."""
    flow, times = FiniteStep(0.0, constraint=sgd.constraint), jnp.linspace(0.0, last, _COUNT)
    return flow.emergence_times(problem, times, flow.evolve(problem, times), level)
