"""k > 2: the search phase at finite step size, in which the overlap of a pair is a scalar diffusion.

A neuron's overlap m with direction p, in canonical time t = η·step, batch B, γ = η d/B, obeys

    dm = [a_p g'(m)(1 - m²) - (γ/2) m E(m)] dt + √((η/B) V(m)) dW,
    E(m) = E e²σ'(z)²,      V(m) = Var e σ'(z) ξ,      ξ = <x_⊥, θ_p> = √(1 - m²) w,

with z = <x, u>, ν = <x, θ_p> = m z + ξ and z, w independent standard normals. While norms are small the residual is
e = a_p σ(ν) and, independent of (z, ν), the rest of what is not yet learned, of energy ρ = g(1) Σ_{q≠p} a_q² P_q:

    E = a_p² E σ(ν)²σ'(z)² + ρ E σ'²,      V = a_p² Var σ(ν)σ'(z)ξ + ρ (1 - m²) E σ'².

At finite d it tends to the decoupled overlap equation as η → 0, and to the limit of derivations/search_phase.py,
dx = (k a_p x^{k-1} - ½ g k x) du + √(g k (1 + 2k a_p²)) dW in x = m√d, as d → ∞ at η = g B d^{-k/2}.
Source: RNWL25 (arXiv 2504.19983) for the step size η ≍ a_p d^{-k/2}; derivations/own_pair.py for the drag.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ...numerics import panel_nodes
from ...problem import SGD, Link, Teacher

_PANELS, _COUNT = 32, 20  # of the noiseless path; nodes in a panel, as many as double precision can use


class Diffusion(eqx.Module):
    """Drift and variance of the overlap at points, linear in a_p, a_p² and the energy ρ of the rest.

    Attributes:
        m: overlaps at the points, of any shape.
        pull: g'(m)(1 - m²).
        own_drag: E σ(ν)²σ'(z)².
        own_noise: Var σ(ν)σ'(z)ξ.
        slope: (), E σ'².
        drag: (), γ/2.
        noise: (), η/B.
    """

    m: Float[Array, ...]
    pull: Float[Array, ...]
    own_drag: Float[Array, ...]
    own_noise: Float[Array, ...]
    slope: Float[Array, ""]
    drag: Float[Array, ""]
    noise: Float[Array, ""]

    def drift(self, a: ArrayLike, rest: ArrayLike) -> Float[Array, ...]:
        """E dm/dt; `a` and `rest` broadcast against the points."""
        return jnp.asarray(a * self.pull - self.drag * self.m * (a**2 * self.own_drag + rest * self.slope))

    def variance(self, a: ArrayLike, rest: ArrayLike) -> Float[Array, ...]:
        """Var dm/dt."""
        return self.noise * (a**2 * self.own_noise + rest * (1 - self.m**2) * self.slope)


class StepSize(NamedTuple):
    """The strengths of drag and noise at a step of SGD.

    Attributes:
        drag: (), γ/2 = η d/2B.
        noise: (), η/B.
    """

    drag: Float[Array, ""]
    noise: Float[Array, ""]


def step_size(sgd: SGD, dim: int) -> StepSize:
    """γ/2 = η d/2B and η/B of an algorithm at one learning rate."""
    return StepSize(*jax.device_put((np.asarray(sgd.gamma(dim) / 2), np.asarray(sgd.rate_per_sample))))


def diffusion_at(link: Link, m: Float[Array, ...], step: StepSize) -> Diffusion:
    """The diffusion's coefficients at overlaps `m`, by Gauss-Hermite quadrature, exact for its series."""
    degree = link.coefficients.shape[0] - 1
    z, weights = np.polynomial.hermite_e.hermegauss(2 * degree)
    return _diffusion_at(link, jnp.asarray(m), step, jnp.asarray(z), jnp.asarray(weights / weights.sum()))


@jax.jit
def _diffusion_at(link: Link, m: Array, step: StepSize, z: Array, weights: Array) -> Diffusion:
    slopes = weights * link.derivative(z) ** 2

    def own(point: Array) -> tuple[Array, Array]:
        squares = slopes @ link(point * z[:, None] + jnp.sqrt(1 - point**2) * z) ** 2
        return squares @ weights, (1 - point**2) * (squares @ (weights * z**2))

    pull = link.dual_derivative(m) * (1 - m**2)
    drag, second_moment = jax.lax.map(own, m.ravel())
    noise = second_moment.reshape(m.shape) - pull**2
    return Diffusion(m, pull, drag.reshape(m.shape), noise, jnp.sum(slopes), *step)


def rest_energy(energies: Float[Array, " M"], unlearned: Float[Array, "... M"]) -> Float[Array, "... M"]:
    """ρ_p = Σ_{q≠p} g(1) a_q² P_q, of the directions' `energies` g(1) a_q² and P_q, that q is not learned."""
    left = energies * unlearned
    return jnp.maximum(jnp.sum(left, axis=-1, keepdims=True) - left, 0.0)


class Noiseless(NamedTuple):
    """The emergence times of all pairs along their paths without noise, and the first order of their spread.

    Attributes:
        time: (N, M), T = ∫ dm/b, b the drift with nothing learned yet; inf where it points back anywhere on the way,
            0 where the overlap is past the level already.
        spread: (N, M), σ_T, σ_T² = ∫ V/b³ dm; inf and 0 as `time`. The law of T tends to Normal(T, σ_T²) as the
            noise goes to zero.
        noise_at_rest: (M,), V at the equator with nothing learned yet.
        energies: (M,), g(1) a_p².
    """

    time: Float[Array, "N M"]
    spread: Float[Array, "N M"]
    noise_at_rest: Float[Array, " M"]
    energies: Float[Array, " M"]


@jax.jit
def noiseless_emergence(teacher: Teacher, overlaps: Float[Array, "N M"], step: StepSize, level: ArrayLike) -> Noiseless:
    """The emergence times of pairs along their paths without noise, by quadrature in log m."""
    m = jnp.abs(overlaps) if teacher.link.is_even else overlaps
    top = jnp.sqrt(level)
    ahead = (m > 0) & (m < top)
    first = jnp.log(jnp.where(ahead, m, top / 2))
    log_v, weights = panel_nodes(first, jnp.log(top), _PANELS, _COUNT)
    v = jnp.exp(log_v)
    energies = teacher.link.dual(1.0) * teacher.a**2
    others = rest_energy(energies, jnp.ones(teacher.width))
    rest = others[:, None, None]
    way = diffusion_at(teacher.link, v, step)
    drift, variance = way.drift(teacher.a[:, None, None], rest), way.variance(teacher.a[:, None, None], rest)
    weights = weights * v  # dm = v d log v
    escapes = ahead & jnp.all(drift > 0, axis=(-2, -1))
    elsewhere = jnp.where(m >= top, 0.0, jnp.inf)
    time = jnp.where(escapes, jnp.sum(weights / drift, axis=(-2, -1)), elsewhere)
    spread = jnp.where(escapes, jnp.sqrt(jnp.sum(weights * variance / drift**3, axis=(-2, -1))), elsewhere)
    at_rest = diffusion_at(teacher.link, jnp.zeros(1), step).variance(teacher.a, others)
    return Noiseless(time, spread, at_rest, energies)
