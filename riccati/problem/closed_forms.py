"""Links known by name: σ, σ', its Hermite coefficients, the dual activation g and g', and averages at any variance.

Each is derived in derivations/information_exponent.py: ReLU's g is the arc-cosine kernel of order one
(Cho & Saul 2009), erf's and sign's are arc-sine kernels (Williams 1998), |z|'s is 4 g_ReLU - q. The averages
E σ(u)σ(v) of u, v with any variances are derived in derivations/committee.py. tanh, sigmoid, softplus, gelu and silu
are analytic near the real axis, and their Hermite series to degree 200 are g to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import e, factorial, pi, sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jaxtyping import Array

from .hermite import projection

_TERMS = 64  # coefficients listed for a closed form; g itself is exact


class ClosedForm(NamedTuple):
    """A link that is known in closed form.

    It is pickled by its name, as its functions, which no module has by name, cannot be.

    Attributes:
        name: its name in `CLOSED_FORMS`.
        value: σ, as a function of an array, like the next three.
        derivative: σ'.
        dual: g.
        dual_derivative: g'.
        coefficients: gives c_0, c_1, …, the head of the series.
        has_finite_slope: whether g'(1) is finite.
        average: E σ(u)σ(v), as a function of E u², E uv and E v²; None where it has no closed form, or follows from g
            as σ(λz) = λ^p σ(z).
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    dual: Callable[[Array], Array]
    dual_derivative: Callable[[Array], Array]
    coefficients: Callable[[], np.ndarray]
    has_finite_slope: bool = True
    average: Callable[[Array, Array, Array], Array] | None = None

    def __reduce__(self) -> tuple:
        return closed_form, (self.name,)


def _root(q: Array) -> Array:
    """√(1 - q²) with a finite derivative at |q| = 1."""
    inside = (1 - q) * (1 + q)
    return jnp.where(inside > 0, jnp.sqrt(jnp.where(inside > 0, inside, 1.0)), 0.0)


def _arcsin(q: Array) -> Array:
    """Arc sine of an overlap that rounding may have carried past ±1, where its derivative counts as 0."""
    inside = jnp.abs(q) < 1
    return jnp.where(inside, jnp.arcsin(jnp.where(inside, q, 0.0)), jnp.sign(q) * (pi / 2))


def _even_tail(scale: float) -> np.ndarray:
    """scale·(-1)^(j/2+1) (j-3)!!/√(j!) at even j, the coefficients that |z| and ReLU share."""
    c = np.zeros(_TERMS)
    c[0] = scale
    c[2] = scale / sqrt(2)
    for j in range(4, _TERMS, 2):
        c[j] = -c[j - 2] * (j - 3) / sqrt(j * (j - 1))
    return c


def _relu_coefficients() -> np.ndarray:
    c = _even_tail(1 / sqrt(2 * pi))
    c[1] = 0.5
    return c


def _odd_tail(first: float, ratio: float) -> np.ndarray:
    """first·(-ratio)^((j-1)/2) (j-2)!!/√(j!) at odd j: sign (ratio 1), erf (2/3) and erf(z/√2) (1/2)."""
    c = np.zeros(_TERMS)
    c[1] = first
    for j in range(3, _TERMS, 2):
        c[j] = -ratio * c[j - 2] * (j - 2) / sqrt(j * (j - 1))
    return c


def _factorials(scale: float, signs: tuple[int, int, int, int]) -> np.ndarray:
    """scale·s_(j mod 4)/√(j!): exp, cos and sin, whose derivatives repeat with period four."""
    return np.array([scale * signs[j % 4] / sqrt(factorial(j)) for j in range(_TERMS)])


ERF_SCALES = {"erf": 1.0, "scaled_erf": 0.5}  # s of the links erf(√s z)


def _erf(name: str) -> ClosedForm:
    """erf(√scale z): its average is (2/π) arcsin of 2 scale E uv/√((1 + 2 scale E u²)(1 + 2 scale E v²))."""
    scale = ERF_SCALES[name]
    root, twice = sqrt(scale), 2 * scale

    def average(own: Array, shared: Array, other: Array) -> Array:
        return 2 / pi * jnp.arcsin(twice * shared / jnp.sqrt((1 + twice * own) * (1 + twice * other)))

    return ClosedForm(
        name,
        lambda z: jsp.erf(root * z),
        lambda z: 2 * root / sqrt(pi) * jnp.exp(-scale * z**2),
        lambda q: 2 / pi * _arcsin(twice / (1 + twice) * q),
        lambda q: 2 * twice / (pi * (1 + twice)) / jnp.sqrt(1 - (twice / (1 + twice) * q) ** 2),
        lambda: _odd_tail(sqrt(2 * twice / (pi * (1 + twice))), twice / (1 + twice)),
        average=average,
    )


