"""The dynamics of a replica of a quadratic student: its subspace, whose gradient flow is exact.

With W = VT, VᵀV = 1, in the M + N reduced coordinates in which S* = diag(ρ, 0), ρ = a of orthonormal directions,
Ω = TTᵀ (Stiefel SGD: cI) and γ = ηd/B, the two parts of dynamics.py are

    flow    dV and dT of gradient flow, exactly: V -> e^{2S*Δ}V, and S⁻¹ along it (flows/quadratic.py)
    noise   V -> V - √(ηΔ/B) ΞV, Ξ the gradient noise (gradient_noise.py; Stiefel: its part outside the subspace), and
            in the other d - M - N dimensions rows that enlarge VᵀV by (1 - (M+N)/d)γΔ H, H = 2R + 8VᵀD²V

and V is made orthonormal again, with W unchanged. H is the drag of `FiniteStep`; Ξ is the noise that it leaves out.
Label noise Δ adds ΔΣρ² to R, weight decay λ takes λ/2 from all rates, 0 among them, and on the correlation loss
D = -S* and nothing holds T. 1 - G is resolved to 10⁻¹⁴. Derived in derivations/gradient_noise_k2.py and
derivations/algorithm_noise.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, Key

from ...flows import misfit, second_order
from ...numerics import log_odds
from ...problem import SGD, Problem, spectrum, subspace_population_risk
from ...support import require, require_real
from .dynamics import RESOLVED, ReplicaDynamics, Snapshot, most_risk_of
from .gradient_noise import gradient_noise, noise_normals


class SubspaceState(NamedTuple):
    """W = VT.

    Attributes:
        V: (M+N, N), orthonormal after the flow.
        T: (N, N).
    """

    V: Float[Array, "D N"]
    T: Float[Array, "N N"]


class SubspaceDynamics(ReplicaDynamics):
    """The constants and the start of replicas. Time is c_2² t, in which the equations are those of h_2.

    Attributes:
        rho: (M,), the second layer, or the eigenvalues of S*.
        directions: (M, M), the directions in the eigenbasis; None where they are its axes.
        rate, step, fastest, goal, most_risk, begun: as in `ReplicaDynamics`.
        dim: (), d.
        scale: (), c of Stiefel SGD.
        label_noise: (), Δ.
        decay: (), λ/c_2².
        interaction: (), 1, and 0 on the correlation loss.
        on_stiefel: whether weights stay orthonormal.
    """

    rho: Float[Array, " M"]
    directions: Float[Array, "M M"] | None
    rate: Float[Array, ""]
    step: Float[Array, ""]
    fastest: Float[Array, ""]
    goal: Float[Array, ""]
    most_risk: Float[Array, ""]
    dim: Float[Array, ""]
    scale: Float[Array, ""]
    label_noise: Float[Array, ""]
    decay: Float[Array, ""]
    interaction: Float[Array, ""]
    begun: SubspaceState
    on_stiefel: bool = eqx.field(static=True)

    def look(self, state: SubspaceState) -> Snapshot:
        """Log-odds of diag G, and the risk."""
        return self._snapshot(state.V[: self.rho.shape[0]], self._Omega(state.T))

    def _snapshot(self, Y: Float[Array, "M N"], Omega: Float[Array, "N N"]) -> Snapshot:
        along = Y if self.directions is None else self.directions @ Y
        odds = log_odds(jnp.sum(along**2, axis=1))
        if self.on_stiefel:
            return Snapshot(odds, subspace_population_risk(self.rho, Y))
        return Snapshot(odds, self._misfit(Y, Omega) / jnp.sum(self.rho**2))

    def _Omega(self, T: Float[Array, "N N"]) -> Float[Array, "N N"]:
        """TTᵀ, or cI."""
        return self.scale * jnp.eye(T.shape[0]) if self.on_stiefel else T @ T.T

    def _misfit(self, Y: Float[Array, "M N"], Omega: Float[Array, "N N"]) -> Float[Array, ""]:
        """||D||²."""
        return misfit(self.rho, Y.T @ (self.rho[:, None] * Y), Omega)

    def _H(self, Y: Float[Array, "M N"], Omega: Float[Array, "N N"]) -> Float[Array, "N N"]:
        return second_order(Y, self.interaction * Omega, self.rho, self.label_noise)[2]

    def noise(
        self, state: SubspaceState, length: Float[Array, ""], key: Key[Array, ""]
    ) -> tuple[Snapshot, SubspaceState]:
        """What is measured in the middle of the noise, and W after it, with V not orthonormal and T as it was.

        H in the middle makes the drag of second order.
        """
        rho, V, Omega = self.rho, state.V, self._Omega(state.T)
        width, (rows, neurons) = rho.shape[0], V.shape
        growth, acting = self.step * (self.dim - rows) * length, self.interaction * Omega
        square = self._misfit(V[:width], acting) + self.label_noise * jnp.sum(rho**2)
        moved = gradient_noise(noise_normals(key, rows), V, acting, rho, square)
        if self.on_stiefel:
            moved = moved - V @ (V.T @ moved)
        moved = -jnp.sqrt(self.step * length) * moved
        half_way = V + np.sqrt(0.5) * moved
        half = jnp.linalg.cholesky(half_way.T @ half_way + growth / 2 * self._H(V[:width], Omega))
        Y = _over(half_way[:width], half)
        middle = Omega if self.on_stiefel else half.T @ Omega @ half
        lengthening = growth * half @ self._H(Y, middle) @ half.T
        V = V + moved
        rest = V[width:].T @ V[width:] + lengthening + RESOLVED * jnp.eye(neurons)
        after = jnp.concatenate([V[:width], jnp.linalg.cholesky(rest).T])
        return self._snapshot(Y, middle), SubspaceState(after, state.T)

    def flow(self, state: SubspaceState, time: Float[Array, ""]) -> SubspaceState:
        """Gradient flow for a `time`, exactly, from W = VT with any V; V is orthonormal after it.

        S -> EW(1 + WᵀΨW)⁻¹WᵀE, E = e^{2ρt}, Ψ = (e^{4ρt} - 1)/ρ, with rates (ρ, 0) - λ/2; Ψ = 0 on the correlation
        loss.
        """
        V, T = state
        rates = jnp.concatenate([self.rho, jnp.zeros(V.shape[1])]) - self.decay / 2
        grown = jnp.exp(2 * rates * time)[:, None] * V
        factor = jnp.linalg.cholesky(grown.T @ grown)
        V, W, T = _over(grown, factor), V @ T, factor.T @ T
        if self.on_stiefel:
            return SubspaceState(V, jnp.eye(V.shape[1]))
        moving = rates != 0
        Psi = jnp.where(moving, jnp.expm1(4 * rates * time) / jnp.where(moving, rates, 1.0), 4 * time)
        held = jnp.eye(V.shape[1]) + W.T @ (self.interaction * Psi[:, None] * W)
        return SubspaceState(V, _over(T, jnp.linalg.cholesky(held)))


def subspace_dynamics(problem: Problem, sgd: SGD, level: float, student_scale: float | None) -> SubspaceDynamics:
    """The dynamics of a quadratic student whose start knows its dimension.

    Raises:
        ArgumentError: a scale that is not > 0 or without Stiefel SGD.
    """
    teacher, start, basis = problem.teacher, problem.full_start, spectrum(problem.teacher)
    if student_scale is not None:
        require(sgd.on_stiefel, "student_scale", 'be left out unless constraint="stiefel"', student_scale)
        require_real(student_scale, "student_scale", above=0)
    rate, rho = np.asarray(teacher.link.coefficients)[2] ** 2, np.asarray(basis.rates)
    weights = np.array(start.directions if sgd.on_stiefel else start.weights)
    if basis.vectors is not None:
        weights[:, : teacher.width] = weights[:, : teacher.width] @ np.asarray(basis.vectors)
    c = np.asarray(teacher.norm) / start.student_width**0.5 if student_scale is None else student_scale
    interacts, (V, T) = sgd.loss != "correlation", np.linalg.qr(weights.T)
    # on the host, where nothing compiles
    numbers = {
        "rate": rate,
        "step": sgd.rate_per_sample * rate,
        "fastest": np.abs(rho).max(),
        "goal": log_odds(level),
        "most_risk": most_risk_of(0.0 if sgd.on_stiefel else _risk_of(rho, weights), interacts),
        "dim": start.dim,
        "scale": c,
        "label_noise": teacher.relative_noise,
        "decay": sgd.weight_decay / rate,
        "interaction": interacts,
    }
    held = {name: np.asarray(number, float) for name, number in numbers.items()}
    return SubspaceDynamics(
        rho=basis.rates, directions=basis.directions, on_stiefel=sgd.on_stiefel,
        begun=SubspaceState(*jax.device_put((V, T))), **jax.device_put(held),
    )  # fmt: skip


def _risk_of(rho: Float[np.ndarray, " M"], weights: Float[np.ndarray, "N D"]) -> float:
    """||WᵀW - S*||²/||S*||² of rows W."""
    S = weights.T @ weights
    S[np.arange(len(rho)), np.arange(len(rho))] -= rho
    return float(np.sum(S**2) / np.sum(rho**2))


def _over(left: Float[Array, "D N"], factor: Float[Array, "N N"]) -> Float[Array, "D N"]:
    """`left` times the inverse transpose of a Cholesky factor."""
    return solve_triangular(factor, left.T, lower=True).T
