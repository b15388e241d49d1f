"""k > 2: the search phase at finite step size, in which the overlap of a pair is a scalar diffusion.

A neuron's overlap m with direction p, in canonical time t = η·step, batch B, γ = η d/B, obeys

    dm = [a_p g'(m)(1 - m²) - (γ/2) m E(m)] dt + √((η/B) V(m)) dW,
    E(m) = E e²σ'(z)²,      V(m) = Var e σ'(z) ξ,      ξ = <x_⊥, θ_p> = √(1 - m²) w,

with z = <x, u>, ν = <x, θ_p> = m z + ξ and z, w independent standard normals. While norms are small the residual is
e = a_p σ(ν) and, independent of (z, ν), the rest of what is not yet learned, of energy ρ = g(1) Σ_{q≠p} a_q² P_q:

    E = a_p² E σ(ν)²σ'(z)² + ρ E σ'²,      V = a_p² Var σ(ν)σ'(z)ξ + ρ (1 - m²) E σ'².

The noise of labels, of variance v = Δ E f*², is part of the rest: ρ + v stands in the place of ρ.
At finite d it tends to the decoupled overlap equation as η → 0, and to the limit of derivations/search_phase.py,
dx = (k a_p x^{k-1} - ½ g k x) du + √(g k (1 + 2k a_p²)) dW in x = m√d, as d → ∞ at η = g B d^{-k/2}.
Source: RNWL25 (arXiv 2504.19983) for the step size η ≍ a_p d^{-k/2}; derivations/own_pair.py for the drag.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from ...numerics import panel_nodes
from ...problem import SGD, Link, Teacher
from ...support import is_traced, namespace_of

Numbers = Array | np.ndarray
_PANELS, _COUNT = 32, 20  # of the noiseless path; nodes in a panel, as many as double precision can use
_AT_ONCE = 2**14  # points


class Diffusion(eqx.Module):
    """Drift and variance of the overlap at points, linear in a_p, a_p² and the energy ρ of the rest.

    Attributes:
        m: overlaps at the points, of any shape; these and the others are NumPy's outside programs.
        pull: g'(m)(1 - m²).
        own_drag: E σ(ν)²σ'(z)².
        own_noise: Var σ(ν)σ'(z)ξ.
        slope: (), E σ'².
        drag: (), γ/2.
        noise: (), η/B.
        label_variance: (), v.
    """

    m: Float[Numbers, ...]
    pull: Float[Numbers, ...]
    own_drag: Float[Numbers, ...]
    own_noise: Float[Numbers, ...]
    slope: Float[Numbers, ""]
    drag: Float[Numbers, ""]
    noise: Float[Numbers, ""]
    label_variance: Float[Numbers, ""]

    def drift(self, a: Numbers, rest: Numbers) -> Float[Numbers, ...]:
        """E dm/dt; `a` and `rest` broadcast against the points."""
        return a * self.pull - self.drag * self.m * (a**2 * self.own_drag + (rest + self.label_variance) * self.slope)

    def variance(self, a: Numbers, rest: Numbers) -> Float[Numbers, ...]:
        """Var dm/dt."""
        return self.noise * (a**2 * self.own_noise + (rest + self.label_variance) * (1 - self.m**2) * self.slope)


class StepSize(NamedTuple):
    """The strengths of drag and noise at a step of SGD.

    Attributes:
        drag: (), γ/2 = η d/2B.
        noise: (), η/B.
        label_variance: (), v.
    """

    drag: Float[Array, ""]
    noise: Float[Array, ""]
    label_variance: Float[Array, ""]


def step_size(sgd: SGD, dim: int, label_variance: Float[Array, ""] | float = 0.0) -> StepSize:
    """γ/2 = η d/2B and η/B of an algorithm at one learning rate, beside the variance of the labels' noise."""
    numbers = sgd.gamma(dim) / 2, sgd.rate_per_sample, label_variance
    return StepSize(*jax.device_put([np.asarray(number, float) for number in numbers]))


