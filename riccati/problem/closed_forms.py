"""Links with closed forms: σ, σ', its Hermite coefficients, the dual activation g and g'.

Each is derived in derivations/information_exponent.py: ReLU's g is the arc-cosine kernel of order one
(Cho & Saul 2009), erf's and sign's are arc-sine kernels (Williams 1998), |z|'s is 4 g_ReLU - q.
"""

from __future__ import annotations

from collections.abc import Callable
from math import e, factorial, pi, sqrt
from typing import NamedTuple

import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jaxtyping import Array

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
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    dual: Callable[[Array], Array]
    dual_derivative: Callable[[Array], Array]
    coefficients: Callable[[], np.ndarray]
    has_finite_slope: bool = True

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
    """first·(-ratio)^((j-1)/2) (j-2)!!/√(j!) at odd j: sign (ratio 1) and erf (ratio 2/3)."""
    c = np.zeros(_TERMS)
    c[1] = first
    for j in range(3, _TERMS, 2):
        c[j] = -ratio * c[j - 2] * (j - 2) / sqrt(j * (j - 1))
    return c


def _factorials(scale: float, signs: tuple[int, int, int, int]) -> np.ndarray:
    """scale·s_(j mod 4)/√(j!): exp, cos and sin, whose derivatives repeat with period four."""
    return np.array([scale * signs[j % 4] / sqrt(factorial(j)) for j in range(_TERMS)])


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
    ClosedForm(
        "erf",
        jsp.erf,
        lambda z: 2 / sqrt(pi) * jnp.exp(-(z**2)),
        lambda q: 2 / pi * _arcsin(2 * q / 3),
        lambda q: 4 / (3 * pi) / jnp.sqrt(1 - (2 * q / 3) ** 2),
        lambda: _odd_tail(2 / sqrt(3 * pi), 2 / 3),
    ),
    ClosedForm(
        "exp",
        jnp.exp,
        jnp.exp,
        lambda q: jnp.exp(1 + q),
        lambda q: jnp.exp(1 + q),
        lambda: _factorials(sqrt(e), (1, 1, 1, 1)),
    ),
    ClosedForm(
        "cos",
        jnp.cos,
        lambda z: -jnp.sin(z),
        lambda q: jnp.cosh(q) / e,
        lambda q: jnp.sinh(q) / e,
        lambda: _factorials(1 / sqrt(e), (1, 0, -1, 0)),
    ),
    ClosedForm(
        "sin",
        jnp.sin,
        jnp.cos,
        lambda q: jnp.sinh(q) / e,
        lambda q: jnp.cosh(q) / e,
        lambda: _factorials(1 / sqrt(e), (0, 1, 0, -1)),
    ),
)

CLOSED_FORMS = {form.name: form for form in _FORMS}
HOMOGENEOUS = ("relu", "abs")  # σ(λz) = λσ(z) for λ > 0


def closed_form(name: str) -> ClosedForm:
    """The closed form of that name; KeyError for others."""
    return CLOSED_FORMS[name]
