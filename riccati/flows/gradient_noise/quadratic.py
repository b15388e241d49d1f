"""k = 2 at step size γ/d: the subspace of a quadratic student under gradient flow and gradient noise.

Let V be an orthonormal basis of the student's subspace, S = VΩVᵀ, Y = ΘᵀV (M x N, so G = YYᵀ), K = YᵀAY, K₂ = YᵀA²Y
and D = S - S*. The second-order term of a step that grows with d is H = 2||D||² I + 8VᵀD²V, and in Riccati time

    dY/dτ = AY - Y(K + ν),   ν ∝ H,    H = 2(tr Ω² - 2 tr ΩK + Σa²) I + 8(Ω² - ΩK - KΩ + K₂).

A step takes η of canonical time, a batch has B samples and γ = ηd/B. Stiefel SGD keeps Ω = cI, c the student's scale;
ν = (γ/4)(1 - N/d) H. SGD on the weights W = VT has Ω = TTᵀ, ν = (γ/4) H, and

    dT/dτ = (K - Ω + ν) T,    so that   dZ/dτ = AZ - ZQ for Z = ΘᵀW = YT, Q = WᵀW = TᵀT:

noise lengthens the neurons at the expense of their alignment and does not change ΘᵀW. Label noise Δ puts ||D||² + ΔΣρ²
in the place of ||D||² in H. On the correlation loss Ω is left out of K - Ω and of H. Weight decay λ takes λ/(2c_2²) T
from dT/dτ. Directions that are correlated or have negative a are followed in the eigenbasis of S*, with its eigenvalues
ρ for a. Y has N columns, so no tolerance error can raise the rank, and T holds the norms at any scale.
Source: BEVW25 (arXiv 2508.03688) for the algorithm; derivations/finite_step.py, derivations/finite_step_weights.py,
derivations/algorithm_noise.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...numerics import LEAF, compiled_quickly
from ...problem import (
    Feature,
    Observables,
    Problem,
    Start,
    features,
    riccati_rate,
    spectrum,
    subspace_population_risk,
)
from ...support import is_traced
from ..reduced_coordinates import PLAIN, Training
from .system import FiniteStepSystem, exploded, pace, start_of_gram

_BEYOND = {Feature.MIXED, Feature.ANISOTROPIC, Feature.TWO_LAYER}  # of h_2, where neurons are followed instead


class WeightsState(NamedTuple):
    """The state of SGD on the weights.

    Attributes:
        Y: (M, N), ΘᵀV, in the eigenbasis of S*.
        T: (N, N), in W = VT, in units of the smallest initial norm.
    """

    Y: Float[Array, "M N"]
    T: Float[Array, "N N"]


class WeightsSetting(NamedTuple):
    """The constants of the equations of SGD on the weights.

    Attributes:
        a: (M,), the second layer, or the eigenvalues ρ of S*.
        gamma: c_2² γ, γ in Riccati time.
        unit: the smallest initial norm.
        label_noise: Δ; None without.
        decay: λ/(2c_2²), λ in Riccati time.
        interaction: 1, and 0 on the correlation loss.
        directions: (M, M), the directions in the eigenbasis; None where they are its axes.
    """

    a: Float[Array, " M"]
    gamma: Float[Array, ""]
    unit: Float[Array, ""]
    label_noise: Float[Array, ""] | None
    decay: Float[Array, ""] | float = 0.0
    interaction: Float[Array, ""] | float = 1.0
    directions: Float[Array, "M M"] | None = None


def has_subspace(problem: Problem, on_sphere: bool = False) -> bool:
    """Whether the student is a quadratic one whose subspace is followed, and not its neurons."""
    return (
        problem.teacher.link.degree == 2
        and not _BEYOND & set(features(problem.teacher, problem.start, None))
        and (not on_sphere)
    )


def stiefel_system(problem: Problem, gamma: float, scale: float | None) -> FiniteStepSystem:
    """The system of Stiefel SGD, student f(x) = c(xᵀWWᵀx - N) with c = `scale`, or ‖a‖/√N if None; Riccati time."""
    teacher, start = problem.teacher, problem.full_start
    assert start.dim is not None
    neurons = start.student_width
    c = teacher.norm / neurons**0.5 if scale is None else scale
    scaled = c if is_traced(c) else np.asarray(c, float)
    rate = riccati_rate(teacher)
    plain = rate if is_traced(rate) else np.asarray(rate)
    # a step on σ = c_2 h_2 is one on h_2 with c_2²η
    held = jax.device_put(scaled), plain / 2 * (gamma / 4 * (1 - neurons / start.dim))
    Y, _, least = _span(start.directions, teacher.width)
    args = (teacher.a, *held, teacher.noise)
    return FiniteStepSystem(stiefel_velocity, _observe_stiefel, Y, args, rate, least)


def weights_system(problem: Problem, gamma: float, training: Training = PLAIN) -> FiniteStepSystem:
    """The system of SGD on the weights of the 2-homogeneous student, in Riccati time."""
    teacher, start, basis = problem.teacher, problem.full_start, spectrum(problem.teacher)
    rate = riccati_rate(teacher)
    coordinates = start.directions
    if basis.vectors is not None:
        axes = teacher.width
        coordinates = jnp.concatenate([coordinates[:, :axes] @ basis.vectors, coordinates[:, axes:]], axis=1)
    given = jax.device_put((np.asarray(gamma, float), np.asarray(training.weight_decay)))
    state, (held, decay, unit), least = _begun(coordinates, start.norms, teacher.width, given, rate)
    interaction = jax.device_put(np.asarray(float(not training.correlation)))
    setting = WeightsSetting(basis.rates, held, unit, teacher.noise, decay, interaction, basis.directions)
    return FiniteStepSystem(weights_velocity, _observe_weights, state, setting, rate, least)


@compiled_quickly(like=lambda vectors, width: (LEAF, LEAF, LEAF), static_argnums=1)
def _span(
    vectors: Float[Array, "N D"], width: int
) -> tuple[Float[Array, "M N"], Float[Array, "N N"], Float[Array, ""]]:
    """Y = ΘᵀV and T, with VT the transpose of `vectors`; and the smallest root mean square of a row of Y.

    Rows of zeros do not count: they stay zero at any tolerance.
    """
    V, T = jnp.linalg.qr(vectors.T)
    Y = V[:width]
    size = jnp.linalg.norm(jax.lax.stop_gradient(Y), axis=1)
    return Y, T, jnp.min(jnp.where(size > 0, size, 1.0)) / Y.shape[1] ** 0.5


@compiled_quickly(like=lambda *_: (WeightsState(LEAF, LEAF), (LEAF, LEAF, LEAF), LEAF), static_argnums=2)
def _begun(
    directions: Float[Array, "N D"], norms: Float[Array, " N"], width: int, given: tuple[Array, Array], rate: Array
) -> tuple[WeightsState, tuple[Array, Array, Array], Float[Array, ""]]:
    """The initial state, γ and λ (`given`) in Riccati time and the unit of T, and the smallest mean size of a row of Y.

    The size is the root of the mean square.
    """
    unit = jax.lax.stop_gradient(jnp.min(norms))
    Y, T, least = _span(norms[:, None] * directions, width)
    return WeightsState(Y, T / unit), (given[0] * rate / 2, given[1] / rate, unit), least


def start_of_weights(problem: Problem, state: WeightsState, setting: WeightsSetting) -> Start:
    """The student with the weights W = VT of this state as a start."""
    size = jnp.linalg.norm(state.T, axis=0)
    Y = state.Y if setting.directions is None else setting.directions @ state.Y
    units = state.T / size
    return start_of_gram(problem, (Y @ units).T, units.T @ units, setting.unit * size)


def misfit(a: Float[Array, " M"], K: Float[Array, "N N"], Omega: Float[Array, "N N"]) -> Float[Array, ""]:
    """||D||² = tr Ω² - 2 tr ΩK + Σa²."""
    return jnp.sum(Omega**2) - 2 * jnp.sum(Omega * K) + jnp.sum(a**2)


def second_order(
    Y: Float[Array, "M N"], Omega: Float[Array, "N N"], a: Float[Array, " M"], label_noise: Array | None = None
) -> tuple[Float[Array, "M N"], Float[Array, "N N"], Float[Array, "N N"]]:
    """AY, K = YᵀAY and H = 2(||D||² + ΔΣa²) I + 8VᵀD²V."""
    AY = a[:, None] * Y
    K, cross = Y.T @ AY, Omega @ (Y.T @ AY)
    inside = Omega @ Omega - cross - cross.T + AY.T @ AY
    square = misfit(a, K, Omega)
    if label_noise is not None:
        square += label_noise * jnp.sum(a**2)
    return AY, K, 2 * square * jnp.eye(Y.shape[1]) + 8 * inside


def stiefel_velocity(_: Any, Y: Float[Array, "M N"], args: tuple[Array, ...]) -> Float[Array, "M N"]:
    """dY/dτ = AY - Y(K + ν), Ω = cI."""
    a, c, noise, label_noise = args
    AY, K, H = second_order(Y, c * jnp.eye(Y.shape[1]), a, label_noise)
    return AY - Y @ (K + noise * H)


def weights_velocity(_: Any, state: WeightsState, args: WeightsSetting) -> WeightsState:
    """dY/dτ = AY - Y(K + ν) and dT/dτ = (K - Ω + ν - λ/(2c_2²))T, Ω = TTᵀ, ν = (γ/4)H."""
    size = args.unit**2 * state.T @ state.T.T
    Omega = args.interaction * size
    AY, K, H = second_order(state.Y, Omega, args.a, args.label_noise)
    noise = args.gamma / 4 * H
    slow = pace(args.gamma, jnp.trace(size))
    growing = (K - Omega + noise) @ state.T - args.decay * state.T
    return WeightsState(slow * (AY - state.Y @ (K + noise)), slow * growing)


def _alignment(Y: Float[Array, "M N"]) -> Float[Array, " M"]:
    return jnp.minimum(jnp.sum(Y**2, axis=1), 1.0)  # the integrator's error may carry it past one


def _observe_stiefel(Y: Float[Array, "M N"], args: tuple[Array, ...]) -> Observables:
    return Observables(subspace_population_risk(args[0], Y), _alignment(Y), None)


def _observe_weights(state: WeightsState, args: WeightsSetting) -> Observables:
    a, T = args.a, args.unit * state.T
    Omega, K = T @ T.T, state.Y.T @ (a[:, None] * state.Y)
    size = jnp.maximum(misfit(a, K, Omega), 0.0) / jnp.sum(a**2)
    risk = jnp.where(exploded(args.gamma, jnp.trace(Omega)), jnp.inf, size)
    Y = state.Y if args.directions is None else args.directions @ state.Y
    return Observables(risk, _alignment(Y), jnp.sum((Y @ T) ** 2, axis=1))