def _smooth(name: str, value: Callable[[Array], Array]) -> ClosedForm:
    """A function without a closed form of g, which its Hermite series gives to rounding."""

    @cache
    def coefficients() -> np.ndarray:
        nodes, onto = projection()
        with jax.ensure_compile_time_eval():
            return onto @ np.asarray(value(jnp.asarray(nodes)))

    def dual(q: Array) -> Array:
        return jnp.polyval(jnp.asarray(coefficients()[::-1] ** 2), q)

    def dual_derivative(q: Array) -> Array:
        return jnp.polyval(jnp.asarray(np.polyder(coefficients()[::-1] ** 2)), q)

    def derivative(z: Array) -> Array:
        return jax.jvp(value, (z,), (jnp.ones_like(z),))[1]

    return ClosedForm(name, value, derivative, dual, dual_derivative, coefficients)


_FORMS = (
    ClosedForm(
        "relu",
        lambda z: jnp.maximum(z, 0.0),
        lambda z: jnp.heaviside(z, 0.5),
        lambda q: (_root(q) + q * (pi / 2 + _arcsin(q))) / (2 * pi),
        lambda q: (pi / 2 + _arcsin(q)) / (2 * pi),
        _relu_coefficients,
    ),
    ClosedForm(
        "abs",
        jnp.abs,
        jnp.sign,
        lambda q: 2 / pi * (_root(q) + q * _arcsin(q)),
        lambda q: 2 / pi * _arcsin(q),
        lambda: _even_tail(sqrt(2 / pi)),
    ),
    ClosedForm(
        "sign",
        jnp.sign,
        jnp.zeros_like,
        lambda q: 2 / pi * _arcsin(q),
        lambda q: 2 / pi / jnp.sqrt((1 - q) * (1 + q)),
        lambda: _odd_tail(sqrt(2 / pi), 1.0),
        has_finite_slope=False,
    ),
    _erf("erf"),
    _erf("scaled_erf"),  # erf(z/√2), with which soft committee machines are studied
    ClosedForm(
        "exp",
        jnp.exp,
        jnp.exp,
        lambda q: jnp.exp(1 + q),
        lambda q: jnp.exp(1 + q),
        lambda: _factorials(sqrt(e), (1, 1, 1, 1)),
        average=lambda own, shared, other: jnp.exp((own + other) / 2 + shared),
    ),
    ClosedForm(
        "cos",
        jnp.cos,
        lambda z: -jnp.sin(z),
        lambda q: jnp.cosh(q) / e,
        lambda q: jnp.sinh(q) / e,
        lambda: _factorials(1 / sqrt(e), (1, 0, -1, 0)),
        average=lambda own, shared, other: jnp.exp(-(own + other) / 2) * jnp.cosh(shared),
    ),
    ClosedForm(
        "sin",
        jnp.sin,
        jnp.cos,
        lambda q: jnp.sinh(q) / e,
        lambda q: jnp.cosh(q) / e,
        lambda: _factorials(1 / sqrt(e), (0, 1, 0, -1)),
        average=lambda own, shared, other: jnp.exp(-(own + other) / 2) * jnp.sinh(shared),
    ),
    _smooth("tanh", jnp.tanh),
    _smooth("sigmoid", jax.nn.sigmoid),
    _smooth("softplus", jax.nn.softplus),
    _smooth("gelu", lambda z: z * jsp.ndtr(z)),
    _smooth("silu", jax.nn.silu),
)

CLOSED_FORMS = {form.name: form for form in _FORMS}
HOMOGENEOUS = {"relu": 1, "abs": 1, "sign": 0}  # p of σ(λz) = λ^p σ(z) for λ > 0


def closed_form(name: str) -> ClosedForm:
    """The closed form of that name; KeyError for others."""
    return CLOSED_FORMS[name]
