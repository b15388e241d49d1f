"""Shapes: the share of one direction's risk that is left at x = t/T_m, while the direction is learned.

A shape f falls from 1 to 0 about x = 1. Its Mellin transform F(s) = ∫_0^∞ x^{s-1} f(x) dx is the constant of a scaling
law (additive.py); F(s) = 1/s for a step. Derived in derivations/sharp_limit.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import equinox as eqx
import numpy as np
import scipy

from ..flows import collapsed_time, evaluate_curve, master_curve_of
from ..numerics import unit_nodes
from ..problem import Link
from ..support import require, require_open_unit, require_real

_TAIL = 40.0  # widths past x = 1 at which a shape is below rounding
_NODES, _COUNT = 8192, 20  # of the table of an escape, and of a panel of its Mellin transform

_evaluate_curve = eqx.filter_jit(evaluate_curve)


class Shape(Protocol):
    """A shape f(x), which falls from 1 to 0 about x = 1."""

    @property
    def width(self) -> float:
        """The width in x of the fall."""
        ...

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """f(x), x = t/T_m ≥ 0."""
        ...


@dataclass(frozen=True)
class StepFunction:
    """The shape of the limit d → ∞: f = 1 for x < 1, else 0."""

    width = 0.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """1 before the emergence, 0 from then on."""
        return (np.asarray(x) < 1).astype(float)


@dataclass(frozen=True)
class _Sigmoid:
    """Logistic growth p = 1/(1 + e^{L(1-x)}), of which two shapes are made.

    Attributes:
        sharpness: L > 0.
    """

    sharpness: float

    def __post_init__(self) -> None:
        require_real(self.sharpness, "sharpness", above=0)

    @property
    def width(self) -> float:
        """1/L."""
        return 1 / self.sharpness

    def missing(self, x: np.ndarray) -> np.ndarray:
        """1 - p."""
        return scipy.special.expit(self.sharpness * (1 - np.asarray(x, float)))


class Logistic(_Sigmoid):
    """The shape of k = 2, decoupled, with the radius refitted: f = 1 - p², p = 1/(1 + e^{L(1-x)}).

    p is the alignment G_mm = 1/(1 + (1/G_0 - 1) e^{-2a_mτ}) at τ = x T_m, T_m = L/(2a_m) and L = log(1/G_0 - 1);
    of 1 - tr(AGAG) direction m then has the share a_m²(1 - G_mm²).
    """

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """1 - p², without cancellation for p near 1."""
        left = self.missing(x)
        return left * (2 - left)


class Skill(_Sigmoid):
    """The shape of a strength that grows logistically, with a loss quadratic in it: f = ((1 - p)/(1 - p_0))².

    p = 1/(1 + e^{L(1-x)}).

    The radius of a k = 2 student along the gradient flow from small norms, and the skills of Nam et al. 2024
    (arXiv 2404.17563), R(t) = S p with L = log(S/R_0 - 1).
    """

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """((1 - p)/(1 - p_0))², 1 at x = 0."""
        return (self.missing(x) / self.missing(np.zeros(()))) ** 2


@dataclass(frozen=True, eq=False)
class Escape:
    """The shape of k > 2, decoupled, with the radius refitted: f = 1 - (g(m)/g(1))², m(x) on the link's master curve.

    x = t/T_m with m² = ½ at x = 1. The smaller the initial overlap the steeper the fall, a step in the limit.

    Attributes:
        link: the link function, information exponent > 2.
        overlap: |m(0)| of every direction's neuron, in (0, 1).
    """

    link: Link
    overlap: float

    def __post_init__(self) -> None:
        require_open_unit(self.overlap, "overlap")
        k = self.link.information_exponent
        require(k > 2, "link", "have information exponent > 2 (k = 2: Logistic)", repr(self.link))
        require(self._ahead > 0, "overlap", "be below √½, where a direction counts as emerged", self.overlap)

    @cached_property
    def _ahead(self) -> float:
        """Collapsed time from the start to m² = ½."""
        return float(collapsed_time(self.link, self.overlap))

    @cached_property
    def _rate(self) -> float:
        return float(self.link.dual_derivative(1.0))

    @cached_property
    def _gap(self) -> scipy.interpolate.CubicSpline:
        """log(1 - g(m)/g(1)) over asinh(g'(1) · collapsed time left), read once off the master curve."""
        curve = master_curve_of(self.link, self._ahead)
        place = np.linspace(float(np.arcsinh(self._rate * curve.end)), np.arcsinh(self._rate * self._ahead), _NODES)
        left = np.clip(np.sinh(place) / self._rate, float(curve.end), self._ahead)
        return scipy.interpolate.CubicSpline(place, np.asarray(_evaluate_curve(self.link, curve, left)[3]))

    @property
    def width(self) -> float:
        """1/(g'(1) y*), y* the collapsed time until emergence."""
        return 1 / (self._rate * self._ahead)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """1 - (g(m)/g(1))², without cancellation for m near 1."""
        place = np.arcsinh(self._rate * self._ahead * (1 - np.asarray(x, float)))
        last = self._gap.x[0]  # past it m = 1 to the last bit, and the gap closes as e^{-2g'(1)y}
        past = np.maximum(np.sinh(last) - np.sinh(np.minimum(place, last)), 0.0)
        missing = np.exp(self._gap(np.maximum(place, last)) - 2 * past)
        return missing * (2 - missing)


def mellin(shape: Shape, s: float) -> float:
    """Return the Mellin transform F(s) = ∫_0^∞ x^{s-1} f(x) dx = (1/s) ∫_0^∞ f(z^{1/s}) dz, s > 0.

    By Gauss's rule on panels that grow away from x = 1.

    Raises:
        ArgumentError: s ≤ 0.
    """
    require_real(s, "s", above=0)
    if shape.width == 0:
        return 1 / s
    away = shape.width * np.concatenate([np.linspace(0, 8, 33)[:-1], np.geomspace(8, 1 / shape.width + 8, 25)])
    below, above = 1 - away[away < 1][::-1], 1 + away[(away > 0) & (away < _TAIL * shape.width)]
    edges = np.concatenate([[0.0], below, above]) ** s
    nodes, weights = unit_nodes(_COUNT)
    widths = np.diff(edges)
    z = edges[:-1, None] + widths[:, None] * nodes
    return float(widths @ (shape(z ** (1 / s)) @ weights)) / s
