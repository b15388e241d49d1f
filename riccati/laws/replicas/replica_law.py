"""The law of the emergence times at finite step size, from replicas of SGD.

For k = 2 gradient noise changes the initial overlaps by their own size, d^(-1/2), at every d, so T_m fluctuates by
O(1)/a_m; and the residual R, on which the noise depends, fluctuates with the earlier T_m. No closed form for the law is
known, so it is read off replicas from the start to the horizon (dynamics.py), at a cost per step that is the same for
every d. Beyond the standard problem it is likewise for every k.
Source: BEVW25 (arXiv 2508.03688) for the algorithms; derivations/gradient_noise_k2.py, derivations/algorithm_noise.py.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ...flows import Coupled, FiniteStep, Flow, has_subspace
from ...problem import SGD, Feature, Problem, features
from ...support import require, require_integer, require_open_unit, require_real
from ..divergence import divergence
from ..law import EmergenceLaw
from .drawing import COARSE, Replication, replicas_of
from .dynamics import ReplicaDynamics
from .neurons import neuron_dynamics
from .subspace import subspace_dynamics

_MORE = 2.0  # the horizon, in units of gradient flow's last emergence; label noise of variance Δ ≤ 1 takes 1 + Δ times
_COUNT = 64  # times of gradient flow, between which its emergence times are interpolated
_LONG_STEP = 0.1  # 2a_1 η from which there is a caution
_BEYOND_DIVERGENCE = {
    Feature.CORRELATED, Feature.MIXED, Feature.ANISOTROPIC, Feature.TWO_LAYER, Feature.SEVERAL_DEGREES,
    Feature.CORRELATION_LOSS, Feature.SPHERE,
}  # fmt: skip


class ReplicaLaw(EmergenceLaw):
    """The law of M emergence times from replicas; canonical time t = η·step.

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


def replica_law(
    problem: Problem, sgd: SGD, level: float, student_scale: float | None, drawing: Replication
) -> ReplicaLaw:
    """The law of a problem by replicas; see `emergence_law`."""
    dynamics, flow = dynamics_of(problem, sgd, level, student_scale), _without_noise(problem, sgd)
    if drawing.horizon is None:
        drawing = drawing._replace(horizon=_default_horizon(problem, flow))
    drawn = replicas_of(dynamics, drawing)
    times = jnp.linspace(0.0, float(drawn.times[-1]), _COUNT)
    return ReplicaLaw(
        times=jnp.asarray(drawn.times),
        emerged=jnp.asarray(drawn.emerged),
        dynamics=dynamics,
        without_noise=flow.emergence_times(problem, times, flow.evolve(problem, times), level),
        level=float(level),
        sgd=sgd,
        gamma=sgd.gamma(float(problem.start.dim or 0)),
        diverged=drawn.diverged,
        seed=int(drawing.seed) if isinstance(drawing.seed, (int, np.integer)) else None,
        caution=caution_of(problem, sgd, drawn.diverged),
    )


def dynamics_of(problem: Problem, sgd: SGD, level: float, student_scale: float | None) -> ReplicaDynamics:
    """The dynamics of replicas: of a quadratic student's subspace where its gradient flow is exact, else of neurons.

    Raises:
        ArgumentError: a start without all overlaps or with d < M + N, a scale that is not > 0 or without Stiefel SGD.
    """
    teacher, start = problem.teacher, problem.full_start
    must = "be at least M + N, as the reduced coordinates need (simulate smaller ones: riccati.sgd)"
    require((start.dim or 0) >= teacher.width + start.student_width, "dim", must, start.dim)
    if has_subspace(problem, sgd.constraint == "sphere"):
        return subspace_dynamics(problem, sgd, level, student_scale)
    require(student_scale is None, "student_scale", 'be left out unless constraint="stiefel"', student_scale)
    return neuron_dynamics(problem, sgd, level)


def caution_of(problem: Problem, sgd: SGD, diverged: float) -> str:
    """The warning about a law at this step, of whose replicas a fraction `diverged`; empty where there is none."""
    teacher = problem.teacher
    slope = float(np.asarray(teacher.link.dual_derivative(1.0)))
    turn = slope * sgd.rate * float(np.abs(np.asarray(teacher.search_rates)).max())
    known = not sgd.on_stiefel and not _BEYOND_DIVERGENCE & set(features(teacher, problem.start, sgd))
    near = divergence(problem, sgd).caution if known else ""
    lost = f"a fraction {diverged:.2g} of the replicas diverged" if diverged > 0 else ""
    long = f"g'(1)a_1η = {turn:.3g} is ≥ {_LONG_STEP}: steps of SGD are too long for a flow with gradient noise"
    return "; ".join(line for line in (near, lost, long if turn >= _LONG_STEP else "") if line)


def _without_noise(problem: Problem, sgd: SGD) -> Flow:
    """Gradient flow; a quadratic student's subspace depends on neither weight decay nor the loss."""
    if has_subspace(problem, sgd.constraint == "sphere"):
        return FiniteStep(0.0, constraint=sgd.constraint)
    return Coupled.of(sgd)


def _default_horizon(problem: Problem, flow: Flow) -> float:
    """Some more than the canonical time of gradient flow's last emergence."""
    expected = flow.horizon(problem)
    require(expected is not None, "horizon", "be given, as gradient flow learns nothing", "left out")
    return _MORE * (1 + min(float(problem.teacher.relative_noise), 1.0)) * float(expected[1])  # type: ignore[index]