def diffusion_at(link: Link, m: Float[Numbers, ...], step: StepSize) -> Diffusion:
    """The diffusion's coefficients at overlaps `m`, by Gauss-Hermite quadrature, exact for its series."""
    degree = link.coefficients.shape[0] - 1
    z, weights = np.polynomial.hermite_e.hermegauss(2 * degree)
    weights, plain = weights / weights.sum(), not is_traced(link, m, step)
    host = np.asarray if plain else lambda value: value  # outside programs nothing compiles
    slopes, m = weights * host(link.derivative(z)) ** 2, host(m)

    def own(points: Numbers) -> tuple[Numbers, Numbers]:
        across = points[:, None, None]
        squares = slopes @ host(link(across * z[:, None] + (1 - across**2) ** 0.5 * z)) ** 2
        return squares @ weights, (1 - points**2) * (squares @ (weights * z**2))

    pull = host(link.dual_derivative(m)) * (1 - m**2)
    if plain:
        blocks = np.array_split(m.ravel(), -(-m.size // _AT_ONCE))
        drag, second_moment = (np.concatenate(parts) for parts in zip(*map(own, blocks), strict=True))
    else:
        drag, second_moment = (part[:, 0] for part in jax.lax.map(lambda point: own(point[None]), m.ravel()))
    noise = second_moment.reshape(m.shape) - pull**2
    return Diffusion(m, pull, drag.reshape(m.shape), noise, slopes.sum(), *map(host, step))


def rest_energy(energies: Float[Numbers, " M"], unlearned: Float[Numbers, "... M"]) -> Float[Numbers, "... M"]:
    """ρ_p = Σ_{q≠p} g(1) a_q² P_q, of the directions' `energies` g(1) a_q² and P_q, that q is not learned."""
    left = energies * unlearned
    return namespace_of(left).maximum(left.sum(axis=-1, keepdims=True) - left, 0.0)


class Noiseless(NamedTuple):
    """The emergence times of each direction's pair along its path without noise, and the first order of their spread.

    Attributes:
        time: (M,), T = ∫ dm/b, b the drift with nothing learned yet; inf where it points back anywhere on the way,
            0 where the overlap is past the level already.
        spread: (M,), σ_T, σ_T² = ∫ V/b³ dm; inf and 0 as `time`. The law of T tends to Normal(T, σ_T²) as the
            noise goes to zero.
        noise_at_rest: (M,), V at the equator with nothing learned yet.
        energies: (M,), g(1) a_p².
    """

    time: Float[np.ndarray, " M"]
    spread: Float[np.ndarray, " M"]
    noise_at_rest: Float[np.ndarray, " M"]
    energies: Float[np.ndarray, " M"]


def noiseless_emergence(teacher: Teacher, overlaps: Float[np.ndarray, " M"], step: StepSize, level: float) -> Noiseless:
    """The emergence times of pairs along their paths without noise, by quadrature in log m."""
    a = np.asarray(teacher.a)
    m = np.abs(overlaps) if teacher.link.is_even else overlaps
    top = np.sqrt(level)
    ahead = (m > 0) & (m < top)
    first = np.log(np.where(ahead, m, top / 2))
    log_v, weights = panel_nodes(first, np.log(top), _PANELS, _COUNT)
    v = np.exp(log_v)
    energies = np.asarray(teacher.link.dual(1.0)) * a**2
    others = rest_energy(energies, np.ones(len(a)))
    here = a[:, None, None], others[:, None, None]
    way = diffusion_at(teacher.link, v, step)
    drift, variance = way.drift(*here), way.variance(*here)
    weights = weights * v  # dm = v d log v
    escapes = ahead & np.all(drift > 0, axis=(-2, -1))
    safe = np.where(escapes[:, None, None], drift, 1.0)
    elsewhere = np.where(m >= top, 0.0, np.inf)
    time = np.where(escapes, np.sum(weights / safe, axis=(-2, -1)), elsewhere)
    squares = np.maximum(np.sum(weights * variance / safe**3, axis=(-2, -1)), 0.0)
    spread = np.where(escapes, np.sqrt(squares), elsewhere)
    at_rest = diffusion_at(teacher.link, np.zeros(1), step).variance(a, others)
    return Noiseless(time, spread, np.asarray(at_rest), energies)
