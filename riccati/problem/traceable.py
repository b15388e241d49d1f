"""A function that a user gives for σ, in a form that JAX can trace.

Ufuncs of numpy and scipy are replaced by those of the same name in jax.numpy and jax.scipy.special; a function that
JAX cannot trace is not held.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jaxtyping import Array

from ..support import ArgumentError

_HALF_WIDTH, _POINTS = 6.0, 25  # of the points at which both forms of a function are compared
_ALIKE = 1e-10


class TraceableFunction:
    """A function of an array, entry by entry, with its derivative by automatic differentiation.

    It has no name by which another process could know it, so programs made of it are not kept (numerics).

    Attributes:
        is_left_out: whether it stands for one that a file could not hold, and is refused where it is evaluated.
    """

    def __init__(self, function: Callable[[Array], Array], is_left_out: bool = False):
        self._function, self.is_left_out = function, is_left_out

    @classmethod
    def of(cls, function: Callable) -> TraceableFunction | None:
        """The function in JAX's form; None where JAX cannot trace it."""
        if isinstance(function, np.ufunc):
            function = getattr(jnp, function.__name__, getattr(jsp, function.__name__, function))
        points = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, _POINTS)
        held = cls(function)
        try:
            by_jax, _ = jax.jit(held.with_derivative)(points)
        except Exception:  # whatever a function for numpy arrays does with a tracer
            return None
        alike = np.allclose(by_jax, np.asarray(function(points)), rtol=_ALIKE, atol=_ALIKE)
        return held if alike else None

    @classmethod
    def left_out(cls, label: str) -> TraceableFunction:
        """What stands for a function of that name which a file could not hold."""

        def refused(_: Array) -> Array:
            must = "be given anew (Link.from_function), as a file holds no function but its series"
            raise ArgumentError("link", must, label)

        return cls(refused, is_left_out=True)

    def __call__(self, z: Array) -> Array:
        """The function's values."""
        return jnp.asarray(self._function(z))

    def derivative(self, z: Array) -> Array:
        """Its derivatives."""
        return self.with_derivative(z)[1]

    def with_derivative(self, z: Array) -> tuple[Array, Array]:
        """Both."""
        return jax.jvp(self, (z,), (jnp.ones_like(z),))
