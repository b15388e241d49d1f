"""The master curve of the decoupled overlap equation, in a coordinate where it is smooth over fifty decades of time.

In collapsed time y = a_p t every assigned overlap obeys dm/dy = g'(m)(1 - m²). With λ = log(m/√(1 - m²)), 0 at
m² = ½, and R the collapsed time that is still ahead until then, negative after it,

    dλ/dR = -g'(m)/m,      dI/dR = -g(m),      dH/dR = 1 - (1 - g(m)/g(1)) e^{4I},

I (0 at m = 0) and H (0 at R = 0) being what the Bernoulli equation of the norm needs (flows/decoupled.py). What the
risk needs, D = log(1 - g(m)/g(1)), the log of the deficit, is tabulated beside them. The independent variable is
σ = asinh(g'(1) R), logarithmic in the time ahead of emergence and in the time passed since, so that one integration by
diffrax over σ serves every direction. Derived in derivations/decoupled.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...numerics import integrate, unit_nodes
from ...problem import Link

_NODES = 2**15  # cubic interpolation between them is exact to about 10⁻¹²
_SATURATED = 18.4  # λ past which 1 - m² = e^{-2λ} is below rounding
_RTOL = 1e-13
_COUNT = 60  # of the smooth rest of ∫ g dy


class MasterCurve(NamedTuple):
    """The curve as a table.

    Attributes:
        rate: g'(1).
        low: the first σ.
        spacing: between one σ and the next.
        cubics: (4, 4, n), λ, I, H and D by powers of the place between two σ.
        end: R at `low`, where m = 1 to the last bit.
    """

    rate: Float[Array, ""]
    low: Float[Array, ""]
    spacing: Float[Array, ""]
    cubics: Float[Array, "4 4 n"]
    end: Float[Array, ""]


def overlap_of(position: Float[Array, ...]) -> Float[Array, ...]:
    """m of λ: m = 1/√(1 + e^{-2λ})."""
    return jnp.exp(-0.5 * jax.nn.softplus(-2 * position))


def position_of(overlap: Float[Array, ...]) -> Float[Array, ...]:
    """λ = log(m/√(1 - m²)) of m in (0, 1); -inf at 0."""
    return jnp.log(overlap) - 0.5 * jnp.log1p(-(overlap**2))


def growth_integral(link: Link, position: Float[Array, ...]) -> Float[Array, ...]:
    """I = ∫ g dy from m = 0, that is ∫_0^m φ(v) v/(1 - v²) dv with φ = g/(v g'); -log(1 - m²)/2k for a pure h_k.

    φ(1) is split off, and what is left is smooth up to m = 1.
    """

    def ratio(v: Array) -> Array:
        return link.dual(v) / (v * link.dual_derivative(v))

    last = ratio(jnp.ones(()))
    closed = last * 0.5 * jax.nn.softplus(2 * position)
    if link.degree is not None:
        return closed
    nodes, weights = unit_nodes(_COUNT)
    m = overlap_of(position)[..., None]
    v = m * nodes
    return closed + jnp.sum(weights * m * (ratio(v) - last) * v / (1 - v**2), axis=-1)


def deficit_at(link: Link, position: Float[Array, ...]) -> Float[Array, ...]:
    """1 - g(m)/g(1), without cancellation near m = 1: Σ c_j² (1 - m^j)/g(1)."""
    if link.closed_form is not None:
        return jnp.maximum(1 - link.dual(overlap_of(position)) / link.dual(1.0), np.finfo(float).eps)
    log_m = -0.5 * jax.nn.softplus(-2 * position)
    j = jnp.arange(link.coefficients.shape[0])
    return -jnp.sum(link.coefficients**2 * jnp.expm1(j * log_m[..., None]), axis=-1) / link.dual(1.0)


def _slopes(link: Link, position: Array, growth: Array, deficit: Array) -> Array:
    """-d/dR of λ, I, H and D."""
    m = overlap_of(position)
    slope = link.dual_derivative(m)
    closing = -(slope**2) * jax.nn.sigmoid(-2 * position) / (deficit * link.dual(1.0))
    return jnp.stack([slope / m, link.dual(m), _feeding(link, position, growth), closing], axis=-1)


def _feeding(link: Link, position: Array, growth: Array) -> Array:
    """dH/dy = (1 - g/g(1)) e^{4I} - 1, without cancellation where it is small and where g is near g(1)."""
    grown = jnp.exp(4 * growth)
    early = jnp.expm1(4 * growth) - link.dual(overlap_of(position)) / link.dual(1.0) * grown
    return jnp.where(position < 0, early, deficit_at(link, position) * grown - 1)


def _velocity(sigma: Array, state: Array, args: tuple[Link, Array]) -> Array:
    """d/ds of λ and H, where σ = sign·s."""
    link, sign = args
    m = overlap_of(state[0])
    slopes = jnp.stack([link.dual_derivative(m) / m, _feeding(link, state[0], growth_integral(link, state[0]))])
    return -sign * jnp.cosh(sigma) / link.dual_derivative(1.0) * slopes


@eqx.filter_jit
def _tabulate(link: Link, low: Array, furthest: Array) -> MasterCurve:
    """Integrate from σ = 0, where λ = H = 0, to both ends."""
    high = jnp.arcsinh(link.dual_derivative(1.0) * furthest) + 1e-9
    spacing = (high - low) / (_NODES - 1)
    sigma = low + spacing * jnp.arange(_NODES)
    ahead = sigma >= 0

    def arm(sign: float) -> Array:
        reach = jnp.sort(jnp.maximum(sign * sigma, 0.0))
        out = integrate(_velocity, jnp.zeros(2), (link, jnp.asarray(sign)), reach, _RTOL, _RTOL).states
        return out if sign > 0 else out[::-1]

    states = jnp.where(ahead[:, None], arm(1.0), arm(-1.0))
    position, H = states.T
    growth, deficit = growth_integral(link, position), deficit_at(link, position)
    rate = link.dual_derivative(1.0)
    values = jnp.column_stack([position, growth, H, jnp.log(deficit)])
    slopes = -spacing * jnp.cosh(sigma)[:, None] / rate * _slopes(link, position, growth, deficit)
    rise, before, after = jnp.diff(values, axis=0), slopes[:-1], slopes[1:]
    cubics = [values[:-1], before, 3 * rise - 2 * before - after, before + after - 2 * rise]  # Hermite interpolation
    return MasterCurve(rate, low, spacing, jnp.stack(cubics).transpose(2, 0, 1), jnp.sinh(low) / rate)


def master_curve(link: Link, furthest: float) -> MasterCurve:
    """The curve from saturation back to a collapsed time of `furthest` ahead of emergence."""
    low = -np.arcsinh(2 * _SATURATED + 4.0)
    ends = jax.device_put((np.asarray(low), np.asarray(max(furthest, 1.0))))
    return _tabulate(*jax.lax.stop_gradient((link, *ends)))


@jax.custom_jvp
def evaluate(link: Link, curve: MasterCurve, ahead: Float[Array, " n"]) -> Float[Array, "4 n"]:
    """λ, I, H and D at collapsed times R = `ahead` of emergence (negative: after it), within the curve's ends.

    The derivative in `ahead` is the differential equation's own; the curve itself counts as constant.
    """
    size = jnp.abs(curve.rate * ahead)
    # asinh to absolute precision, all that a place in the table needs, at a third of jnp.arcsinh's time
    sigma = jnp.copysign(jnp.log(size + jnp.sqrt(size**2 + 1)), ahead)
    place = jnp.clip((sigma - curve.low) / curve.spacing, 0.0, _NODES - 1.0)
    node = jnp.minimum(place.astype(jnp.int32), _NODES - 2)
    x = place - node

    def function(cubic: Float[Array, "4 n"]) -> Array:  # coefficients apart: a third of the time of gathering rows
        c = [power.at[node].get(mode="promise_in_bounds") for power in cubic]
        return c[0] + x * (c[1] + x * (c[2] + x * c[3]))

    # as a loop, or XLA computes the node anew, logarithm and all, for each of the sixteen look-ups
    return jax.lax.map(function, curve.cubics)


@evaluate.defjvp
def _evaluate_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    link, state = primals[0], evaluate(*primals)
    return state, -_slopes(link, state[0], state[1], jnp.exp(state[3])).T * tangents[2]
