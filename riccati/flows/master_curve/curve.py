"""The master curve of the decoupled overlap equation, in a coordinate where it is smooth over fifty decades of time.

In collapsed time y = a_p t every assigned overlap obeys dm/dy = g'(m)(1 - m²). With λ = log(m/√(1 - m²)), 0 at
m² = ½, and R the collapsed time that is left until m² = ½ (negative after it),

    dλ/dR = -g'(m)/m,      dI/dR = -g(m),      dH/dR = 1 - (1 - g(m)/g(1)) e^{4I},

I (0 at m = 0) and H (0 at R = 0) being what the Bernoulli equation of the norm needs (flows/decoupled.py). What the
risk needs, D = log(1 - g(m)/g(1)), the log of the deficit, is tabulated beside them. The independent variable is
σ = asinh(g'(1) R), logarithmic in the time ahead of emergence and in the time passed since, so that one integration by
diffrax over σ serves every direction. Derived in derivations/decoupled.py.

The exact inverse of the curve needs no table: the collapsed time from an overlap to m² = ½ is

    R(m) = ∫_m^√½ dv/(g'(v)(1 - v²)),

positive before emergence and negative after. For h_k (c_k = c) partial fractions give

    k even:  k c² R = Σ_{j=2,4,…,k-2} 1/(j v^j) - log v + ½ log(1 - v²)   at m, less the same at √½
    k odd:   k c² R = Σ_{j=1,3,…,k-2} 1/(j v^j) - artanh v,

and to leading order R = 1/(k(k-2) c² m^(k-2)). For other links it is a quadrature. Derived in
derivations/emergence_time.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ...numerics import integrate, panel_nodes, unit_nodes
from ...problem import Link
from ...support import namespace_of

_NODES = 2**15  # cubic interpolation between them is exact to about 10⁻¹²
_SATURATED = 18.4  # λ past which 1 - m² = e^{-2λ} is below rounding
_RTOL = 1e-13
_COUNT = 60  # nodes for the smooth rest of ∫ g dy
_HALF = np.sqrt(0.5)
_PANELS, _PANEL_NODES = 48, 20  # of R(m)
_NEWTON, _ROUNDING = 50, 1e-15


class MasterCurve(NamedTuple):
    """The master curve as a table of cubics.

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
    """The overlap m = 1/√(1 + e^{-2λ}) at the position λ."""
    return jnp.exp(-0.5 * jax.nn.softplus(-2 * position))


def position_of(overlap: Float[Array, ...]) -> Float[Array, ...]:
    """The position λ = log(m/√(1 - m²)) of an overlap m in (0, 1); -inf at 0."""
    return jnp.log(overlap) - 0.5 * jnp.log1p(-(overlap**2))


def growth_integral(link: Link, position: Float[Array, ...]) -> Float[Array, ...]:
    """The integral I = ∫ g dy from m = 0 to the position λ; -log(1 - m²)/2k for a pure h_k.

    It is ∫_0^m φ(v) v/(1 - v²) dv with φ = g/(v g'). φ(1) is split off, and the rest is smooth up to m = 1.
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
    """The deficit 1 - g(m)/g(1) = Σ c_j² (1 - m^j)/g(1), without cancellation near m = 1."""
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
    """The curve, integrated from σ = 0, where λ = H = 0, to both ends."""
    high = jnp.arcsinh(link.dual_derivative(1.0) * furthest) + 1e-9
    spacing = (high - low) / (_NODES - 1)
    sigma = low + spacing * jnp.arange(_NODES)
    ahead = sigma >= 0

    def arm(sign: Array) -> Array:
        reach = jnp.sort(jnp.maximum(sign * sigma, 0.0))
        return integrate(_velocity, jnp.zeros(2), (link, sign), reach, _RTOL, _RTOL).states

    # one after the other, so that one integration is compiled for both
    up, down = jax.lax.map(arm, jnp.array([1.0, -1.0]))
    states = jnp.where(ahead[:, None], up, down[::-1])
    position, H = states.T
    growth, deficit = growth_integral(link, position), deficit_at(link, position)
    rate = link.dual_derivative(1.0)
    values = jnp.column_stack([position, growth, H, jnp.log(deficit)])
    slopes = -spacing * jnp.cosh(sigma)[:, None] / rate * _slopes(link, position, growth, deficit)
    rise, before, after = jnp.diff(values, axis=0), slopes[:-1], slopes[1:]
    cubics = [values[:-1], before, 3 * rise - 2 * before - after, before + after - 2 * rise]  # Hermite interpolation
    return MasterCurve(rate, low, spacing, jnp.stack(cubics).transpose(2, 0, 1), jnp.sinh(low) / rate)


def master_curve_of(link: Link, furthest: float) -> MasterCurve:
    """The master curve of a link, from saturation back to the collapsed time `furthest` ahead of emergence."""
    low = -np.arcsinh(2 * _SATURATED + 4.0)
    ends = jax.device_put((np.asarray(low), np.asarray(max(furthest, 1.0))))
    return _tabulate(*jax.lax.stop_gradient((link, *ends)))


@jax.custom_jvp
def evaluate_curve(link: Link, curve: MasterCurve, ahead: Float[Array, " n"]) -> Float[Array, "4 n"]:
    """λ, I, H and D at collapsed times R = `ahead` of emergence (negative after it), held within the curve's ends.

    The derivative in `ahead` is that of the differential equation; the curve itself counts as constant.
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


