"""k = 2: the dynamics of a replica of SGD at a finite step, at a cost that does not depend on d.

Over a time Δ that holds many steps of SGD, the sum of their noises is Gaussian. With W = VT, VᵀV = 1, in the M + N
reduced coordinates, Ω = TTᵀ (Stiefel SGD: cI) and γ = ηd/B, a replica alternates the two parts of the limit:

    flow    dV and dT of gradient flow, exactly: V -> e^{2S*Δ}V, and S⁻¹ along it (flows/quadratic.py)
    noise   V -> V - √(ηΔ/B) ΞV, Ξ the gradient noise (gradient_noise.py; Stiefel: its part outside the subspace), and
            in the other d - M - N dimensions rows that enlarge VᵀV by (1 - (M+N)/d)γΔ H, H = 2R + 8VᵀD²V

and V is made orthonormal again, with W unchanged. H is the drag of `FiniteStep`; Ξ is the noise that it leaves out.
At the start the sum of Ξ is as large as the overlaps themselves, so emergence times are random at every d; learned
directions keep fluctuations of order √(γ/d), so the risk is random as well.

Two approximations are made: at small d the steps of SGD are few and heavy-tailed, so their sum is not yet Gaussian; and
the fluctuations of e²uuᵀ about H are left out. Both are of relative order 1/d in overlaps and risk. The batch size
enters through η/B. Splitting is of second order in Δ; 1 - G is resolved to 10⁻¹⁴. Derived in
derivations/gradient_noise_k2.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, Int, Key

from ...flows import misfit, second_order
from ...numerics import LEAF, compiled_quickly, log_odds
from ...problem import SGD, Problem, subspace_population_risk
from ...support import require, require_real
from .gradient_noise import gradient_noise, noise_normals

_RESOLVED = 1e-14  # of 1 - G, above rounding
_RUNAWAY = 10.0  # the misfit, in units of the larger of Σa² and the initial one, past which noise outgrows any drift


class ReplicaDynamics(eqx.Module):
    """The constants and the start that all replicas share. Time is c_2² t, in which the equations are those of h_2.

    Attributes:
        a: (M,), the second layer.
        rate: (), c_2², that time per canonical time.
        step: (), η/B of that time.
        dim: (), d.
        scale: (), c of Stiefel SGD.
        goal: (), log-odds of the level at which a direction has emerged.
        V, T: (M+N, N) and (N, N), the start.
        on_stiefel: whether weights stay orthonormal.
    """

    a: Float[Array, " M"]
    rate: Float[Array, ""]
    step: Float[Array, ""]
    dim: Float[Array, ""]
    scale: Float[Array, ""]
    goal: Float[Array, ""]
    V: Float[Array, "D N"]
    T: Float[Array, "N N"]
    on_stiefel: bool = eqx.field(static=True)

    def Omega(self, T: Float[Array, "N N"]) -> Float[Array, "N N"]:
        """TTᵀ, or cI."""
        return self.scale * jnp.eye(T.shape[0]) if self.on_stiefel else T @ T.T

    def misfit(self, Y: Float[Array, "M N"], Omega: Float[Array, "N N"]) -> Float[Array, ""]:
        """R = ||D||²."""
        return misfit(self.a, Y.T @ (self.a[:, None] * Y), Omega)

    def risk(self, Y: Float[Array, "M N"], Omega: Float[Array, "N N"]) -> Float[Array, ""]:
        """E(f* - f)²/E f*²; on the Stiefel manifold after the best radial fit."""
        if self.on_stiefel:
            return subspace_population_risk(self.a, Y)
        return self.misfit(Y, Omega) / jnp.sum(self.a**2)


class Replica(NamedTuple):
    """The state of a replica.

    Attributes:
        V, T: (M+N, N) and (N, N), in W = VT; NaN once it has diverged.
        time: (), of its last step.
        odds: (M,), the log-odds of diag G then.
        emerged: (M,), the time at which they first reached the level, inf where they have not.
    """

    V: Float[Array, "D N"]
    T: Float[Array, "N N"]
    time: Float[Array, ""]
    odds: Float[Array, " M"]
    emerged: Float[Array, " M"]


class ReplicaStep(NamedTuple):
    """A step of a replica; n of them have an axis in front.

    Attributes:
        number: (), from 0.
        length: (), Δ of its noise.
        flowing: (), how long the flow after it lasts.
        time: (), of the middle of its noise, at which overlaps and risk are taken.
    """

    number: Int[Array, ""]
    length: Float[Array, ""]
    flowing: Float[Array, ""]
    time: Float[Array, ""]


def dynamics_of(problem: Problem, sgd: SGD, level: float, student_scale: float | None) -> ReplicaDynamics:
    """The dynamics of a k = 2 problem whose start knows its dimension.

    Raises:
        ArgumentError: a link other than h_2, a start without all overlaps or with d < M + N, a scale that is not > 0
            or without Stiefel SGD.
    """
    teacher, start = problem.teacher, problem.full_start
    require(teacher.link.degree == 2, "teacher", "have the pure link h_2, or information exponent > 2", teacher.link)
    must = "be at least M + N, as the reduced coordinates need (simulate smaller ones: riccati.sgd)"
    require((start.dim or 0) >= teacher.width + start.student_width, "dim", must, start.dim)
    if student_scale is not None:
        require(sgd.on_stiefel, "student_scale", 'be left out unless constraint="stiefel"', student_scale)
        require_real(student_scale, "student_scale", above=0)
    rate = np.asarray(teacher.link.coefficients)[2] ** 2
    weights = np.asarray(start.directions if sgd.on_stiefel else start.weights)
    c = np.asarray(teacher.norm) / start.student_width**0.5 if student_scale is None else student_scale
    # on the host, where nothing compiles
    held = (rate, sgd.rate_per_sample * rate, start.dim, c, log_odds(level), *np.linalg.qr(weights.T))
    rate, step, dim, scale, goal, V, T = jax.device_put([np.asarray(part, float) for part in held])
    return ReplicaDynamics(teacher.a, rate, step, dim, scale, goal, V, T, sgd.on_stiefel)


@compiled_quickly(like=lambda dynamics, half: (Replica(*[LEAF] * len(Replica._fields)), LEAF))
def begin(dynamics: ReplicaDynamics, half: Float[Array, ""]) -> tuple[Replica, Float[Array, ""]]:
    """The replica after a first `half` step of flow, and the initial risk; directions past the level have T = 0."""
    Y = dynamics.V[: dynamics.a.shape[0]]
    odds = log_odds(jnp.sum(Y**2, axis=1))
    V, T = flow(dynamics, dynamics.V, dynamics.T, half)
    replica = Replica(V, T, jnp.zeros(()), odds, jnp.where(odds >= dynamics.goal, 0.0, jnp.inf))
    return replica, dynamics.risk(Y, dynamics.Omega(dynamics.T))


@compiled_quickly(like=lambda dynamics, key, numbers, replicas, steps: (replicas, LEAF))
def advance(
    dynamics: ReplicaDynamics, key: Key[Array, ""], numbers: Int[Array, " S"], replicas: Replica, steps: ReplicaStep
) -> tuple[Replica, Float[Array, "S n"]]:
    """S replicas after n steps, and their risk at the time of each; it is inf once a replica has diverged.

    Each replica has a number, and with it a key of its own.
    """
    width = dynamics.a.shape[0]
    begun = dynamics.misfit(dynamics.V[:width], dynamics.Omega(dynamics.T))
    largest = _RUNAWAY * jnp.maximum(jnp.sum(dynamics.a**2), begun)

    def one(number: Array, replica: Replica) -> tuple[Replica, Array]:
        own = jax.random.fold_in(key, number)

        def step(replica: Replica, now: ReplicaStep) -> tuple[Replica, Array]:
            Y, Omega, V = noise(dynamics, replica, now.length, jax.random.fold_in(own, now.number))
            sound = dynamics.misfit(Y, Omega) < largest
            V, T = flow(dynamics, jnp.where(sound, V, jnp.nan), replica.T, now.flowing)
            odds, emerged = emerging(dynamics, replica, Y, now.time)
            return Replica(V, T, now.time, odds, emerged), jnp.where(sound, dynamics.risk(Y, Omega), jnp.inf)

        return jax.lax.scan(step, replica, steps)

    return jax.vmap(one)(numbers, replicas)


def emerging(
    dynamics: ReplicaDynamics, replica: Replica, Y: Float[Array, "M N"], time: Float[Array, ""]
) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """Log-odds of diag G at `time`, and emergence times, interpolated in the log-odds since the step before."""
    odds = log_odds(jnp.sum(Y**2, axis=1))
    share = (dynamics.goal - replica.odds) / (odds - replica.odds)
    crossing = jnp.isinf(replica.emerged) & (odds >= dynamics.goal)
    return odds, jnp.where(crossing, replica.time + share * (time - replica.time), replica.emerged)


def noise(
    dynamics: ReplicaDynamics, replica: Replica, length: Float[Array, ""], key: Key[Array, ""]
) -> tuple[Float[Array, "M N"], Float[Array, "N N"], Float[Array, "D N"]]:
    """The noise of a time `length` added to a replica: Y and Ω in the middle of it, and V after it.

    V is then not orthonormal, and T in W = VT is as it was. The middle has half of the noise's variance, so that
    learned directions fluctuate as widely as they should, and H there makes the drag of second order.
    """
    a, V, Omega = dynamics.a, replica.V, dynamics.Omega(replica.T)
    width, (rows, neurons) = a.shape[0], V.shape
    growth = dynamics.step * (dynamics.dim - rows) * length
    moved = gradient_noise(noise_normals(key, rows), V, Omega, a, dynamics.misfit(V[:width], Omega))
    if dynamics.on_stiefel:
        moved = moved - V @ (V.T @ moved)
    moved = -jnp.sqrt(dynamics.step * length) * moved
    half_way = V + np.sqrt(0.5) * moved
    half = jnp.linalg.cholesky(half_way.T @ half_way + growth / 2 * second_order(V[:width], Omega, a)[2])
    Y = _over(half_way[:width], half)
    middle = Omega if dynamics.on_stiefel else half.T @ Omega @ half
    lengthening = growth * half @ second_order(Y, middle, a)[2] @ half.T
    V = V + moved
    rest = V[width:].T @ V[width:] + lengthening + _RESOLVED * jnp.eye(neurons)
    return Y, middle, jnp.concatenate([V[:width], jnp.linalg.cholesky(rest).T])


def flow(
    dynamics: ReplicaDynamics, V: Float[Array, "D N"], T: Float[Array, "N N"], time: Float[Array, ""]
) -> tuple[Float[Array, "D N"], Float[Array, "N N"]]:
    """Gradient flow for a `time`, exactly, from W = VT with any V; V is orthonormal after it.

    S -> EW(1 + WᵀΨW)⁻¹WᵀE, E = e^{2ρt}, Ψ = (e^{4ρt} - 1)/ρ, with rates ρ = (a, 0).
    """
    rates = jnp.concatenate([dynamics.a, jnp.zeros(V.shape[1])])
    grown = jnp.exp(2 * rates * time)[:, None] * V
    factor = jnp.linalg.cholesky(grown.T @ grown)
    V, W, T = _over(grown, factor), V @ T, factor.T @ T
    if dynamics.on_stiefel:
        return V, jnp.eye(V.shape[1])
    growing = rates > 0
    Psi = jnp.where(growing, jnp.expm1(4 * rates * time) / jnp.where(growing, rates, 1.0), 4 * time)
    return V, _over(T, jnp.linalg.cholesky(jnp.eye(V.shape[1]) + W.T @ (Psi[:, None] * W)))


def _over(left: Float[Array, "D N"], factor: Float[Array, "N N"]) -> Float[Array, "D N"]:
    """`left` times the inverse transpose of a Cholesky factor."""
    return solve_triangular(factor, left.T, lower=True).T
