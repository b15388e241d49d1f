"""Refuse what cannot fit before anything is allocated: a process that runs out of memory is ended without a word."""

from __future__ import annotations

import os

from .checks import require

_GIGABYTE = 1e9


def memory_limit() -> float:
    """Bytes that this process may have: the machine's memory, or less where a limit is set; inf where unknown."""
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
    """Refuse `value` of an argument that asks for as many double-precision `numbers` as memory does not hold."""
    wanted, there = 8.0 * numbers / _GIGABYTE, memory_limit() / _GIGABYTE
    must = f"need no more memory than the {there:.3g} GB there are"
    require(wanted <= there, argument, must, f"{value}, which needs {wanted:.3g} GB")