@evaluate_curve.defjvp
def _evaluate_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    link, state = primals[0], evaluate_curve(*primals)
    return state, -_slopes(link, state[0], state[1], jnp.exp(state[3])).T * tangents[2]


def collapsed_time(link: Link, overlap: ArrayLike) -> Float[Array, ...]:
    """The collapsed time R(m) of overlaps m in (0, 1), k ≥ 2; differentiable in m and in the link's coefficients."""
    xp = namespace_of(link.coefficients, overlap)
    m = xp.asarray(overlap, float)
    if link.degree is None:
        return _by_quadrature(link, m)
    scale = link.degree * xp.asarray(link.coefficients)[link.degree] ** 2
    return (_antiderivative(link.degree, m) - _antiderivative(link.degree, np.asarray(_HALF))) / scale


def leading_collapsed_time(link: Link, overlap: ArrayLike) -> Float[Array, ...]:
    """The limit of R(m) for small overlaps, 1/(k(k-2) c_k² m^(k-2)), k > 2."""
    k, xp = link.information_exponent, namespace_of(link.coefficients, overlap)
    return 1 / (k * (k - 2) * xp.asarray(link.coefficients)[k] ** 2 * xp.asarray(overlap, float) ** (k - 2))


def position_ahead(link: Link, ahead: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    """The position λ a collapsed time R = `ahead` of m² = ½, for a pure h_k, k > 2: the inverse of R, to rounding.

    Newton's method on asinh(k c² R), which is nearly a straight line in λ on either side.
    """
    assert link.degree is not None
    k = link.degree
    wanted = k * float(np.asarray(link.coefficients)[k]) ** 2 * ahead
    position = np.where(wanted > 0, -np.log1p((k - 2) * np.abs(wanted)) / (k - 2), -wanted)
    for _ in range(_NEWTON):
        # 1/m² - 1, and R times k c² by the partial fractions
        square = np.exp(-2 * position)
        left = sum(((1 + square) ** (j / 2) - 2 ** (j / 2)) / j for j in range(2 - k % 2, k - 1, 2)) - position
        if k % 2:
            left = left - np.log1p(np.sqrt(1 + square)) + np.log1p(np.sqrt(2))
        slope = -((1 + square) ** (k / 2 - 1)) / np.sqrt(1 + left**2)
        step = (np.arcsinh(left) - np.arcsinh(wanted)) / slope
        position = position - step
        if np.all(np.abs(step) <= _ROUNDING * (1 + np.abs(position))):
            break
    return position


def _antiderivative(k: int, v: Float[Array | np.ndarray, ...]) -> Float[Array | np.ndarray, ...]:
    """-∫ dv/(v^(k-1)(1 - v²))."""
    xp = namespace_of(v)
    powers = sum((1 / (j * v**j) for j in range(2 - k % 2, k - 1, 2)), start=xp.zeros_like(v))
    if k % 2:
        return powers - xp.arctanh(v)
    return powers - xp.log(v) + 0.5 * xp.log1p(-(v**2))


def _by_quadrature(link: Link, m: Float[Array, ...]) -> Float[Array, ...]:
    """∫_m^√½ in λ = log(v/√(1 - v²)): dy = v/g' dλ, whose exponential part is split off.

    v/g' ~ v^(2-k)/(k c_k²); the rest is smooth, in panels of at most unit length. Panels are counted from the widest
    range that doubles allow, so every overlap has the same number.
    """
    position, weights = panel_nodes(0.0, position_of(jnp.asarray(m)), _PANELS, _PANEL_NODES)
    v = overlap_of(position)
    return -jnp.sum(weights * v / link.dual_derivative(v), axis=(-2, -1))
