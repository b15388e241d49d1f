"""One way to refuse an argument: `require`, and the few checks that several places share."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from ._errors import ArgumentError as ArgumentError


def require(condition: bool, name: str, must: str, value: object) -> None:
    """Raise ``ArgumentError("Argument `name` must …, but is value.")`` unless `condition` holds."""
    if not condition:
        raise ArgumentError(f"Argument `{name}` must {must}, but is {value}.")


def is_traced(*values: Any) -> bool:
    """Whether any leaf is an abstract value, inside jit, vmap or grad, which no check of values can read."""
    return any(isinstance(leaf, jax.core.Tracer) for value in values for leaf in jax.tree.leaves(value))


def require_integer(value: object, name: str, least: int) -> None:
    """Refuse anything but a whole number of at least `least`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    require(whole and int(value) >= least, name, f"be a whole number ≥ {least}", value)  # type: ignore[call-overload]


def require_real(value: object, name: str, *, above: float | None = None, least: float | None = None) -> None:
    """Refuse anything but a finite number, above `above` or at least `least` where given."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    bound = f" > {above:g}" if above is not None else f" ≥ {least:g}" if least is not None else " finite"
    within = (above is None or number > above) and (least is None or number >= least)
    require(bool(np.isfinite(number)) and within, name, f"be{bound}", value)


def require_finite(values: ArrayLike, name: str) -> None:
    """Refuse an array with NaN or inf, naming the first such entry; traced arrays pass."""
    if is_traced(values):
        return
    array = np.asarray(values)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        index = where[0] if len(where) == 1 else where
        value = array[tuple(bad[0])]
        raise ArgumentError(f"Argument `{name}` must be finite, but its entry {index} is {value}.")


def require_times(times: ArrayLike) -> None:
    """Refuse output times that are not a finite, non-negative, strictly increasing vector."""
    if is_traced(times):
        return
    array = np.asarray(times, dtype=float)
    require(array.ndim == 1 and array.size > 0, "times", "be a vector with one entry or more", array.shape)
    require_finite(array, "times")
    require(array[0] >= 0, "times", "be ≥ 0", f"{array[0]:g} at its first entry")
    back = np.flatnonzero(np.diff(array) <= 0)
    if len(back):
        i = int(back[0])
        pair = f"{array[i]:g} followed by {array[i + 1]:g} at entry {i + 1}"
        raise ArgumentError(f"Argument `times` must increase strictly, but is {pair}.")


def require_double_precision() -> None:
    """Refuse to solve in float32: it cannot follow the search phase, where overlaps are near d^(-1/2)."""
    if not jax.config.read("jax_enable_x64"):
        raise ArgumentError(
            "Argument `JAX_ENABLE_X64` must be true to solve, but is false: unset it before `import riccati`, "
            'or call jax.config.update("jax_enable_x64", True).'
        )
