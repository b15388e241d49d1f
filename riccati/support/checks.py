"""Checks of arguments that several rooms share, all by `require`; and `restored`, which makes objects unchecked."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import numpy as np

from .errors import ArgumentError

_LARGEST_INTEGER = 2**53  # whole numbers beyond are not exact as floats
_LEAST_NORM = 1e-150  # the squares of smaller norms are no normal doubles
_GIGABYTE = 1e9


def require(condition: bool, name: str, must: str, value: object) -> None:
    """Raise ``ArgumentError("Argument `name` must …, but is value.")`` unless `condition` holds."""
    if not condition:
        raise ArgumentError(name, must, value)


def is_traced(*values: Any) -> bool:
    """Whether any leaf is an abstract value, inside jit, vmap or grad, which no check of values can read."""
    jax = sys.modules.get("jax")
    if jax is None:  # nothing can be traced where JAX was never imported
        return False
    return any(isinstance(leaf, jax.core.Tracer) for value in values for leaf in jax.tree.leaves(value))


def namespace_of(*values: Any) -> ModuleType:
    """The array library for these values: jax.numpy where one is traced, NumPy outside, where nothing compiles then."""
    if not is_traced(*values):
        return np
    import jax.numpy as jnp  # which a traced value has imported already

    return jnp


def require_integer(value: object, name: str, least: int) -> None:
    """Refuse anything but a whole number from `least` to 2⁵³."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    require(whole and int(value) >= least, name, f"be a whole number ≥ {least}", _shown(value))  # type: ignore[call-overload]
    require(int(value) <= _LARGEST_INTEGER, name, "be ≤ 2^53", _shown(value))  # type: ignore[call-overload]


def require_real(value: object, name: str, *, above: float | None = None, least: float | None = None) -> None:
    """Refuse anything but a finite number, above `above` or at least `least` where given."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    finite = bool(np.isfinite(number))
    bound = f" > {above:g}" if above is not None else f" ≥ {least:g}" if least is not None else ""
    within = (above is None or number > above) and (least is None or number >= least)
    require(finite and within, name, f"be{'' if finite else ' a finite number'}{bound}", _shown(value))


def require_open_unit(value: object, name: str) -> None:
    """Refuse anything but a number in (0, 1)."""
    require_real(value, name, above=0)
    require(float(value) < 1, name, "be < 1", value)  # type: ignore[arg-type]


def require_finite(values: Any, name: str) -> None:
    """Refuse an array with NaN or inf, naming the first such entry; traced arrays pass."""
    if is_traced(values):
        return
    array = np.asarray(values)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        index = "" if not where else f" at entry {where[0] if len(where) == 1 else where}"
        raise ArgumentError(name, "be finite", f"{array[tuple(bad[0])]}{index}")


def require_times(times: Any) -> None:
    """Refuse output times that are not a finite, non-negative, strictly increasing vector."""
    if is_traced(times):
        return
    require(not np.ma.is_masked(times), "times", "have no masked entries", "masked at some")
    kind = np.asarray(times).dtype
    require(kind.kind not in "cmMSU", "times", "be real numbers without units", kind)
    array = np.asarray(times, dtype=float)
    require(array.ndim == 1 and array.size > 0, "times", "be a vector with one entry or more", array.shape)
    require_finite(array, "times")
    require(array[0] >= 0, "times", "be ≥ 0", f"{array[0]:g} at its first entry")
    back = np.flatnonzero(np.diff(array) <= 0)
    if len(back):
        i = int(back[0])
        raise ArgumentError("times", "increase strictly", f"{array[i]:g} followed by {array[i + 1]:g} at entry {i + 1}")


def require_norms(norms: Any, name: str) -> None:
    """Refuse initial norms that are not finite, or so small (below 10⁻¹⁵⁰) that their squares are no normal doubles."""
    if np.ndim(norms) == 0 and not is_traced(norms):
        require_real(norms, name, above=0)
    require_finite(norms, name)
    if not is_traced(norms):
        least = np.asarray(norms, float).min()
        require(bool(least > 0), name, "be > 0", f"{least:g}")
        must = f"be ≥ {_LEAST_NORM:g}, so that its square is a normal number"
        require(bool(least >= _LEAST_NORM), name, must, f"{least:g}")


def memory_limit() -> float:
    """The bytes that this process may have: the machine's memory, or less where a limit is set; inf where unknown."""
    limits = [float("inf")]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE"))
    try:
        import resource
    except ImportError:  # Windows
        return min(limits)
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min(*limits, float("inf") if soft == resource.RLIM_INFINITY else float(soft))


def require_memory(numbers: float, argument: str, value: object) -> None:
    """Refuse `value` of an argument that asks for more double-precision `numbers` than memory holds.

    Call it before anything is allocated: a process that runs out of memory is killed without a message.
    """
    wanted, there = 8.0 * numbers / _GIGABYTE, memory_limit() / _GIGABYTE
    must = f"need no more memory than the {there:.3g} GB there are"
    require(wanted <= there, argument, must, f"{value}, which needs {wanted:.3g} GB")


def restored(kind: type, **fields: Any) -> Any:
    """An object of class `kind` with these fields, made without its constructor, which would check or derive them."""
    module: Any = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(module, name, value)
    return module


def _shown(value: object) -> str:
    """The value, or as much of it as fits a line."""
    try:
        text = str(value)
    except ValueError:  # a whole number with more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
